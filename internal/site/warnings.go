package site

import (
	"fmt"
	"net/netip"
	"strings"
)

// Warnings returns what of a build is allowed and probably not meant, each as a sentence without a full
// stop.
func (s *Site) Warnings() []string {
	all := s.Config.Unreachable()
	if s.Config.Secrets.Compiled() {
		all = s.SettingsWarnings()
	}
	for _, dir := range s.Empty {
		all = append(all, dir+" has no .cpp or .c file, so it is no device type")
	}
	return all
}

// SettingsWarnings returns what of the settings of devices ([Site.Settings]) is allowed and probably not
// meant, each as a sentence without a full stop.
func (s *Site) SettingsWarnings() []string {
	var all []string
	if s.Config.WiFi.Unsaid && s.Unlocked(WiFiPassword) == nil {
		all = append(all, fmt.Sprintf("there is no WiFi password, so devices join %q as an open network; if it is one, say so in esper.toml: [wifi] password = \"\"", s.Config.WiFi.SSID))
	}
	for i, other := range s.Config.Others {
		if other.Unsaid && s.Unlocked(OtherPassword(i)) == nil {
			all = append(all, fmt.Sprintf("there is no password for the WiFi network %q, so devices join it as an open one; if it is one, say so in esper.toml: password = \"\"", other.SSID))
		}
	}
	return append(all, s.Config.Unreachable()...)
}

// Unreachable returns the addresses in the configuration that no chip can reach, and why, each as a
// sentence without a full stop. Emulated devices may reach them, as they use the computer's network.
func (c Config) Unreachable() []string {
	var all []string
	said := map[string]int{} // by host: where it is in all
	for _, address := range []struct{ key, host string }{
		{"mqtt.url", c.MQTT.Host}, {"update.url", c.Update.Host}, {"time.server", c.Time.Server},
	} {
		why := unreachable(address.host)
		at, again := said[address.host]
		switch {
		case why == "":
		case again:
			all[at] = strings.Replace(all[at], ": ", " and "+address.key+": ", 1)
		default:
			said[address.host] = len(all)
			all = append(all, address.key+": "+why)
		}
	}
	return all
}

// unreachable returns why no chip can reach a host, or empty.
func unreachable(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	address, err := netip.ParseAddr(host)
	const instead = "; give the address that the devices reach, such as 192.168.1.10"
	switch {
	case name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && address.IsLoopback():
		return host + " is each device itself, so no chip reaches your server there" + instead
	case err == nil && (address.As4()[0] == 0 || address.IsMulticast() || address == netip.AddrFrom4([4]byte{255, 255, 255, 255})):
		return host + " is the address of no server" + instead
	case strings.HasSuffix(name, ".local"):
		// RFC 6762; the SDK's resolver asks DNS servers only.
		return host + " is a name of mDNS, which the chip does not resolve, unless your DNS server knows it, too" + instead
	}
	return ""
}
