package main

import (
	"strings"
	"testing"
	"time"

	"esper/internal/api"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

// It looks for a release and is told that there is none for it, which is no failure of anything.
func TestADeviceThatIsAheadIsShownWithoutAFailure(t *testing.T) {
	for reason, failed := range map[rollout.Reason]bool{rollout.IsAhead: false, rollout.GenerallyAvailable: true} {
		d := fleet.Device{ID: "00c0de", Update: &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 404}}
		var out strings.Builder
		r := deviceReport{Device: api.Device{
			Device: store.Device{Device: d},
			Why:    &conductor.Answer{Decision: rollout.Decision{Reason: reason}, Explanation: reason.Explain("v1")},
		}}
		if err := r.print(&streams{out: &output{to: &out}}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "failed"); got != failed || !strings.Contains(out.String(), "v1") {
			t.Errorf("%s: %s", reason, out.String())
		}
	}
}

func TestTheCostOfTheLastUpdateIsShown(t *testing.T) {
	ended := time.Now()
	bytes := func(n uint64) *uint64 { return &n }
	for _, test := range []struct {
		updates []fleet.Update
		last    string // line of the report, without blanks at its end
		row     string // of the table
	}{
		{nil, "", ""},
		{[]fleet.Update{{State: "confirmed", Ended: ended, Received: bytes(1234), Seconds: 1.44}}, "last update  1.2 KB in 1.4 s", "confirmed  1.2 KB in 1.4 s  -     -"},
		{[]fleet.Update{{State: "confirmed", Ended: ended, Received: bytes(0), Seconds: 0.5}}, "last update  0 bytes in 0.5 s", "confirmed  0 bytes in 0.5 s  -     -"},
		{[]fleet.Update{{State: "confirmed", Ended: ended, Seconds: 21.3}}, "last update  unknown bytes in 21.3 s", "confirmed  unknown bytes in 21.3 s  -     -"},
		{[]fleet.Update{{State: "confirmed", Ended: ended, Received: bytes(272_691)}}, "last update  266.3 KB", "confirmed  266.3 KB  -     -"},
		{[]fleet.Update{{State: "trial", Received: bytes(900), Seconds: 75}, {State: "downloading"}}, "last update  900 bytes in 1m15s", "trial        900 bytes in 1m15s  -     -"},
		{[]fleet.Update{{State: "failed", Ended: ended, Error: "unreachable"}}, "", "failed  -     -     unreachable"},
		{[]fleet.Update{{State: "confirmed", Ended: ended, WithoutDelta: "malformed-delta", Received: bytes(272_691), Seconds: 20}},
			"last update  266.3 KB in 20.0 s", "confirmed  266.3 KB in 20.0 s  -     without a delta: malformed-delta"},
		{[]fleet.Update{{State: "failed", Ended: ended, WithoutDelta: "malformed-delta", Error: "flash"}}, "", "failed  -     -     flash"},
	} {
		var out strings.Builder
		if err := (deviceReport{Updates: test.updates}).print(&streams{out: &output{to: &out}}); err != nil {
			t.Fatal(err)
		}
		last := ""
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "last update") {
				last = strings.TrimSpace(line)
			}
		}
		if last != test.last || !strings.Contains(out.String(), test.row) {
			t.Errorf("want %q and %q:\n%s", test.last, test.row, out.String())
		}
	}
}
