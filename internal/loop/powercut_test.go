package loop

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/internal/image"
)

var caseFlag = flag.String("case", "", "replay this case of power cuts alone, as the test prints them")

// ways are what a power cut makes of the operation that is going on. What a torn
// one leaves depends on the operation alone, so that a case can be replayed.
var ways = []struct {
	name string
	byte func(op esp8266.Operation) func(i int, old, want byte) byte // nil: as wanted
}{
	{"before", func(esp8266.Operation) func(int, byte, byte) byte {
		return func(_ int, old, _ byte) byte { return old }
	}},
	{"after", func(esp8266.Operation) func(int, byte, byte) byte { return nil }},
	{"prefix", func(op esp8266.Operation) func(int, byte, byte) byte {
		return part(op, func(i, n int) bool { return i < n })
	}},
	{"suffix", func(op esp8266.Operation) func(int, byte, byte) byte {
		return part(op, func(i, n int) bool { return i >= n })
	}},
	{"alternate", func(esp8266.Operation) func(int, byte, byte) byte {
		return func(_ int, old, want byte) byte { return old&0xAA | want&0x55 }
	}},
	{"random", func(op esp8266.Operation) func(int, byte, byte) byte {
		r := seeded(op)
		return func(_ int, old, want byte) byte {
			mask := byte(r.Uint32())
			return old&^mask | want&mask
		}
	}},
}

// part does the bytes of an operation on one side of a point within it.
func part(op esp8266.Operation, done func(i, n int) bool) func(int, byte, byte) byte {
	n := 1 + seeded(op).IntN(op.Len-1)
	return func(i int, old, want byte) byte {
		if done(i, n) {
			return want
		}
		return old
	}
}

func seeded(op esp8266.Operation) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(op.Kind), uint64(op.Addr)))
}

// cut is a power cut in an operation.
type powerCut struct {
	operation uint64
	way       int
}

func (c powerCut) String() string { return fmt.Sprintf("%d:%s", c.operation, ways[c.way].name) }

func parseCuts(text string) ([]powerCut, error) {
	var cuts []powerCut
	for _, one := range strings.Split(text, ",") {
		number, name, _ := strings.Cut(one, ":")
		n, err := strconv.ParseUint(number, 10, 64)
		c := powerCut{operation: n}
		for c.way < len(ways) && ways[c.way].name != name {
			c.way++
		}
		if err != nil || c.way == len(ways) {
			return nil, fmt.Errorf("%q is not a number and a way, such as 12:prefix", one)
		}
		cuts = append(cuts, c)
	}
	return cuts, nil
}

func caseName(cuts []powerCut) string {
	var all []string
	for _, c := range cuts {
		all = append(all, c.String())
	}
	return strings.Join(all, ",")
}

// progress is how far the cuts of a run are.
type progress struct {
	made int
	over bool // all are made, and the power is back
}

// make lets the power be cut, and tells of the operations behind the last cut.
func (s *scene) make(cuts []powerCut, seen func(esp8266.Operation)) *progress {
	p := &progress{over: len(cuts) == 0}
	s.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if s.meddle != nil {
			s.meddle(op)
		}
		if p.made < len(cuts) && op.Index == cuts[p.made].operation {
			p.made++
			return esp8266.Cut{Power: true, Byte: ways[cuts[p.made-1].way].byte(op)}
		}
		if p.over && seen != nil {
			seen(op)
		}
		return esp8266.Cut{}
	}
	s.onReset = func(esp8266.ResetReason) { p.over = p.made == len(cuts) }
	return p
}

// play makes the cuts of a track, and says what was wrong afterwards; and how long
// it took until all was well. Where known says that it knows how a flash with that
// content goes on, it does not look.
func (s *scene) play(tr *track, cuts []powerCut, known func(content [32]byte) bool) (problem string, took time.Duration) {
	last := cuts[len(cuts)-1].operation
	m := tr.before(last)
	s.set(m)
	all := append(slices.Clone(m.pending), cuts...)
	p := s.make(all, nil)
	if !s.RunUntil(func() bool { return p.over || s.problem != "" }, patience) {
		return fmt.Sprintf("operation %d was never reached", all[p.made].operation), 0
	}
	began := s.Now()
	if known != nil && known(sha256.Sum256(s.device.Chip.Flash.Bytes())) {
		return "", 0
	}
	switch {
	case !s.RunUntil(func() bool { return s.problem != "" || s.settled() }, patience):
		return fmt.Sprintf("%s is not reached within %v; %s", s.stage.wanted.Version, patience, s.last()), 0
	case s.problem != "":
		return s.problem, 0
	}
	took = s.Now() - began
	if !s.operates() {
		return "it does not do what it is told", took
	}
	return s.problem, took
}

// tally counts what was tried.
type tally struct {
	cases, failed, booted atomic.Int64

	mu      sync.Mutex
	slowest time.Duration
	which   string
	known   map[string]bool // flash contents that went well, with their stage
}

// try plays a case, and reports if it fails.
func (c *tally) try(t *testing.T, s *scene, tr *track, cuts []powerCut) {
	c.cases.Add(1)
	var key string
	problem, took := s.play(tr, cuts, func(content [32]byte) bool {
		key = s.stage.offered.Version + string(content[:])
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.known[key]
	})
	if took > 0 {
		c.booted.Add(1)
	}
	all := append(slices.Clone(tr.marks[0].pending), cuts...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem == "" {
		c.known[key] = true
		if took > c.slowest {
			c.slowest, c.which = took, caseName(all)
		}
		return
	}
	if c.failed.Add(1) <= 20 {
		t.Errorf("%v\n  replay: go test ./internal/loop -run '%s$' -v -args -case %s", problem, t.Name(), caseName(all))
	}
}

func (c *tally) log(t *testing.T, what string) {
	t.Logf("%s: %d cases tried, %d failed; %d played to the end, the others left a flash content that had gone well before; the slowest recovery took %v (%s)",
		what, c.cases.Load(), c.failed.Load(), c.booted.Load(), c.slowest.Round(time.Second), c.which)
}

// R2. The power is cut at each flash operation of the whole cycle, in each way: the
// device boots nothing but what was released, and gets to the wanted release without help.
func TestPowerCut(t *testing.T) {
	c, tr := theCycle(t)
	powerCuts(t, c, tr, 20, 2)
}

// powerCuts cuts the power in a cycle. Unless all are wanted, it tries so many of the single cuts,
// apart from those that are always tried, and so many first ones of two.
func powerCuts(t *testing.T, c *cycle, tr *track, singles, firsts int) {
	if *caseFlag != "" {
		replay(t, c, tr, *caseFlag)
		return
	}
	var delicate, vendors, others []powerCut
	for _, op := range tr.operations {
		for w := range ways {
			switch one := (powerCut{op.Index, w}); {
			case op.Addr/image.SectorSize == image.BootConfigurationAddress/image.SectorSize:
				delicate = append(delicate, one)
			case op.Addr >= image.PHYDataAddress:
				vendors = append(vendors, one)
			default:
				others = append(others, one)
			}
		}
	}
	t.Logf("%d flash operations in the cycle, %d of them in the boot configuration, %d in the vendor's sectors",
		len(tr.operations), len(delicate)/len(ways), len(vendors)/len(ways))
	count := &tally{known: map[string]bool{}}
	inParallel(t, c, slices.Concat(delicate, vendors, some(others, singles)), func(s *scene, one powerCut) {
		count.try(t, s, tr, []powerCut{one})
	})
	count.log(t, "one cut")

	// And a second cut, at each operation that follows until all is well again.
	twice := &tally{known: count.known}
	inParallel(t, c, some(delicate, firsts), func(s *scene, first powerCut) {
		again := &track{}
		s.set(tr.before(first.operation))
		s.record(again, []powerCut{first})
		var seconds []powerCut
		for _, op := range again.operations {
			for w := range ways {
				seconds = append(seconds, powerCut{op.Index, w})
			}
		}
		for _, second := range some(seconds, 7) {
			twice.try(t, s, again, []powerCut{second})
		}
	})
	twice.log(t, "two cuts, the first in the boot configuration")
}

// replay plays one case, and shows all that the device says.
func replay(t *testing.T, c *cycle, tr *track, text string) {
	cuts, err := parseCuts(text)
	if err != nil {
		t.Fatal(err)
	}
	s := c.scene(t)
	start := &track{marks: []mark{tr.before(cuts[0].operation)}}
	problem, took := s.play(start, cuts, nil)
	t.Logf("serial line:\n%s", s.serial.String())
	for _, u := range s.updates {
		t.Logf("reported %+v", u)
	}
	if problem != "" {
		t.Fatal(problem)
	}
	t.Logf("%s runs %v after the last cut", s.stage.wanted.Version, took)
}

// TestPowerCut can fail: devices that did worse would be found out.
func TestPowerCutsFindMistakes(t *testing.T) {
	c, tr := theCycle(t)
	// An operation in the middle of the first update.
	var update []esp8266.Operation
	for _, op := range tr.operations {
		if tr.before(op.Index).stage.offered == c.releases[1] && op.Addr >= image.SlotAddress(1) {
			update = append(update, op)
		}
	}
	middle := update[len(update)/2]

	for name, mistake := range map[string]struct {
		make  func(t *testing.T, s *scene)
		found string
	}{
		"the running slot is erased too early": {func(t *testing.T, s *scene) {
			put(t, s, image.SlotAddress(0), bytes.Repeat([]byte{0xFF}, image.SectorSize))
		}, "no slot boots"},
		"something unsigned is made bootable": {func(t *testing.T, s *scene) {
			foreign := bytes.Clone(c.releases[0].Images[0])
			foreign[0x2000] ^= 1
			digest := sha256.Sum256(foreign[:len(foreign)-sha256.Size])
			put(t, s, image.SlotAddress(0), append(foreign[:len(foreign)-sha256.Size], digest[:]...))
		}, "slot 0 boots something that was not released"},
		"it never looks for the release again": {func(_ *testing.T, s *scene) {
			s.Net.Host("web").Silent = true
		}, "v2 is not reached"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.scene(t)
			s.meddle = func(op esp8266.Operation) {
				if op.Index == middle.Index {
					mistake.make(t, s)
				}
			}
			if problem, _ := s.play(tr, []powerCut{{middle.Index, 0}}, nil); !strings.Contains(problem, mistake.found) {
				t.Errorf("what was found is %q, not %q", problem, mistake.found)
			}
		})
	}
}
