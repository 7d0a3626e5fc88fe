package site

import (
	"crypto/ed25519"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"esper/internal/homeassistant"
	"esper/internal/secret"
)

// Config is a site's configuration, checked.
type Config struct {
	Realm string // the first levels of every MQTT topic
	// Secrets says where the devices have their settings (SPEC 12.2) from.
	Secrets   Secrets
	WiFi      WiFi   // the network that is tried first
	Others    []WiFi // further networks, in the order in which they are tried; at most MaxOthers
	MQTT      MQTT
	Update    Update
	Heartbeat Heartbeat
	Time      Time
	// SDK is the folder of the vendor's SDK, absolute, to link for the chip; empty: firmware is
	// linked for the emulator.
	SDK      string
	Rollouts Rollouts
	// HomeAssistant is how Home Assistant is told of the devices; the zero value: it is not.
	HomeAssistant homeassistant.Options
	// Recipients are whom the site's secrets are encrypted for.
	Recipients []age.Recipient
	// FleetKeys seal the settings that devices get over the air, 64 hex digits each; the first one is
	// the one that the devices are to have. Empty if there is none, or if it cannot be read: see
	// [Site.Unlocked].
	FleetKeys []Secret
	// DevicesKey is the key that devices' own keys follow from, or none. See [Config.DeviceKey].
	DevicesKey []Secret
}

// Secrets says where devices have the settings from by which they reach network, broker and update
// server: build.secrets in esper.toml.
type Secrets string

// The places for secrets (SPEC 12.2).
const (
	InImage    Secrets = "image"    // compiled in
	Moving     Secrets = "move"     // compiled in, and copied into the flash's settings
	InSettings Secrets = "settings" // in the flash's settings only
)

// Compiled reports whether images hold the settings, and so the site's passwords.
func (s Secrets) Compiled() bool { return s != InSettings }

// Stored reports whether the flash of devices holds the settings.
func (s Secrets) Stored() bool { return s != InImage }

// RevealSecrets returns all passwords and keys of the configuration, in clear, for those who must keep
// them out of a text. Some may be empty.
func (c Config) RevealSecrets() []string {
	all := []string{c.WiFi.Password.Reveal(), c.MQTT.Password.Reveal()}
	for _, other := range c.Others {
		all = append(all, other.Password.Reveal())
	}
	for _, key := range slices.Concat(c.FleetKeys, c.DevicesKey) {
		all = append(all, key.Reveal())
	}
	return all
}

// WiFi is the network that the devices join.
type WiFi struct {
	SSID     string // 1 to 32 bytes
	Password Secret // empty for an open network, 8 to 63 bytes, or a key of 64 hex digits
	// Unsaid says that there is no password, and that esper.toml does not say so: it may have
	// been forgotten.
	Unsaid bool
}

// MQTT is the broker that the devices use.
type MQTT struct {
	Host     string
	Port     uint16
	User     string // empty: no credentials
	Password Secret
	OwnOnly  bool // mqtt.shared is false: devices log in with their own passwords only
}

// Address returns "host:port".
func (m MQTT) Address() string {
	return net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))
}

// Update says where and how often the devices look for a new release.
type Update struct {
	URL      string // without a slash at the end; empty: the devices do not update
	Host     string // the URL's parts
	Port     uint16
	Path     string              // empty, or begins with a slash
	Interval time.Duration       // whole seconds
	Jitter   time.Duration       // whole seconds: how long a trigger for all devices waits at most; 0: not at all
	Keys     []ed25519.PublicKey // 1 to 4; may be none if URL is empty
	KeyFiles []string            // that they are in, as paths from the site's folder

	ConfirmAfter time.Duration // whole seconds: how long a trial must be healthy
	TrialTimeout time.Duration // whole seconds, longer: when one that is not confirmed ends
	Refresh      bool          // bring the other slot to the same release
}

// Heartbeat is what the devices watch for.
type Heartbeat struct {
	Timeout time.Duration // whole seconds; 0: off
}

// Secret is text that is printed only on purpose, by its Reveal method.
type Secret = secret.Value

// hide returns the text of a URL without its password, for messages.
func hide(text string) string {
	u, err := url.Parse(text)
	signs := strings.Count(text, "@")
	if err != nil || signs > 1 || u.User == nil && signs > 0 { // a password may go on behind the first @
		return "the URL"
	}
	return strconv.Quote(u.Redacted())
}
