package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
)

func TestSafeModeShowsInTheTable(t *testing.T) {
	devices := fleet.New("home", slog.New(slog.DiscardHandler))
	handle := func(topic, payload string) { devices.Handle("home/00c0de/"+topic, []byte(payload), time.Time{}) }
	table := func() string {
		var out bytes.Buffer
		if err := printDevices(&out, reported(devices.Devices()), time.Now()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	handle("status", "ONLINE")
	handle("info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v2"},"boot":{"safe":true,"slots":[null,null]}}`)
	if text := table(); !strings.Contains(text, "SAFE MODE") {
		t.Errorf("it does not show in\n%s", text)
	}
	handle("status", "OFFLINE")
	if text := table(); !strings.Contains(text, "OFFLINE") || strings.Contains(text, "SAFE MODE") {
		t.Errorf("offline it shows\n%s", text)
	}
}

// A development build that finds nothing published has not failed, and an answer of the update
// server is told by its status.
func TestAnUpdateIsSaidInAFewWords(t *testing.T) {
	for want, c := range map[string]struct {
		sequence uint32
		update   *fleet.UpdateStatus
	}{
		"-":                      {1, nil},
		"none published":         {0, &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 404}},
		"failed http-status 404": {1, &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 404}},
		"failed http-status 503": {0, &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 503}},
		"failed http-status":     {1, &fleet.UpdateStatus{State: "failed", Error: "http-status"}},
		"rolled-back crashed":    {1, &fleet.UpdateStatus{State: "rolled-back", Error: "crashed"}},
		"downloading v2 5%":      {0, &fleet.UpdateStatus{State: "downloading", Version: "v2", Progress: 5, Error: "http-status", HTTPStatus: 404}},
		"downloading v2 40%":     {1, &fleet.UpdateStatus{State: "downloading", Version: "v2", Progress: 40}},
	} {
		d := fleet.Device{ID: "00c0de", Info: &fleet.Info{Device: "socket"}, Update: c.update}
		d.Info.Version.Sequence = c.sequence
		if got := updateText(d); got != want {
			t.Errorf("%+v of sequence %d: %q, want %q", c.update, c.sequence, got, want)
		}
		var out bytes.Buffer
		if err := (deviceReport{Device: reported([]fleet.Device{d})[0]}).print(&streams{out: &output{to: &out}}); err != nil {
			t.Fatal(err)
		}
		for text, there := range map[string]bool{
			"(development build), slot 0": c.sequence == 0, "(sequence 1), slot 0": c.sequence == 1,
			"the server answered 404: nothing is published for socket": c.update != nil && c.update.HTTPStatus == 404 && c.update.State == "failed",
			"without a delta: http-status":                             c.update != nil && c.update.State == "downloading" && c.update.Error != "",
		} {
			if strings.Contains(out.String(), text) != there {
				t.Errorf("%s: %q:\n%s", want, text, &out)
			}
		}
	}
}
