package loop

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/release"
)

// patience is how long a device may take to get somewhere by itself: one interval
// between two checks, and an update.
const patience = 75 * time.Minute

// cycle is all that happens to a device that is updated, and the releases of it.
type cycle struct {
	firmwares *firmwares
	releases  []*release.Release
	bad       *release.Release
	stages    []stage
}

var (
	cycleOnce  sync.Once
	sharedRun  *track
	sharedPlan *cycle
)

// theCycle is the cycle, and a run of it without a cut, once for all tests.
func theCycle(t *testing.T) (*cycle, *track) {
	t.Helper()
	cycleOnce.Do(func() {
		c := newCycle(t, theFirmwares(t))
		sharedPlan, sharedRun = c, c.run(t)
	})
	if sharedRun == nil {
		t.Fatal("the cycle does not even run without a cut")
	}
	return sharedPlan, sharedRun
}

// newCycle makes the cycle: a device is flashed over the serial line with v1 and
// brings its other slot to it, gets v2, then v3, and then v4, which crashes. v2 and v3 are made of deltas,
// the standby image of v1 and v2 of the running one; that of v3, and v4, are downloaded, as v3 has no
// relocation list.
func newCycle(t *testing.T, f *firmwares) *cycle {
	t.Helper()
	v1, v2, v3 := f.release(t, "socket", "v1", 1), f.release(t, "socket", "v2", 2), f.release(t, "socket", "v3", 3)
	v3 = f.downloaded(t, v3)
	v4 := f.badRelease(t, "v4", 4, "crashes at once", failures["crashes at once"].variant)
	return &cycle{
		firmwares: f, releases: []*release.Release{v1, v2, v3, v4}, bad: v4,
		stages: []stage{
			{offered: v1, wanted: v1, handler: offers(t, v1)},
			{offered: v2, wanted: v2, handler: offers(t, v1, v2)},
			{offered: v3, wanted: v3, handler: offers(t, v1, v2, v3)},
			{offered: v4, wanted: v3, handler: offers(t, v1, v2, v3, v4)},
		},
	}
}

// scene makes a scene for the cycle, at its beginning.
func (c *cycle) scene(t *testing.T) *scene {
	s := newScene(t, c.firmwares, c.releases[0].Images[0])
	s.releases, s.bad = c.releases, c.bad
	s.offer(c.stages[0])
	return s
}

// run goes through all stages without a cut, and records them.
func (c *cycle) run(t *testing.T) *track {
	t.Helper()
	s := c.scene(t)
	tr := &track{}
	for i, st := range c.stages {
		s.offer(st)
		if i > 0 {
			s.broker.Publish(realm+"/update", "", false)
		}
		if s.record(tr, nil); s.problem != "" || !s.settled() {
			t.Fatalf("without a cut: %s is not reached: %s; %s\n%s",
				st.wanted.Version, s.problem, s.last(), tail(s.serial.String(), 3000))
		}
		var images, deltas int
		for _, q := range s.Net.Host("web").Peer(80).(*network.Web).Requests() {
			images += strings.Count(q.URL, ".rom")
			deltas += strings.Count(q.URL, ".delta")
		}
		if want := [][2]int{{0, 0}, {0, 1}, {1, 2}, {2, 2}}[i]; want != [2]int{images, deltas} {
			t.Fatalf("%s: %d images and %d deltas were asked for, not %v", st.wanted.Version, images, deltas, want)
		}
		if s.device.SDK.OpenedAccessPoint() {
			t.Fatalf("%s opens an access point at each boot", st.wanted.Version)
		}
	}
	return tr
}

// track is a run that was recorded: what it did to the flash, and marks to go on from.
type track struct {
	operations []esp8266.Operation
	marks      []mark
}

// record runs the scene until it is settled, or has a problem, or the patience is at an end. Of
// the operations up to the last of the cuts, which it makes, nothing is kept.
func (s *scene) record(tr *track, cuts []powerCut) {
	m := s.mark()
	m.pending = cuts
	tr.marks = append(tr.marks, m)
	p := s.make(cuts, func(op esp8266.Operation) {
		op.Data = nil
		tr.operations = append(tr.operations, op)
	})
	s.RunUntil(func() bool {
		if now := s.device.Chip.Flash.Operations(); p.over && now > tr.marks[len(tr.marks)-1].next {
			tr.marks = append(tr.marks, s.mark())
		}
		return s.problem != "" || p.over && s.settled()
	}, patience)
}

// before is the last mark before an operation.
func (tr *track) before(operation uint64) mark {
	for _, m := range slices.Backward(tr.marks) {
		if m.next <= operation {
			return m
		}
	}
	return tr.marks[0]
}
