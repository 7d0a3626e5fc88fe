package loop

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/site"
)

// The instruction-skip sweep: whoever disturbs a chip's supply or clock at the right
// moment can make it jump over an instruction. Each instruction that a check executes
// is jumped over once, one in each run, and what must not start must not start.
//
// An instruction that is executed many times is skipped the first and the last times and
// a few between; one of the arithmetic on the curve, which mixes every bit into all
// others, once. Functions of the mask ROM are not here as on the chip: calls of them are
// skipped, but nothing within.

// full says whether everything is to be tried, rather than a sample.
var full = os.Getenv("ESPER_FULL") != ""

const (
	often  = 12  // as often as this every execution of an instruction is skipped
	sample = 320 // without ESPER_FULL every so manieth fault is tried
)

// curve is how the names of the functions begin that calculate on the curve.
var curve = []string{"fe_", "ge_", "invsqrt", "mod_l", "x16", "multiply", "remove_l", "slide_", "load", "__muldi3",
	"Ed25519::add", "Sha512"}

func onCurve(name string) bool {
	return slices.ContainsFunc(curve, func(c string) bool { return strings.HasPrefix(name, c) })
}

// fault is one instruction to jump over: the nth that is executed.
type fault struct {
	n  uint64
	pc uint32
}

// faults chooses from the instructions that were executed: a sample, unless all are wanted.
func faults(program *program, executed []uint32) []fault {
	return sampled(allFaults(program, executed), sample)
}

// sampled keeps one of so many, always the same, unless all are wanted.
func sampled(chosen []fault, one int) []fault {
	if !full {
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:len(chosen)/one]
	}
	return chosen
}

// allFaults are the instructions that were executed, those that were often executed only so often.
func allFaults(program *program, executed []uint32) []fault {
	times := map[uint32][]int{}
	for i, pc := range executed {
		if pc >= iram && program.find(pc) >= 0 { // not the ROM or a gate
			times[pc] = append(times[pc], i)
		}
	}
	var chosen []fault
	random := rand.New(rand.NewPCG(1, 2))
	for _, pc := range slices.Sorted(maps.Keys(times)) {
		all := times[pc]
		some := func() int { return all[random.IntN(len(all))] }
		pick := all
		if onCurve(program.functions[program.find(pc)].name) {
			pick = []int{some()}
		} else if len(all) > often {
			pick = slices.Concat(all[:3], all[len(all)-3:], []int{some(), some(), some(), some(), some(), some()})
		}
		slices.Sort(pick)
		for _, i := range slices.Compact(pick) {
			chosen = append(chosen, fault{uint64(i), pc})
		}
	}
	return chosen
}

// skip jumps over the instruction at PC.
func skip(c *esp8266.Chip) {
	b, err := c.Read(c.CPU.PC, 1)
	if err != nil {
		return
	}
	c.CPU.PC += 3
	if b[0]&15 >= 8 {
		c.CPU.PC--
	}
}

// reportHarm names the faults that did harm.
func reportHarm(t *testing.T, program *program, elf string, tried int, harm []fault) {
	t.Helper()
	t.Logf("%d instructions skipped, %d of them with harm", tried, len(harm))
	for _, f := range harm {
		line, _ := exec.Command("xtensa-lx106-elf-addr2line", "-e", elf, fmt.Sprintf("%#x", f.pc)).Output()
		name := ""
		if at := program.find(f.pc); at >= 0 {
			name = program.functions[at].name
		}
		t.Errorf("skipping instruction %d, at %#x in %s, %s, does harm",
			f.n, f.pc, name, strings.TrimSpace(string(line)))
	}
}

const iram = 0x40100000

// Where the images of the sweep lie: anything in there is theirs.
const (
	badCode  = iram
	goodCode = 0x40104000
	codeSize = 0x400
)

// smallImage is an image that does nothing, of a bit more than a sector.
func smallImage(t testing.TB, slot int, addr uint32) []byte {
	t.Helper()
	irom := bytes.Repeat([]byte{0x5A, 0x3C, 0x11, 0xE7}, 1060)
	descriptor, err := image.Descriptor{DeviceType: "socket", Version: "v1", Sequence: 1, Slot: slot, Size: 1 << 12}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	copy(irom, descriptor)
	code := bytes.Repeat([]byte{0x3D, 0xF0}, codeSize/2) // NOP.N
	copy(code[codeSize-4:], []byte{0x06, 0xFF, 0xFF, 0}) // J to itself
	b, err := image.Pack(image.Input{Entry: addr, IROM: irom, Slot: slot, FlashMode: image.FlashDOUT,
		FlashSizeFreq: image.Flash1MB40MHz, Segments: []image.Segment{{Addr: addr, Data: code}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoSkippedInstructionOfTheBootloaderStartsABadImage(t *testing.T) {
	f := theFirmwares(t)
	f.images(t, "socket", "v1", 1)
	elf := filepath.Join(f.site.Dir, site.BuildDir, "bootloader.elf")
	damaged := func(rom []byte) []byte {
		rom[0x800] ^= 1
		return rom
	}
	for _, test := range []struct {
		name  string
		roms  [image.Slots][]byte
		trial bool // of slot 1
	}{
		{"in the configured slot, the other is good", [2][]byte{damaged(smallImage(t, 0, badCode)), smallImage(t, 1, goodCode)}, false},
		{"in both slots", [2][]byte{damaged(smallImage(t, 0, badCode)), damaged(smallImage(t, 1, badCode))}, false},
		{"on trial", [2][]byte{smallImage(t, 0, goodCode), damaged(smallImage(t, 1, badCode))}, true},
		{"linked for the other slot", [2][]byte{smallImage(t, 1, badCode), smallImage(t, 1, goodCode)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			content, err := image.NewFlash(f.bootloader, smallImage(t, 0, goodCode), nil)
			if err != nil {
				t.Fatal(err)
			}
			for slot, rom := range test.roms {
				copy(content[image.SlotAddress(slot):], rom)
			}
			b := &bootSweep{content: content, program: readProgram(t, elf), trial: test.trial}
			tried, harm := b.run(t)
			reportHarm(t, b.program, elf, tried, harm)
		})
	}
}

// bootSweep runs the bootloader again and again.
type bootSweep struct {
	content []byte
	program *program
	trial   bool
}

func (b *bootSweep) chip(t *testing.T) *esp8266.Chip {
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, b.content); err != nil {
		t.Fatal(err)
	}
	c := esp8266.New(flash)
	c.PowerOn()
	if b.trial {
		record := image.RTCRecord{NextMode: 2, TempROM: 1}.Marshal()
		if err := c.Write(image.RTCRecordAddress, record); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// bootCycles is long enough for all that the bootloader does with small images. What
// comes later comes from the watchdog, and is a boot without a fault.
const bootCycles = 8_000_000

// outcome runs a chip until an image runs or it is clear that none will.
func outcome(c *esp8266.Chip) (bad, good bool) {
	for end := c.CPU.Cycles + bootCycles; c.CPU.Cycles < end; {
		switch c.Run(c.CPU.Cycles + 20_000) {
		case esp8266.EventReset, esp8266.EventPowerCut, esp8266.EventStopped:
			return false, false // what follows is a boot without a fault
		}
		pc := c.CPU.PC
		bad, good = pc >= badCode && pc < badCode+codeSize, pc >= goodCode && pc < goodCode+codeSize
		if bad || good {
			return bad, good
		}
	}
	return false, false
}

func (b *bootSweep) run(t *testing.T) (tried int, harm []fault) {
	pilot := b.chip(t)
	var executed []uint32
	pilot.CPU.Trace = func(pc uint32) { executed = append(executed, pc) }
	if bad, _ := outcome(pilot); bad {
		t.Fatal("it starts without a fault")
	}
	chosen := map[uint64]fault{}
	for _, f := range faults(b.program, executed) {
		chosen[f.n] = f
	}

	pilot, fork := b.chip(t), esp8266.New(esp8266.NewFlash(image.FlashSize))
	n, last := uint64(0), uint64(0)
	for at := range chosen {
		last = max(last, at)
	}
	pilot.CPU.Trace = func(pc uint32) {
		if f, ok := chosen[n]; ok {
			if err := fork.Restore(pilot.Snapshot()); err != nil {
				t.Fatal(err)
			}
			skip(fork)
			tried++
			if bad, _ := outcome(fork); bad {
				harm = append(harm, f)
			}
		}
		if n++; n > last {
			pilot.Break()
		}
	}
	pilot.Run(pilot.CPU.Cycles + bootCycles)
	return tried, harm
}
