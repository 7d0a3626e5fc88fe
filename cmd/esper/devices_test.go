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
