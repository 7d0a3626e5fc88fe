package main

import (
	"strings"
	"testing"

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
