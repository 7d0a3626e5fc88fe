package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"esper/internal/api"
	"esper/internal/broker"
	"esper/internal/broker/brokertest"
	"esper/internal/client"
	"esper/internal/store"
)

// A device that is removed is known nowhere any more, with either broker, and is as a new one when it reports
// again.
func TestARemovedDeviceIsForgotten(t *testing.T) {
	for name, external := range map[string]bool{"embedded broker": false, "Mosquitto": true} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			if external {
				c.ExternalMQTT = &url.URL{Scheme: "mqtt", Host: brokertest.Mosquitto(t, "esper", "secret"), User: url.UserPassword("esper", "secret")}
			}
			s, _ := start(t, c)
			waitForHealth(t, s, 200)
			at := c.ExternalMQTT
			if at == nil {
				at = &url.URL{Scheme: "mqtt", Host: s.MQTTAddr().String()}
			}
			device, err := broker.Dial(t.Context(), at, discard)
			if err != nil {
				t.Fatal(err)
			}
			defer device.Close()
			const info = `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1}}`
			says(t, device, "info", info)
			says(t, device, "status", "ONLINE")
			says(t, device, "socket", "ON") // a feature
			says(t, device, "update/status", `{"state":"idle","version":"v1","progress":0,"error":""}`)
			by := clientOf(s)
			until(t, "it is stored", func() bool {
				d, err := by.Device(t.Context(), "00c0de")
				return err == nil && d.Update != nil && d.Status == "ONLINE"
			})
			group := "kitchen"
			if _, err := by.Label(t.Context(), "00c0de", api.LabelChange{Group: &group, Tag: []string{"x"}}); err != nil {
				t.Fatal(err)
			}
			if err := by.Remove(t.Context(), "00c0de", false); !isProblem(err, http.StatusConflict) {
				t.Fatalf("it is online: %v", err)
			}
			events := follows(t, s)
			hears(t, events, api.HelloEvent, "{}")
			if err := by.Remove(t.Context(), "00c0de", true); err != nil {
				t.Fatal(err)
			}
			hears(t, events, api.RemovedEvent, "00c0de")
			if _, err := by.Device(t.Context(), "00c0de"); !isProblem(err, http.StatusNotFound) {
				t.Errorf("the inventory: %v", err)
			}
			if _, err := by.Why(t.Context(), "00c0de"); !isProblem(err, http.StatusNotFound) {
				t.Errorf("roll-outs: %v", err)
			}
			if n := len(s.Fleet().Devices()); n != 0 {
				t.Errorf("%d devices in memory", n)
			}
			if found, err := s.Store().History(t.Context(), store.HistoryQuery{Device: "00c0de"}); err != nil || len(found) != 0 {
				t.Errorf("history: %v, %v", found, err)
			}
			for _, topic := range retains(t, at) {
				t.Errorf("the broker keeps %s", topic)
			}
			if err := by.Remove(t.Context(), "00c0de", true); !isProblem(err, http.StatusNotFound) {
				t.Errorf("once more: %v", err)
			}

			says(t, device, "info", info)
			until(t, "it is back", func() bool {
				d, err := by.Device(t.Context(), "00c0de")
				return err == nil && d.Version() == "v1" && d.Group == "" && len(d.Tags) == 0 && d.Update == nil
			})
		})
	}
}

func isProblem(err error, status int) bool {
	problem := new(client.Problem)
	return errors.As(err, &problem) && problem.Status == status
}

// until waits until something holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// retains returns the topics of devices that a broker keeps.
func retains(t *testing.T, at *url.URL) (topics []string) {
	c, err := broker.Dial(t.Context(), at, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe("home/+/#", func(m broker.Message) {
		if m.Retained {
			topics = append(topics, m.Topic)
		}
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	return topics
}
