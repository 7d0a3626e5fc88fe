package wanted

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
)

// command is a message to a device.
type command struct{ device, name, value string }

// Look commands the devices that are online and use other values than those that are wanted. It is to
// be called every few seconds.
func (s *Settings) Look() {
	var commands []command
	s.mu.Lock()
	if len(s.values) > 0 {
		now := s.config.Now()
		for _, d := range s.config.Fleet.Devices() {
			commands = append(commands, s.due(d, now)...)
		}
	}
	s.mu.Unlock()
	s.send(commands)
}

// LookAt does the same for one device, which may sleep again before the next Look.
func (s *Settings) LookAt(id string) {
	d, known := s.config.Fleet.Device(id)
	if !known {
		return
	}
	s.mu.Lock()
	commands := s.due(d, s.config.Now())
	s.mu.Unlock()
	s.send(commands)
}

// send sends commands to devices.
func (s *Settings) send(commands []command) {
	for _, c := range commands {
		err := s.config.Command(c.device, "setting/"+c.name+"/set", c.value)
		if err != nil { // tried again as if the device had refused it
			s.config.Log.Debug("a device is not told of a setting", "device", c.device, "setting", c.name, "error", err)
		}
	}
}

// due returns the commands that a device is to get now, and counts them. The lock is held.
func (s *Settings) due(d fleet.Device, now time.Time) (commands []command) {
	if len(s.values[target{devicesetting.OfDevice, d.ID}]) == 0 && len(s.values[target{devicesetting.OfGroup, d.Group}]) == 0 &&
		len(s.values[target{devicesetting.OfType, d.Type()}]) == 0 {
		return nil // most fleets are large, and few devices are told anything
	}
	of := s.config.States.Of(d.ID)
	for name, declared := range of.Declared {
		a := attempt{d.ID, name}
		value, _, ok := s.wanted(d, name)
		if !ok {
			delete(s.tries, a)
			continue
		}
		t := s.tries[a]
		if t != nil && (t.value != value || !t.declared.Equal(declared) || now.Sub(t.last) >= tryAgain) {
			delete(s.tries, a)
			t = nil
		}
		if used, known := of.Value(name); known && used == value {
			if t != nil && now.Sub(t.last) >= settled {
				delete(s.tries, a)
			}
			continue
		}
		if d.Presence() != fleet.Online || declared.Check(value) != nil {
			continue
		}
		if t == nil {
			t = &try{value: value, declared: declared}
			s.tries[a] = t
		}
		if t.sent == maxTries || t.sent > 0 && now.Sub(t.last) < firstPause<<(t.sent-1) {
			continue
		}
		t.sent++
		t.last = now
		if t.sent == maxTries {
			s.config.Log.Warn("a device does not keep a setting that is wanted; it is told the last time until tomorrow",
				"device", d.ID, "setting", name, "wanted", value)
		}
		commands = append(commands, command{d.ID, name, value})
	}
	slices.SortFunc(commands, func(a, b command) int { return strings.Compare(a.name, b.name) })
	return commands
}

// Of returns the settings of a device.
func (s *Settings) Of(d fleet.Device) Device {
	of := s.config.States.Of(d.ID)
	all := Device{Settings: []Setting{}, Problems: of.Problems}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(of.Declared)) {
		setting := Setting{Name: name, Declaration: of.Declared[name]}
		if used, known := of.Value(name); known {
			setting.Value = &used
		}
		if value, from, ok := s.wanted(d, name); ok {
			setting.Wanted, setting.From = &value, from
			setting.Problem = s.problem(setting, s.tries[attempt{d.ID, name}])
		}
		all.Settings = append(all.Settings, setting)
	}
	return all
}

// problem returns why a device does not use the value that is wanted, in words; empty if it does, or
// may be about to.
func (s *Settings) problem(of Setting, t *try) string {
	if of.Value != nil && *of.Value == *of.Wanted {
		return ""
	}
	if err := of.Check(*of.Wanted); err != nil {
		return fmt.Sprintf("its firmware does not allow what is wanted for the %s: %v", of.From, err)
	}
	if t != nil && t.sent == maxTries {
		return fmt.Sprintf("it was told %d times and does not keep it: it refuses it, or something else sets it again; "+
			"it is told again a day after the last time", maxTries)
	}
	return ""
}
