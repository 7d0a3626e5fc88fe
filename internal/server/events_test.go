package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"esper/internal/api"
	"esper/internal/client"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/server"
)

func clientOf(s *server.Server) *client.Client {
	return &client.Client{Server: &url.URL{Scheme: "http", Host: s.HTTPAddr().String()}}
}

// told is an event as it was told.
type told struct{ name, data string }

// follows returns what a server tells.
func follows(t *testing.T, s *server.Server) <-chan told {
	events := make(chan told, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		clientOf(s).Events(ctx, func(name string, data []byte) error {
			events <- told{name, string(data)}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return events
}

// hears waits for an event with a text in it, and returns its data.
func hears(t *testing.T, events <-chan told, name, text string) string {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e.name == name && strings.Contains(e.data, text) {
				return e.data
			}
		case <-timeout:
			t.Fatalf("no event %s with %s", name, text)
		}
	}
}

func TestWhoFollowsHearsOfChanges(t *testing.T) {
	s, device := operated(t)
	events := follows(t, s)
	hears(t, events, api.HelloEvent, "{}")
	says(t, device, "update/status", `{"state":"downloading","version":"v2","progress":40,"error":""}`)
	var d api.Device
	if err := json.Unmarshal([]byte(hears(t, events, api.DeviceEvent, `"progress":40`)), &d); err != nil {
		t.Fatal(err)
	}
	if d.ID != "00c0de" || d.Version() != "v1" || d.Why == nil || d.Why.Device.Running != "v1" {
		t.Errorf("told of %+v", d)
	}
	name := "Kettle"
	if _, err := clientOf(s).Label(t.Context(), "00c0de", api.LabelChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	hears(t, events, api.DeviceEvent, `"name":"Kettle"`)
	if _, err := clientOf(s).Steer(t.Context(), "00c0de", "hold"); err != nil {
		t.Fatal(err)
	}
	hears(t, events, api.DeviceEvent, `"held":true`)
	if _, err := clientOf(s).SteerRollout(t.Context(), "socket", "pause"); err != nil {
		t.Fatal(err)
	}
	hears(t, events, api.RolloutEvent, `"status":"paused"`)
	if err := s.Repository().Publish(repositorytest.Release(t, "socket", "v3", 3), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	hears(t, events, api.ReleaseEvent, `{"type":"socket","version":"v3","sequence":3}`)
}

// The first who follows hears also of what changes at once after the hello.
func TestTheFirstFollowerMissesNothing(t *testing.T) {
	s, _ := operated(t)
	events := follows(t, s)
	hears(t, events, api.HelloEvent, "{}")
	if _, err := clientOf(s).SteerRollout(t.Context(), "socket", "pause"); err != nil {
		t.Fatal(err)
	}
	hears(t, events, api.RolloutEvent, `"status":"paused"`)
}

// Who does not read is not waited for, and they cannot be too many.
func TestFollowersAreLimited(t *testing.T) {
	s, device := operated(t)
	var refused *http.Response
	for range 100 {
		answer, err := http.Get("http://" + s.HTTPAddr().String() + "/api/events") // and never read
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != 200 {
			refused = answer
			break
		}
	}
	if refused == nil || refused.StatusCode != 503 || refused.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("too many followers: %v", refused)
	}
	says(t, device, "status", "OFFLINE")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, err := clientOf(s).Device(t.Context(), "00c0de")
		if err != nil {
			t.Fatal(err)
		}
		if d.Status == "OFFLINE" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server waits for who does not read")
		}
	}
}
