package site

import (
	"fmt"

	"esper/internal/homeassistant"
)

// homeAssistantFile is the table [homeassistant].
type homeAssistantFile struct {
	DiscoveryPrefix *string `toml:"discovery_prefix"`
}

// check returns the options: none if there is no such table.
func (f *homeAssistantFile) check() (homeassistant.Options, error) {
	if f == nil {
		return homeassistant.Options{}, nil
	}
	prefix := homeassistant.DefaultPrefix
	if f.DiscoveryPrefix != nil {
		prefix = *f.DiscoveryPrefix
		if err := CheckRealm(prefix); err != nil { // it is of the same form
			return homeassistant.Options{}, fmt.Errorf("homeassistant.discovery_prefix: %w", err)
		}
	}
	return homeassistant.Options{Prefix: prefix}, nil
}
