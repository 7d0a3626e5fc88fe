package lx106

// The tests' own assembler: functions that return an instruction's bits, written
// from the formats in chapter 7 of the ISA. They only make programs; that the
// decoder is right is for the literal bits in the table of instructions to show.

// code is an instruction's bits and how many bytes it has.
type code struct{ bits, size uint32 }

// rrrOpcode is op2 and op1 of an instruction with three registers.
type rrrOpcode uint32

const (
	opcAnd    rrrOpcode = 0x10
	opcOr     rrrOpcode = 0x20
	opcXor    rrrOpcode = 0x30
	opcAdd    rrrOpcode = 0x80
	opcAddx2  rrrOpcode = 0x90
	opcAddx4  rrrOpcode = 0xA0
	opcAddx8  rrrOpcode = 0xB0
	opcSub    rrrOpcode = 0xC0
	opcSubx2  rrrOpcode = 0xD0
	opcSubx4  rrrOpcode = 0xE0
	opcSubx8  rrrOpcode = 0xF0
	opcSrc    rrrOpcode = 0x81
	opcMul16u rrrOpcode = 0xC1
	opcMul16s rrrOpcode = 0xD1
	opcMull   rrrOpcode = 0x82
	opcMoveqz rrrOpcode = 0x83
	opcMovnez rrrOpcode = 0x93
	opcMovltz rrrOpcode = 0xA3
	opcMovgez rrrOpcode = 0xB3
)

func wide(op2op1, r, s, t, op0 uint32) code {
	return code{op2op1<<16 | r<<12 | s<<8 | t<<4 | op0, 3}
}
func narrow(r, s, t, op0 uint32) code { return code{r<<12 | s<<8 | t<<4 | op0, 2} }

func rrr(o rrrOpcode, r, s, t uint32) code { return wide(uint32(o), r, s, t, 0) }
func neg(r, t uint32) code                 { return wide(0x60, r, 0, t, 0) }
func abs(r, t uint32) code                 { return wide(0x60, r, 1, t, 0) }
func ssr(s uint32) code                    { return wide(0x40, 0, s, 0, 0) }
func ssl(s uint32) code                    { return wide(0x40, 1, s, 0, 0) }
func ssa8l(s uint32) code                  { return wide(0x40, 2, s, 0, 0) }
func ssa8b(s uint32) code                  { return wide(0x40, 3, s, 0, 0) }
func ssai(n uint32) code                   { return wide(0x40, 4, n&15, n>>4, 0) }
func nsa(t, s uint32) code                 { return wide(0x40, 14, s, t, 0) }
func nsau(t, s uint32) code                { return wide(0x40, 15, s, t, 0) }
func srl(r, t uint32) code                 { return wide(0x91, r, 0, t, 0) }
func sll(r, s uint32) code                 { return wide(0xA1, r, s, 0, 0) }
func sra(r, t uint32) code                 { return wide(0xB1, r, 0, t, 0) }
func slli(r, s, n uint32) code             { return wide((32-n)>>4<<4|1, r, s, (32-n)&15, 0) }
func srai(r, t, n uint32) code             { return wide((2+n>>4)<<4|1, r, n&15, t, 0) }
func srli(r, t, n uint32) code             { return wide(0x41, r, n, t, 0) }
func extui(r, t, shift, width uint32) code {
	return wide((width-1)<<4|4+shift>>4, r, shift&15, t, 0)
}

func rsr(t, sr uint32) code    { return wide(0x03, sr>>4, sr&15, t, 0) }
func wsr(t, sr uint32) code    { return wide(0x13, sr>>4, sr&15, t, 0) }
func xsr(t, sr uint32) code    { return wide(0x61, sr>>4, sr&15, t, 0) }
func rsil(t, lvl uint32) code  { return wide(0, 6, lvl, t, 0) }
func waiti(lvl uint32) code    { return wide(0, 7, lvl, 0, 0) }
func rfi(lvl uint32) code      { return wide(0, 3, lvl, 1, 0) }
func breakI(a, b uint32) code  { return wide(0, 4, a, b, 0) }
func jx(s uint32) code         { return wide(0, 0, s, 10, 0) }
func callx0(s uint32) code     { return wide(0, 0, s, 12, 0) }
func retN() code               { return narrow(15, 0, 0, 13) }
func nopN() code               { return narrow(15, 0, 3, 13) }
func movN(t, s uint32) code    { return narrow(0, s, t, 13) }
func addN(r, s, t uint32) code { return narrow(r, s, t, 10) }
func addiN(r, s uint32, n int32) code {
	if n == -1 {
		n = 0
	}
	return narrow(r, s, uint32(n), 11)
}
func moviN(s uint32, n int32) code { return narrow(uint32(n)&15, s, uint32(n)>>4&7, 12) }
func l32iN(t, s, off uint32) code  { return narrow(off/4, s, t, 8) }
func s32iN(t, s, off uint32) code  { return narrow(off/4, s, t, 9) }

var (
	ret     = wide(0, 0, 0, 8, 0)
	nop     = wide(0, 2, 0, 15, 0)
	rfe     = wide(0, 3, 0, 0, 0)
	rfde    = wide(0, 3, 2, 0, 0)
	syscall = wide(0, 5, 0, 0, 0)
	simcall = wide(0, 5, 1, 0, 0)
	ill     = wide(0, 0, 0, 0, 0)
)

func l8ui(t, s, off uint32) code  { return wide(off, 0, s, t, 2) }
func l16ui(t, s, off uint32) code { return wide(off/2, 1, s, t, 2) }
func l32i(t, s, off uint32) code  { return wide(off/4, 2, s, t, 2) }
func s8i(t, s, off uint32) code   { return wide(off, 4, s, t, 2) }
func s16i(t, s, off uint32) code  { return wide(off/2, 5, s, t, 2) }
func s32i(t, s, off uint32) code  { return wide(off/4, 6, s, t, 2) }
func l16si(t, s, off uint32) code { return wide(off/2, 9, s, t, 2) }
func movi(t uint32, n int32) code { return wide(uint32(n)&0xFF, 10, uint32(n)>>8&15, t, 2) }
func addi(t, s uint32, n int32) code {
	return wide(uint32(n)&0xFF, 12, s, t, 2)
}
func addmi(t, s uint32, n int32) code { return wide(uint32(n)>>8&0xFF, 13, s, t, 2) }

func l32r(pc, t, addr uint32) code { return code{(addr-(pc+3)&^3)>>2&0xFFFF<<8 | t<<4 | 1, 3} }
func call0(pc, to uint32) code     { return code{(to-pc&^3-4)>>2&0x3FFFF<<6 | 5, 3} }
func j(pc, to uint32) code         { return code{(to-pc-4)&0x3FFFF<<6 | 6, 3} }

// branch12 has m 0 to 3 for beqz, bnez, bltz, bgez.
func branch12(pc, m, s, to uint32) code {
	return code{(to-pc-4)&0xFFF<<12 | s<<8 | m<<6 | 1<<4 | 6, 3}
}

// branchConst has nm 8, 9, 10, 11, 14, 15 for beqi, bnei, blti, bgei, bltui, bgeui.
func branchConst(pc, nm, s, r, to uint32) code {
	m, n := nm&3, uint32(2)
	if nm >= 14 {
		n = 3
	}
	return wide((to-pc-4)&0xFF, r, s, m<<2|n, 6)
}

// branch8 has r as in the ISA: bnone 0, beq, blt, bltu, ball, bbc, bbci 6 and 7,
// bany 8, bne, bge, bgeu, bnall, bbs, bbsi 14 and 15.
func branch8(pc, r, s, t, to uint32) code { return wide((to-pc-4)&0xFF, r, s, t, 7) }

func bbci(pc, s, bit, to uint32) code { return branch8(pc, 6+bit>>4, s, bit&15, to) }

func beqzN(pc, s, to uint32) code { n := to - pc - 4; return narrow(n&15, s, 8|n>>4, 12) }
func bnezN(pc, s, to uint32) code { n := to - pc - 4; return narrow(n&15, s, 12|n>>4, 12) }

const (
	codeBase = 0x40100000 // 256 KB that code runs from
	codeAt   = 0x40120000 // where a program begins if nothing else is said
	dataBase = 0x3FFE8000 // 4 KB of memory
)

// program is a machine's memory, into which code is put piece by piece.
type program struct {
	memory []byte // at codeBase
	data   []byte // at dataBase
	pc     uint32 // where the next instruction goes
}

// newMachine returns a CPU with nothing but memory around it.
func newMachine() (*CPU, *program) {
	p := &program{memory: make([]byte, 0x40000), data: make([]byte, 0x1000), pc: codeAt}
	c := New(nothing{})
	c.SetWindows(
		Window{Base: codeBase, Data: p.memory, Load: 7, Store: 7, Fetch: true},
		Window{Base: dataBase, Data: p.data, Load: 7, Store: 7},
	)
	return c, p
}

// start lets the CPU begin at codeAt, not handling an exception, with
// interrupts of all levels let through and vectors at codeBase.
func (p *program) start(c *CPU) { c.PC, c.PS, c.VECBASE = codeAt, 0, codeBase }

// i puts instructions.
func (p *program) i(codes ...code) {
	for _, c := range codes {
		for n := range c.size {
			p.memory[p.pc-codeBase] = byte(c.bits >> (8 * n))
			p.pc++
		}
	}
}

// nothing is a bus that answers each access with a fault.
type nothing struct{}

func (nothing) Fetch(uint32) (uint32, Cause)     { return 0, InstFetchProhibited }
func (nothing) Load(uint32, int) (uint32, Cause) { return 0, LoadProhibited }
func (nothing) Store(uint32, int, uint32) Cause  { return StoreProhibited }
