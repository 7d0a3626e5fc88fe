package site

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"esper/internal/settings"
	"esper/internal/textfile"
)

// ErrNoFleetKey says that a site whose devices keep their settings in flash has no fleet key.
var ErrNoFleetKey = errors.New("there is no fleet key, by which devices open settings that come over the air")

// Settings returns how the devices of the site reach network, broker and update server (SPEC 12.2).
func (s *Site) Settings() (settings.Entries, error) {
	c := s.Config
	if err := s.Unlocked(c.SecretNames()...); err != nil {
		return nil, err
	}
	if c.Secrets.Stored() && len(c.FleetKeys) == 0 {
		return nil, ErrNoFleetKey
	}
	return c.Settings(), nil
}

// SecretNames returns the names of the secrets that the settings of devices are made of.
func (c Config) SecretNames() []string {
	names := []string{WiFiPassword, MQTTPassword}
	for i := range c.Others {
		names = append(names, OtherPassword(i))
	}
	if c.Secrets.Stored() {
		names = append(names, FleetKey)
	}
	return names
}

// Settings returns [Site.Settings], as far as the site's secrets can be read.
func (c Config) Settings() settings.Entries {
	connection := settings.Connection{
		Broker: settings.Server{Host: c.MQTT.Host, Port: c.MQTT.Port},
		User:   c.MQTT.User, Password: c.MQTT.Password.Reveal(),
		Update: settings.Server{Host: c.Update.Host, Port: c.Update.Port}, UpdatePath: c.Update.Path,
	}
	for _, n := range append([]WiFi{c.WiFi}, c.Others...) {
		connection.WiFi = append(connection.WiFi, settings.Network{SSID: n.SSID, Password: n.Password.Reveal()})
	}
	if c.Secrets.Stored() && len(c.FleetKeys) > 0 {
		connection.FleetKey = c.Keys()[0]
	}
	return connection.Entries()
}

// DeviceKey returns a device's own key (SPEC 12.2), or nil if the site has no key for them. It follows from
// that key and the chip id by HMAC-SHA256 (RFC 2104), so nobody has to keep one for each device.
func (c Config) DeviceKey(chip string) []byte {
	if len(c.DevicesKey) == 0 {
		return nil
	}
	key, _ := hex.DecodeString(c.DevicesKey[0].Reveal()) // it was checked when it was read
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "esper device key 1\n%s\n", chip)
	return mac.Sum(nil)
}

// ReadFleetKeys reads a file of fleet keys, such as the site's fleet.key. No error quotes one.
func ReadFleetKeys(path string) ([][]byte, error) {
	text, err := textfile.Read(path, settings.MaxKeys*(2*settings.KeySize+2))
	if err != nil {
		return nil, err
	}
	keys, err := parseFleetKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return Config{FleetKeys: keys}.Keys(), nil
}

// Keys returns the fleet keys as bytes.
func (c Config) Keys() [][]byte {
	var keys [][]byte
	for _, key := range c.FleetKeys {
		b, _ := hex.DecodeString(key.Reveal()) // they were checked when they were read
		keys = append(keys, b)
	}
	return keys
}
