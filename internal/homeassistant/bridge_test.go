package homeassistant_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/homeassistant"
)

var discard = slog.New(slog.DiscardHandler)

const (
	configTopic = "homeassistant/device/esper_home_00c0de/config"
	stateTopic  = "home/00c0de/update/available"
)

// world is a broker with a bridge, and what Home Assistant hears there.
type world struct {
	t      *testing.T
	broker *broker.Broker
	heard  chan broker.Message

	mu     sync.Mutex
	wanted string
}

func start(t *testing.T) *world {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, heard: make(chan broker.Message, 1000)}
	if w.broker, err = broker.Serve(l, broker.Options{Log: discard}); err != nil {
		t.Fatal(err)
	}
	f := fleet.New("home", discard)
	for _, filter := range fleet.Topics("home") {
		w.subscribe(filter, func(m broker.Message) { f.Handle(m.Topic, m.Payload, time.Now()) })
	}
	settings := fleet.NewSettingStates("home")
	for _, filter := range fleet.SettingTopics("home") {
		w.subscribe(filter, func(m broker.Message) { settings.Handle(m.Topic, m.Payload, time.Now()) })
	}
	hear := func(m broker.Message) { w.heard <- m }
	w.subscribe("homeassistant/device/+/config", hear)
	w.subscribe("home/+/update/available", hear)

	b := homeassistant.New(homeassistant.Config{
		Options: homeassistant.Options{Prefix: "homeassistant"},
		Realm:   "home", Fleet: f, Settings: settings, Log: discard,
		Wanted: func(string) string { w.mu.Lock(); defer w.mu.Unlock(); return w.wanted },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, w.broker) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.broker.Close()
	})
	return w
}

func (w *world) subscribe(filter string, handle func(broker.Message)) {
	if err := w.broker.Subscribe(filter, handle); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) publish(topic, payload string) {
	w.t.Helper()
	if err := w.broker.Publish(topic, []byte(payload), true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = version
}

// wait waits until Home Assistant hears what fits on a topic.
func (w *world) wait(topic, what string, fits func(string) bool) {
	w.t.Helper()
	var last string
	for deadline := time.After(10 * time.Second); ; {
		select {
		case m := <-w.heard:
			if m.Topic != topic {
				continue
			}
			if last = string(m.Payload); fits(last) {
				return
			}
		case <-deadline:
			w.t.Fatalf("%s: not %s; last heard: %s", topic, what, last)
		}
	}
}

func has(text string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, text) }
}

// info is that of a device with these features, as JSON; empty: it does not say.
func info(version, features string) string {
	if features != "" {
		features = `,"features":` + features
	}
	return fmt.Sprintf(`{"device":"socket","chip_id":"00c0de","version":{"esper":%q,"sequence":1},"wifi":{"rssi":-61}%s}`, version, features)
}

func TestADeviceIsAnnouncedChangedAndRemoved(t *testing.T) {
	w := start(t)
	w.publish("home/00c0de/status", "ONLINE")
	w.publish("home/00c0de/info", info("1", ""))
	w.wait(stateTopic, "without an update", has(`"installed_version":"socket 1","latest_version":"socket 1"`))
	w.wait(configTopic, "announced", has(`"sw":"1"`))

	w.want("2") // a release: no device reports anything
	w.wait(stateTopic, "with an update", has(`"latest_version":"socket 2"`))
	w.publish("home/00c0de/update/status", `{"state":"downloading","version":"2","progress":40,"error":""}`)
	w.wait(stateTopic, "being updated", has(`"in_progress":true,"update_percentage":40`))
	w.publish("home/00c0de/info", info("2", ""))
	w.wait(configTopic, "of the new version", has(`"sw":"2"`))

	w.publish("home/00c0de/info", info("2", `{"relay":"switch","level":"binary_sensor"}`))
	w.wait(configTopic, "with a switch", has("home/00c0de/relay/set"))
	w.publish("home/00c0de/info", info("2", `{"relay":"switch","level":"sensor"}`))
	w.wait(configTopic, "with a sensor instead", func(s string) bool {
		return strings.Contains(s, `"feature_level_binary_sensor":{"p":"binary_sensor"}`) && strings.Contains(s, "feature_level_sensor")
	})
	w.publish("home/00c0de/info", info("3", "")) // in safe mode
	w.wait(configTopic, "with what it had", has("home/00c0de/relay/set"))
	w.publish("home/00c0de/info", info("3", `{"level":"sensor","odd":"of a newer kind"}`))
	w.publish("home/00c0de/info", info("3", `{"level":"sensor","odd":"newer"}`))
	w.wait(configTopic, "without the switch", has(`"feature_relay_switch":{"p":"switch"}`))

	w.publish("home/00c0de/setting", `{"mode":{"type":"select","default":"slow","options":["slow","fast"]}}`)
	w.wait(configTopic, "with a setting", has(`"command_topic":"home/00c0de/setting/mode/set"`))
	w.publish("home/00c0de/setting", `{"mode":{"type":"text","default":"","length":9},"odd":{"type":"{{ 1 }}","default":""}}`)
	w.wait(configTopic, "with a text instead", has(`"setting_mode_select":{"p":"select"}`))
	w.publish("home/00c0de/setting", "")
	w.wait(configTopic, "without a setting", has(`"setting_mode_text":{"p":"text"}`))

	for _, topic := range []string{"status", "info", "update/status"} {
		w.publish("home/00c0de/"+topic, "")
	}
	empty := func(s string) bool { return s == "" }
	w.wait(configTopic, "removed", empty)
	w.wait(stateTopic, "removed", empty)
}

func TestDevicesAreAnnouncedAgainWhenHomeAssistantStarts(t *testing.T) {
	w := start(t)
	w.publish("home/00c0de/info", info("1", ""))
	w.wait(configTopic, "announced", has(`"sw":"1"`))
	w.publish("homeassistant/status", "offline")
	w.publish("homeassistant/status", "online")
	w.wait(stateTopic, "there again", has(`"installed_version":"socket 1"`))
	w.wait(configTopic, "announced again", has(`"sw":"1"`))
}

// A device may call itself and its features anything, and any number of things.
func TestHostileNamesReachNobody(t *testing.T) {
	w := start(t)
	for _, name := range []string{"{{ 7*7 }}", `a\"b`, "~", "$x", strings.Repeat("a", 40), "\u202e", "a/b", "info"} {
		w.publish("home/00c0de/info", info("1", `{"`+name+`":"switch"}`))
	}
	w.publish("home/00c0de/info", info("1", `{"a":"{{ states }}"}`))
	many := `{"f":"sensor"`
	for i := range 100 {
		many += fmt.Sprintf(`,"f%d":"sensor"`, i)
	}
	w.publish("home/00c0de/info", info("1", many+"}"))
	w.publish("home/{{ 1 }}/info", info("1", ""))
	w.publish("home/bad000/info", `{"device":"{{ 7*7 }}","chip_id":"bad000","version":{"esper":"1"}}`)
	w.publish("home/00c0de/info", info("1", `{"relay":"switch"}`))
	w.wait(configTopic, "announced with a feature and the usual four", func(s string) bool {
		var c struct {
			Components map[string]map[string]any `json:"cmps"`
		}
		if err := json.Unmarshal([]byte(s), &c); err != nil {
			t.Fatal(err)
		}
		for name, component := range c.Components {
			if component["unique_id"] == nil { // what was announced before is removed
				delete(c.Components, name)
			}
		}
		_, relay := c.Components["feature_relay_switch"]
		return relay && len(c.Components) == 5 && strings.Count(s, "{{") == 7 // our own
	})
	for len(w.heard) > 0 {
		if m := <-w.heard; !strings.Contains(m.Topic, "00c0de") {
			t.Errorf("also announced: %s", m.Topic)
		}
	}
}
