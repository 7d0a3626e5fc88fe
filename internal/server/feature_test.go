package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/api"
	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/server"
)

// allKinds is the info of a device with a feature of each kind, and their attributes.
const (
	allKinds = `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1},"uptime":1,"features":{"relay":"switch",
		"strip":"light","motion":"binary_sensor","outside":"sensor","target":"number","mode":"select","bell":"button","key":"event","blind":"cover"}}`
	allAttributes = `{"strip":{"brightness":true,"color":true},"outside":{"name":"Outside","unit":"°C","precision":1},"target":{"min":5,"max":30,"step":0.5},
		"mode":{"options":["eco","comfort"]},"key":{"options":["single","double"]},"blind":{"position":true}}`
)

// featuresOf returns the features of the device once a condition holds.
func featuresOf(t *testing.T, s *server.Server, what string, is func(map[string]fleet.Feature) bool) map[string]fleet.Feature {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var listed []fleet.Feature
		status, text := answerOf(t, s, "GET", "devices/00c0de/features", "")
		if status == 200 { // else it is not stored yet
			if err := json.Unmarshal(text, &listed); err != nil {
				t.Fatal(err)
			}
		}
		all := map[string]fleet.Feature{}
		for _, f := range listed {
			all[f.Name] = f
		}
		if status == 200 && is(all) {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not become so that %s: %d %s", what, status, text)
		}
	}
}

func TestAPIOperatesFeaturesOfAllKinds(t *testing.T) {
	s, device := operated(t)
	heard := make(chan string, 100)
	if err := device.Subscribe("home/00c0de/+/set", func(m broker.Message) {
		heard <- strings.TrimPrefix(m.Topic, "home/00c0de/") + " " + string(m.Payload)
	}); err != nil {
		t.Fatal(err)
	}
	says(t, device, "info", allKinds)
	says(t, device, "features", allAttributes)
	for name, state := range map[string]string{
		"relay": "1", "strip": `{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, "motion": "None", "outside": "-3.25",
		"target": "21.5", "mode": "eco", "blind": `{"state":"opening","position":40}`,
	} {
		says(t, device, name, state)
	}
	events := follows(t, s)
	hears(t, events, api.HelloEvent, "{}")
	began := time.Now()
	event(t, device, "key", `{"event_type":"double"}`)
	told := hears(t, events, api.FeatureEvent, `"name":"key"`)
	if !strings.Contains(told, `"kind":"event"`) || !strings.Contains(told, `"value":"double"`) || strings.Contains(told, "attributes") {
		t.Errorf("told %s", told)
	}
	all := featuresOf(t, s, "all is known", func(all map[string]fleet.Feature) bool {
		return all["blind"].Value != "" && all["key"].Value != "" && all["mode"].Value != "" && all["outside"].Attributes.Name != "" && all["target"].Value != "" &&
			all["relay"].Value != "" && all["motion"].Value != "" && all["strip"].Value != "" && all["outside"].Value != ""
	})
	if f := all["key"]; f.Value != "double" || f.At.Before(began.Add(-time.Second)) || f.At.After(time.Now().Add(time.Second)) {
		t.Errorf("key: %+v", f)
	}
	one := 1
	want := fleet.Feature{Device: "00c0de", Name: "outside", Kind: fleet.Sensor, Value: "-3.25", Attributes: fleet.Attributes{Name: "Outside", Unit: "°C", Precision: &one}}
	if !reflect.DeepEqual(all["outside"], want) || len(all) != 9 {
		t.Errorf("%d features, outside: %+v", len(all), all["outside"])
	}

	for _, c := range []struct{ name, value, sent string }{
		{"relay", `"0"`, "0"}, {"relay", "1", "1"},
		{"strip", `"0"`, "0"}, {"strip", `{"state":"ON","brightness":7}`, `{"state":"ON","brightness":7}`}, {"strip", `"{\"color\":{\"r\":1,\"g\":2,\"b\":3}}"`, `{"color":{"r":1,"g":2,"b":3}}`},
		{"target", "5.5", "5.5"}, {"target", `"30"`, "30"},
		{"mode", `"comfort"`, "comfort"}, {"bell", `"press"`, "press"}, {"blind", `"stop"`, "stop"}, {"blind", "100", "100"},
	} {
		ask(t, s, "POST", "devices/00c0de/features/"+c.name, `{"value":`+c.value+`}`, 204, nil)
		select {
		case got := <-heard:
			if got != c.name+"/set "+c.sent {
				t.Errorf("%s %s: told %s", c.name, c.value, got)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s %s: the device is not told", c.name, c.value)
		}
	}
	for _, c := range []struct {
		name, value string
		status      int
		says        string
	}{
		{"relay", `"on"`, 422, `relay of device 00c0de accepts 1 or 0, not \"on\"`},
		{"strip", `{"effect":"rainbow"}`, 422, `accepts 1, 0 or some of {\"state\":\"ON\",\"brightness\":128`},
		{"target", "30.1", 422, `accepts a number from 5 to 30 in steps of 0.5, not \"30.1\"`},
		{"mode", `"fast"`, 422, "accepts eco or comfort"},
		{"bell", `"1"`, 422, "accepts press"},
		{"blind", "101", 422, "accepts open, close, stop or a position from 0 to 100"},
		{"key", `"single"`, 422, "takes no commands: it is an event"},
		{"outside", "1", 422, "takes no commands: it is a sensor"},
		{"motion", "1", 422, "takes no commands: it is a binary_sensor"},
		{"absent", "1", 404, `has no feature \"absent\"; it has bell, blind, key`},
		{"relay", "true", 422, ""},
		{"relay", "[1]", 422, ""},
		{"relay", "null", 422, ""},
		{"relay", `"` + strings.Repeat("1", 129) + `"`, 422, ""},
		{"strip", `{"brightness":1,"x":"` + strings.Repeat("1", 300) + `"}`, 422, "accepts"},
	} {
		if got := ask(t, s, "POST", "devices/00c0de/features/"+c.name, `{"value":`+c.value+`}`, c.status, nil); !strings.Contains(got, c.says) {
			t.Errorf("%s %s: %s", c.name, c.value, got)
		}
	}
	if len(heard) > 0 {
		t.Errorf("what was refused is sent: %s", <-heard)
	}
	entries, err := s.Store().AuditLog(t.Context(), access.AuditQuery{})
	if err != nil || entries[0].Action != "set-feature" || entries[0].Target != "00c0de relay" || entries[0].Status != http.StatusNoContent {
		t.Errorf("audit log: %+v %v", entries[0], err)
	}

	// What cannot be used is a problem of the device, until it is mended.
	problems := func(want string) {
		t.Helper()
		var d api.Device
		for deadline := time.Now().Add(10 * time.Second); fmt.Sprint(d.Problems) != want; time.Sleep(10 * time.Millisecond) {
			d = api.Device{}
			if ask(t, s, "GET", "devices/00c0de", "", 200, &d); time.Now().After(deadline) {
				t.Fatalf("problems %q, not %s", d.Problems, want)
			}
		}
	}
	problems("[]")
	says(t, device, "features", `{"strip":{"brightness":7},"target":{"min":5,"max":30,"step":0.5}}`)
	says(t, device, "relay", "maybe")
	problems(`[features: strip.brightness: 7 is not true or false relay: "maybe" is not 1 or 0]`)
	says(t, device, "features", allAttributes)
	says(t, device, "relay", "1")
	problems("[]")

	// One that is removed has no features, nor last events, when it comes back.
	ask(t, s, "DELETE", "devices/00c0de?force=true", "", 200, nil)
	says(t, device, "info", allKinds)
	waitForDevice(t, s, "00c0de", fleet.Online)
	all = featuresOf(t, s, "nothing is left", func(all map[string]fleet.Feature) bool { return all["relay"].Value == "" })
	if f := all["key"]; f.Value != "" || !f.At.IsZero() || !reflect.ValueOf(f.Attributes).IsZero() {
		t.Errorf("key: %+v", f)
	}
}

// event publishes what is not retained.
func event(t *testing.T, device *broker.Connection, topic, payload string) {
	t.Helper()
	if err := device.Publish("home/00c0de/"+topic, []byte(payload), false); err != nil {
		t.Fatal(err)
	}
}

// A server that starts learns of states, but what a broker retained is no event.
func TestWhatABrokerRetainedIsNoEvent(t *testing.T) {
	first, device := operated(t)
	says(t, device, "info", allKinds)
	says(t, device, "key", `{"event_type":"single"}`) // retained, against the rules
	says(t, device, "relay", "1")
	f := featuresOf(t, first, "it happens", func(all map[string]fleet.Feature) bool { return all["key"].Value != "" && all["relay"].Value != "" })
	if f["key"].At.IsZero() {
		t.Errorf("when it happened is not known: %+v", f["key"])
	}
	c := config(t)
	c.ExternalMQTT = &url.URL{Scheme: "mqtt", Host: first.MQTTAddr().String()}
	second, _ := start(t, c)
	waitForHealth(t, second, 200)
	waitForDevice(t, second, "00c0de", fleet.Online)
	f = featuresOf(t, second, "the states are known", func(all map[string]fleet.Feature) bool { return all["relay"].Value == "1" && all["key"].Kind != "" })
	if f["key"].Value != "" || !f["key"].At.IsZero() {
		t.Errorf("an event of old: %+v", f["key"])
	}
	event(t, device, "key", `{"event_type":"double"}`)
	featuresOf(t, second, "a new one happens", func(all map[string]fleet.Feature) bool {
		return all["key"].Value == "double" && !all["key"].At.IsZero()
	})
}
