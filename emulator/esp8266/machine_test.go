package esp8266

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// code is a program in IRAM: literals from its start, instructions behind them.
type code struct {
	literals []uint32
	bytes    []byte
	start    uint32 // where it begins; 0: at the first instruction
}

const (
	literalBase = iramBase
	codeBase    = iramBase + 0x400
	result      = dramBase + 0x100 // where test programs leave what they found
)

func (p *code) here() uint32 { return codeBase + uint32(len(p.bytes)) }

func (p *code) emit(ops ...uint32) *code {
	for _, op := range ops {
		p.bytes = append(p.bytes, byte(op), byte(op>>8), byte(op>>16))
	}
	return p
}

// set loads a 32-bit constant (L32R).
func (p *code) set(reg, v uint32) *code {
	at := literalBase + uint32(4*len(p.literals))
	p.literals = append(p.literals, v)
	offset := (at - (p.here()+3)&^3) >> 2
	return p.emit(offset&0xFFFF<<8 | reg<<4 | 1)
}

// call calls a function with constant arguments. It overwrites a0 and a12.
func (p *code) call(addr uint32, args ...uint32) *code {
	for i, v := range args {
		p.set(uint32(2+i), v)
	}
	return p.set(12, addr).emit(callx0(12))
}

// store writes constants to addresses. It overwrites a12 and a13.
func (p *code) store(addr, v uint32) *code {
	return p.set(12, addr).set(13, v).emit(s32i(13, 12, 0))
}

// loop jumps to itself.
func (p *code) loop() *code { return p.jump(p.here()) }

func (p *code) jump(to uint32) *code {
	return p.emit((to-p.here()-4)&0x3FFFF<<6 | 6)
}

// exit returns to the ROM, whatever a0 is.
func (p *code) exit() *code { return p.set(12, romMainReturn).emit(jx(12)) }

func rri8(r, t, s, imm uint32) uint32 { return imm&0xFF<<16 | r<<12 | s<<8 | t<<4 | 2 }
func l8ui(t, s, imm uint32) uint32    { return rri8(0, t, s, imm) }
func l16ui(t, s, imm uint32) uint32   { return rri8(1, t, s, imm/2) }
func l32i(t, s, imm uint32) uint32    { return rri8(2, t, s, imm/4) }
func s8i(t, s, imm uint32) uint32     { return rri8(4, t, s, imm) }
func s16i(t, s, imm uint32) uint32    { return rri8(5, t, s, imm/2) }
func s32i(t, s, imm uint32) uint32    { return rri8(6, t, s, imm/4) }
func addi(t, s, imm uint32) uint32    { return rri8(12, t, s, imm) }
func callx0(s uint32) uint32          { return 0x0000C0 | s<<8 }
func jx(s uint32) uint32              { return 0x0000A0 | s<<8 }
func waiti(level uint32) uint32       { return 0x007000 | level<<8 }
func rsil(t, level uint32) uint32     { return 0x006000 | level<<8 | t<<4 }

const retOp = 0x000080

// segment is a part of a boot image.
type segment struct {
	addr uint32
	data []byte
}

// bootImage makes the image that the ROM boots.
func bootImage(entry uint32, segments ...segment) []byte {
	image := []byte{imageMagic, byte(len(segments)), 2, 0x20}
	image = binary.LittleEndian.AppendUint32(image, entry)
	sum := byte(0xEF)
	for _, s := range segments {
		image = binary.LittleEndian.AppendUint32(image, s.addr)
		image = binary.LittleEndian.AppendUint32(image, uint32(len(s.data)))
		image = append(image, s.data...)
		for _, b := range s.data {
			sum ^= b
		}
	}
	for len(image)%16 != 15 {
		image = append(image, 0)
	}
	return append(image, sum)
}

// image is the boot image of a program.
func (p *code) image() []byte {
	return bootImage(codeBase, segment{literalBase, literalBytes(p)}, segment{codeBase, padded(p.bytes)})
}

// machine is a chip under test.
type machine struct {
	*Chip
	t          *testing.T
	serial     bytes.Buffer
	exceptions []ExceptionInfo
	faults     []string
}

// newMachine makes a chip that has booted p, but not executed it.
func newMachine(t *testing.T, p *code) *machine {
	t.Helper()
	m := &machine{t: t, Chip: New(NewFlash(FlashSize))}
	m.attach()
	if err := m.Flash.Put(0, p.image()); err != nil {
		t.Fatal(err)
	}
	m.PowerOn()
	if p.start != 0 {
		m.CPU.PC = p.start
	}
	return m
}

func (m *machine) attach() {
	m.Serial = &m.serial
	m.Exception = func(e ExceptionInfo) {
		m.exceptions = append(m.exceptions, e)
		m.CPU.PC = romMainReturn // the end
	}
	m.Fault = func(text string) { m.faults = append(m.faults, text) }
}

// run executes for a time and wants it to end with an event.
func (m *machine) run(cycles uint64, want Event) {
	m.t.Helper()
	if got := m.Run(m.CPU.Cycles + cycles); got != want {
		m.t.Fatalf("the run ended with %v, want %v; pc 0x%08x, exceptions %v, faults %q",
			got, want, m.CPU.PC, m.exceptions, m.faults)
	}
}

// rom calls a function of the ROM and gives what it returns.
func (m *machine) rom(name string, args ...uint32) uint32 {
	m.t.Helper()
	m.stopped = false
	copy(m.CPU.A[2:8], args)
	for i := 6; i < len(args); i++ {
		m.mustStore(m.CPU.A[1]+uint32(4*(i-6)), args[i])
	}
	m.CPU.A[0], m.CPU.PC = romMainReturn, romAddr(name)
	m.run(CyclesPerSecond, EventStopped)
	return m.CPU.A[2]
}

// word reads a word of memory.
func (m *machine) word(addr uint32) uint32 {
	m.t.Helper()
	v, err := m.Load32(addr)
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

func (m *machine) mustStore(addr, v uint32) {
	m.t.Helper()
	if err := m.Store32(addr, v); err != nil {
		m.t.Fatal(err)
	}
}

// put puts a C string in DRAM.
func (m *machine) put(addr uint32, s string) uint32 {
	m.t.Helper()
	if err := m.Write(addr, append([]byte(s), 0)); err != nil {
		m.t.Fatal(err)
	}
	return addr
}

// romAddr is the address of a ROM function.
func romAddr(name string) uint32 {
	for _, f := range romFunctions {
		if f.name == name {
			return f.addr
		}
	}
	panic(name)
}
