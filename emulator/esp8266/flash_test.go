package esp8266

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgrammingOnlyClearsBitsAndErasingSetsThem(t *testing.T) {
	m := newMachine(t, new(code).exit())
	at := uint32(0x10FFC)
	must(t, m.ProgramFlash(at, []byte{0xF0, 0xFF, 0x0F, 0x55, 1, 2, 3, 4})) // over a sector's end
	must(t, m.ProgramFlash(at, []byte{0x3F, 0x77, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}))
	want := []byte{0x30, 0x77, 0x0F, 0x55, 1, 2, 3, 4}
	if got := m.Flash.Bytes()[at:][:8]; !bytes.Equal(got, want) {
		t.Errorf("programming twice left % x, want % x", got, want)
	}
	must(t, m.EraseFlash(0x10000))
	want = []byte{0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}
	if got := m.Flash.Bytes()[at:][:8]; !bytes.Equal(got, want) {
		t.Errorf("erasing the first sector left % x, want % x", got, want)
	}
}

func TestTheROMsFlashFunctionsKeepTheirRules(t *testing.T) {
	m := newMachine(t, new(code).exit())
	source, target := uint32(dramBase+0x200), uint32(dramBase+0x300)
	for i := range uint32(4) {
		m.mustStore(source+4*i, 0x01010101*(i+1))
	}
	for _, test := range []struct {
		name string
		args []uint32
		want uint32
	}{
		{"SPIEraseSector", []uint32{0x20}, 0},
		{"SPIEraseSector", []uint32{0x130}, 0},    // which is 0x30 of a chip of 1 MB, as far as the ROM knows 4
		{"SPIEraseSector", []uint32{0x400}, 1},    // behind the end
		{"SPIEraseSector", []uint32{0x100000}, 1}, // whose address does not fit 32 bits
		{"SPIEraseArea", []uint32{0x20000, 0x2000}, 0},
		{"SPIEraseArea", []uint32{0x20800, 0x1000}, 1},
		{"SPIWrite", []uint32{0x20000, source, 16}, 0},
		{"SPIWrite", []uint32{0x20002, source, 16}, 1},
		{"SPIWrite", []uint32{0x20010, source, 15}, 1},
		{"SPIWrite", []uint32{0xFFFF8, source, 16}, 1},
		{"SPIWrite", []uint32{0xFFFFFFFC, source, 16}, 1},
		{"SPIRead", []uint32{0x20001, target, 7}, 0},
		{"SPIRead", []uint32{0xFFFFC, target, 8}, 1},
		{"SPIRead", []uint32{0, target, 0xFFFFFFFF}, 1},
		{"SPIUnlock", nil, 0},
	} {
		if got := m.rom(test.name, test.args...); got != test.want {
			t.Errorf("%s(%#x) gave %d, want %d", test.name, test.args, got, test.want)
		}
	}
	if got, _ := m.Read(target, 8); !bytes.Equal(got, []byte{1, 1, 1, 2, 2, 2, 2, 3}) {
		t.Errorf("7 bytes read from 0x20001 are % x", got)
	}
	m.rom("SPIRead", 0x20000, target+1, 4)
	if len(m.exceptions) != 1 || m.exceptions[0].Cause != 9 {
		t.Errorf("reading to an odd address gave %v, want exception 9", m.exceptions)
	}
}

func TestFlashOperationsTakeTheirTime(t *testing.T) {
	m := newMachine(t, new(code).exit())
	for _, test := range []struct {
		name     string
		do       func()
		min, max float64 // milliseconds
	}{
		{"erase a sector", func() { m.EraseFlash(0x20000) }, 45, 60},
		{"program a page", func() { m.ProgramFlash(0x20000, make([]byte, 256)) }, 0.4, 0.7},
		{"program a sector", func() { m.ProgramFlash(0x20000, make([]byte, 4096)) }, 6.4, 11.2},
		{"read a sector", func() { m.ReadFlash(0x20000, make([]byte, 4096)) }, 0.4, 0.8},
	} {
		before := m.CPU.Cycles
		test.do()
		if ms := float64(m.CPU.Cycles-before) / (CyclesPerSecond / 1000); ms < test.min || ms > test.max {
			t.Errorf("to %s takes %.2f ms, want %.1f to %.1f", test.name, ms, test.min, test.max)
		}
	}
}

func TestAFlashFileHoldsEachChangeAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash.bin")
	flash, err := OpenFlash(path)
	must(t, err)
	want := bytes.Repeat([]byte{0xFF}, FlashSize)
	check := func(when string) {
		t.Helper()
		got, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s the file is not what the flash holds", when)
		}
	}
	check("new,")
	must(t, flash.program(0x1FFC, []byte{1, 2, 3, 4, 5, 6, 7, 8}))
	copy(want[0x1FFC:], []byte{1, 2, 3, 4, 5, 6, 7, 8})
	check("after programming")
	snapshot := flash.snapshot()
	must(t, flash.erase(0x2000))
	copy(want[0x2000:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	check("after erasing")
	must(t, flash.restore(snapshot))
	copy(want[0x2000:], []byte{5, 6, 7, 8})
	check("after going back to a snapshot")
	must(t, flash.Close())

	flash, err = OpenFlash(path)
	must(t, err)
	defer flash.Close()
	if !bytes.Equal(flash.Bytes(), want) {
		t.Error("opened again, the flash does not hold what the file does")
	}
}

func TestAFlashFileOfAnotherSizeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash.bin")
	must(t, os.WriteFile(path, make([]byte, 4096), 0o600))
	_, err := OpenFlash(path)
	if err == nil || !strings.Contains(err.Error(), "4096 bytes") {
		t.Errorf("got %v, want an error that tells the size", err)
	}
}

func TestTheHookSeesEachPageAndSectorOnce(t *testing.T) {
	m := newMachine(t, new(code).exit())
	var seen []string
	m.Flash.Before = func(o Operation) Cut {
		seen = append(seen, o.String())
		return Cut{}
	}
	must(t, m.EraseFlash(0x20000))
	must(t, m.ProgramFlash(0x200F0, make([]byte, 288)))
	want := "erase 0 of 0x020000+0x1000,program 1 of 0x0200f0+0x10," +
		"program 2 of 0x020100+0x100,program 3 of 0x020200+0x10"
	if got := strings.Join(seen, ","); got != want {
		t.Errorf("the hook saw\n%s, want\n%s", got, want)
	}
	if m.Flash.Operations() != 4 {
		t.Errorf("%d operations were counted", m.Flash.Operations())
	}
}

func TestThePowerCanBeCutAnywhereInAnOperation(t *testing.T) {
	source := uint32(dramBase + 0x200)
	old, new1 := byte(0xCC), byte(0xAA)
	for _, test := range []struct {
		name string
		kind OperationKind
		cut  Cut
		want [3]byte // of bytes 0, 99, 100
	}{
		{"before a program", Program, CutBefore(), [3]byte{old, old, old}},
		{"in a program", Program, CutTorn(100), [3]byte{old & new1, old & new1, old}},
		{"after a program", Program, CutAfter(), [3]byte{old & new1, old & new1, old & new1}},
		{"before an erase", Erase, CutBefore(), [3]byte{old, old, old}},
		{"in an erase", Erase, CutTorn(100), [3]byte{0xFF, 0xFF, old}},
		{"after an erase", Erase, CutAfter(), [3]byte{0xFF, 0xFF, 0xFF}},
		{"in an erase, bit by bit", Erase, Cut{Power: true, Byte: func(_ int, old, want byte) byte {
			return old | want&0x11
		}}, [3]byte{old | 0x11, old | 0x11, old | 0x11}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := new(code)
			if test.kind == Program {
				p.call(romAddr("SPIWrite"), 0x20000, source, 256)
			} else {
				p.call(romAddr("SPIEraseSector"), 0x20)
			}
			p.store(result, 1).exit()
			m := newMachine(t, p)
			m.Flash.Put(0x20000, bytes.Repeat([]byte{old}, 4096))
			m.Write(source, bytes.Repeat([]byte{new1}, 256))
			m.mustStore(result, 0)
			m.Flash.Before = func(Operation) Cut { return test.cut }
			m.run(CyclesPerSecond, EventPowerCut)
			if m.word(result) != 0 {
				t.Error("the program went on without power")
			}
			flash := m.Flash.Bytes()[0x20000:]
			if got := [3]byte{flash[0], flash[99], flash[100]}; got != test.want {
				t.Errorf("the flash holds % x, want % x", got, test.want)
			}
			m.Flash.Before = nil
			m.PowerOn()
			m.run(CyclesPerSecond, EventStopped)
			if m.word(result) != 1 {
				t.Error("the program did not run after the power came back")
			}
		})
	}
}

func TestAFlashErrorReachesTheProgram(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.Flash.Before = func(Operation) Cut { return Refuse() }
	if got := m.rom("SPIEraseSector", 0); got != 1 {
		t.Errorf("SPIEraseSector gave %d, want 1", got)
	}
	if m.Flash.Bytes()[0] != imageMagic {
		t.Error("the sector was erased nevertheless")
	}
	if err := m.ProgramFlash(0, make([]byte, 4)); !errors.Is(err, ErrFlash) {
		t.Errorf("programming gave %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
