package lx106

// Numbers of special registers (Xtensa ISA, table 5-127).
const (
	srSAR          = 3
	srLITBASE      = 5
	srMMID         = 89
	srIBREAKENABLE = 96
	srDDR          = 104
	srIBREAKA0     = 128
	srDBREAKA0     = 144
	srDBREAKC0     = 160
	srCONFIGID0    = 176
	srEPC1         = 177
	srEPC2         = 178
	srEPC3         = 179
	srDEPC         = 192
	srEPS2         = 194
	srEPS3         = 195
	srCONFIGID1    = 208
	srEXCSAVE1     = 209
	srEXCSAVE2     = 210
	srEXCSAVE3     = 211
	srINTERRUPT    = 226 // INTSET when written
	srINTCLEAR     = 227
	srINTENABLE    = 228
	srPS           = 230
	srVECBASE      = 231
	srEXCCAUSE     = 232
	srDEBUGCAUSE   = 233
	srCCOUNT       = 234
	srPRID         = 235
	srICOUNT       = 236
	srICOUNTLEVEL  = 237
	srEXCVADDR     = 238
	srCCOMPARE0    = 240
)

// access says which of RSR, WSR and XSR a special register has.
type access uint8

const (
	canRead     access = 1
	canWrite    access = 2
	canExchange access = 4
	canAll             = canRead | canWrite | canExchange
)

// specials are the registers of this core; others are illegal instructions.
var specials = [256]access{
	srSAR:          canAll,
	srLITBASE:      canAll,
	srMMID:         canWrite,
	srIBREAKENABLE: canAll,
	srDDR:          canAll,
	srIBREAKA0:     canAll,
	srDBREAKA0:     canAll,
	srDBREAKC0:     canAll,
	srCONFIGID0:    canRead | canWrite,
	srEPC1:         canAll,
	srEPC2:         canAll,
	srEPC3:         canAll,
	srDEPC:         canAll,
	srEPS2:         canAll,
	srEPS3:         canAll,
	srCONFIGID1:    canRead,
	srEXCSAVE1:     canAll,
	srEXCSAVE2:     canAll,
	srEXCSAVE3:     canAll,
	srINTERRUPT:    canRead | canWrite,
	srINTCLEAR:     canWrite,
	srINTENABLE:    canAll,
	srPS:           canAll,
	srVECBASE:      canAll,
	srEXCCAUSE:     canAll,
	srDEBUGCAUSE:   canRead,
	srCCOUNT:       canAll,
	srPRID:         canRead,
	srICOUNT:       canAll,
	srICOUNTLEVEL:  canAll,
	srEXCVADDR:     canAll,
	srCCOMPARE0:    canAll,
}

// plain returns the register's place if a read is just that.
func (c *CPU) plain(sr uint32) *uint32 {
	switch sr {
	case srSAR:
		return &c.SAR
	case srLITBASE:
		return &c.LITBASE
	case srIBREAKENABLE:
		return &c.IBREAKENABLE
	case srDDR:
		return &c.DDR
	case srIBREAKA0:
		return &c.IBREAKA0
	case srDBREAKA0:
		return &c.DBREAKA0
	case srDBREAKC0:
		return &c.DBREAKC0
	case srEPC1, srEPC2, srEPC3:
		return &c.EPC[sr-srEPC1+1]
	case srDEPC:
		return &c.DEPC
	case srEPS2, srEPS3:
		return &c.EPS[sr-srEPS2+2]
	case srEXCSAVE1, srEXCSAVE2, srEXCSAVE3:
		return &c.EXCSAVE[sr-srEXCSAVE1+1]
	case srINTERRUPT:
		return &c.INTERRUPT
	case srINTENABLE:
		return &c.INTENABLE
	case srPS:
		return &c.PS
	case srVECBASE:
		return &c.VECBASE
	case srEXCCAUSE:
		return &c.EXCCAUSE
	case srDEBUGCAUSE:
		return &c.DEBUGCAUSE
	case srICOUNT:
		return &c.ICOUNT
	case srICOUNTLEVEL:
		return &c.ICOUNTLEVEL
	case srEXCVADDR:
		return &c.EXCVADDR
	case srCCOMPARE0:
		return &c.CCOMPARE0
	}
	return nil
}

func (c *CPU) readSpecial(sr uint32) uint32 {
	switch sr {
	case srCONFIGID0:
		return 0xC28CDAFA
	case srCONFIGID1:
		return 0x1082B6F6
	case srCCOUNT:
		return c.CCOUNT()
	case srPRID:
		return 0
	}
	return *c.plain(sr)
}

// implemented are the bits of registers that have fewer than 32.
var implemented = map[uint32]uint32{
	srSAR:          0x3F,
	srLITBASE:      0xFFFFF001,
	srIBREAKENABLE: 1,
	srDBREAKC0:     0xC000003F,
	srEPS2:         psMask,
	srEPS3:         psMask,
	srINTENABLE:    allInterrupts,
	srPS:           psMask,
	srVECBASE:      0xFFFFFF80,
	srEXCCAUSE:     0x3F,
	srICOUNTLEVEL:  0xF,
}

func (c *CPU) writeSpecial(sr, v uint32) {
	// INTENABLE, PS and the like may let an interrupt in.
	c.next = 0
	switch sr {
	case srMMID, srCONFIGID0:
		return
	case srINTERRUPT:
		c.INTERRUPT |= v & softwareInterrupt
		return
	case srINTCLEAR:
		c.INTERRUPT &^= v & (softwareInterrupt | edgeInterrupts)
		return
	case srCCOUNT:
		c.CCOUNTOffset = v - uint32(c.Cycles)
		c.setTimer()
		return
	case srSAR: // the most frequent
		c.SAR = v & 0x3F
		return
	}
	if sr == srICOUNT {
		c.Counting = false
	}
	if mask, ok := implemented[sr]; ok {
		v &= mask
	}
	*c.plain(sr) = v
	if sr == srCCOMPARE0 {
		c.INTERRUPT &^= timerInterrupt
		c.setTimer()
	}
}
