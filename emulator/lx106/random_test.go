package lx106

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Causes that the record of exceptions shows for those that have no EXCCAUSE of
// their own: the handlers at these vectors write them.
const (
	debugMarker  = 0x100
	doubleMarker = 0x200
)

// image is many random programs, one after the other, and what runs them.
type image struct {
	code, data []byte
	listings   []string
}

// generator writes random programs into an image. a14 counts loops, a15 points
// to the program's data; all other registers are free.
type generator struct {
	*image
	*rand.Rand
	pc      uint32
	text    strings.Builder
	inLoop  bool
	noCalls bool // in a function: a0 is its return address
}

func buildImage(seed uint64) *image {
	m := &image{
		code: make([]byte, (qemuPrograms+2)*codeSlot),
		data: make([]byte, qemuPrograms*dataSlot),
	}
	g := &generator{image: m, Rand: rand.New(rand.NewPCG(seed, 0))}

	// The reset vector is qemuCode itself; the other vectors follow.
	const start, vectors, handlers = qemuCode + 0x40, qemuCode + 0x80, qemuCode + 0x200
	slot := func(n int) uint32 { return qemuCode + uint32(n+1)*codeSlot }
	g.pc = qemuCode
	g.emit("", j(g.pc, start))
	g.literal(8, vectors)
	g.literal(12, slot(0))
	g.pc = start
	g.emit("", l32r(g.pc, 2, qemuCode+8))
	g.emit("", wsr(2, srVECBASE))
	g.emit("", l32r(g.pc, 2, qemuCode+12))
	g.emit("", jx(2))
	for _, v := range []struct{ vector, handler uint32 }{
		{vectors + 0x10, handlers},
		{vectors + 0x30, handlers + 0x100},
		{vectors + 0x50, handlers + 0x100},
		{vectors + 0x70, handlers + 0x200},
	} {
		g.pc = v.vector
		g.emit("", j(g.pc, v.handler))
	}
	g.pc = handlers
	g.handler(srEPC2, debugMarker, rfi(2))
	g.pc = handlers + 0x100
	g.handler(srEPC1, 0, rfe)
	g.pc = handlers + 0x200
	g.handler(srDEPC, doubleMarker, rfde)

	for n := range qemuPrograms {
		g.program(n, slot(n), slot(n+1))
	}

	g.pc = slot(qemuPrograms)
	base := g.pc - qemuCode
	g.literal(base+4, qemuData)
	g.literal(base+8, uint32(len(m.data)))
	end := g.pc + 12
	g.emit("", j(g.pc, end))
	g.pc = end
	g.emit("", movi(2, 4)) // write
	g.emit("", movi(3, 1)) // standard output
	g.emit("", l32r(g.pc, 4, qemuCode+base+4))
	g.emit("", l32r(g.pc, 5, qemuCode+base+8))
	g.emit("", simcall)
	g.emit("", movi(2, 1)) // exit
	g.emit("", movi(3, 0))
	g.emit("", simcall)
	return m
}

// handler records the exception and goes on behind the instruction, which is
// one of three bytes, or at it after an interrupt, or a breakpoint that it removes.
func (g *generator) handler(epc uint32, marker int32, back code) {
	g.emit("", wsr(0, srEXCSAVE1))
	g.emit("", wsr(1, srEXCSAVE2))
	g.emit("", rsr(1, srEXCSAVE3))
	switch marker {
	case 0:
		g.emit("", rsr(0, srEXCCAUSE))
	case debugMarker: // with the cause
		g.emit("", movi(0, 0))
		g.emit("", wsr(0, srIBREAKENABLE))
		g.emit("", wsr(0, srDBREAKC0))
		g.emit("", wsr(0, srICOUNTLEVEL))
		g.emit("", rsr(0, srDEBUGCAUSE))
		g.emit("", addmi(0, 0, marker))
	default:
		g.emit("", movi(0, marker))
	}
	g.emit("", s32i(0, 1, 0))
	g.emit("", rsr(0, srEXCVADDR))
	g.emit("", s32i(0, 1, 4))
	g.emit("", rsr(0, srPS))
	g.emit("", s32i(0, 1, 12))
	g.emit("", rsr(0, epc))
	g.emit("", s32i(0, 1, 8))
	if marker == 0 {
		g.emit("", rsr(0, srEXCCAUSE))
		g.emit("", branchConst(g.pc, 9, 0, 4, g.pc+18)) // bnei a0, 4
		g.emit("", movi(0, softwareInterrupt))
		g.emit("", wsr(0, srINTCLEAR))
		g.emit("", rsr(0, epc))
		g.emit("", addi(0, 0, -3))
		g.emit("", wsr(0, epc))
		g.emit("", rsr(0, epc))
	}
	if marker == debugMarker {
		g.emit("", rsr(0, srDEBUGCAUSE))
		g.emit("", branchConst(g.pc, 9, 0, 8, g.pc+9)) // bnei a0, 8
		g.emit("", rsr(0, epc))
		g.emit("", j(g.pc, g.pc+9))
		g.emit("", rsr(0, epc))
		g.emit("", addi(0, 0, -3))
	}
	g.emit("", addi(0, 0, 3))
	g.emit("", wsr(0, epc))
	g.emit("", addi(1, 1, 16))
	g.emit("", wsr(1, srEXCSAVE3))
	g.emit("", rsr(1, srEXCSAVE2))
	g.emit("", rsr(0, srEXCSAVE1))
	g.emit("", back)
}

// literal puts a word at an offset in the code.
func (g *generator) literal(at, v uint32) { binary.LittleEndian.PutUint32(g.code[at:], v) }

// emit puts an instruction; name and operands go to the listing.
func (g *generator) emit(name string, c code, operands ...any) {
	if name != "" {
		fmt.Fprintf(&g.text, "%08x: %0*x  %s %v\n", g.pc, c.size*2, c.bits, name, operands)
	}
	g.put(g.pc, c)
	g.pc += c.size
}

func (g *generator) put(at uint32, c code) {
	for i := range c.size {
		g.code[at-qemuCode+i] = byte(c.bits >> (8 * i))
	}
}

func (g *generator) program(n int, pc, next uint32) {
	data := g.data[n*dataSlot:][:dataSlot]
	for at := 0; at < resultRegs; at += 4 {
		binary.LittleEndian.PutUint32(data[at:], g.word())
	}
	addr := uint32(qemuData + n*dataSlot)
	g.pc = pc
	g.text.Reset()
	g.literal(pc-qemuCode+4, addr)
	g.literal(pc-qemuCode+8, addr+exceptions)
	g.emit("", j(g.pc, pc+12))
	g.pc = pc + 12
	g.emit("", l32r(g.pc, 15, pc+4))
	g.emit("", l32r(g.pc, 2, pc+8))
	g.emit("", wsr(2, srEXCSAVE3))
	g.emit("", movi(2, int32(g.IntN(2)*softwareInterrupt)))
	g.emit("", wsr(2, srINTENABLE))
	g.emit("", movi(2, int32(g.IntN(2)*PSUM)))
	g.emit("", wsr(2, srPS))
	g.emit("", ssai(g.Uint32N(32)))
	g.emit("", movi(2, 0))
	for _, sr := range []uint32{srIBREAKENABLE, srDBREAKC0, srICOUNTLEVEL, srICOUNT} {
		g.emit("", wsr(2, sr))
	}
	for r := range uint32(15) {
		g.emit("", l32i(r, 15, initialRegs+4*r))
	}
	for body := g.pc + uint32(60+g.IntN(400)); g.pc < body; {
		g.step()
	}
	g.emit("", addmi(15, 15, 0x400)) // results
	for r := range uint32(15) {
		g.emit("", s32i(r, 15, resultRegs+4*r-0x400))
	}
	for i, sr := range resultSpecial {
		g.emit("", rsr(2, sr))
		g.emit("", s32i(2, 15, uint32(resultSR-0x400+4*i)))
	}
	if g.pc > pc+codeSlot {
		panic("the program does not fit its slot")
	}
	g.emit("", j(g.pc, next))
	g.listings = append(g.listings, g.text.String())
}

// word is a random word, often one at an edge.
func (g *generator) word() uint32 {
	switch g.IntN(4) {
	case 0:
		return []uint32{0, 1, 2, 31, 32, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
			0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF}[g.IntN(15)]
	case 1:
		return uint32(int32(g.Uint32()) >> g.IntN(32))
	}
	return g.Uint32()
}

// src is any register, dst one that may be written.
func (g *generator) src() uint32 { return g.Uint32N(16) }
func (g *generator) dst() uint32 {
	if g.noCalls {
		return 1 + g.Uint32N(13)
	}
	return g.Uint32N(14)
}

// step puts one instruction, or a few that belong together.
func (g *generator) step() {
	switch n := g.IntN(100); {
	case n < 40:
		g.arithmetic()
	case n < 55:
		g.shift()
	case n < 75:
		g.memory()
	case n < 88:
		g.branch()
	case n < 91:
		g.loop()
	case n < 94:
		g.call()
	case n < 96:
		g.system()
	case n < 98:
		g.breakpoint()
	default:
		g.trap()
	}
}

func (g *generator) arithmetic() {
	r, s, t := g.dst(), g.src(), g.src()
	imm := g.IntN(256) - 128
	switch g.IntN(12) {
	case 0, 1, 2, 3:
		o := []rrrOpcode{opcAnd, opcOr, opcXor, opcAdd, opcAddx2, opcAddx4, opcAddx8, opcSub,
			opcSubx2, opcSubx4, opcSubx8, opcMul16u, opcMul16s, opcMull}[g.IntN(14)]
		g.emit("rrr", rrr(o, r, s, t), o, r, s, t)
	case 4:
		o := []rrrOpcode{opcMoveqz, opcMovnez, opcMovltz, opcMovgez}[g.IntN(4)]
		g.emit("mov..z", rrr(o, r, s, t), o, r, s, t)
	case 5:
		g.emit("neg", neg(r, t), r, t)
		g.emit("abs", abs(g.dst(), r))
	case 6:
		g.emit("nsa", nsa(r, s), r, s)
		g.emit("nsau", nsau(g.dst(), s))
	case 7:
		g.emit("add.n", addN(r, s, t), r, s, t)
	case 8:
		g.emit("addi", addi(r, s, int32(imm)), r, s, imm)
	case 9:
		n := []int32{-1, 1, 2, 3, 14, 15}[g.IntN(6)]
		g.emit("addi.n", addiN(r, s, n), r, s, n)
	case 10:
		g.emit("addmi", addmi(r, s, int32(imm)*256), r, s, imm*256)
		g.emit("mov.n", movN(g.dst(), t))
	case 11:
		n := g.IntN(4096) - 2048
		g.emit("movi", movi(r, int32(n)), r, n)
		n = g.IntN(128) - 32
		g.emit("movi.n", moviN(g.dst(), int32(n)), n)
	}
}

func (g *generator) shift() {
	r, s, t := g.dst(), g.src(), g.src()
	n := g.Uint32N(32)
	switch g.IntN(10) {
	case 0:
		g.emit("slli", slli(r, s, 1+g.Uint32N(31)), r, s)
	case 1:
		g.emit("srai", srai(r, t, n), r, t, n)
	case 2:
		g.emit("srli", srli(r, t, n&15), r, t, n&15)
	case 3:
		width := 1 + g.Uint32N(16)
		g.emit("extui", extui(r, t, n, width), r, t, n, width)
	case 4:
		g.emit("ssai", ssai(n), n)
	case 5:
		g.emit("ssr/ssa8l", []code{ssr(s), ssa8l(s)}[g.IntN(2)], s)
	case 6:
		g.emit("ssl/ssa8b", []code{ssl(s), ssa8b(s)}[g.IntN(2)], s)
		g.emit("sll", sll(g.dst(), t), t)
		// QEMU 7.2 gets SRL and SRA wrong behind an SSL or SSA8B
		// that makes SAR 32, until SAR is written in another way.
		g.emit("rsr sar", rsr(r, srSAR), r)
		g.emit("wsr sar", wsr(r, srSAR), r)
	default:
		g.emit("sll/srl/sra/src", []code{sll(r, s), srl(r, t), sra(r, t), rrr(opcSrc, r, s, t)}[g.IntN(4)], r, s, t)
	}
}

func (g *generator) memory() {
	t, off := g.src(), g.Uint32N(256)
	d := g.dst()
	switch g.IntN(12) {
	case 0:
		g.emit("l8ui", l8ui(d, 15, off), d, off)
	case 1:
		g.emit("l16ui", l16ui(d, 15, off*2), d, off*2)
	case 2:
		g.emit("l16si", l16si(d, 15, off*2), d, off*2)
	case 3, 4:
		g.emit("l32i", l32i(d, 15, off*4), d, off*4)
	case 5:
		g.emit("l32i.n", l32iN(d, 15, off&15*4), d, off&15*4)
	case 6:
		g.emit("s8i", s8i(t, 15, off), t, off)
	case 7:
		g.emit("s16i", s16i(t, 15, off*2), t, off*2)
	case 8:
		g.emit("s32i", s32i(t, 15, off*4), t, off*4)
	case 9:
		g.emit("s32i.n", s32iN(t, 15, off&15*4), t, off&15*4)
	case 10: // through another register, and not always aligned
		n := g.IntN(128)
		g.emit("addi", addi(d, 15, int32(n)), d, 15, n)
		off = g.Uint32N(16)
		g.emit("load", []code{l8ui(g.dst(), d, off), l16ui(g.dst(), d, off*2), l16si(g.dst(), d, off*2),
			l32i(g.dst(), d, off*4)}[g.IntN(4)], d, off)
		g.emit("addi", addi(d, 15, int32(n)), d, 15, n)
		g.emit("store", []code{s8i(t, d, off), s16i(t, d, off*2), s32i(t, d, off*4)}[g.IntN(3)], t, d, off)
	case 11:
		g.emit("l32r", l32r(g.pc, d, g.constant(g.word())), d)
	}
}

// constant puts a word between the instructions and returns its address.
func (g *generator) constant(v uint32) uint32 {
	at := (g.pc + 3 + 3) &^ 3
	g.emit("j", j(g.pc, at+4))
	g.literal(at-qemuCode, v)
	g.pc = at + 4
	return at
}

// branch puts a conditional branch over a few instructions.
func (g *generator) branch() {
	at, s, t := g.pc, g.src(), g.src()
	kind, variant := g.IntN(5), g.Uint32N(16)
	g.pc += 3
	if kind == 4 {
		g.pc--
	}
	for range 1 + g.IntN(3) {
		g.arithmetic()
	}
	to := g.pc
	var c code
	switch kind {
	case 0:
		c = branch12(at, variant&3, s, to)
	case 1:
		c = branchConst(at, []uint32{8, 9, 10, 11, 14, 15}[variant%6], s, t, to)
	case 2, 3:
		c = branch8(at, variant, s, t, to)
	case 4:
		c = []code{beqzN(at, s, to), bnezN(at, s, to)}[variant&1]
	}
	fmt.Fprintf(&g.text, "%08x: %0*x  branch to %08x\n", at, c.size*2, c.bits, to)
	g.put(at, c)
}

// loop puts a loop of a few rounds.
func (g *generator) loop() {
	if g.inLoop {
		return
	}
	g.inLoop = true
	n := 1 + g.IntN(4)
	g.emit("movi", movi(14, int32(n)), 14, n)
	top := g.pc
	for range 1 + g.IntN(6) {
		g.step()
	}
	g.emit("addi", addi(14, 14, -1), 14, 14, -1)
	if g.pc-top < 120 && g.IntN(2) == 0 {
		g.emit("bnei", branchConst(g.pc, 9, 14, 0, top), "not -1, to", top) // one round more
	} else {
		g.emit("bnez", branch12(g.pc, 1, 14, top), "to", top)
	}
	g.inLoop = false
}

// call puts a function and calls it, or jumps through a register.
func (g *generator) call() {
	if g.noCalls {
		return
	}
	g.noCalls = true
	defer func() { g.noCalls = false }()
	over := g.pc
	g.pc = (g.pc + 3 + 3) &^ 3
	function := g.pc
	for range 1 + g.IntN(4) {
		g.arithmetic()
	}
	g.emit("ret", []code{ret, retN(), jx(0)}[g.IntN(3)])
	g.put(over, j(over, g.pc))
	fmt.Fprintf(&g.text, "%08x: jump to %08x\n", over, g.pc)
	if g.IntN(2) == 0 {
		g.emit("call0", call0(g.pc, function), function)
		return
	}
	r := g.dst()
	g.emit("l32r", l32r(g.pc, r, g.constant(function)), r)
	g.emit("callx0", callx0(r), r)
}

// system reads and writes special registers.
func (g *generator) system() {
	d, t := g.dst(), g.src()
	sr := []uint32{srEPC2, srDEPC, srEXCSAVE1, srEXCSAVE2}[g.IntN(4)]
	switch g.IntN(8) {
	case 0:
		g.emit("extui", extui(d, t, 3, 5), d, t)
		g.emit("wsr sar", wsr(d, srSAR), d)
	case 1:
		g.emit("rsr sar", rsr(d, srSAR), d)
		g.emit("extui", extui(d, t, 3, 5), d, t)
		g.emit("xsr sar", xsr(d, srSAR), d)
	case 2:
		g.emit("wsr", wsr(t, sr), t, sr)
		g.emit("rsr", rsr(d, sr), d, sr)
	case 3:
		g.emit("xsr", xsr(d, sr), d, sr)
	case 4:
		g.emit("rsil", rsil(d, g.Uint32N(16)), d)
	case 5: // any level, handling an exception or not, user mode or not
		n := g.IntN(64)
		g.emit("movi", movi(d, int32(n)), d, n)
		g.emit("wsr ps", wsr(d, srPS), d)
		g.emit("rsync", wide(0, 2, 0, 1, 0))
	case 6:
		g.emit("movi", movi(d, softwareInterrupt), d, softwareInterrupt)
		g.emit("wsr intset", wsr(d, srINTERRUPT), d)
		g.emit("rsr interrupt", rsr(g.dst(), srINTERRUPT))
	case 7: // a literal relative to LITBASE: 256 KB below it
		base := (g.dataAddr()+0x40000)&^0xFFF | 1
		off := g.Uint32N(scratchSize/4) * 4
		imm := (g.dataAddr() + off - base&^0xFFF) >> 2 & 0xFFFF
		g.emit("l32r", l32r(g.pc, d, g.constant(base)), d)
		g.emit("wsr litbase", wsr(d, srLITBASE), d)
		r := g.dst()
		g.emit("l32r", code{imm<<8 | r<<4 | 1, 3}, r, off)
		g.emit("movi", movi(d, 0), d, 0)
		g.emit("wsr litbase", wsr(d, srLITBASE), d)
	}
}

// breakpoint makes the debug option look for what follows.
func (g *generator) breakpoint() {
	d := g.dst()
	switch g.IntN(3) {
	case 0: // an instruction, which may be in a loop or jumped over, at any level
		at := g.constant(g.pc + 3 + 4 + 3 + 6 + uint32(g.IntN(40)))
		g.emit("l32r", l32r(g.pc, d, at), d)
		g.emit("wsr ibreaka", wsr(d, srIBREAKA0), d)
		g.emit("movi", movi(d, 1), d, 1)
		g.emit("wsr ibreakenable", wsr(d, srIBREAKENABLE), d)
	case 1: // a number of instructions, of those below level 1
		n := 1 + g.IntN(20)
		g.emit("movi", movi(d, int32(-n)), d, -n)
		g.emit("wsr icount", wsr(d, srICOUNT), d)
		g.emit("movi", movi(d, 1), d, 1)
		g.emit("wsr icountlevel", wsr(d, srICOUNTLEVEL), d)
	case 2: // data. QEMU hangs if it is found at level 2, so nothing here gets there
		g.emit("rsil", rsil(d, g.Uint32N(2)), d)
		n := g.IntN(128)
		g.emit("addi", addi(d, 15, int32(n)), d, 15, n)
		g.emit("wsr dbreaka", wsr(d, srDBREAKA0), d)
		mask := []uint32{0x3F, 0x3E, 0x3C, 0x38, 0x30, 0x20, 0, 0x35, 0x1F}[g.IntN(9)]
		g.emit("l32r", l32r(g.pc, d, g.constant(1+g.Uint32N(3)<<30|mask)), d, mask)
		g.emit("wsr dbreakc", wsr(d, srDBREAKC0), d)
		for range 1 + g.IntN(6) {
			g.memory()
		}
		g.emit("movi", movi(d, 0), d, 0)
		g.emit("wsr dbreakc", wsr(d, srDBREAKC0), d)
	}
}

// dataAddr is the address of the data of the program that is being written.
func (g *generator) dataAddr() uint32 { return qemuData + uint32(len(g.listings))*dataSlot }

// trap puts an instruction that causes an exception, always of three bytes.
func (g *generator) trap() {
	switch g.IntN(4) {
	case 0:
		g.emit("illegal", []code{ill, wide(0x43, 3, 4, 5, 0), wide(0x03, 0, 0, 3, 0),
			wide(0xA2, 3, 4, 5, 0), wide(1, 14, 4, 3, 2), wsr(3, srDEBUGCAUSE), xsr(3, srDEBUGCAUSE)}[g.IntN(7)])
	case 1:
		g.emit("syscall", syscall)
	case 2:
		g.emit("break", breakI(2, 3))
	case 3:
		d := g.dst()
		g.emit("addi", addi(d, 15, 1), d, 15, 1)
		g.emit("l32i", l32i(g.dst(), d, 0), d)
	}
}
