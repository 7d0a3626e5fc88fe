package loop

import (
	"slices"
	"testing"

	"esper/emulator/esp8266"
	"esper/internal/fleet"
	"esper/internal/image"
)

// R2: each flash operation of the whole cycle reports an error once. The device goes
// on, says so where it was an update's, and gets to the wanted release by itself.
func TestAFlashErrorCostsNothingButTime(t *testing.T) {
	c, tr := theCycle(t)
	operations := some(tr.operations, 15)
	inParallel(t, c, operations, func(s *scene, op esp8266.Operation) {
		s.set(tr.before(op.Index))
		refused := false
		s.device.Chip.Flash.Before = func(now esp8266.Operation) esp8266.Cut {
			if now.Index == op.Index {
				refused = true
				return esp8266.Refuse()
			}
			return esp8266.Cut{}
		}
		s.RunUntil(func() bool { return s.problem != "" || refused && s.settled() }, patience)
		switch {
		case !refused:
			t.Errorf("%v is never reached", op)
		case s.problem != "" || !s.settled() || !s.operates():
			t.Errorf("%v: %s is not reached: %s; %s", op, s.stage.wanted.Version, s.problem, s.last())
		case op.Addr >= image.SlotAddress(0) && !slices.ContainsFunc(s.updates, func(u fleet.UpdateStatus) bool { return u.Error == "flash" }):
			t.Errorf("%v: the error was not reported; %s", op, s.last())
		}
	})
	t.Logf("%d operations", len(operations))
}
