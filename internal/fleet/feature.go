package fleet

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// What a feature can be, in the words of a device's info and of Home Assistant.
const (
	Switch       = "switch"
	BinarySensor = "binary_sensor"
	Sensor       = "sensor"
)

// Limits on features.
const (
	maxFeatures    = 32 // of a device
	maxFeatureName = 32 // bytes
	maxValue       = 24 // bytes
)

// Feature is a feature of a device with its state.
type Feature struct {
	Device string `json:"device"`
	Name   string `json:"name"`
	Kind   string `json:"kind,omitempty"` // Switch, BinarySensor, Sensor; empty if the device did not say
	Value  string `json:"value"`          // a decimal number; empty if the device did not say
}

// States is what the features of a realm's devices have published last. It is kept in memory:
// the broker retains it, and devices say it again. Its methods can be called at the same time.
type States struct {
	realm string

	mu     sync.Mutex
	values map[string]map[string]string // by device and name
}

// NewStates returns the states of a realm of which nothing is known yet.
func NewStates(realm string) *States {
	return &States{realm: realm, values: map[string]map[string]string{}}
}

// FeatureTopics is the filter of the topics that [States.Handle] wants to have.
func FeatureTopics(realm string) string { return realm + "/+/+" }

// Handle takes in what may be the state of a feature, and says whether it is news. An empty
// payload makes it unknown again.
func (s *States) Handle(topic string, payload []byte) (Feature, bool) {
	id, name, ok := s.parseTopic(topic)
	value := string(payload)
	if !ok || value != "" && !isValue(value) {
		return Feature{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.values[id]
	before, known := of[name]
	switch {
	case value == before:
		return Feature{}, false
	case value == "":
		if delete(of, name); len(of) == 0 {
			delete(s.values, id)
		}
	case !known && len(of) == maxFeatures, of == nil && len(s.values) == maxDevices:
		return Feature{}, false
	case of == nil:
		s.values[id] = map[string]string{name: value}
	default:
		of[name] = value
	}
	return Feature{Device: id, Name: name, Value: value}, true
}

// Of returns the features of a device, sorted by name: those that its info tells of, and those
// whose state it has published.
func (s *States) Of(d Device) []Feature {
	all := map[string]Feature{}
	if d.Info != nil {
		for name, kind := range d.Info.Features {
			all[name] = Feature{Device: d.ID, Name: name, Kind: kind}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, value := range s.values[d.ID] {
		all[name] = Feature{Device: d.ID, Name: name, Kind: all[name].Kind, Value: value}
	}
	sorted := make([]Feature, 0, len(all))
	for _, f := range all {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, func(a, b Feature) int { return strings.Compare(a.Name, b.Name) })
	return sorted
}

// parseTopic splits <realm>/<id>/<feature>.
func (s *States) parseTopic(topic string) (id, name string, ok bool) {
	rest, ok := strings.CutPrefix(topic, s.realm+"/")
	if !ok {
		return "", "", false
	}
	id, name, ok = strings.Cut(rest, "/")
	return id, name, ok && IsID(id) && IsFeature(name)
}

// isValue says whether a payload is a feature's state: a decimal number.
func isValue(s string) bool {
	if len(s) > maxValue || strings.Trim(s, "0123456789.-") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// ownTopics are the topics that each device has beside those of its features.
var ownTopics = []string{"status", "info", "update", "reboot", "setting", "settings"}

// IsFeature says whether a text can be the name of a feature: plain characters, and none of
// the names that the other topics of a device have.
func IsFeature(s string) bool {
	if s == "" || len(s) > maxFeatureName || slices.Contains(ownTopics, s) {
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
