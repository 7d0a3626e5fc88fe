package fleet

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The kinds of features, in the words of a device's info and of Home Assistant (docs/SPEC.md
// section 7.6).
const (
	Switch       = "switch"
	Light        = "light"
	BinarySensor = "binary_sensor"
	Sensor       = "sensor"
	Number       = "number"
	Select       = "select"
	Button       = "button"
	EventFeature = "event"
	Cover        = "cover"
)

// Kinds are all kinds of features.
var Kinds = []string{
	Switch, Light, BinarySensor, Sensor, Number, Select, Button, EventFeature, Cover,
}

// Limits on features.
const (
	maxFeatures    = 32 // of a device
	maxFeatureName = 32 // bytes
	maxValue       = 24 // bytes of a number
	maxState       = 128
	// maxStates is how many states are kept of a device. There may be more than it has features: a
	// broker keeps those of older firmware.
	maxStates = 4 * maxFeatures
	// maxAllStates is how many states are kept of all devices, as many as the embedded broker retains
	// messages.
	maxAllStates = 500_000
)

// featuresTopic is the topic of the attributes of a device's features, after <realm>/<id>/.
const featuresTopic = "features"

// Feature is a feature of a device with its state.
type Feature struct {
	Device string `json:"device"`
	Name   string `json:"name"`
	// Kind is one of [Kinds], or of a newer device; empty if the device did not say.
	Kind string `json:"kind,omitempty" doc:"empty: the device did not say"`
	// Value is the state as docs/SPEC.md section 7.6 has it, empty if it is not known; of an event
	// it is the type of the last one.
	Value string `json:"value" doc:"state, of an event the type of the last one; empty: not known"`
	// At is when the last event came, zero for all other kinds.
	At         time.Time  `json:"at,omitzero" doc:"of an event, when the last one came"`
	Attributes Attributes `json:"attributes,omitzero"`
	// Problem is why what the device has published cannot be used.
	Problem string `json:"problem,omitempty" doc:"why what the device has published cannot be used"`
}

// Title returns what people call the feature.
func (f Feature) Title() string {
	if f.Attributes.Name != "" {
		return f.Attributes.Name
	}
	return f.Name
}

// States is what the devices of a realm have published of their features last. It is kept in
// memory: the broker retains it, and devices publish it again. Its methods can be called at the
// same time.
type States struct {
	realm string

	mu      sync.Mutex // guards the following fields
	hearing hearing
	devices map[string]*featureStates
	kept    int // states, of all devices
	changed chan struct{}
}

// featureStates is what is known of a device's features. What a state means depends on the kind of
// the feature and its attributes, which may come later, so it is read when somebody asks.
type featureStates struct {
	payloads   map[string]payload
	attributes map[string]Attributes // nil: the device has published none
	problems   []string              // of the attributes
	heard      time.Time             // when the attributes came last; zero: they were retained
}

// payload is what a device has published of a feature.
type payload struct {
	text    string
	at      time.Time // of an event
	problem string    // why it is no state of any feature
}

// NewStates returns the states of a realm of which nothing is known yet.
func NewStates(realm string) *States {
	return &States{realm: realm, devices: map[string]*featureStates{}, changed: make(chan struct{})}
}

// FeatureTopics returns the filter of the topics that [States.Handle] wants to have.
func FeatureTopics(realm string) string { return realm + "/+/+" }

// Handle takes in a message of a device that came at a time, zero for a retained one. If it is
// news, it returns the device's id and the name of the feature, or no name if these are the
// attributes of all of them. An empty payload makes unknown again what the topic said. An event is
// always news, unless it was retained: then when it happened is not known, so it is ignored.
func (s *States) Handle(topic string, message []byte, at time.Time) (id, name string, news bool) {
	rest, ok := strings.CutPrefix(topic, s.realm+"/")
	id, name, _ = strings.Cut(rest, "/")
	if !ok || !IsID(id) || !IsFeature(name) && name != featuresTopic {
		return "", "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hearing.at(at)
	of := s.devices[id]
	if of == nil {
		if len(message) == 0 || len(s.devices) >= maxDevices {
			return "", "", false
		}
		of = &featureStates{payloads: map[string]payload{}}
	}
	if name == featuresTopic {
		name, news = "", of.describe(message, at)
	} else {
		before := len(of.payloads)
		news = of.take(name, message, at, s.kept < maxAllStates)
		s.kept += len(of.payloads) - before
	}
	s.devices[id] = of
	if of.attributes == nil && len(of.payloads) == 0 && len(of.problems) == 0 {
		delete(s.devices, id)
	}
	if news && name == "" {
		s.wake()
	}
	return id, name, news
}

// wake lets those go on who wait for a change.
func (s *States) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed returns a channel that is closed when the attributes of a device change next.
func (s *States) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Connected is to be called when a device has come online, at a time, and does not run in safe
// mode. Firmware that has attributes has published them just before. If the device has not, it runs
// another firmware now, and what the broker retains of the former one is to be removed: Connected
// forgets it and returns the topics, after <realm>/<id>/. It does not if the messages of the last
// minute may have been missed.
func (s *States) Connected(id string, at time.Time) (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hearing.at(at)
	of := s.devices[id]
	if of == nil || of.attributes == nil && len(of.problems) == 0 || !s.hearing.former(of.heard, at) {
		return nil
	}
	of.attributes, of.problems = nil, nil
	s.wake()
	return []string{featuresTopic}
}

// Remove forgets a device.
func (s *States) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.devices[id]; of != nil {
		s.kept -= len(of.payloads)
	}
	delete(s.devices, id)
	s.wake()
}

// Attributes returns the attributes of those features that a device's info names, by the features'
// names. What it returns is not changed later and must not be changed.
func (s *States) Attributes(d Device) map[string]Attributes {
	all := map[string]Attributes{}
	for _, f := range s.Of(d) {
		if !f.Attributes.isZero() {
			all[f.Name] = f.Attributes
		}
	}
	return all
}

// Of returns the features of a device, sorted by name: those that its info names, and those that
// have published a number.
func (s *States) Of(d Device) []Feature {
	features, _ := s.read(d)
	return features
}

// Feature returns one feature of a device, without anything but its name if it is not known.
func (s *States) Feature(d Device, name string) Feature {
	kind := ""
	if d.Info != nil {
		kind = d.Info.Features[name]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, _ := s.devices[d.ID].feature(d.ID, name, kind)
	return f
}

// Problems returns what cannot be used of what a device has published of its features.
func (s *States) Problems(d Device) []string {
	_, problems := s.read(d)
	return problems
}

func (s *States) read(d Device) (features []Feature, problems []string) {
	kinds := map[string]string{}
	if d.Info != nil {
		kinds = d.Info.Features
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.devices[d.ID]
	problem := func(name, text string) {
		if len(problems) < maxProblems {
			problems = append(problems, name+": "+text)
		}
	}
	names := map[string]bool{}
	for name := range kinds {
		names[name] = true
	}
	if of != nil {
		for _, p := range of.problems {
			problem(featuresTopic, p)
		}
		for name, p := range of.payloads {
			if isNumber(p.text) {
				names[name] = true
			}
		}
		for _, name := range sortedKeys(of.attributes) {
			if _, named := kinds[name]; !named && d.Info != nil && d.Info.Features != nil {
				problem(featuresTopic, name+": its info names no such feature")
			}
		}
	}
	features = []Feature{}
	for _, name := range sortedKeys(names) {
		f, unused := of.feature(d.ID, name, kinds[name])
		features = append(features, f)
		for _, p := range unused {
			problem(featuresTopic, name+"."+p)
		}
		if f.Problem != "" {
			problem(name, f.Problem)
		}
	}
	return features, problems
}

// feature returns a feature of a kind, and its attributes that cannot be used.
func (s *featureStates) feature(id, name, kind string) (f Feature, unused []string) {
	f = Feature{Device: id, Name: name, Kind: kind}
	if s == nil {
		return f, nil
	}
	f.Attributes, unused = s.attributes[name].of(kind)
	p, known := s.payloads[name]
	if !known {
		return f, unused
	}
	var err error
	switch {
	case p.problem != "":
		f.Problem = p.problem
	default:
		f.Value, err = f.state(p.text)
	}
	switch {
	case kind == "": // whatever publishes there
		f.Problem = ""
	case err != nil:
		f.Problem = err.Error()
	case kind == EventFeature && f.Value != "":
		f.At = p.at
	}
	return f, unused
}

// take takes in what may be the state of a feature, of another one than before only if there is
// room. It returns whether that is news.
func (s *featureStates) take(name string, message []byte, at time.Time, room bool) bool {
	now := payload{text: string(message)}
	_, isEvent := eventType(now.text)
	switch {
	case len(message) > maxState:
		now = payload{problem: fmt.Sprintf("what it published has more than %d bytes", maxState)}
	case !isPrintable(now.text):
		now = payload{problem: fmt.Sprintf("%q is not printable UTF-8", shown(now.text))}
	case isEvent && at.IsZero():
		return false
	case isEvent:
		now.at = at
	}
	before, known := s.payloads[name]
	switch {
	case now == before:
		return false
	case len(message) == 0:
		delete(s.payloads, name)
		return true
	case !known && (!room || len(s.payloads) >= maxStates):
		return false
	}
	s.payloads[name] = now
	return true
}

// describe takes in the attributes. It returns whether they are others than before.
func (s *featureStates) describe(message []byte, at time.Time) bool {
	before, problems := s.attributes, s.problems
	s.attributes, s.problems, s.heard = nil, nil, at
	if len(message) > 0 {
		var err error
		if s.attributes, s.problems, err = ParseAttributes(message); err != nil {
			s.problems = []string{err.Error() + "; all of it is ignored"}
		}
	}
	return !slices.Equal(problems, s.problems) || !equalAttributes(before, s.attributes)
}

// ownTopics are the topics that each device has beside those of its features.
var ownTopics = []string{"status", "info", "update", "reboot", "setting", "settings", featuresTopic}

// IsFeature reports whether a text can be the name of a feature: plain characters, and none of
// the names that the other topics of a device have.
func IsFeature(s string) bool {
	return len(s) <= maxFeatureName && isWord(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-") &&
		!slices.Contains(ownTopics, s)
}

// isWord reports whether a text is not empty and has no characters but a-z, 0-9 and those of more.
func isWord(s, more string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789"+more) == ""
}
