package esp8266

import (
	"fmt"
	"math/bits"

	"esper/emulator/lx106"
)

// The ROM's exceptions and interrupts (XTOS). What it knows of them lies in DRAM, where the
// vendor's software, which has vectors of its own, finds it:
//
//	0x3FFFC000  for each cause the code that a vector jumps to
//	0x3FFFC100  for each cause the C function that handles it
//	0x3FFFC200  the interrupts that the program has enabled, and those that may interrupt now
//	0x3FFFC208  for each interrupt, from 14 down, its function and argument
//	0x3FFFC280  for each interrupt, from 14 down, those that may interrupt it, and its bit
const (
	xtosVectors    = 0x3FFFC000
	xtosHandlers   = 0x3FFFC100
	xtosEnabled    = 0x3FFFC200
	xtosAllowed    = 0x3FFFC204
	xtosInterrupts = 0x3FFFC208
	xtosMasks      = 0x3FFFC280

	xtosCauses = 64
	xtosCount  = 15 // interrupts
)

// Code in the ROM that these tables name, or that functions return to.
const (
	romInterrupts   = 0x4000048C // _xtos_l1int_handler
	romInterrupted  = 0x4000050C // in it: a handler returns
	romWrapper      = 0x40000598 // _xtos_c_wrapper_handler
	romWrapped      = 0x400005E0 // in it: a handler returns
	romNone         = 0x4000DBF8 // _xtos_p_none
	romNoInterrupt  = 0x4000DC3C // _xtos_unhandled_interrupt
	romNoHandler    = 0x4000DC44 // _xtos_unhandled_exception
	romReturnFromIt = 0x4000DC54 // _xtos_return_from_exc
)

// The frame that an exception saves the registers in, on the interrupted stack.
const (
	frameSize    = 0x100
	framePC      = 0
	framePS      = 4
	frameSAR     = 8
	frameAllowed = 12 // xtosAllowed
	frameA0      = 16
	frameA2      = 20 // and so on up to a15
	frameCause   = 76
)

// exceptionCycles is what saving the registers costs, and restoring them.
const exceptionCycles = 40

// data is a word of the ROM's in DRAM.
func (c *Chip) data(addr uint32) uint32       { return get(c.dram[addr-dramBase:], 4) }
func (c *Chip) setData(addr uint32, v uint32) { put(c.dram[addr-dramBase:], 4, v) }

// resetXTOS makes the tables as they are after a reset.
func (c *Chip) resetXTOS() {
	for i := range uint32(xtosCauses) {
		c.setData(xtosVectors+4*i, romNoHandler)
		c.setData(xtosHandlers+4*i, romNone)
	}
	c.setData(xtosVectors+4*uint32(lx106.Level1Interrupt), romInterrupts)
	c.setData(xtosEnabled, 0)
	c.setData(xtosAllowed, 0xFFFFFFFF)
	for n := range uint32(xtosCount) {
		c.setInterrupt(n, romNoInterrupt, n)
		at := xtosMasks + 8*(xtosCount-1-n)
		c.setData(at, 0xFFFFFFFF<<min(n+1, xtosCount-1))
		c.setData(at+4, 1<<n)
	}
}

func interruptEntry(n uint32) uint32 { return xtosInterrupts + 8*(xtosCount-1-n) }

func (c *Chip) setInterrupt(n, function, arg uint32) {
	c.setData(interruptEntry(n), function)
	c.setData(interruptEntry(n)+4, arg)
}

// enable sets which interrupts reach the program, as far as they may now.
func (c *Chip) enable(interrupts uint32) {
	c.setData(xtosEnabled, interrupts)
	c.CPU.INTENABLE = interrupts & c.data(xtosAllowed)
}

// exception is what lies at the ROM's user and kernel vectors.
func (c *Chip) exception() {
	cpu := c.CPU
	code := c.data(xtosVectors + 4*(cpu.EXCCAUSE&(xtosCauses-1)))
	if code == romNoHandler {
		c.unhandled()
		return
	}
	cpu.A[1] -= frameSize
	for i, offset := range [3]uint32{frameA2, frameA2 + 4, frameA2 + 8} {
		c.store(cpu.A[1]+offset, 4, cpu.A[2+i])
	}
	cpu.A[2], cpu.A[3] = cpu.EXCCAUSE, code
	cpu.PC = code
}

// noHandler is _xtos_unhandled_exception: as if the vector had done nothing.
func (c *Chip) noHandler() {
	cpu, frame := c.CPU, c.CPU.A[1]
	for i, offset := range [3]uint32{frameA2, frameA2 + 4, frameA2 + 8} {
		cpu.A[2+i] = c.load(frame+offset, 4)
	}
	cpu.A[1] += frameSize
	cpu.PC = romBase + userVector
	c.unhandled()
}

// saveFrame saves the registers that the vector has not.
func (c *Chip) saveFrame() {
	cpu, frame := c.CPU, c.CPU.A[1]
	c.store(frame+frameCause, 4, cpu.A[2])
	c.store(frame+framePC, 4, cpu.EPC[1])
	c.store(frame+framePS, 4, cpu.PS)
	c.store(frame+frameSAR, 4, cpu.SAR)
	c.store(frame+frameAllowed, 4, c.data(xtosAllowed))
	c.store(frame+frameA0, 4, cpu.A[0])
	for i := uint32(5); i < 16; i++ {
		c.store(frame+frameA2+4*(i-2), 4, cpu.A[i])
	}
	cpu.PS = lx106.PSUM
	cpu.Cycles += exceptionCycles
}

// returnFromException is _xtos_return_from_exc.
func (c *Chip) returnFromException() {
	cpu, frame := c.CPU, c.CPU.A[1]
	cpu.A[0] = c.load(frame+frameA0, 4)
	for i := uint32(2); i < 16; i++ {
		cpu.A[i] = c.load(frame+frameA2+4*(i-2), 4)
	}
	cpu.EPC[1] = c.load(frame+framePC, 4)
	cpu.PC, cpu.PS = cpu.EPC[1], c.load(frame+framePS, 4)&^lx106.PSExcM
	cpu.A[1] = frame + frameSize
	cpu.Cycles += exceptionCycles
}

// wrapper is _xtos_c_wrapper_handler: it calls the C function of the exception with the frame
// and the cause.
func (c *Chip) wrapper() {
	c.saveFrame()
	cpu := c.CPU
	cause := c.load(cpu.A[1]+frameCause, 4)
	handler := c.data(xtosHandlers + 4*(cause&(xtosCauses-1)))
	cpu.A[0], cpu.A[2], cpu.A[3] = romWrapped, cpu.A[1], cause
	cpu.PC = handler
}

// wrapped is where it returns to.
func (c *Chip) wrapped() {
	c.CPU.SAR = c.load(c.CPU.A[1]+frameSAR, 4) & 63
	c.returnFromException()
}

// interrupts is _xtos_l1int_handler: it calls the functions of the interrupts that wait, the
// one with the highest number first, which those above it may interrupt.
func (c *Chip) interrupts() {
	c.saveFrame()
	c.nextInterrupt()
}

func (c *Chip) nextInterrupt() {
	cpu, frame := c.CPU, c.CPU.A[1]
	allowed := c.load(frame+frameAllowed, 4)
	enabled := c.data(xtosEnabled)
	waiting := cpu.INTERRUPT & enabled & allowed & (1<<xtosCount - 1)
	if waiting == 0 {
		c.setData(xtosAllowed, allowed)
		c.enable(enabled)
		cpu.SAR = c.load(frame+frameSAR, 4) & 63
		c.returnFromException()
		return
	}
	n := uint32(bits.Len32(waiting) - 1)
	function := c.data(interruptEntry(n))
	if function == romNoInterrupt {
		c.enable(enabled &^ (1 << n))
		c.fault("interrupt %d is enabled but has no handler", n)
		return
	}
	if n >= 7 { // software and edges; a level stays until its cause is gone
		cpu.INTERRUPT &^= 1 << n
	}
	c.setData(xtosAllowed, c.data(xtosMasks+8*(xtosCount-1-n)))
	c.enable(enabled)
	cpu.PS = lx106.PSUM
	cpu.A[0], cpu.A[2], cpu.A[3] = romInterrupted, c.data(interruptEntry(n)+4), frame
	cpu.PC = function
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

// setExceptionHandler (cause, function) returns the handler before, or 0.
func setExceptionHandler(c *Chip) {
	cause, function := c.Arg(0), c.Arg(1)
	if cause >= xtosCauses {
		c.Return(0)
		return
	}
	before, code := c.data(xtosHandlers+4*cause), uint32(romWrapper)
	if before == romNone {
		before = 0
	}
	if function == 0 || function == romNone {
		function, code = romNone, romNoHandler
	}
	c.setData(xtosHandlers+4*cause, function)
	c.setData(xtosVectors+4*cause, code)
	c.Return(before)
}

// isrAttach (interrupt, function, argument) returns the function before, or 0.
func isrAttach(c *Chip) {
	n, function, arg := c.Arg(0), c.Arg(1), c.Arg(2)
	if n >= xtosCount-1 { // the NMI is not of this level
		c.Return(0)
		return
	}
	before := c.data(interruptEntry(n))
	if before == romNoInterrupt {
		before = 0
	}
	if function == 0 {
		function, arg = romNoInterrupt, n
	}
	c.setInterrupt(n, function, arg)
	c.Return(before)
}

// isrUnmask (interrupts) and isrMask (interrupts) return those that were enabled.
func isrUnmask(c *Chip) {
	before := c.data(xtosEnabled)
	c.enable(before | c.Arg(0))
	c.Return(before)
}

func isrMask(c *Chip) {
	before := c.data(xtosEnabled)
	c.enable(before &^ c.Arg(0))
	c.Return(before)
}

// lockedPS is where ets_intr_lock keeps the PS before.
const lockedPS = 0x3FFFDCC0

func intrLock(c *Chip) {
	c.setData(lockedPS, c.CPU.PS)
	setLevel(c, 3)
}
