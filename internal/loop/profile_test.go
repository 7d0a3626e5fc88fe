package loop

import (
	"debug/elf"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/ianlancetaylor/demangle"

	"esper/emulator"
	"esper/emulator/esp8266"
)

// program is the functions of an ELF file, to say where the CPU is.
type program struct {
	functions []function // by address
	last      int        // the one found last
}

type function struct {
	name       string
	start, end uint32
}

func readProgram(t testing.TB, path string) *program {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{functions: []function{{"idle", esp8266.GateBase, esp8266.GateBase + 8}}}
	for _, s := range symbols {
		if s.Size == 0 && s.Section == elf.SHN_ABS && s.Value >= 0x40000000 && s.Value < 0x40100000 {
			s.Size = 8 // of the mask ROM, or a gate
		} else if elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		name, _, _ := strings.Cut(s.Name, "$")
		name = demangle.Filter(name)
		name, _, _ = strings.Cut(name, "(")
		name = strings.TrimPrefix(name, "esper::") // the framework's namespace
		p.functions = append(p.functions, function{name, uint32(s.Value), uint32(s.Value + s.Size)})
	}
	slices.SortStableFunc(p.functions, func(a, b function) int { return int(int64(a.start) - int64(b.start)) })
	return p
}

// mustHave fails unless there is a function for each of the beginnings of names: a function that was
// renamed would be left out unnoticed.
func (p *program) mustHave(t testing.TB, prefixes ...string) {
	t.Helper()
	for _, prefix := range prefixes {
		if !slices.ContainsFunc(p.functions, func(f function) bool { return strings.HasPrefix(f.name, prefix) }) {
			t.Fatalf("the program has no function whose name begins with %s", prefix)
		}
	}
}

// find is the index of the function at pc, or -1.
func (p *program) find(pc uint32) int {
	if f := p.functions[p.last]; pc >= f.start && pc < f.end {
		return p.last
	}
	i := sort.Search(len(p.functions), func(i int) bool { return p.functions[i].start > pc }) - 1
	if i < 0 || pc >= p.functions[i].end {
		return -1
	}
	p.last = i
	return i
}

// profile is where a device spends its time, as long as it runs one program.
type profile struct {
	*program
	cycles       []uint64 // by function
	instructions uint64
	longest      uint64            // turn of the event loop, in cycles
	longestIn    string            // the function that it spent most of its time in
	turns        map[string]uint64 // total cycles of the turns in which a function of this name was executed

	device  *emulator.Device
	watched []int // of the functions
	names   []string
	inTurn  bool
	began   uint64
	last    uint64
	at      int
	seen    []bool
	spent   map[int]uint64 // in this turn
}

// profileOf watches a device that runs the program, until stop is called. Whole turns
// are added up for the functions named.
func profileOf(d *emulator.Device, p *program, turnsWith ...string) *profile {
	q := &profile{program: p, cycles: make([]uint64, len(p.functions)+1), device: d,
		turns: map[string]uint64{}, names: turnsWith, last: d.Cycles(), at: len(p.functions)}
	for _, name := range turnsWith {
		q.watched = append(q.watched, slices.IndexFunc(p.functions, func(f function) bool { return f.name == name }))
	}
	q.seen, q.spent = make([]bool, len(q.watched)), map[int]uint64{}
	d.Chip.CPU.Trace = q.trace
	return q
}

func (q *profile) stop() { q.device.Chip.CPU.Trace = nil }

func (q *profile) trace(pc uint32) {
	now := q.device.Chip.CPU.Cycles
	q.cycles[q.at] += now - q.last
	if q.inTurn {
		q.spent[q.at] += now - q.last
	}
	q.last = now
	q.instructions++
	if q.at = q.find(pc); q.at < 0 {
		q.at = len(q.functions)
	}
	switch idle := pc == esp8266.GateBase; { // where callbacks return to
	case q.inTurn && idle:
		q.inTurn = false
		if now-q.began > q.longest {
			q.longest = now - q.began
			most := uint64(0)
			for at, n := range q.spent {
				if n > most && at < len(q.functions) {
					most, q.longestIn = n, q.functions[at].name
				}
			}
		}
		for i, seen := range q.seen {
			if seen {
				q.turns[q.names[i]] += now - q.began
			}
		}
		clear(q.spent)
		clear(q.seen)
	case !q.inTurn && !idle:
		q.inTurn, q.began = true, now
	}
	if q.inTurn {
		for i, w := range q.watched {
			if w == q.at {
				q.seen[i] = true
			}
		}
	}
}

// of adds up the cycles of the functions whose names begin so.
func (q *profile) of(prefixes ...string) uint64 {
	n := uint64(0)
	for i, f := range q.functions {
		for _, prefix := range prefixes {
			if strings.HasPrefix(f.name, prefix) {
				n += q.cycles[i]
				break
			}
		}
	}
	return n
}

// String is the largest, one a line.
func (q *profile) String() string {
	order := make([]int, len(q.functions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(int64(q.cycles[b]) - int64(q.cycles[a])) })
	var b strings.Builder
	for _, i := range order[:30] {
		fmt.Fprintf(&b, "%12d %s\n", q.cycles[i], q.functions[i].name)
	}
	fmt.Fprintf(&b, "%12d elsewhere\n", q.cycles[len(q.functions)])
	return b.String()
}
