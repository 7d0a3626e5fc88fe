package esp8266

import (
	"math"

	"esper/emulator/lx106"
)

// arg64 is a 64-bit argument in words i and i+1.
func arg64(c *Chip, i int) uint64 { return uint64(c.Arg(i)) | uint64(c.Arg(i+1))<<32 }

func argFloat(c *Chip, i int) float32  { return math.Float32frombits(c.Arg(i)) }
func argDouble(c *Chip, i int) float64 { return math.Float64frombits(arg64(c, i)) }

func returnFloat(c *Chip, v float32)  { c.Return(math.Float32bits(v)) }
func returnDouble(c *Chip, v float64) { c.Return64(math.Float64bits(v)) }

// divide makes a division of words, in the time that its quotient's bits take.
// Dividing by zero is an illegal instruction, as in the chip's ROM.
func divide(bitCycles uint64, f func(a, b uint32) uint32) func(*Chip) {
	return func(c *Chip) {
		a, b := c.Arg(0), c.Arg(1)
		if b == 0 {
			panic(fault{lx106.IllegalInstruction, 0})
		}
		c.Elapse(divideCycles + bitCycles*quotientBits(a, b))
		c.Return(f(a, b))
	}
}

func divideSigned(c *Chip) {
	a, b := c.Arg(0), c.Arg(1)
	if b == 0 {
		panic(fault{lx106.IllegalInstruction, 0})
	}
	c.Elapse(divideCycles + signCycles + divideBitCycles*quotientBits(magnitude(a), magnitude(b)))
	c.Return(uint32(int64(int32(a)) / int64(int32(b))))
}

func divide64(f func(a, b uint64) uint64) func(*Chip) {
	return func(c *Chip) {
		if arg64(c, 2) == 0 {
			panic(fault{lx106.IllegalInstruction, 0})
		}
		c.Elapse(divide64Cycles)
		c.Return64(f(arg64(c, 0), arg64(c, 2)))
	}
}

func float(cycles uint64, f func(a, b float32) float32) func(*Chip) {
	return func(c *Chip) {
		c.Elapse(cycles)
		returnFloat(c, f(argFloat(c, 0), argFloat(c, 1)))
	}
}

func double(cycles uint64, f func(a, b float64) float64) func(*Chip) {
	return func(c *Chip) {
		c.Elapse(cycles)
		returnDouble(c, f(argDouble(c, 0), argDouble(c, 2)))
	}
}

// after is a function that takes so many cycles.
func after(cycles uint64, f func(c *Chip)) func(*Chip) {
	return func(c *Chip) {
		c.Elapse(cycles)
		f(c)
	}
}

// toSigned cuts off the fraction and stays within range.
func toSigned(v float64) uint32 {
	switch {
	case v != v:
		return 0
	case v <= math.MinInt32:
		return 0x80000000
	case v >= math.MaxInt32:
		return math.MaxInt32
	}
	return uint32(int32(v))
}

// toUnsigned cuts off the fraction. Like the chip's it gives what a negative number is as a
// word, though C does not ask for that.
func toUnsigned(v float64) uint32 {
	switch {
	case v != v || v >= math.MaxUint32+1:
		return math.MaxUint32
	case v <= -(1 << 31):
		return 1 << 31
	}
	return uint32(int64(v))
}
