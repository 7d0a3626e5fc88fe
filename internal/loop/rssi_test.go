package loop

import (
	"strings"
	"testing"

	"esper/internal/fleet"
)

// A device does not publish what its SDK says of a signal that it does not know.
func TestASignalStrengthThatIsNotKnownIsNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	d.SDK.RSSI = 31
	w.settle()
	info, _ := w.broker.Retained(realm + "/" + d.ID() + "/info")
	if _, problems, err := fleet.ParseInfo(d.ID(), []byte(info)); strings.Contains(info, "rssi") || len(problems) > 0 || err != nil {
		t.Errorf("it published %s: %v, %v", info, problems, err)
	}
}
