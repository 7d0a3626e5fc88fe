package lx106

// op is an instruction after decoding.
type op uint8

// inst is a decoded instruction. imm is the immediate, or the absolute address
// of the branch's target or the literal.
type inst struct {
	op      op
	r, s, t uint8
	imm     uint32
}

const (
	opUndecoded op = iota
	opIllegal      // everything that this core does not have

	opAbs
	opAdd
	opAddN
	opAddi
	opAddiN
	opAddmi
	opAddx2
	opAddx4
	opAddx8
	opAnd
	opBall
	opBany
	opBbc
	opBbci
	opBbs
	opBbsi
	opBeq
	opBeqi
	opBeqz
	opBeqzN
	opBge
	opBgei
	opBgeu
	opBgeui
	opBgez
	opBlt
	opBlti
	opBltu
	opBltui
	opBltz
	opBnall
	opBne
	opBnei
	opBnez
	opBnezN
	opBnone
	opBreak
	opBreakN
	opCall0
	opCallx0
	opDsync
	opEsync
	opExcw
	opExtui
	opExtw
	opIdtlb
	opIitlb
	opIll
	opIllN
	opIsync
	opJ
	opJx
	opL16si
	opL16ui
	opL32i
	opL32iN
	opL32r
	opL8ui
	opMemw
	opMovN
	opMoveqz
	opMovgez
	opMovi
	opMoviN
	opMovltz
	opMovnez
	opMul16s
	opMul16u
	opMull
	opNeg
	opNop
	opNopN
	opNsa
	opNsau
	opOr
	opPdtlb
	opPitlb
	opRdtlb0
	opRdtlb1
	opRer
	opRet
	opRetN
	opRfdd
	opRfde
	opRfdo
	opRfe
	opRfi
	opRitlb0
	opRitlb1
	opRsil
	opRsr
	opRsync
	opS16i
	opS32i
	opS32iN
	opS8i
	opSimcall
	opSll
	opSlli
	opSra
	opSrai
	opSrc
	opSrl
	opSrli
	opSsa8b
	opSsa8l
	opSsai
	opSsl
	opSsr
	opSub
	opSubx2
	opSubx4
	opSubx8
	opSyscall
	opWaiti
	opWdtlb
	opWer
	opWitlb
	opWsr
	opXor
	opXsr

	opCount
)
