package esp8266

import (
	"bytes"
	"reflect"
	"testing"
)

// busy is a program that uses all that a snapshot must hold: it counts, is
// interrupted by a timer, draws random numbers, programs flash and prints.
func busy() (p *code, start uint32) {
	p = new(code)
	isr := handler(p, regTimers+0x0C, 1)
	start = p.here()
	p.store(result, 0).
		call(romAddr("ets_isr_attach"), frc1Interrupt, isr, 0).
		call(romAddr("ets_isr_unmask"), 1<<frc1Interrupt).
		store(regEdgeInterrupts, 1<<1).
		store(regTimers+8, timerEnable|timerReload).
		store(regTimers, 777).
		set(9, regRandom).set(10, dramBase+0x400)
	again := p.here()
	p.emit(l32i(8, 9, 0), s32i(8, 10, 0), addi(10, 10, 4)).
		call(romAddr("uart_tx_one_char"), 'x').
		set(2, 0x20000).set(3, dramBase+0x400).set(4, 8).
		set(12, romAddr("SPIWrite")).emit(callx0(12)).jump(again)
	return p, start
}

func TestARunFromASnapshotIsTheSameRun(t *testing.T) {
	p, start := busy()
	first := newMachine(t, p)
	first.ChipID, first.Seed = 0xABCDEF, 42
	first.PowerOn()
	first.CPU.PC = start
	first.run(200_000, EventBudget)
	snapshot := first.Snapshot()
	at := first.CPU.Cycles

	finish := func(m *machine) *Snapshot {
		t.Helper()
		m.serial.Reset()
		if got := m.Run(at + 300_000); got != EventBudget {
			t.Fatalf("the run ended with %v", got)
		}
		if m.serial.Len() == 0 || m.word(result) == 0 || m.Flash.Bytes()[0x20000] == 0xFF {
			t.Fatalf("the program does not do what this test wants it for: printed %q, %d interrupts, flash % x", m.serial.String(), m.word(result), m.Flash.Bytes()[0x20000:0x20008])
		}
		return m.Snapshot()
	}
	want := finish(first)
	output := first.serial.String()

	must(t, first.Restore(snapshot))
	other := &machine{t: t, Chip: New(NewFlash(FlashSize))}
	other.attach()
	must(t, other.Restore(snapshot))
	for name, m := range map[string]*machine{"the same chip": first, "another chip": other} {
		got := finish(m)
		if got.cpu != want.cpu {
			t.Errorf("on %s the CPU ended differently:\n%+v\n%+v", name, got.cpu, want.cpu)
		}
		if got.state != want.state {
			t.Errorf("on %s the chip ended differently", name)
		}
		if m.serial.String() != output {
			t.Errorf("on %s the program printed %q, want %q", name, m.serial.String(), output)
		}
		for i := range want.flash.sectors {
			if *got.flash.sectors[i] != *want.flash.sectors[i] {
				t.Errorf("on %s sector %d ended differently", name, i)
			}
		}
		if m.ChipID != 0xABCDEF || got.flash.operations != want.flash.operations {
			t.Errorf("on %s: chip id %06x, %d operations", name, m.ChipID, got.flash.operations)
		}
	}
}

func TestASnapshotKeepsItsFlashWhatEverComesAfter(t *testing.T) {
	m := newMachine(t, new(code).exit())
	must(t, m.ProgramFlash(0x20000, []byte{1, 2, 3, 4}))
	before := bytes.Clone(m.Flash.Bytes())
	snapshot := m.Snapshot()
	must(t, m.EraseFlash(0x20000))
	must(t, m.EraseFlash(0))
	m.Flash.Put(0x30000, []byte("changed"))
	must(t, m.Restore(snapshot))
	if !bytes.Equal(m.Flash.Bytes(), before) {
		t.Error("the flash is not what it was")
	}
	if err := New(NewFlash(2 * FlashSize)).Restore(snapshot); err == nil {
		t.Error("a chip with a larger flash took the snapshot")
	}
}

func TestStateHoldsOnlyValues(t *testing.T) {
	var check func(reflect.Type, string)
	check = func(typ reflect.Type, path string) {
		switch typ.Kind() {
		case reflect.Struct:
			for i := range typ.NumField() {
				check(typ.Field(i).Type, path+"."+typ.Field(i).Name)
			}
		case reflect.Array:
			check(typ.Elem(), path+"[]")
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Func, reflect.Interface, reflect.Chan, reflect.String:
			t.Errorf("%s is a %s: a copy would share it", path, typ)
		}
	}
	check(reflect.TypeFor[state](), "state")
}

func BenchmarkSnapshot(b *testing.B) {
	c := New(NewFlash(FlashSize))
	c.PowerOn()
	for b.Loop() {
		if err := c.Restore(c.Snapshot()); err != nil {
			b.Fatal(err)
		}
	}
}
