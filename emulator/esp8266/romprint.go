package esp8266

import "strings"

// What the ROM prints goes, character by character, through a function that the program may
// install, or nowhere. At first it is the ROM's own, which sends it on UART 0.
const (
	putc1    = 0x3FFFDD48
	romPutc1 = 0x40001DCC
)

// Code in the ROM that this function returns to, once for each character.
const romPrinting = 0x40001FA0

// Where a text that is being printed lies, on the stack: the function, what is left of the
// text, its length, the return address and the stack before; then the text.
const (
	printFunction = 0
	printNext     = 4
	printLength   = 8
	printReturn   = 12
	printStack    = 16
	printText     = 20
)

// installPutc1 (function).
func installPutc1(c *Chip) {
	c.setData(putc1, c.Arg(0))
	c.Return(0)
}

// Putc1 returns the function that the program has installed for characters that are printed; 0 for
// nowhere. own is false for the ROM's, which sends them on UART 0.
func (c *Chip) Putc1() (function uint32, own bool) {
	f := c.data(putc1)
	return f, !InROM(f)
}

// lineEnds is what the ROM's own function makes of the ends of lines.
var lineEnds = strings.NewReplacer("\r", "", "\n", "\r\n")

// romWriteChar is ets_write_char.
const romWriteChar = 0x40001DA0

// writeChar (character).
func writeChar(c *Chip) {
	switch f := c.data(putc1); {
	case f != 0 && !InROM(f):
		c.CPU.PC = f
		return
	case f != 0:
		c.transmit(byte(c.Arg(0)))
	}
	c.Return(0)
}

// printf (format, ...).
func printf(c *Chip) {
	c.printWith(romWriteChar, c.Arg(0), func(i int) uint32 { return c.Arg(1 + i) })
}

// vprintf (function, format, arguments), these as the compiler passes them: where those on the
// stack lie, where those in registers, and how many bytes are taken.
func vprintf(c *Chip) {
	stack, registers, taken := c.Arg(2), c.Arg(3), c.Arg(4)
	c.printWith(c.Arg(0), c.Arg(1), func(i int) uint32 {
		const inRegisters = 24
		at := taken + 4*uint32(i)
		if at+4 <= inRegisters {
			return c.load(registers+at, 4)
		}
		if taken <= inRegisters {
			return c.load(stack+32+at-inRegisters, 4)
		}
		return c.load(stack+at, 4)
	})
}

// printWith prints through a function of the program's, or at once.
func (c *Chip) printWith(function, format uint32, arg func(i int) uint32) {
	text := c.Format(format, arg, func(addr uint32) byte { return byte(c.load(addr, 1)) })
	if function == romWriteChar {
		function = c.data(putc1)
	}
	if function == 0 || InROM(function) {
		if function != 0 {
			c.print(lineEnds.Replace(text))
		}
		c.Return(uint32(len(text)))
		return
	}
	frame := (c.CPU.A[1] - printText - uint32(len(text))) &^ 15
	for i := range len(text) {
		c.store(frame+printText+uint32(i), 1, uint32(text[i]))
	}
	c.store(frame+printFunction, 4, function)
	c.store(frame+printNext, 4, 0)
	c.store(frame+printLength, 4, uint32(len(text)))
	c.store(frame+printReturn, 4, c.CPU.A[0])
	c.store(frame+printStack, 4, c.CPU.A[1])
	c.CPU.A[1] = frame
	c.printing()
}

// printing prints the next character.
func (c *Chip) printing() {
	cpu, frame := c.CPU, c.CPU.A[1]
	next, n := c.load(frame+printNext, 4), c.load(frame+printLength, 4)
	if next >= n {
		cpu.A[0] = c.load(frame+printReturn, 4)
		cpu.A[1] = c.load(frame+printStack, 4)
		c.Return(n)
		return
	}
	c.store(frame+printNext, 4, next+1)
	cpu.A[0], cpu.A[2] = romPrinting, c.load(frame+printText+next, 1)
	cpu.PC = c.load(frame+printFunction, 4)
}
