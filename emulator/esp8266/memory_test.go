package esp8266

import (
	"fmt"
	"testing"

	"esper/emulator/lx106"
)

func TestEachMemoryAllowsOnlyWhatTheChipDoes(t *testing.T) {
	type access struct {
		name  string
		op    uint32 // of a3, at a2
		size  int
		store bool
	}
	accesses := []access{
		{"l8ui", l8ui(3, 2, 0), 1, false}, {"l16ui", l16ui(3, 2, 0), 2, false}, {"l32i", l32i(3, 2, 0), 4, false},
		{"s8i", s8i(3, 2, 0), 1, true}, {"s16i", s16i(3, 2, 0), 2, true}, {"s32i", s32i(3, 2, 0), 4, true},
	}
	const none = lx106.OK
	bus, prohibited := lx106.LoadStoreError, lx106.LoadProhibited
	for _, region := range []struct {
		name  string
		addr  uint32
		cache bool
		want  [6]lx106.Cause // as the accesses
	}{
		{"null pointer", 0, false, [6]lx106.Cause{prohibited, prohibited, prohibited, 29, 29, 29}},
		{"DRAM", dramBase + 0x200, false, [6]lx106.Cause{none, none, none, none, none, none}},
		{"last word of DRAM", 0x3FFFFFFC, false, [6]lx106.Cause{none, none, none, none, none, none}},
		{"below DRAM", 0x3FFE7FFC, false, [6]lx106.Cause{bus, bus, bus, bus, bus, bus}},
		{"IRAM", iramBase + 0x7000, false, [6]lx106.Cause{bus, bus, none, bus, bus, none}},
		{"upper IRAM, cache off", iramBase + 0xF000, false, [6]lx106.Cause{bus, bus, none, bus, bus, none}},
		{"upper IRAM, cache on", iramBase + 0xF000, true, [6]lx106.Cause{bus, bus, bus, bus, bus, bus}},
		{"flash, cache on", flashBase + 0x2000, true, [6]lx106.Cause{bus, bus, none, bus, bus, bus}},
		{"flash, cache off", flashBase + 0x2000, false, [6]lx106.Cause{bus, bus, bus, bus, bus, bus}},
		{"behind the mapped flash", flashBase + flashWindow, true, [6]lx106.Cause{bus, bus, bus, bus, bus, bus}},
		{"mask ROM", romBase + 0x100, false, [6]lx106.Cause{bus, bus, none, bus, bus, bus}},
		{"RTC memory", rtcBase, false, [6]lx106.Cause{bus, bus, none, bus, bus, none}},
		{"a GPIO register", regGPIO, false, [6]lx106.Cause{bus, bus, none, bus, bus, none}},
		{"nothing", 0x70000000, false, [6]lx106.Cause{bus, bus, bus, bus, bus, bus}},
	} {
		for i, a := range accesses {
			t.Run(fmt.Sprintf("%s/%s", region.name, a.name), func(t *testing.T) {
				checkAccess(t, region.addr, region.cache, a.op, region.want[i])
			})
			if want := region.want[i]; a.size > 1 && want == none {
				t.Run(fmt.Sprintf("%s/%s unaligned", region.name, a.name), func(t *testing.T) {
					checkAccess(t, region.addr+1, region.cache, a.op, lx106.LoadStoreAlignment)
				})
			}
		}
	}
}

// checkAccess executes one load or store.
func checkAccess(t *testing.T, addr uint32, cache bool, op uint32, want lx106.Cause) {
	p := new(code)
	if cache {
		p.call(romAddr("Cache_Read_Enable"), 0, 0, 1)
	}
	p.set(2, addr).set(3, 0)
	at := p.here()
	p.emit(op).exit()
	m := newMachine(t, p)
	m.run(1000, EventStopped)
	if want == lx106.OK {
		if len(m.exceptions) > 0 {
			t.Fatalf("got exception %d, want none", m.exceptions[0].Cause)
		}
		return
	}
	if len(m.exceptions) != 1 {
		t.Fatalf("got %d exceptions, want one", len(m.exceptions))
	}
	if e := m.exceptions[0]; e.Cause != want || e.Addr != addr || e.PC != at {
		t.Errorf("got cause %d at 0x%08x of 0x%08x, want %d at 0x%08x of 0x%08x",
			e.Cause, e.PC, e.Addr, want, at, addr)
	}
}

func TestCodeRunsOnlyWhereTheChipFetchesIt(t *testing.T) {
	for _, test := range []struct {
		name  string
		addr  uint32
		cache bool
		want  lx106.Cause
	}{
		{"null pointer", 0, false, lx106.InstFetchProhibited},
		{"DRAM", dramBase, false, lx106.InstructionFetchError},
		{"flash, cache off", flashBase + 0x2000, false, lx106.InstructionFetchError},
		{"flash, cache on", flashBase + 0x2000, true, lx106.OK},
		{"upper IRAM, cache on", iramBase + 0xF000, true, lx106.InstructionFetchError},
		{"registers", regGPIO, false, lx106.InstructionFetchError},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := new(code)
			if test.cache {
				p.call(romAddr("Cache_Read_Enable"), 0, 0, 1)
			}
			p.set(2, test.addr).emit(callx0(2)).exit()
			m := newMachine(t, p)
			m.Flash.Put(0x2000, []byte{0x80, 0, 0, 0}) // RET
			m.run(1000, EventStopped)
			if test.want == lx106.OK {
				if len(m.exceptions) != 0 {
					t.Errorf("got %v, want no exception", m.exceptions)
				}
				return
			}
			if len(m.exceptions) != 1 || m.exceptions[0].Cause != test.want || m.exceptions[0].PC != test.addr {
				t.Errorf("got %v, want cause %d at 0x%08x", m.exceptions, test.want, test.addr)
			}
		})
	}
}

func TestTheCacheTakesTheUpperHalfOfIRAM(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.mustStore(iramBase+0xF000, 0x12345678)
	m.mustStore(iramBase+0x7000, 0x12345678)
	m.rom("Cache_Read_Enable", 0, 0, 1)
	m.rom("Cache_Read_Disable")
	if m.word(iramBase+0xF000) == 0x12345678 {
		t.Error("what lay in the upper half of IRAM survived the cache")
	}
	if m.word(iramBase+0x7000) != 0x12345678 {
		t.Error("what lay in the lower half of IRAM did not survive the cache")
	}
}

func TestCodeInFlashIsWhatTheFlashHoldsNow(t *testing.T) {
	p := new(code).call(romAddr("Cache_Read_Enable"), 0, 0, 1)
	again := p.here()
	p.set(4, flashBase+0x2000).emit(callx0(4)).jump(again)
	m := newMachine(t, p)
	movi := func(v byte) []byte { return []byte{0x22, 0xA0, v, 0x80, 0, 0, 0, 0} } // MOVI a2, v; RET
	for _, v := range []byte{0x3F, 0x15} {
		if err := m.ProgramFlash(0x2000, movi(v)); err != nil {
			t.Fatal(err)
		}
		m.run(100, EventBudget)
		if m.CPU.A[2] != uint32(v) {
			t.Errorf("the code in flash gave %#x, want %#x", m.CPU.A[2], v)
		}
	}
}
