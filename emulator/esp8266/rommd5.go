package esp8266

import (
	"crypto/md5"
	"encoding"
	"encoding/binary"
)

// The ROM's MD5 (RFC 1321). Its context lies in the caller's memory: four words of state, the number
// of bits in two, the block that is being filled.
const (
	md5Bits  = 16
	md5Block = 24

	md5Magic = "md5\x01" // before the state that crypto/md5 gives and takes

	// md5BlockCycles is about what 64 steps of some 10 instructions take.
	md5BlockCycles = 640
)

// md5Init (context).
func md5Init(c *Chip) {
	for i, v := range []uint32{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0, 0} {
		c.store(c.Arg(0)+4*uint32(i), 4, v)
	}
	c.Return(0)
}

// md5Update (context, data, length).
func md5Update(c *Chip) {
	at, data, n := c.Arg(0), c.Arg(1), c.Arg(2)
	bits := uint64(c.load(at+md5Bits, 4)) | uint64(c.load(at+md5Bits+4, 4))<<32
	c.store(at+md5Bits, 4, uint32(bits+uint64(n)*8))
	c.store(at+md5Bits+4, 4, uint32((bits+uint64(n)*8)>>32))
	filled := uint32(bits/8) % md5.BlockSize
	for i := range n {
		c.store(at+md5Block+filled, 1, c.load(data+i, 1))
		if filled++; filled == md5.BlockSize {
			c.md5Transform(at)
			filled = 0
		}
	}
	c.Return(0)
}

// md5Final (digest, context).
func md5Final(c *Chip) {
	digest, at := c.Arg(0), c.Arg(1)
	fill := func(from, to uint32) {
		for i := from; i < to; i++ {
			c.store(at+md5Block+i, 1, 0)
		}
	}
	filled := c.load(at+md5Bits, 4) / 8 % md5.BlockSize
	c.store(at+md5Block+filled, 1, 0x80)
	if filled++; filled > md5.BlockSize-8 {
		fill(filled, md5.BlockSize)
		c.md5Transform(at)
		filled = 0
	}
	fill(filled, md5.BlockSize-8)
	for i := range uint32(2) {
		c.store(at+md5Block+md5.BlockSize-8+4*i, 4, c.load(at+md5Bits+4*i, 4))
	}
	c.md5Transform(at)
	for i := range uint32(md5.Size) {
		c.store(digest+i, 1, c.load(at+i, 1))
	}
	c.store(at, 4, 0) // it means to clear all of the context, and clears as much as a pointer has
	c.Return(0)
}

// md5Transform mixes the block of a context into its state.
func (c *Chip) md5Transform(at uint32) {
	c.Elapse(md5BlockCycles)
	state := []byte(md5Magic)
	for i := range uint32(4) {
		state = binary.BigEndian.AppendUint32(state, c.load(at+4*i, 4))
	}
	state = append(state, make([]byte, md5.BlockSize+8)...) // no block begun, nothing counted
	block := make([]byte, md5.BlockSize)
	for i := range uint32(md5.BlockSize / 4) {
		binary.LittleEndian.PutUint32(block[4*i:], c.load(at+md5Block+4*i, 4))
	}
	h := md5.New()
	err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	if err == nil {
		h.Write(block)
		state, err = h.(encoding.BinaryMarshaler).MarshalBinary()
	}
	if err != nil {
		panic(err) // the format is the one that was made here
	}
	for i := range uint32(4) {
		c.store(at+4*i, 4, binary.BigEndian.Uint32(state[len(md5Magic)+4*int(i):]))
	}
}
