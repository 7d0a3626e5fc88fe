package server_test

import (
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/homeassistant"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
)

// The first device's turn comes first: 00c0de may have the release, 00c0df not yet.
func TestHomeAssistantIsToldOfTheUpdatesThatTheRolloutAllows(t *testing.T) {
	c := config(t)
	c.HomeAssistant = homeassistant.Options{Prefix: "homeassistant"}
	c.Plan = func(string) rollout.Plan {
		plan := rollout.AllAtOnce
		plan.Stages = []rollout.Stage{{Percent: 11, Watch: time.Hour}, {Percent: 100, Approve: true}}
		return plan
	}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	for sequence, version := range []string{"v1", "v2"} {
		if err := s.Repository().Publish(repositorytest.Release(t, "socket", version, uint32(sequence+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
		get(t, s, "/firmware/socket.version")
	}
	home := dial(t, s.MQTTAddr(), nil)
	heard := make(chan broker.Message, 100)
	if err := home.Subscribe("home/+/update/available", func(m broker.Message) { heard <- m }); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"00c0de", "00c0df"} {
		info := `{"device":"socket","chip_id":"` + id + `","version":{"esper":"v1","sequence":1}}`
		if err := home.Publish("home/"+id+"/info", []byte(info), true); err != nil {
			t.Fatal(err)
		}
	}
	latest := map[string]string{}
	for deadline := time.After(10 * time.Second); !strings.Contains(latest["home/00c0de/update/available"], `"latest_version":"socket v2"`) ||
		!strings.Contains(latest["home/00c0df/update/available"], `"latest_version":"socket v1"`); {
		select {
		case m := <-heard:
			latest[m.Topic] = string(m.Payload)
		case <-deadline:
			t.Fatalf("told %v", latest)
		}
	}
}
