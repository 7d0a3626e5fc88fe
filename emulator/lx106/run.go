package lx106

import (
	"encoding/binary"
	"math/bits"
)

// Run executes instructions until Cycles has reached until, or something else
// stops it. A SIMCALL that PC still points to, or a WAITI that no interrupt has
// ended yet, stops it again at once.
func (c *CPU) Run(until uint64) Stop {
	c.until, c.next = until, 0
	a := &c.A
	// PC and Cycles live in locals, written back before anything that others can see. Whatever
	// calls a function ends in "continue resume", with c.PC at the instruction to go on with:
	// nothing is live across a call, so all that the inner loop needs stays in registers.
resume:
	for {
		if c.Cycles >= c.next {
			if stop, ok := c.poll(); ok {
				return stop
			}
		}
		pc, cycles, next := c.PC, c.Cycles, c.next
		p := c.page(pc)
		base := p.base
		for cycles < next {
			at := pc - base
			if at >= pageSize {
				break
			}
			in := &p.code[at]
			cycles++
			r, s, t := in.r&15, in.s&15, in.t&15

			switch in.op {
			case opUndecoded:
				c.PC, c.Cycles = pc, cycles
				if cause, vaddr := c.decode(in, pc); cause != OK {
					c.Exception(cause, vaddr)
					continue resume
				}
				c.Cycles--
				continue resume

			// Arithmetic and logic.
			case opAdd:
				a[r] = a[s] + a[t]
			case opAddN:
				a[r] = a[s] + a[t]
				pc += 2
				continue
			case opAddi, opAddmi:
				a[t] = a[s] + in.imm
			case opAddiN:
				a[r] = a[s] + in.imm
				pc += 2
				continue
			case opAddx2:
				a[r] = a[s]<<1 + a[t]
			case opAddx4:
				a[r] = a[s]<<2 + a[t]
			case opAddx8:
				a[r] = a[s]<<3 + a[t]
			case opSub:
				a[r] = a[s] - a[t]
			case opSubx2:
				a[r] = a[s]<<1 - a[t]
			case opSubx4:
				a[r] = a[s]<<2 - a[t]
			case opSubx8:
				a[r] = a[s]<<3 - a[t]
			case opAnd:
				a[r] = a[s] & a[t]
			case opOr:
				a[r] = a[s] | a[t]
			case opXor:
				a[r] = a[s] ^ a[t]
			case opNeg:
				a[r] = -a[t]
			case opAbs:
				v := a[t]
				if int32(v) < 0 {
					v = -v
				}
				a[r] = v
			case opMul16s:
				a[r] = uint32(int32(int16(a[s])) * int32(int16(a[t])))
			case opMul16u:
				a[r] = uint32(uint16(a[s])) * uint32(uint16(a[t]))
			case opMull:
				a[r] = a[s] * a[t]
			case opNsa:
				v := a[s]
				a[t] = uint32(bits.LeadingZeros32(v^uint32(int32(v)>>31)) - 1)
			case opNsau:
				a[t] = uint32(bits.LeadingZeros32(a[s]))

			// Moves.
			case opMovN:
				a[t] = a[s]
				pc += 2
				continue
			case opMovi:
				a[t] = in.imm
			case opMoviN:
				a[s] = in.imm
				pc += 2
				continue
			case opMoveqz:
				if a[t] == 0 {
					a[r] = a[s]
				}
			case opMovnez:
				if a[t] != 0 {
					a[r] = a[s]
				}
			case opMovltz:
				if int32(a[t]) < 0 {
					a[r] = a[s]
				}
			case opMovgez:
				if int32(a[t]) >= 0 {
					a[r] = a[s]
				}

			// Shifts. Amounts over 32 in SAR are undefined in the ISA; here they
			// shift everything out.
			case opExtui:
				a[r] = a[t] >> (in.s & 31) & in.imm
			case opSlli:
				a[r] = a[s] << in.imm
			case opSrai:
				a[r] = uint32(int32(a[t]) >> in.imm)
			case opSrli:
				a[r] = a[t] >> in.imm
			case opSll:
				a[r] = uint32(uint64(a[s]) << 32 >> c.SAR)
			case opSrl:
				a[r] = a[t] >> c.SAR
			case opSra:
				a[r] = uint32(int32(a[t]) >> c.SAR)
			case opSrc:
				a[r] = uint32((uint64(a[s])<<32 | uint64(a[t])) >> c.SAR)
			case opSsr:
				c.SAR = a[s] & 31
			case opSsl:
				c.SAR = 32 - a[s]&31
			case opSsa8l:
				c.SAR = a[s] & 3 * 8
			case opSsa8b:
				c.SAR = 32 - a[s]&3*8
			case opSsai:
				c.SAR = in.imm

			// Loads.
			case opL32i, opL32iN:
				size := uint32(3)
				if in.op == opL32iN {
					size = 2
				}
				addr := a[s] + in.imm
				if w := c.loadWindow; addr-w.base < w.load32 && addr&3 == 0 {
					a[t] = binary.LittleEndian.Uint32(w.data[addr-w.base:])
					pc += size
					continue
				}
				c.PC, c.Cycles = pc, cycles
				if v, ok := c.load(addr, 4); ok {
					a[t] = v
					c.PC = pc + size
				}
				continue resume
			case opL16ui:
				addr := a[s] + in.imm
				if w := c.loadWindow; addr-w.base < w.load16 && addr&1 == 0 {
					a[t] = uint32(binary.LittleEndian.Uint16(w.data[addr-w.base:]))
					break
				}
				c.PC, c.Cycles = pc, cycles
				if v, ok := c.load(addr, 2); ok {
					a[t] = v
					c.PC = pc + 3
				}
				continue resume
			case opL16si:
				addr := a[s] + in.imm
				if w := c.loadWindow; addr-w.base < w.load16 && addr&1 == 0 {
					a[t] = uint32(int32(int16(binary.LittleEndian.Uint16(w.data[addr-w.base:]))))
					break
				}
				c.PC, c.Cycles = pc, cycles
				if v, ok := c.load(addr, 2); ok {
					a[t] = uint32(int32(int16(v)))
					c.PC = pc + 3
				}
				continue resume
			case opL8ui:
				addr := a[s] + in.imm
				if w := c.loadWindow; addr-w.base < w.load8 {
					a[t] = uint32(w.data[addr-w.base])
					break
				}
				c.PC, c.Cycles = pc, cycles
				if v, ok := c.load(addr, 1); ok {
					a[t] = v
					c.PC = pc + 3
				}
				continue resume
			case opL32r:
				addr := c.literalAt(in.imm, pc)
				if w := c.literalWindow; addr-w.base < w.load32 {
					a[t] = binary.LittleEndian.Uint32(w.data[addr-w.base:])
					break
				}
				c.PC, c.Cycles = pc, cycles
				if v, ok := c.loadLiteral(addr); ok {
					a[t] = v
					c.PC = pc + 3
				}
				continue resume

			// Stores.
			case opS32i, opS32iN:
				size := uint32(3)
				if in.op == opS32iN {
					size = 2
				}
				addr := a[s] + in.imm
				if w := c.storeWindow; addr-w.base < w.store32 && addr&3 == 0 {
					binary.LittleEndian.PutUint32(w.data[addr-w.base:], a[t])
					pc += size
					continue
				}
				c.PC, c.Cycles = pc, cycles
				if c.store(addr, 4, a[t]) {
					c.PC = pc + size
				}
				continue resume
			case opS16i:
				addr := a[s] + in.imm
				if w := c.storeWindow; addr-w.base < w.store16 && addr&1 == 0 {
					binary.LittleEndian.PutUint16(w.data[addr-w.base:], uint16(a[t]))
					break
				}
				c.PC, c.Cycles = pc, cycles
				if c.store(addr, 2, a[t]&0xFFFF) {
					c.PC = pc + 3
				}
				continue resume
			case opS8i:
				addr := a[s] + in.imm
				if w := c.storeWindow; addr-w.base < w.store8 {
					w.data[addr-w.base] = byte(a[t])
					break
				}
				c.PC, c.Cycles = pc, cycles
				if c.store(addr, 1, a[t]&0xFF) {
					c.PC = pc + 3
				}
				continue resume

			// Jumps and branches.
			case opJ:
				pc = in.imm
				continue
			case opJx:
				pc = a[s]
				continue
			case opCall0:
				a[0] = pc + 3
				pc = in.imm
				continue
			case opCallx0:
				pc, a[0] = a[s], pc+3
				continue
			case opRet, opRetN:
				pc = a[0]
				continue
			case opBeqz:
				if a[s] == 0 {
					pc = in.imm
					continue
				}
			case opBeqzN:
				if a[s] == 0 {
					pc = in.imm
				} else {
					pc += 2
				}
				continue
			case opBnez:
				if a[s] != 0 {
					pc = in.imm
					continue
				}
			case opBnezN:
				if a[s] != 0 {
					pc = in.imm
				} else {
					pc += 2
				}
				continue
			case opBltz:
				if int32(a[s]) < 0 {
					pc = in.imm
					continue
				}
			case opBgez:
				if int32(a[s]) >= 0 {
					pc = in.imm
					continue
				}
			case opBeq:
				if a[s] == a[t] {
					pc = in.imm
					continue
				}
			case opBne:
				if a[s] != a[t] {
					pc = in.imm
					continue
				}
			case opBlt:
				if int32(a[s]) < int32(a[t]) {
					pc = in.imm
					continue
				}
			case opBge:
				if int32(a[s]) >= int32(a[t]) {
					pc = in.imm
					continue
				}
			case opBltu:
				if a[s] < a[t] {
					pc = in.imm
					continue
				}
			case opBgeu:
				if a[s] >= a[t] {
					pc = in.imm
					continue
				}
			case opBeqi:
				if a[s] == b4const[r] {
					pc = in.imm
					continue
				}
			case opBnei:
				if a[s] != b4const[r] {
					pc = in.imm
					continue
				}
			case opBlti:
				if int32(a[s]) < int32(b4const[r]) {
					pc = in.imm
					continue
				}
			case opBgei:
				if int32(a[s]) >= int32(b4const[r]) {
					pc = in.imm
					continue
				}
			case opBltui:
				if a[s] < b4constu[r] {
					pc = in.imm
					continue
				}
			case opBgeui:
				if a[s] >= b4constu[r] {
					pc = in.imm
					continue
				}
			case opBany:
				if a[s]&a[t] != 0 {
					pc = in.imm
					continue
				}
			case opBnone:
				if a[s]&a[t] == 0 {
					pc = in.imm
					continue
				}
			case opBall:
				if ^a[s]&a[t] == 0 {
					pc = in.imm
					continue
				}
			case opBnall:
				if ^a[s]&a[t] != 0 {
					pc = in.imm
					continue
				}
			case opBbc:
				if a[s]>>(a[t]&31)&1 == 0 {
					pc = in.imm
					continue
				}
			case opBbs:
				if a[s]>>(a[t]&31)&1 != 0 {
					pc = in.imm
					continue
				}
			case opBbci:
				if a[s]>>(in.t&31)&1 == 0 {
					pc = in.imm
					continue
				}
			case opBbsi:
				if a[s]>>(in.t&31)&1 != 0 {
					pc = in.imm
					continue
				}

			// Barriers: everything happens in order here.
			case opNop, opMemw, opExtw, opIsync, opRsync, opEsync, opDsync, opExcw:
			case opNopN:
				pc += 2
				continue

			case opSimcall:
				c.PC, c.Cycles = pc, cycles-1
				return StopSimcall

			default:
				c.PC, c.Cycles = pc, cycles
				c.system(in)
				continue resume
			}
			pc += 3
		}
		c.PC, c.Cycles = pc, cycles
	}
}

// system executes the instructions that are seldom, and all that change what
// Run has to look after.
func (c *CPU) system(in *inst) {
	s, t := &c.A[in.s&15], &c.A[in.t&15]
	switch in.op {
	case opRsr:
		*t = c.readSpecial(in.imm)
	case opWsr:
		c.writeSpecial(in.imm, *t)
	case opXsr:
		old := c.readSpecial(in.imm)
		c.writeSpecial(in.imm, *t)
		*t = old
	case opRsil:
		*t = c.PS
		c.PS = c.PS&^PSIntLevel | uint32(in.s)
		c.next = 0
	case opWaiti:
		c.PS = c.PS&^PSIntLevel | uint32(in.s)
		c.Waiting = true
		c.next = 0
	case opRfe:
		c.PS &^= PSExcM
		c.PC = c.EPC[1]
		c.next = 0
		return
	case opRfde:
		c.PC = c.DEPC
		return
	case opRfi:
		c.PS = c.EPS[in.s]
		c.PC = c.EPC[in.s]
		c.next = 0
		return
	case opSyscall:
		c.Exception(Syscall, 0)
		return
	case opBreak:
		c.breakpoint(debugBreak, 3)
		return
	case opBreakN:
		c.breakpoint(debugBreakN, 2)
		return

	// Nothing is attached to the external registers.
	case opRer:
		*t = 0
	case opWer:

	// The TLBs of the region protection map each address to itself.
	case opWitlb:
		c.ITLB[*s>>29] = uint8(*t & 15)
	case opWdtlb:
		c.DTLB[*s>>29] = uint8(*t & 15)
	case opRitlb0, opRdtlb0:
		*t = *s & 0xE0000000
	case opRitlb1:
		*t = *s&0xE0000000 | uint32(c.ITLB[*s>>29])
	case opRdtlb1:
		*t = *s&0xE0000000 | uint32(c.DTLB[*s>>29])
	case opPitlb, opPdtlb:
		*t = *s&0xE0000000 | 1
	case opIitlb, opIdtlb:

	// RFDO and RFDD belong to the on-chip debug mode, which is never entered.
	default:
		c.Exception(IllegalInstruction, 0)
		return
	}
	c.PC += 3
}
