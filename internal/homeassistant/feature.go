package homeassistant

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"esper/internal/fleet"
)

// Limits on what devices may make known.
const (
	maxFeatures    = 16      // of a device
	maxFeatureName = 32      // bytes
	maxValue       = 24      // bytes
	maxDevices     = 100_000 // that have features; anyone can make up ids
)

// feature is a feature of a device as Home Assistant has it.
type feature struct{ name, platform string }

// component is the key of its component. The platform is in it since Home Assistant cannot
// change that of an entity.
func (f feature) component() string { return "feature_" + f.name + "_" + f.platform }

// features are the features of one device: name and platform.
type features map[string]string

// key returns a text that is the same for the same features.
func (f features) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		b.WriteString(name + "=" + f[name] + ";")
	}
	return b.String()
}

// platform says what a feature is that has published this value, and that was known as
// another platform before, or empty. A value alone does not tell whether a feature can be
// switched, so the site says which can. What once was neither 0 nor 1 is a sensor.
func platform(name, value, before string, switches []string) (string, bool) {
	if !isValue(value) {
		return "", false
	}
	switch {
	case slices.Contains(switches, name):
		return switchable, true
	case before == sensor || value != "0" && value != "1":
		return sensor, true
	}
	return binarySensor, true
}

// isValue says whether a payload is a feature's state (SPEC 7): a decimal number.
func isValue(s string) bool {
	if s == "" || len(s) > maxValue || strings.Trim(s, "0123456789.-") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// IsFeature says whether a text can be the name of a feature: plain characters, and none of
// the names that the other topics of a device have.
func IsFeature(s string) bool {
	if s == "" || len(s) > maxFeatureName || slices.Contains([]string{"status", "info", "update", "reboot"}, s) {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// parseTopic splits <realm>/<id>/<feature>.
func parseTopic(realm, topic string) (id, name string, ok bool) {
	rest, ok := strings.CutPrefix(topic, realm+"/")
	if !ok {
		return "", "", false
	}
	id, name, ok = strings.Cut(rest, "/")
	return id, name, ok && fleet.IsID(id) && IsFeature(name)
}
