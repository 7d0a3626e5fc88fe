package settings

import (
	"fmt"
	"strconv"
	"strings"

	"esper/internal/image"
)

// The names of the settings that devices know (SPEC 12.2). Networks are named by [WiFiName].
const (
	MQTTName           = "mqtt"
	UpdateName         = "update"
	FleetName          = "fleet"
	SequenceName       = "sequence"
	DevicePasswordName = "device.password"
	DeviceKeyName      = "device.key"
	DeviceNameName     = "device.name"
	DeviceSequenceName = "device.sequence"

	wifiPrefix = "wifi."
)

// MaxNetworks is the largest number of WiFi networks of a device.
const MaxNetworks = 4

// KeySize is the size of a fleet key and of a device's own key, in bytes.
const KeySize = 32

// WiFiName returns the name of the nth network, from 1 on.
func WiFiName(n int) string {
	return wifiPrefix + strconv.Itoa(n)
}

// Network is a WiFi network.
type Network struct {
	SSID, Password string
}

// Server is an address of the broker or the update server.
type Server struct {
	Host string
	Port uint16
}

// Connection is how devices reach their network, broker and update server.
type Connection struct {
	WiFi       []Network // in the order in which a device tries them
	Broker     Server
	User       string // at the broker
	Password   string
	Update     Server // without a host: none
	UpdatePath string
	FleetKey   []byte // nil: none
}

// Entries returns the entries of a connection.
func (c Connection) Entries() Entries {
	var entries Entries
	for i, n := range c.WiFi {
		entries = append(entries, OfTexts(WiFiName(1+i), n.SSID, n.Password))
	}
	if c.Broker.Host != "" {
		entries = append(entries,
			OfTexts(MQTTName, c.Broker.Host, c.Broker.port(), c.User, c.Password))
	}
	if c.Update.Host != "" {
		entries = append(entries, OfTexts(UpdateName, c.Update.Host, c.Update.port(), c.UpdatePath))
	}
	if c.FleetKey != nil {
		entries = append(entries, OfBytes(FleetName, c.FleetKey))
	}
	return entries
}

func (s Server) port() string {
	return strconv.Itoa(int(s.Port))
}

// CheckKnown returns an [ErrMalformed] if an entry of a name that devices know has not the type, or
// not the number of texts or bytes, that they expect. Entries that remove a name pass.
func (e Entries) CheckKnown() error {
	for _, entry := range e {
		if entry.Removes() {
			continue
		}
		if want := entry.unexpected(); want != "" {
			return malformed("%s must have %s", entry.Name, want)
		}
	}
	return nil
}

// unexpected returns what an entry of a known name must have, if it has something else.
func (e Entry) unexpected() string {
	texts := func(n int, what string) string {
		if len(e.Texts()) != n {
			return fmt.Sprintf("%d texts: %s", n, what)
		}
		return ""
	}
	port := func(n int, what string) string {
		if want := texts(n, what); want != "" {
			return want
		}
		p, err := strconv.ParseUint(e.Texts()[1], 10, 16)
		if err != nil || p == 0 || strconv.FormatUint(p, 10) != e.Texts()[1] {
			return "a port from 1 to 65535"
		}
		return ""
	}
	switch e.Name {
	case MQTTName:
		return port(4, "host, port, user and password")
	case UpdateName:
		return port(3, "host, port and path")
	case DevicePasswordName:
		return texts(1, "the password")
	case DeviceNameName:
		return texts(1, "the name")
	case FleetName, DeviceKeyName:
		if len(e.Bytes()) != KeySize {
			return fmt.Sprintf("%d bytes", KeySize)
		}
	case SequenceName, DeviceSequenceName:
		if _, ok := e.Number(); !ok {
			return "a number"
		}
	}
	if !e.isNetwork() {
		return ""
	}
	for n := 1; n <= MaxNetworks; n++ {
		if e.Name == WiFiName(n) {
			return texts(2, "SSID and password")
		}
	}
	return fmt.Sprintf("a name from %s to %s", WiFiName(1), WiFiName(MaxNetworks))
}

// sequence returns the sequence under a name; 0 if there is none.
func (e Entries) sequence(name string) uint32 {
	entry, _ := e.Find(name)
	n, _ := entry.Number()
	return uint32(n)
}

// Suffix ends the name of a settings release's file, and the name by which roll-outs and the
// repository know the settings of a device type.
const Suffix = ".settings"

// FileName returns the name of the settings release of a device type.
func FileName(deviceType string) string {
	return deviceType + Suffix
}

// DeviceType returns the device type whose settings have a name; false if it is no such name.
func DeviceType(name string) (string, bool) {
	deviceType, ok := strings.CutSuffix(name, Suffix)
	return deviceType, ok && image.CheckDeviceType(deviceType) == nil
}
