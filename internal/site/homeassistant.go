package site

import (
	"fmt"

	"esper/internal/homeassistant"
)

// maxSwitches is how many features a site may call switches.
const maxSwitches = 64

// homeAssistantFile is the table [homeassistant].
type homeAssistantFile struct {
	DiscoveryPrefix *string  `toml:"discovery_prefix"`
	Switches        []string `toml:"switches"`
}

// check returns the options: none if there is no such table.
func (f *homeAssistantFile) check() (homeassistant.Options, error) {
	if f == nil {
		return homeassistant.Options{}, nil
	}
	prefix := homeassistant.DefaultPrefix
	if f.DiscoveryPrefix != nil {
		var err error
		if prefix, err = checkRealm(*f.DiscoveryPrefix); err != nil { // it is of the same form
			return homeassistant.Options{}, fmt.Errorf("homeassistant.discovery_prefix: %w", err)
		}
	}
	if len(f.Switches) > maxSwitches {
		return homeassistant.Options{}, fmt.Errorf("homeassistant.switches: %d, but at most %d are allowed", len(f.Switches), maxSwitches)
	}
	for _, name := range f.Switches {
		if !homeassistant.IsFeature(name) {
			return homeassistant.Options{}, fmt.Errorf("homeassistant.switches: %.40q is not the name of a feature", name)
		}
	}
	return homeassistant.Options{Prefix: prefix, Switches: f.Switches}, nil
}
