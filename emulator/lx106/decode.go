package lx106

// instructionSize is 2 for the density option's instructions, else 3. Those
// beginning with 14 or 15 do not exist, and need no second byte to tell.
func instructionSize(word uint32) uint32 {
	switch {
	case word&15 >= 14:
		return 1
	case word&15 >= 8:
		return 2
	}
	return 3
}

// The constants that compare-immediate branches can name (Xtensa ISA, tables
// 3-17 and 3-18).
var (
	b4const  = [16]uint32{^uint32(0), 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256}
	b4constu = [16]uint32{32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256}
)

// signed extends the lowest bits of v by their sign.
func signed(v uint32, bits uint) uint32 {
	return uint32(int32(v<<(32-bits)) >> (32 - bits))
}

// decode decodes the instruction word at pc (Xtensa ISA, chapter 7).
func decode(pc, word uint32) inst {
	r, s, t := word>>12&15, word>>8&15, word>>4&15
	in := inst{op: opIllegal, r: uint8(r), s: uint8(s), t: uint8(t)}
	imm8 := word >> 16 & 0xFF
	switch word & 15 {
	case 0:
		decodeQRST(&in, word)
	case 1:
		in.op = opL32r
		in.imm = (pc+3)&^3 + (0xFFFC0000 | word>>8&0xFFFF<<2)
	case 2:
		decodeLSAI(&in, imm8)
	case 5:
		if t&3 == 0 {
			in.op = opCall0
			in.imm = pc&^3 + 4 + signed(word>>6, 18)<<2
		}
	case 6:
		decodeSI(&in, pc, word)
	case 7:
		in.op = [16]op{opBnone, opBeq, opBlt, opBltu, opBall, opBbc, opBbci, opBbci,
			opBany, opBne, opBge, opBgeu, opBnall, opBbs, opBbsi, opBbsi}[r]
		if in.op == opBbci || in.op == opBbsi {
			in.t |= uint8(r & 1 << 4)
		}
		in.imm = pc + 4 + signed(imm8, 8)
	case 8:
		in.op, in.imm = opL32iN, r*4
	case 9:
		in.op, in.imm = opS32iN, r*4
	case 10:
		in.op = opAddN
	case 11:
		in.op, in.imm = opAddiN, t
		if t == 0 {
			in.imm = ^uint32(0)
		}
	case 12:
		switch {
		case t&8 == 0:
			in.op = opMoviN
			in.imm = t&7<<4 | r
			if in.imm >= 96 {
				in.imm -= 128
			}
		case t&4 == 0:
			in.op, in.imm = opBeqzN, pc+4+(t&3<<4|r)
		default:
			in.op, in.imm = opBnezN, pc+4+(t&3<<4|r)
		}
	case 13:
		decodeST3(&in)
	}
	return in
}

// decodeST3 decodes the narrow instructions without immediates.
func decodeST3(in *inst) {
	switch {
	case in.r == 0:
		in.op = opMovN
	case in.r != 15:
	case in.t == 0:
		in.op = opRetN
	case in.t == 2:
		in.op = opBreakN
	case in.t == 3 && in.s == 0:
		in.op = opNopN
	case in.t == 6 && in.s == 0:
		in.op = opIllN
	}
}

// decodeLSAI decodes loads, stores and additions with an 8-bit immediate.
func decodeLSAI(in *inst, imm8 uint32) {
	switch in.r {
	case 0:
		in.op, in.imm = opL8ui, imm8
	case 1:
		in.op, in.imm = opL16ui, imm8<<1
	case 2:
		in.op, in.imm = opL32i, imm8<<2
	case 4:
		in.op, in.imm = opS8i, imm8
	case 5:
		in.op, in.imm = opS16i, imm8<<1
	case 6:
		in.op, in.imm = opS32i, imm8<<2
	case 9:
		in.op, in.imm = opL16si, imm8<<1
	case 10:
		in.op, in.imm = opMovi, signed(uint32(in.s)<<8|imm8, 12)
	case 12:
		in.op, in.imm = opAddi, signed(imm8, 8)
	case 13:
		in.op, in.imm = opAddmi, signed(imm8, 8)<<8
	}
}

// decodeSI decodes jumps, and branches that compare with zero or a constant.
func decodeSI(in *inst, pc, word uint32) {
	n, m := in.t&3, in.t>>2
	switch n {
	case 0:
		in.op = opJ
		in.imm = pc + 4 + signed(word>>6, 18)
	case 1:
		in.op = [4]op{opBeqz, opBnez, opBltz, opBgez}[m]
		in.imm = pc + 4 + signed(word>>12, 12)
	case 2:
		in.op = [4]op{opBeqi, opBnei, opBlti, opBgei}[m]
		in.imm = pc + 4 + signed(word>>16, 8)
	case 3:
		in.op = [4]op{opIllegal, opIllegal, opBltui, opBgeui}[m]
		in.imm = pc + 4 + signed(word>>16, 8)
	}
}

// decodeQRST decodes the instructions whose operands are all registers, and
// some with a small immediate in the place of one.
func decodeQRST(in *inst, word uint32) {
	op1, op2 := word>>16&15, word>>20&15
	switch op1 {
	case 0:
		decodeRST0(in, op2)
	case 1:
		decodeRST1(in, op2)
	case 2:
		if op2 == 8 {
			in.op = opMull
		}
	case 3:
		switch op2 {
		case 0:
			decodeSpecial(in, opRsr, canRead)
		case 1:
			decodeSpecial(in, opWsr, canWrite)
		case 8:
			in.op = opMoveqz
		case 9:
			in.op = opMovnez
		case 10:
			in.op = opMovltz
		case 11:
			in.op = opMovgez
		}
	case 4, 5:
		in.op = opExtui
		in.s |= uint8(op1 & 1 << 4)
		in.imm = 1<<(op2+1) - 1
	}
}

func decodeSpecial(in *inst, o op, need access) {
	in.imm = uint32(in.r)<<4 | uint32(in.s)
	if specials[in.imm]&need != 0 {
		in.op = o
	}
}

func decodeRST0(in *inst, op2 uint32) {
	switch op2 {
	case 0:
		decodeST0(in)
	case 1:
		in.op = opAnd
	case 2:
		in.op = opOr
	case 3:
		in.op = opXor
	case 4:
		decodeST1(in)
	case 5:
		o := [16]op{3: opRitlb0, 4: opIitlb, 5: opPitlb, 6: opWitlb, 7: opRitlb1,
			11: opRdtlb0, 12: opIdtlb, 13: opPdtlb, 14: opWdtlb, 15: opRdtlb1}[in.r]
		if o != opUndecoded && !((o == opIitlb || o == opIdtlb) && in.t != 0) {
			in.op = o
		}
	case 6:
		switch in.s {
		case 0:
			in.op = opNeg
		case 1:
			in.op = opAbs
		}
	default:
		if op2 >= 8 {
			in.op = [8]op{opAdd, opAddx2, opAddx4, opAddx8, opSub, opSubx2, opSubx4, opSubx8}[op2-8]
		}
	}
}

// decodeST0 decodes returns, barriers and what else has hardly an operand.
func decodeST0(in *inst) {
	switch in.r {
	case 0:
		switch {
		case in.t == 0 && in.s == 0:
			in.op = opIll
		case in.t == 8:
			in.op = opRet
		case in.t == 10:
			in.op = opJx
		case in.t == 12:
			in.op = opCallx0
		}
	case 2:
		o := [16]op{0: opIsync, 1: opRsync, 2: opEsync, 3: opDsync, 8: opExcw,
			12: opMemw, 13: opExtw, 15: opNop}[in.t]
		if o != opUndecoded && in.s == 0 {
			in.op = o
		}
	case 3:
		switch {
		case in.t == 0 && in.s == 0:
			in.op = opRfe
		case in.t == 0 && in.s == 2:
			in.op = opRfde
		case in.t == 1 && (in.s == 2 || in.s == 3):
			in.op = opRfi
		}
	case 4:
		in.op = opBreak
	case 5:
		switch {
		case in.t == 0 && in.s == 0:
			in.op = opSyscall
		case in.t == 0 && in.s == 1:
			in.op = opSimcall
		}
	case 6:
		in.op = opRsil
	case 7:
		if in.t == 0 {
			in.op = opWaiti
		}
	}
}

// decodeST1 decodes what sets the shift amount, external registers, and NSA.
func decodeST1(in *inst) {
	switch {
	case in.r <= 3 && in.t == 0:
		in.op = [4]op{opSsr, opSsl, opSsa8l, opSsa8b}[in.r]
	case in.r == 4 && in.t < 2:
		in.op = opSsai
		in.imm = uint32(in.t)<<4 | uint32(in.s)
	case in.r == 6:
		in.op = opRer
	case in.r == 7:
		in.op = opWer
	case in.r == 14:
		in.op = opNsa
	case in.r == 15:
		in.op = opNsau
	}
}

func decodeRST1(in *inst, op2 uint32) {
	switch op2 {
	case 0, 1:
		in.op = opSlli
		in.imm = 32 - (op2&1<<4 | uint32(in.t))
	case 2, 3:
		in.op = opSrai
		in.imm = op2&1<<4 | uint32(in.s)
	case 4:
		in.op = opSrli
		in.imm = uint32(in.s)
	case 6:
		decodeSpecial(in, opXsr, canExchange)
	case 8:
		in.op = opSrc
	case 9:
		if in.s == 0 {
			in.op = opSrl
		}
	case 10:
		if in.t == 0 {
			in.op = opSll
		}
	case 11:
		if in.s == 0 {
			in.op = opSra
		}
	case 12:
		in.op = opMul16u
	case 13:
		in.op = opMul16s
	case 15:
		switch {
		case in.r == 14 && in.t == 0:
			in.op = opRfdo
		case in.r == 14 && in.t == 1:
			in.op = opRfdd
		}
	}
}
