package esp8266

import "math/bits"

// How long the mask ROM's functions take, in cycles, for those that count. The
// code in the chip's ROM is not here, so this is what code for an LX106 needs that
// does the same, counted in instructions from the call to the return. That CPU has
// MULL (the low 32 bits of a product) and MUL16, but no high half of a product and
// no division; it has NSAU, which counts leading zeros. Where the ROM is unlike
// this, it is rather slower.
//
// As everywhere here an instruction takes one cycle. What is not modelled: waiting
// for the flash where code or constants are not in the 32 KB of cache, a cycle or
// two for each taken branch, and one where the result of a load or a multiplication
// is needed at once. So all figures in cycles are the least that the chip needs.
const (
	// Four products of 16 bits, two sums with carry, and registers to save: 32. The
	// product of two 64-bit numbers is that of the low halves and two MULL, with
	// another call: 50.
	umulsidi3Cycles = 32
	muldi3Cycles    = 50

	// The divisor is shifted below the dividend's first bit, then each bit of the
	// quotient is a comparison, a subtraction, two shifts and a loop: 7. A
	// remainder needs no bits to be kept, 5. Signs add 8.
	divideCycles    = 20
	divideBitCycles = 7
	moduloBitCycles = 5
	signCycles      = 8

	// 64 bits are divided by digits of 16, each of which takes a division, a
	// remainder, a product and a correction or two.
	divide64Cycles = 600

	// Numbers are taken apart, shifted, normalized, rounded and put together.
	addFloatCycles       = 50
	multiplyFloatCycles  = 60
	addDoubleCycles      = 80
	multiplyDoubleCycles = 150
	divideDoubleCycles   = 500 // bit by bit
	convertCycles        = 25

	// Copying aligned memory is 11 instructions for 16 bytes, with different
	// alignments 4 for each word; filling it 6 for 16 bytes. Comparing is done by
	// bytes: two loads, a comparison, two additions, a loop.
	memoryCycles   = 25
	copyCycles     = 11 // for each 16 bytes
	shiftCycles    = 16 // for each 16 bytes
	fillCycles     = 6  // for each 16 bytes
	compareCycles  = 6  // for each byte
	moveBackCycles = 5  // for each byte
	textCycles     = 4  // for each character
)

// quotientBits is how many bits a division has to find.
func quotientBits(a, b uint32) uint64 {
	return uint64(max(bits.Len32(a)-bits.Len32(b)+1, 0))
}

func magnitude(v uint32) uint32 {
	if int32(v) < 0 {
		return -v
	}
	return v
}
