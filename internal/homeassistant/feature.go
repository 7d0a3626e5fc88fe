package homeassistant

import (
	"maps"
	"slices"
	"strings"

	"esper/internal/fleet"
)

// platforms are what Home Assistant calls the kinds of features: the same.
var platforms = []string{fleet.Switch, fleet.BinarySensor, fleet.Sensor}

// feature is a feature of a device as Home Assistant has it.
type feature struct{ name, platform string }

// component is the key of its component. The platform is in it since Home Assistant cannot
// change that of an entity.
func (f feature) component() string { return "feature_" + f.name + "_" + f.platform }

// features are the features of one device: name and platform.
type features map[string]string

// featuresOf returns those features of a device that Home Assistant has a platform for.
func featuresOf(d fleet.Device) features {
	of := features{}
	for name, kind := range d.Info.Features {
		if slices.Contains(platforms, kind) {
			of[name] = kind
		}
	}
	return of
}

// key returns a text that is the same for the same features.
func (f features) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		b.WriteString(name + "=" + f[name] + ";")
	}
	return b.String()
}
