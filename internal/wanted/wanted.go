// Package wanted brings the settings of devices (docs/SPEC.md section 12.6) to the values that people
// want them to have. A device takes a command only while it is online, and its group may change. So
// the server stores what is wanted and commands it again whenever a device reports something else.
package wanted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
)

// How often a device is commanded that does not take a value: maxTries times, at first after
// firstPause, then each time after twice as long. That is in all about five minutes. It is tried
// again after tryAgain, so that neither a device that refuses nor something else that sets the same
// setting leads to an endless exchange.
const (
	maxTries   = 6
	firstPause = 10 * time.Second
	tryAgain   = 24 * time.Hour
	// settled is how long a value must stay before the tries are forgotten.
	settled = time.Hour
)

// Errors that methods wrap.
var (
	// ErrNoSetting says that no device that is meant declares the setting.
	ErrNoSetting = errors.New("no such setting")
	// ErrValue says that a value is not allowed.
	ErrValue = errors.New("not a value of the setting")
)

// Storage keeps the wanted values. [esper/internal/store.Store] is one.
type Storage interface {
	WantedSettings(context.Context) ([]devicesetting.Wanted, error)
	SetWantedSetting(context.Context, devicesetting.Wanted) error
	UnsetWantedSetting(ctx context.Context, scope devicesetting.Scope, of, name string) error
}

// Config is what the settings of a fleet are made of.
type Config struct {
	Storage Storage
	Fleet   *fleet.Fleet
	States  *fleet.SettingStates
	// Command sends a message to a device, at a topic after <realm>/<id>/.
	Command func(id, topic, payload string) error
	Now     func() time.Time
	Log     *slog.Logger
}

// Settings are the settings of a fleet. The methods can be called at the same time.
type Settings struct {
	config Config

	// changing is held while a value is stored, so that memory follows the storage in its order.
	changing sync.Mutex

	mu     sync.Mutex // guards the following fields
	values map[target]map[string]string
	tries  map[attempt]*try
}

// target is what values are wanted for.
type target struct {
	scope devicesetting.Scope
	of    string
}

// attempt is a setting of a device.
type attempt struct{ device, name string }

// try is how often a device was commanded to take a value.
type try struct {
	value    string
	declared devicesetting.Declaration
	sent     int
	last     time.Time
}

// Setting is a setting of a device.
type Setting struct {
	Name string `json:"name"`
	devicesetting.Declaration
	// Value is what the device uses; nil if it did not report it.
	Value *string `json:"value,omitempty"`
	// Wanted is what it is to use, and From says for what that was set; nil if nothing is wanted.
	Wanted  *string             `json:"wanted,omitempty"`
	From    devicesetting.Scope `json:"from,omitempty"`
	Problem string              `json:"problem,omitempty" doc:"why the device does not use what is wanted, in words"`
}

// Device is what is known of the settings of a device.
type Device struct {
	Settings []Setting `json:"settings" nullable:"false" doc:"sorted by name"`
	Problems []string  `json:"problems,omitempty" nullable:"false" doc:"what cannot be used of its reports"`
}

// Open returns the settings of a fleet, with what the storage holds.
func Open(ctx context.Context, c Config) (*Settings, error) {
	all, err := c.Storage.WantedSettings(ctx)
	if err != nil {
		return nil, err
	}
	s := &Settings{config: c, values: map[target]map[string]string{}, tries: map[attempt]*try{}}
	for _, w := range all {
		s.put(w)
	}
	return s, nil
}

func (s *Settings) put(w devicesetting.Wanted) {
	t := target{w.Scope, w.Of}
	if s.values[t] == nil {
		s.values[t] = map[string]string{}
	}
	s.values[t][w.Name] = w.Value
}

// Set has devices use a value: those that are meant and online at once, the others when they are. It
// returns an [ErrNoSetting] if there are such devices and none declares the setting, an [ErrValue] if
// none of those that declare it allows the value.
func (s *Settings) Set(ctx context.Context, w devicesetting.Wanted) error {
	if err := w.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	if err := s.check(w); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.config.Storage.SetWantedSetting(ctx, w); err != nil {
		return err
	}
	s.mu.Lock()
	s.put(w)
	for _, d := range s.meant(target{w.Scope, w.Of}) {
		delete(s.tries, attempt{d.ID, w.Name}) // also if the same was wanted: somebody asks again
	}
	s.mu.Unlock()
	s.Look()
	return nil
}

// check returns why a value cannot be wanted, by what the devices that are meant declare.
func (s *Settings) check(w devicesetting.Wanted) error {
	var declare, told int
	var refused error
	allowed := false
	for _, d := range s.meant(target{w.Scope, w.Of}) {
		of := s.config.States.Of(d.ID)
		if of.Declared == nil {
			continue
		}
		told++
		declared, ok := of.Declared[w.Name]
		if !ok {
			continue
		}
		declare++
		if err := declared.Check(w.Value); err != nil {
			refused = fmt.Errorf("%w: %s of device %s: %w", ErrValue, w.Name, d.ID, err)
		} else {
			allowed = true
		}
	}
	switch {
	case declare == 0 && (told > 0 || w.Scope == devicesetting.OfDevice):
		return fmt.Errorf("%w: %s %s declares no setting %s", ErrNoSetting, w.Scope, w.Of, w.Name)
	case declare > 0 && !allowed:
		return refused
	}
	return nil
}

// meant returns the devices that a target's values are for.
func (s *Settings) meant(t target) (devices []fleet.Device) {
	for _, d := range s.config.Fleet.Devices() {
		if t == (target{devicesetting.OfDevice, d.ID}) || t == (target{devicesetting.OfGroup, d.Group}) ||
			t == (target{devicesetting.OfType, d.Type()}) {
			devices = append(devices, d)
		}
	}
	return devices
}

// Unset has nothing wanted any more. A device keeps the value that it uses, unless another one is
// wanted for its group or type.
func (s *Settings) Unset(ctx context.Context, scope devicesetting.Scope, of, name string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.config.Storage.UnsetWantedSetting(ctx, scope, of, name); err != nil {
		return err
	}
	s.mu.Lock()
	t := target{scope, of}
	if delete(s.values[t], name); len(s.values[t]) == 0 {
		delete(s.values, t)
	}
	s.mu.Unlock()
	s.Look()
	return nil
}

// Remove forgets a device, as the storage has.
func (s *Settings) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, target{devicesetting.OfDevice, id})
	for a := range s.tries {
		if a.device == id {
			delete(s.tries, a)
		}
	}
}

// Values returns what is wanted for a target, by name.
func (s *Settings) Values(scope devicesetting.Scope, of string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for name, value := range s.values[target{scope, of}] {
		all[name] = value
	}
	return all
}

// wanted returns the value that is wanted for a setting of a device, and for what it was set. The
// lock is held.
func (s *Settings) wanted(d fleet.Device, name string) (value string, from devicesetting.Scope, ok bool) {
	for _, t := range []target{{devicesetting.OfDevice, d.ID}, {devicesetting.OfGroup, d.Group}, {devicesetting.OfType, d.Type()}} {
		if value, ok := s.values[t][name]; ok && t.of != "" {
			return value, t.scope, true
		}
	}
	return "", "", false
}
