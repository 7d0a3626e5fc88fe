package lx106

// Offsets of the vectors from VECBASE.
const (
	vectorDebug  = 0x10
	vectorNMI    = 0x20
	vectorKernel = 0x30
	vectorUser   = 0x50
	vectorDouble = 0x70
)

// The interrupts by kind. All but the NMI are of level 1.
const (
	levelInterrupts   = 0x003F // external, as long as the line is high
	timerInterrupt    = 0x0040 // CCOMPARE0
	softwareInterrupt = 0x0080
	edgeInterrupts    = 0x3F00 // external, latched at the rising edge
	nmiInterrupt      = 0x4000 // external, latched at the rising edge, not maskable

	allInterrupts = 0x7FFF
)

// The levels of interrupts as in PS, and causes in DEBUGCAUSE.
const (
	levelDebug = 2
	levelNMI   = 3

	debugCount       = 1 << 0
	debugInstruction = 1 << 1
	debugData        = 1 << 2
	debugBreak       = 1 << 3
	debugBreakN      = 1 << 4
)

// Exception makes the CPU take an exception at PC, as if the instruction there
// had caused it. A Bus returns the cause instead of calling this. vaddr goes to
// EXCVADDR if the cause is one of memory.
func (c *CPU) Exception(cause Cause, vaddr uint32) {
	switch cause {
	case IllegalInstruction, Syscall, Level1Interrupt, Alloca, IntegerDivideByZero, Privileged:
	default:
		c.EXCVADDR = vaddr
	}
	c.EXCCAUSE = uint32(cause)
	c.Waiting, c.Counting = false, false
	vector := uint32(vectorKernel)
	switch {
	case c.PS&PSExcM != 0:
		c.DEPC = c.PC
		vector = vectorDouble
	case c.PS&PSUM != 0:
		c.EPC[1] = c.PC
		vector = vectorUser
	default:
		c.EPC[1] = c.PC
	}
	c.PS |= PSExcM
	c.PC = c.VECBASE + vector
}

// highLevel enters the debug exception or an interrupt above level 1.
func (c *CPU) highLevel(level, vector uint32) {
	c.EPC[level] = c.PC
	c.EPS[level] = c.PS
	c.PS = c.PS&^PSIntLevel | PSExcM | level
	c.PC = c.VECBASE + vector
	c.Waiting, c.Counting = false, false
	c.next = 0 // the debug option's registers may mean something here
}

// breakpoint executes a BREAK of the given size.
func (c *CPU) breakpoint(cause, size uint32) {
	if c.level() >= levelDebug {
		c.PC += size
		return
	}
	c.debugException(cause)
}

func (c *CPU) debugException(cause uint32) {
	c.DEBUGCAUSE = cause
	c.highLevel(levelDebug, vectorDebug)
}

// level is the level up to which interrupts are held off (CINTLEVEL).
func (c *CPU) level() uint32 {
	level := c.PS & PSIntLevel
	if c.PS&PSExcM != 0 {
		level = max(level, 1)
	}
	return level
}

// takeInterrupt enters the handler of a pending interrupt, if there is one that
// is not held off.
func (c *CPU) takeInterrupt() {
	switch {
	case c.INTERRUPT&nmiInterrupt != 0:
		c.INTERRUPT &^= nmiInterrupt
		c.highLevel(levelNMI, vectorNMI)
	case c.INTERRUPT&c.INTENABLE != 0 && c.level() < 1:
		c.Exception(Level1Interrupt, 0)
	}
}

// SetInterrupt drives the external interrupt line n (0 to 5: level, 8 to 13:
// edge, 14: the NMI). The timer's 6 and the software's 7 have no line.
func (c *CPU) SetInterrupt(n int, level bool) {
	line := uint32(1) << n & (levelInterrupts | edgeInterrupts | nmiInterrupt)
	before := c.Lines
	c.Lines &^= line
	if level {
		c.Lines |= line
	}
	c.INTERRUPT = c.INTERRUPT&^levelInterrupts | c.Lines&levelInterrupts |
		c.Lines&^before&(edgeInterrupts|nmiInterrupt)
	c.next = 0
}

// setTimer computes TimerAt anew. A match at the current cycle counts as one
// that is a whole turn of CCOUNT away.
func (c *CPU) setTimer() {
	c.TimerAt = c.Cycles + 1 + uint64(c.CCOMPARE0-c.CCOUNT()-1)
	c.next = 0
}
