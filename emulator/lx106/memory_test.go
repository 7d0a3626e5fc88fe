package lx106

import (
	"encoding/binary"
	"fmt"
	"testing"
)

const deviceBase = 0x60000000

// device is a bus with 64 bytes at deviceBase, and code that is fetched from it.
type device struct {
	memory  [64]byte
	onStore func(addr uint32, size int, value uint32)
	fetch   func(addr uint32) (uint32, Cause)
	fetched []uint32
}

func (d *device) Fetch(addr uint32) (uint32, Cause) {
	d.fetched = append(d.fetched, addr)
	if d.fetch == nil {
		return 0, InstFetchProhibited
	}
	return d.fetch(addr)
}

func (d *device) Load(addr uint32, size int) (uint32, Cause) {
	off := addr - deviceBase
	if off >= uint32(len(d.memory)) {
		return 0, LoadProhibited
	}
	var b [4]byte
	copy(b[:size], d.memory[off:])
	return binary.LittleEndian.Uint32(b[:]), OK
}

func (d *device) Store(addr uint32, size int, value uint32) Cause {
	off := addr - deviceBase
	if off >= uint32(len(d.memory)) {
		return StoreProhibited
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], value)
	copy(d.memory[off:], b[:size])
	if d.onStore != nil {
		d.onStore(addr, size, value)
	}
	return OK
}

func newDeviceMachine(bus Bus) (*CPU, *program) {
	c, p := newMachine()
	c.bus = bus
	return c, p
}

// The same program works on memory behind a window, on the bus, and in a window
// that sends some widths to the bus.
func TestWindowsAndBusAreTheSame(t *testing.T) {
	var want State
	var wantMemory [64]byte
	for n, window := range []*Window{nil, {Load: 7, Store: 7}, {Load: 4, Store: 4}, {Load: 3, Store: 2}, {Load: 7, Store: 7, Fetch: true}} {
		bus := &device{}
		c, p := newDeviceMachine(bus)
		windows := []Window{{Base: codeBase, Data: p.memory, Load: 7, Store: 7, Fetch: true}}
		if window != nil {
			window.Base, window.Data = deviceBase, bus.memory[:]
			windows = append(windows, *window)
		}
		c.SetWindows(windows...)
		for i := range bus.memory {
			bus.memory[i] = byte(200 - 7*i)
		}
		p.i(l8ui(3, 2, 5), l16ui(4, 2, 6), l16si(5, 2, 6), l32i(6, 2, 8), l32iN(7, 2, 12))
		p.i(s8i(6, 2, 21), s16i(6, 2, 26), s32i(6, 2, 28), s32iN(6, 2, 32), l32i(8, 2, 20), l32i(9, 2, 24))
		p.i(l32i(10, 2, 64)) // the first behind the end
		p.start(c)
		c.A[2] = deviceBase
		c.Run(c.Cycles + 12)
		if c.EXCVADDR != deviceBase+64 || c.EXCCAUSE != uint32(LoadProhibited) {
			t.Fatalf("EXCVADDR %#x, EXCCAUSE %d", c.EXCVADDR, c.EXCCAUSE)
		}
		if n == 0 {
			want, wantMemory = c.State, bus.memory
			if want.A[3] != 165 || want.A[5] != 0xFFFF979E || want.A[8]>>8&0xFF != want.A[6]&0xFF {
				t.Fatalf("a3 %d, a5 %#x, a6 %#x, a8 %#x", want.A[3], want.A[5], want.A[6], want.A[8])
			}
			continue
		}
		if d := differences(c.State, want); d != "" || bus.memory != wantMemory {
			t.Errorf("window %d:\n%s\nmemory %x, should be %x", n, d, bus.memory, wantMemory)
		}
	}
}

func TestFaultsOfTheBusAreExceptions(t *testing.T) {
	for _, x := range []struct {
		code  code
		cause Cause
	}{{l8ui(2, 3, 0), LoadProhibited}, {s16i(2, 3, 0), StoreProhibited}, {s32iN(2, 3, 0), StoreProhibited}} {
		c, p := newMachine()
		p.i(x.code)
		p.start(c)
		c.A[2], c.A[3] = 5, 0x1000
		expect(t, c, 1, codeBase+vectorKernel)
		if c.EXCCAUSE != uint32(x.cause) || c.EXCVADDR != 0x1000 || c.EPC[1] != codeAt || c.A[2] != 5 {
			t.Errorf("EXCCAUSE %d, EXCVADDR %#x, EPC1 %#x", c.EXCCAUSE, c.EXCVADDR, c.EPC[1])
		}
	}
}

func TestStoresOfTheProgramChangeItsCode(t *testing.T) {
	// A loop patches the MOVI at its own start, which an instruction before may
	// straddle: the patched byte is any of the three.
	for patched := range uint32(3) {
		c, p := newMachine()
		p.i(movi(5, 0x111), s8i(3, 2, 0), j(p.pc+6, codeAt))
		p.start(c)
		c.A[2], c.A[3] = codeAt+patched, uint32(p.memory[codeAt-codeBase+patched])
		expect(t, c, 3, codeAt)
		if c.A[5] != 0x111 {
			t.Fatalf("a5 %#x", c.A[5])
		}
		// The second round stores, the third executes what it stored.
		other := movi(5, 0x222)
		if patched == 0 {
			other = movi(6, 0x111)
		}
		c.A[3] = other.bits >> (8 * patched) & 0xFF
		c.A[5], c.A[6] = 0, 0
		c.Run(c.Cycles + 4)
		want := decode(codeAt, binary.LittleEndian.Uint32(p.memory[codeAt-codeBase:])&0xFFFFFF)
		if c.A[want.t] != want.imm {
			t.Errorf("byte %d: a%d is %#x, should be %#x", patched, want.t, c.A[want.t], want.imm)
		}
	}
}

func TestStoreChangesCodeOnTheNextPage(t *testing.T) {
	c, p := newMachine()
	p.pc = codeAt + pageSize - 2
	p.i(movi(5, 0x111), nop) // its last byte lies on the next page
	p.start(c)
	c.PC = codeAt + pageSize - 2
	c.Run(c.Cycles + 1)
	c.PC = codeAt
	p.pc = codeAt
	p.i(s8i(3, 2, 0))
	c.A[2], c.A[3] = codeAt+pageSize, 0x22
	c.Run(c.Cycles + 1)
	c.PC = codeAt + pageSize - 2
	c.Run(c.Cycles + 1)
	if c.A[5] != 0x122 {
		t.Errorf("a5 %#x", c.A[5])
	}
}

func TestInvalidateShowsWhatChangedOutside(t *testing.T) {
	for _, n := range []uint32{1, 3, 5000, 1 << 31, 0xFFFFFFFF} {
		c, p := newMachine()
		p.i(movi(5, 0x111))
		p.start(c)
		c.Run(c.Cycles + 1)
		copy(p.memory[codeAt-codeBase:], "\x52\xA2\x22") // movi a5, 0x222
		c.PC = codeAt
		addr := uint32(codeAt)
		if n > 1<<20 {
			addr = 0
		}
		if n == 1<<31 {
			addr = 0x30000000
		}
		c.Invalidate(addr, n)
		c.Run(c.Cycles + 1)
		if c.A[5] != 0x222 {
			t.Errorf("%d bytes: a5 %#x", n, c.A[5])
		}
	}
}

func TestInvalidateFromTheBusTakesEffectAtOnce(t *testing.T) {
	bus := &device{}
	c, p := newDeviceMachine(bus)
	p.i(movi(5, 0x111), nop, s32i(2, 3, 0), movi(5, 0x111), j(p.pc+12, codeAt))
	p.start(c)
	c.A[3] = deviceBase
	expect(t, c, 5, codeAt)
	bus.onStore = func(uint32, int, uint32) {
		copy(p.memory[codeAt+9-codeBase:], "\x52\xA2\x22")
		c.Invalidate(codeAt, 0x1000)
	}
	expect(t, c, 4, codeAt+12)
	if c.A[5] != 0x222 {
		t.Errorf("a5 %#x", c.A[5])
	}
}

func TestCodeComesAndGoesWithItsWindow(t *testing.T) {
	first, second := make([]byte, 64), make([]byte, 64)
	copy(first, "\x52\xA1\x11")  // movi a5, 0x111
	copy(second, "\x52\xA2\x22") // movi a5, 0x222
	bus := &device{fetch: func(uint32) (uint32, Cause) { return movi(5, 0x333).bits, OK }}
	c, p := newDeviceMachine(bus)
	p.start(c)
	for _, x := range []struct {
		data []byte
		want uint32
	}{{first, 0x111}, {second, 0x222}, {nil, 0x333}, {first, 0x111}} {
		if x.data != nil {
			c.SetWindows(Window{Base: codeAt, Data: x.data, Fetch: true})
		} else {
			c.SetWindows()
		}
		c.PC = codeAt
		c.Run(c.Cycles + 1)
		if c.A[5] != x.want {
			t.Fatalf("a5 %#x, should be %#x", c.A[5], x.want)
		}
	}
}

// Code on the bus is fetched by words, each once; a fault in the second word of
// an instruction names that word, at a page's boundary as within.
func TestFetchFaultInTheMiddleOfAnInstruction(t *testing.T) {
	for _, boundary := range []uint32{0x70000010, 0x70001000} {
		for before := uint32(1); before <= 4; before++ {
			t.Run(fmt.Sprintf("%#x-%d", boundary, before), func(t *testing.T) {
				bits := uint64(movi(5, 0x111).bits)
				bus := &device{}
				bus.fetch = func(addr uint32) (uint32, Cause) {
					if addr >= boundary {
						return 0, InstFetchProhibited
					}
					return uint32(bits << (8 * (4 - before))), OK
				}
				c, p := newDeviceMachine(bus)
				p.start(c)
				c.A[5], c.PC = 0, boundary-before
				c.Run(c.Cycles + 1)
				if before >= 3 {
					if c.A[5] != 0x111 || c.PC != boundary-before+3 || len(bus.fetched) != 1 {
						t.Fatalf("a5 %#x, PC %#x, fetched %#x", c.A[5], c.PC, bus.fetched)
					}
					return
				}
				if c.EXCCAUSE != uint32(InstFetchProhibited) || c.EPC[1] != boundary-before || c.EXCVADDR != boundary {
					t.Fatalf("EXCCAUSE %d, EPC1 %#x, EXCVADDR %#x", c.EXCCAUSE, c.EPC[1], c.EXCVADDR)
				}
			})
		}
	}
}

func TestNarrowInstructionBeforeAFaultingWordIsExecuted(t *testing.T) {
	bus := &device{fetch: func(addr uint32) (uint32, Cause) {
		if addr >= 0x70001000 {
			return 0, InstFetchProhibited
		}
		return moviN(5, 7).bits << 16, OK
	}}
	c, p := newDeviceMachine(bus)
	p.start(c)
	c.PC = 0x70000FFE
	c.Run(c.Cycles + 1)
	if c.A[5] != 7 || c.PC != 0x70001000 {
		t.Errorf("a5 %d, PC %#x", c.A[5], c.PC)
	}
}

func TestProgramGoneAstrayUsesBoundedMemory(t *testing.T) {
	c, p := newDeviceMachine(&device{fetch: func(uint32) (uint32, Cause) { return jx(2).bits, OK }}) // jx a2
	p.start(c)
	c.PC = deviceBase
	for range 3 * maxPages {
		c.A[2] = c.PC + pageSize
		c.Run(c.Cycles + 1)
	}
	if len(c.pages) > maxPages {
		t.Errorf("%d pages of decoded code", len(c.pages))
	}
}

func TestSnapshotIsACopy(t *testing.T) {
	c, p := newMachine()
	p.i(addiN(5, 5, 1), j(p.pc+2, codeAt))
	p.start(c)
	c.Run(c.Cycles + 100)
	snapshot := c.State
	c.Run(c.Cycles + 101)
	end := c.State
	c.State = snapshot
	c.Run(c.Cycles + 101)
	if d := differences(c.State, end); d != "" {
		t.Error(d)
	}
}

func TestStoreThroughTheBusChangesCode(t *testing.T) {
	bus := &device{}
	bus.fetch = func(addr uint32) (uint32, Cause) { return bus.Load(addr, 4) }
	c, p := newDeviceMachine(bus)
	copy(bus.memory[:], "\x52\xA1\x11\x32\x42\x01") // movi a5, 0x111; s8i a3, a2, 1
	p.start(c)
	c.PC, c.A[2], c.A[3] = deviceBase, deviceBase, 0xA2
	c.Run(c.Cycles + 2)
	c.PC = deviceBase
	c.Run(c.Cycles + 1)
	if c.A[5] != 0x211 {
		t.Errorf("a5 %#x", c.A[5])
	}
}
