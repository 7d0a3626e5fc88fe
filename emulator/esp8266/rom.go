package esp8266

import (
	"encoding/binary"
	"sort"

	"esper/emulator/lx106"
)

// The mask ROM is not the chip's: at the published address of each function lie
// the instructions SIMCALL and RET, and what the function does is done here. They
// keep the chip's access rules: a byte loaded from IRAM faults in ets_printf too.

// romState is what the ROM keeps for itself.
type romState struct {
	userStart uint32 // what ets_set_user_start asked for
	seed      uint64 // of rand
}

// romFunction is a function of the ROM. call is nil for one that is known but not
// emulated.
type romFunction struct {
	addr uint32
	name string
	call func(c *Chip)
}

// Addresses in the ROM's main that functions called from it return to.
const (
	romMainReturn = 0x4000100C
	romParked     = 0x40001004
)

// Offsets of the exception vectors from VECBASE.
const (
	debugVector  = 0x10
	nmiVector    = 0x20
	kernelVector = 0x30
	userVector   = 0x50
	doubleVector = 0x70
)

// Instructions, as they lie in memory: SIMCALL is 00 51 00, RET is 80 00 00.
const (
	simcallRet = 0x80005100 // the first four bytes of both, the rest being 0
	simcall    = 0x00005100
)

var (
	romByAddr = map[uint32]*romFunction{}
	romWords  = make([]byte, romSize)
	gateWords = make([]byte, gatesSize)
)

func init() {
	for i := 0; i < romSize; i += 4 {
		binary.LittleEndian.PutUint32(romWords[i:], simcall)
	}
	sort.Slice(romFunctions, func(i, j int) bool { return romFunctions[i].addr < romFunctions[j].addr })
	for i := range romFunctions {
		f := &romFunctions[i]
		romByAddr[f.addr] = f
		if i+1 == len(romFunctions) || f.addr+8 <= romFunctions[i+1].addr {
			binary.LittleEndian.PutUint64(romWords[f.addr-romBase:], simcallRet)
		}
	}
	binary.LittleEndian.PutUint32(romWords[romMagicAddress-romBase:], romMagic)
	for i := 0; i < gatesSize; i += GateSize {
		binary.LittleEndian.PutUint32(gateWords[i:], simcallRet)
	}
}

// romName is the function at addr, or the one before it.
func romName(addr uint32) string {
	i := sort.Search(len(romFunctions), func(i int) bool { return romFunctions[i].addr > addr })
	if i == 0 {
		return "nothing known"
	}
	if f := romFunctions[i-1]; f.addr == addr {
		return f.name
	}
	return "somewhere after " + romFunctions[i-1].name
}

// romCall does what the ROM does at pc.
func (c *Chip) romCall(pc uint32) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case fault:
			c.CPU.Exception(f.cause, f.addr)
		default:
			panic(f)
		}
	}()
	switch pc {
	case romMainReturn:
		c.mainReturned()
		return
	case romLoader:
		c.loaderStep()
		return
	case romParked:
		c.CPU.Cycles = max(c.CPU.Cycles, min(c.until, c.nextTick()))
		return
	case romInterrupted:
		c.nextInterrupt()
		return
	case romWrapped:
		c.wrapped()
		return
	case romTaskDone, romWoken:
		c.nextTask()
		return
	case romPrinting:
		c.printing()
		return
	case romBase + userVector, romBase + kernelVector:
		c.exception()
		return
	case romBase + doubleVector, romBase + debugVector, romBase + nmiVector:
		c.unhandled()
		return
	}
	f := romByAddr[pc]
	if f == nil || f.call == nil {
		c.fault("the mask ROM at 0x%08x (%s) is not emulated; called from 0x%08x",
			pc, romName(pc), c.CPU.A[0])
		return
	}
	f.call(c)
}

// fault is thrown by what a ROM function does where the chip's would be stopped by
// an exception.
type fault struct {
	cause lx106.Cause
	addr  uint32
}

// load reads size bytes as the CPU would, and store writes them.
func (c *Chip) load(addr uint32, size int) uint32 {
	if addr%uint32(size) != 0 {
		panic(fault{lx106.LoadStoreAlignment, addr})
	}
	v, cause := (*bus)(c).Load(addr, size)
	if cause == lx106.LoadStoreError && c.narrow() {
		v, cause = (*bus)(c).Load(addr&^3, 4)
		v = v >> (addr % 4 * 8) & (1<<(8*size) - 1)
		c.Elapse(narrowCycles)
	}
	if cause != lx106.OK {
		panic(fault{cause, addr})
	}
	return v
}

// narrow reports whether the program has a handler for accesses of less than a word where only
// words are allowed, as the vendor's software has. On the chip it executes the ROM's load or
// store that failed; it cannot execute ours.
func (c *Chip) narrow() bool {
	return c.data(xtosHandlers+4*uint32(lx106.LoadStoreError)) != romNone
}

// narrowCycles is about what that handler takes.
const narrowCycles = 120

func (c *Chip) store(addr uint32, size int, v uint32) {
	if addr%uint32(size) != 0 {
		panic(fault{lx106.LoadStoreAlignment, addr})
	}
	cause := (*bus)(c).Store(addr, size, v)
	if cause == lx106.LoadStoreError && c.narrow() {
		var word uint32
		if word, cause = (*bus)(c).Load(addr&^3, 4); cause == lx106.OK {
			shift, mask := addr%4*8, uint32(1<<(8*size)-1)
			cause = (*bus)(c).Store(addr&^3, 4, word&^(mask<<shift)|v&mask<<shift)
		}
		c.Elapse(narrowCycles)
	}
	if cause != lx106.OK {
		panic(fault{cause, addr})
	}
}

// bytesAt is n bytes of memory that may be accessed in any width, or nil.
func (c *Chip) bytesAt(addr, n uint32) []byte {
	if m, load, store := c.memory(addr); load&store&1 != 0 && n <= uint32(len(m)) {
		return m[:n:n]
	}
	return nil
}
