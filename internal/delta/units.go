package delta

import (
	"encoding/binary"
	"math/bits"
)

// kind is how a unit names an address.
type kind uint8

const (
	plain kind = iota // it names none
	word              // a word that is an address
	l32r              // Xtensa instructions (Instruction Set Architecture Reference Manual)
	call0
	j
)

// unit is what lies at a place in an image: a word that is an address, an instruction, or bytes before
// such a word.
type unit struct {
	kind   kind
	length int    // 1 to 4 bytes
	target uint32 // the address that it names
}

// flashBase is where the first megabyte of flash is mapped. All of an image is taken to lie there, its RAM
// segments as well: what counts is how far an instruction is from what it names.
const flashBase = 0x40200000

// isAddress reports whether a word looks like an address in DRAM, IRAM or mapped flash.
func isAddress(w uint32) bool {
	return w-0x3FFE8000 < 0x18000 || w-0x40100000 < 0x8000 || w-flashBase < 0x100000
}

// unitAt returns the unit at a place in s, of which the first byte lies at flash address origin.
func unitAt(s []byte, at int, origin uint32) unit {
	left := len(s) - at
	isWord := func(i int) bool {
		return i%4 == 0 && len(s)-i >= 4 && isAddress(binary.LittleEndian.Uint32(s[i:]))
	}
	if isWord(at) {
		return unit{word, 4, binary.LittleEndian.Uint32(s[at:])}
	}
	length := 3
	if s[at]&8 != 0 {
		length = 2
	}
	for i := 1; i < length; i++ {
		if i == left || isWord(at+i) {
			return unit{plain, i, 0}
		}
	}
	if length == 2 {
		return unit{plain, 2, 0}
	}
	pc := flashBase + origin + uint32(at)
	in := uint32(s[at]) | uint32(s[at+1])<<8 | uint32(s[at+2])<<16
	far := uint32(int32(in<<8) >> 14) // the 18 bits above the opcode, with their sign
	switch {
	case in&0x0F == 0x01:
		return unit{l32r, 3, (pc+3)&^3 + (in>>8<<2 | 0xFFFC0000)}
	case in&0x3F == 0x05:
		return unit{call0, 3, pc&^3 + 4 + far<<2}
	case in&0x3F == 0x06:
		return unit{j, 3, pc + 4 + far}
	}
	return unit{plain, 3, 0}
}

// naming returns the bytes of a unit at pc that names target, made of the old ones. If it cannot name
// it, they are the old ones.
func (u unit) naming(old []byte, pc, target uint32) (out [4]byte) {
	copy(out[:], old[:u.length])
	in := binary.LittleEndian.Uint32(out[:])
	var d uint32
	fits := true
	switch u.kind {
	case word:
		in = target
	case l32r:
		d = target - (pc+3)&^3
		fits = d&3 == 0 && d>>18 == 0x3FFF
		in = in&0xFF | d>>2&0xFFFF<<8
	case call0:
		d = target - (pc&^3 + 4)
		fits = d&3 == 0 && (d+1<<19) < 1<<20
		in = in&0x3F | d>>2&0x3FFFF<<6
	case j:
		d = target - (pc + 4)
		fits = (d + 1<<17) < 1<<18
		in = in&0x3F | d&0x3FFFF<<6
	}
	if fits {
		binary.LittleEndian.PutUint32(out[:], in)
	}
	return out
}

// contexts is how many contexts there are for whether a unit moved.
const contexts = 3 + 3*16

// context returns that of a unit at pc: the memory that a word names, or the instruction and how far it
// reaches.
func (u unit) context(pc uint32) int {
	if u.kind == word {
		switch {
		case u.target < 0x40100000:
			return 0
		case u.target < flashBase:
			return 1
		}
		return 2
	}
	d := u.target - pc
	if int32(d) < 0 {
		d = -d
	}
	return 3 + 16*int(u.kind-l32r) + min(max(bits.Len32(d)-4, 0), 15)
}
