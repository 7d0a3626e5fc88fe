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

// divide makes a division of words. Dividing by zero is an illegal instruction, as
// in the chip's ROM.
func divide(f func(a, b uint32) uint32) func(*Chip) {
	return func(c *Chip) {
		if c.Arg(1) == 0 {
			panic(fault{lx106.IllegalInstruction, 0})
		}
		c.Elapse(40)
		c.Return(f(c.Arg(0), c.Arg(1)))
	}
}

func divide64(f func(a, b uint64) uint64) func(*Chip) {
	return func(c *Chip) {
		if arg64(c, 2) == 0 {
			panic(fault{lx106.IllegalInstruction, 0})
		}
		c.Elapse(200)
		c.Return64(f(arg64(c, 0), arg64(c, 2)))
	}
}

func float(f func(a, b float32) float32) func(*Chip) {
	return func(c *Chip) {
		c.Elapse(40)
		returnFloat(c, f(argFloat(c, 0), argFloat(c, 1)))
	}
}

func double(f func(a, b float64) float64) func(*Chip) {
	return func(c *Chip) {
		c.Elapse(80)
		returnDouble(c, f(argDouble(c, 0), argDouble(c, 2)))
	}
}

// toSigned and toUnsigned cut off the fraction and stay within range.
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

func toUnsigned(v float64) uint32 {
	switch {
	case v != v || v <= 0:
		return 0
	case v >= math.MaxUint32:
		return math.MaxUint32
	}
	return uint32(v)
}
