package loop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
// Of functions that repeat the same steps many times, hashes and arithmetic, each
// instruction is skipped the first and last time that it is executed and a few times
// between. Functions of the mask ROM are not here as on the chip: calls of them are
// skipped, but nothing within.

// full says whether everything is to be tried, rather than a sample.
var full = os.Getenv("ESPER_FULL") != ""

const (
	between = 8  // of the repeated instructions, besides first and last
	sample  = 40 // without ESPER_FULL every so manieth fault is tried
)

// repeats are the functions that repeat the same steps.
var repeats = []string{"Sha256::", "Sha512::", "Text::", "Ed25519::add", "fe_", "ge_", "slide_", "invsqrt",
	"mod_l", "load", "multiply", "__muldi3", "__udiv", "__umod", "crypto_wipe", "scalar_bit"}

// fault is one instruction to jump over: the nth that is executed.
type fault struct {
	n  uint64
	pc uint32
}

// faults chooses from the instructions that were executed.
func faults(program *program, executed []uint32, first uint64) []fault {
	var chosen []fault
	times := map[uint32][]uint64{}
	for i, pc := range executed {
		at := program.find(pc)
		if pc < 0x40100000 || at < 0 { // the ROM, a gate, or no code of ours
			continue
		}
		name, repeated := program.functions[at].name, false
		for _, r := range repeats {
			repeated = repeated || strings.HasPrefix(name, r)
		}
		if repeated {
			times[pc] = append(times[pc], uint64(i))
		} else {
			chosen = append(chosen, fault{first + uint64(i), pc})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for pc, all := range times {
		pick := map[uint64]bool{all[0]: true, all[len(all)-1]: true}
		for range between {
			pick[all[random.IntN(len(all))]] = true
		}
		for i := range pick {
			chosen = append(chosen, fault{first + i, pc})
		}
	}
	if !full {
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:len(chosen)/sample]
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

// report names the faults that did harm.
func reportHarm(t *testing.T, program *program, elf string, tried int, harm []fault) {
	t.Helper()
	t.Logf("%d instructions skipped, %d let it start", tried, len(harm))
	for _, f := range harm {
		line, _ := exec.Command("xtensa-lx106-elf-addr2line", "-e", elf, fmt.Sprintf("%#x", f.pc)).Output()
		name := ""
		if at := program.find(f.pc); at >= 0 {
			name = program.functions[at].name
		}
		t.Errorf("skipping instruction %d, at %#x in %s, %s, starts it",
			f.n, f.pc, name, strings.TrimSpace(string(line)))
	}
}

// Where the images of the sweep lie: anything in there is theirs.
const (
	badCode  = 0x40100000
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
	for _, f := range faults(b.program, executed, 0) {
		// Waiting, when no slot boots, repeats itself.
		if f.n < uint64(len(executed)) && b.program.find(f.pc) >= 0 {
			chosen[f.n] = f
		}
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
