package esp8266

import (
	"fmt"
	"math/bits"

	"esper/emulator/lx106"
)

// frame is a program that was interrupted by a handler which the ROM called.
type frame struct {
	a           [16]uint32
	pc, ps, sar uint32
	memory      uint32 // where the handler of an exception finds the registers, or 0
}

const (
	maxFrames = 4     // an interrupt within an exception's handler, and room
	frameSize = 0x100 // what the ROM takes from the interrupted stack
)

// exception is what lies at the ROM's user and kernel vectors: it calls the
// handler of an interrupt or exception, as a C function on the same stack.
func (c *Chip) exception() {
	if c.CPU.EXCCAUSE == uint32(lx106.Level1Interrupt) {
		if c.beginFrame() {
			c.nextInterrupt()
		}
		return
	}
	handler := c.rom.exceptions[c.CPU.EXCCAUSE&63]
	if handler == 0 {
		c.unhandled()
		return
	}
	if !c.beginFrame() {
		return
	}
	f := &c.rom.frames[c.rom.depth-1]
	f.memory = c.CPU.A[1]
	c.storeFrame(f)
	c.enter(handler, f.memory, c.CPU.EXCCAUSE)
}

// beginFrame saves the registers and makes room on the stack.
func (c *Chip) beginFrame() bool {
	if c.rom.depth == maxFrames {
		c.unhandled()
		return false
	}
	c.rom.frames[c.rom.depth] = frame{
		a: c.CPU.A, pc: c.CPU.EPC[1], ps: c.CPU.PS &^ lx106.PSExcM, sar: c.CPU.SAR,
	}
	c.rom.depth++
	c.CPU.A[1] = (c.CPU.A[1] - frameSize) &^ 15
	c.CPU.Cycles += 40
	return true
}

// enter calls a handler with interrupts of level 1 held off.
func (c *Chip) enter(function, arg1, arg2 uint32) {
	c.CPU.PS = lx106.PSUM | 1
	c.CPU.A[0], c.CPU.A[2], c.CPU.A[3] = romReturnFromIt, arg1, arg2
	c.CPU.PC = function
}

// nextInterrupt calls the handler of the lowest interrupt that waits, or goes back
// to the program if none does.
func (c *Chip) nextInterrupt() {
	waiting := c.CPU.INTERRUPT & c.CPU.INTENABLE & (1<<len(c.rom.interrupts) - 1)
	if waiting == 0 {
		c.leave()
		return
	}
	n := bits.TrailingZeros32(waiting)
	h := c.rom.interrupts[n]
	if h.function == 0 {
		c.CPU.INTENABLE &^= 1 << n
		c.fault("interrupt %d is enabled but has no handler", n)
		return
	}
	if n >= 7 { // software and edges; a level stays until its cause is gone
		c.CPU.INTERRUPT &^= 1 << n
	}
	c.enter(h.function, h.arg, 0)
}

// endFrame is where handlers return to.
func (c *Chip) endFrame() {
	if c.rom.depth == 0 {
		c.fault("return from an exception that did not happen")
		return
	}
	f := &c.rom.frames[c.rom.depth-1]
	if f.memory != 0 {
		c.loadFrame(f)
		c.leave()
		return
	}
	c.nextInterrupt()
}

// leave goes back to the interrupted program.
func (c *Chip) leave() {
	c.rom.depth--
	f := &c.rom.frames[c.rom.depth]
	c.CPU.A, c.CPU.PC, c.CPU.PS, c.CPU.SAR = f.a, f.pc, f.ps, f.sar
	c.CPU.Cycles += 40
}

// The frame in memory that a handler of an exception gets: pc, PS, SAR, a word
// unused, a0, a2 to a15, the cause.
func (c *Chip) storeFrame(f *frame) {
	at := f.memory
	for i, v := range [4]uint32{f.pc, f.ps, f.sar, 0} {
		c.store(at+uint32(4*i), 4, v)
	}
	c.store(at+16, 4, f.a[0])
	for i := uint32(2); i < 16; i++ {
		c.store(at+12+4*i, 4, f.a[i])
	}
	c.store(at+76, 4, c.CPU.EXCCAUSE)
}

func (c *Chip) loadFrame(f *frame) {
	at := f.memory
	f.pc, f.ps, f.sar = c.load(at, 4), c.load(at+4, 4)&^lx106.PSExcM, c.load(at+8, 4)&63
	f.a[0] = c.load(at+16, 4)
	for i := uint32(2); i < 16; i++ {
		f.a[i] = c.load(at+12+4*i, 4)
	}
}

// unhandled is an exception that nobody handles.
func (c *Chip) unhandled() {
	cpu, vector := c.CPU, c.CPU.PC
	if c.Exception == nil {
		c.print(fmt.Sprintf("Fatal exception (%d): \nepc1=0x%08x, epc2=0x%08x, epc3=0x%08x, "+
			"excvaddr=0x%08x, depc=0x%08x\n", cpu.EXCCAUSE, cpu.EPC[1], cpu.EPC[2], cpu.EPC[3],
			cpu.EXCVADDR, cpu.DEPC))
		c.park()
		return
	}
	info := ExceptionInfo{
		Cause: lx106.Cause(cpu.EXCCAUSE), PC: cpu.EPC[1], Addr: cpu.EXCVADDR, CPU: cpu.State,
	}
	if vector == romBase+doubleVector {
		info.PC = cpu.DEPC
	}
	c.Exception(info)
	if cpu.PC == vector {
		c.park()
	}
}

// park makes the CPU do nothing any more, so that the watchdog bites.
func (c *Chip) park() {
	c.CPU.PC = romParked
	c.CPU.PS |= lx106.PSExcM | lx106.PSIntLevel
	c.stopped = c.watchdog.due() == never
}
