package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"esper/internal/devicesetting"
)

// settingTopic is the topic of a device's declarations, after <realm>/<id>/. The values are below it.
const settingTopic = "setting"

// maxSettingValues is how many values of settings are kept of a device. There may be more than it
// declares: a broker keeps those of older firmware.
const maxSettingValues = 4 * devicesetting.Max

// DeviceSettings are the settings of a device, as it has reported them (docs/SPEC.md section 12.6).
type DeviceSettings struct {
	// Declared are the settings that it has; nil if it did not say. They are not changed later and
	// must not be changed.
	Declared map[string]devicesetting.Declaration
	// Values are what it has reported. An empty text is not reported, as no broker retains it.
	Values map[string]string
	// Problems are the parts of its messages that cannot be used.
	Problems []string
}

// Value returns the value of a declared setting, and whether it is known.
func (s DeviceSettings) Value(name string) (string, bool) {
	value, known := s.Values[name]
	return value, known || s.Declared[name].Type == devicesetting.Text
}

// SettingStates is what the devices of a realm have reported of their settings last. It is kept in
// memory: the broker retains it, and devices report it again. Its methods can be called at the same
// time.
type SettingStates struct {
	realm string

	mu      sync.Mutex // guards the following fields
	hearing hearing
	devices map[string]*settingState
	changed chan struct{}
}

// settingState is what is known of a device's settings.
type settingState struct {
	declared map[string]devicesetting.Declaration
	values   map[string]string
	problems map[string][]string // by topic
	heard    time.Time           // when the declarations came last; zero: they were retained
}

// NewSettingStates returns the states of a realm of which nothing is known yet.
func NewSettingStates(realm string) *SettingStates {
	return &SettingStates{realm: realm, devices: map[string]*settingState{}, changed: make(chan struct{})}
}

// SettingTopics returns the filters of the topics that [SettingStates.Handle] wants to have.
func SettingTopics(realm string) []string {
	return []string{realm + "/+/" + settingTopic, realm + "/+/" + settingTopic + "/+"}
}

// Handle takes in a message of a device that came at a time, zero for a retained one, and returns the
// device's id if the message is news. An empty payload makes unknown again what the topic said.
func (s *SettingStates) Handle(topic string, payload []byte, at time.Time) (id string, news bool) {
	rest, ok := strings.CutPrefix(topic, s.realm+"/")
	id, what, _ := strings.Cut(rest, "/")
	name, isValue := strings.CutPrefix(what, settingTopic+"/")
	if !ok || !IsID(id) || !(what == settingTopic || isValue && devicesetting.IsName(name)) {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hearing.at(at)
	of := s.devices[id]
	if of == nil {
		if len(payload) == 0 || len(s.devices) >= maxDevices {
			return "", false
		}
		of = &settingState{values: map[string]string{}, problems: map[string][]string{}}
	}
	if isValue {
		news = of.take(name, payload)
	} else {
		news = of.declare(payload)
		of.heard = at
	}
	s.devices[id] = of
	if of.declared == nil && len(of.values) == 0 && len(of.problems) == 0 {
		delete(s.devices, id)
	}
	if news {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return id, news
}

// Connected is to be called when a device has come online, at a time. Firmware that declares settings
// has reported them just before. If the device has not, it runs another firmware now, and what the
// broker retains of the former one is to be removed: Connected forgets it and returns the topics, after
// <realm>/<id>/. It does not if the messages of the last minute may have been missed.
func (s *SettingStates) Connected(id string, at time.Time) (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.devices[id]
	s.hearing.at(at)
	if of == nil || !s.hearing.former(of.heard, at) {
		return nil
	}
	topics = []string{settingTopic}
	for _, name := range slices.Sorted(maps.Keys(of.values)) {
		topics = append(topics, settingTopic+"/"+name)
	}
	delete(s.devices, id)
	close(s.changed)
	s.changed = make(chan struct{})
	return topics
}

// Changed returns a channel that is closed at the next news.
func (s *SettingStates) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Of returns the settings of a device.
func (s *SettingStates) Of(id string) DeviceSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.devices[id]
	if of == nil {
		return DeviceSettings{}
	}
	all := DeviceSettings{Declared: of.declared, Values: map[string]string{}}
	for name, value := range of.values {
		if _, declared := of.declared[name]; declared {
			all.Values[name] = value
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(of.problems)) {
		for _, p := range of.problems[topic] {
			if len(all.Problems) < maxProblems {
				all.Problems = append(all.Problems, topic+": "+p)
			}
		}
	}
	return all
}

// note replaces the problems of a topic. It returns whether they are others than before.
func (s *settingState) note(topic string, problems []string) bool {
	if slices.Equal(s.problems[topic], problems) {
		return false
	}
	if len(problems) == 0 {
		delete(s.problems, topic)
	} else if len(s.problems) < maxSettingValues {
		s.problems[topic] = problems
	}
	return true
}

// take takes in the value of a setting.
func (s *settingState) take(name string, payload []byte) bool {
	topic, value := settingTopic+"/"+name, string(payload)
	before, known := s.values[name]
	if len(value) > devicesetting.MaxText || printable(value) != value {
		delete(s.values, name)
		return s.note(topic, []string{fmt.Sprintf("%q is not a text of at most %d bytes", shown(value), devicesetting.MaxText)}) || known
	}
	news := s.note(topic, nil)
	switch {
	case value == "":
		delete(s.values, name)
		return known || news
	case !known && len(s.values) >= maxSettingValues:
		return news
	}
	s.values[name] = value
	return !known || before != value || news
}

// declare takes in the declarations.
func (s *settingState) declare(payload []byte) bool {
	before := s.declared
	s.declared = nil
	var problems []string
	if len(payload) > 0 {
		var err error
		if s.declared, problems, err = ParseDeclarations(payload); err != nil {
			problems = []string{err.Error() + "; all of it is ignored"}
		}
	}
	return s.note(settingTopic, problems) || (before == nil) != (s.declared == nil) ||
		!maps.EqualFunc(before, s.declared, devicesetting.Declaration.Equal)
}

// ParseDeclarations reads the payload of the topic setting of a device. Settings that cannot be used
// are left out, and the problems name them.
func ParseDeclarations(payload []byte) (map[string]devicesetting.Declaration, []string, error) {
	if len(payload) > devicesetting.MaxDeclarations {
		return nil, nil, fmt.Errorf("longer than %d bytes", devicesetting.MaxDeclarations)
	}
	o, err := parseObject(payload)
	if err != nil {
		return nil, nil, err
	}
	all := map[string]devicesetting.Declaration{}
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		var d devicesetting.Declaration
		err := json.Unmarshal(o.members[name], &d)
		if err != nil {
			err = errors.New("it is not a declaration")
		} else {
			err = d.Validate()
		}
		switch {
		case !devicesetting.IsName(name):
			o.problem(shown(name), "cannot be the name of a setting")
		case err != nil:
			o.problem(name, "%s", printable(err.Error()))
		case len(all) == devicesetting.Max:
			o.problem(name, "there are more than %d", devicesetting.Max)
		default:
			all[name] = d
		}
	}
	return all, *o.problems, nil
}
