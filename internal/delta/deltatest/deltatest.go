// Package deltatest makes images that resemble each other as releases do, without a compiler.
package deltatest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"esper/internal/image"
)

// Program is something like a firmware: functions with literals in front of them that call each other, and
// data with addresses in it.
type Program struct {
	DeviceType string
	Version    string
	Sequence   uint32
	For        image.Link // what it is linked for

	functions []function
	data      []int // of each word the function that it names, or -1
}

// function is one of a program. Calls and literals name others by their identity.
type function struct {
	identity int
	literals []int // the function that the literal names; below 0: a constant
	code     []instruction
}

type kind int

const (
	plain kind = iota
	l32r
	call0
)

type instruction struct {
	bytes  []byte
	kind   kind
	target int // the function that call0 calls, or the literal that l32r loads
}

// Firmware returns a small program that is always the same, but for its descriptor.
func Firmware(deviceType, version string, sequence uint32) *Program {
	p := New(rand.New(rand.NewPCG(0, 0)), 20)
	p.DeviceType, p.Version, p.Sequence = deviceType, version, sequence
	return p
}

// New returns a program with so many functions.
func New(random *rand.Rand, functions int) *Program {
	p := &Program{DeviceType: "socket", Version: "1", Sequence: 1, For: image.LinkChip}
	for i := range functions {
		p.functions = append(p.functions, newFunction(random, i, functions))
	}
	for range functions {
		p.data = append(p.data, random.IntN(2*functions)-functions)
	}
	return p
}

func newFunction(random *rand.Rand, identity, functions int) function {
	f := function{identity: identity}
	for range 1 + random.IntN(5) {
		f.literals = append(f.literals, random.IntN(2*functions)-functions)
	}
	for range 5 + random.IntN(60) {
		f.code = append(f.code, newInstruction(random, len(f.literals), functions))
	}
	return f
}

func newInstruction(random *rand.Rand, literals, functions int) instruction {
	switch random.IntN(6) {
	case 0:
		return instruction{[]byte{byte(random.IntN(16))<<4 | 1, 0, 0}, l32r, random.IntN(literals)}
	case 1:
		return instruction{[]byte{5, 0, 0}, call0, random.IntN(functions)}
	case 2, 3:
		return instruction{[]byte{byte(random.IntN(256)) | 8, byte(random.IntN(256))}, plain, 0}
	}
	b := []byte{byte(random.IntN(256)) &^ 0x0F, byte(random.IntN(256)), byte(random.IntN(256))}
	return instruction{b, plain, 0}
}

// Edit returns the program with a few changes: another constant, another instruction, a function more or less.
func (p *Program) Edit(random *rand.Rand) *Program {
	q := *p
	q.Version, q.Sequence = p.Version+"x", p.Sequence+1
	q.functions, q.data = slices.Clone(p.functions), slices.Clone(p.data)
	for range random.IntN(4) {
		i := random.IntN(len(q.functions))
		f := q.functions[i]
		f.code, f.literals = slices.Clone(f.code), slices.Clone(f.literals)
		switch random.IntN(6) {
		case 0:
			f.code[random.IntN(len(f.code))] = newInstruction(random, len(f.literals), len(q.functions))
		case 1:
			f.code = slices.Insert(f.code, random.IntN(len(f.code)), newInstruction(random, len(f.literals), len(q.functions)))
		case 2:
			f.literals[random.IntN(len(f.literals))] = -1 - random.IntN(1000)
		case 3:
			f.literals = append(f.literals, random.IntN(len(q.functions)))
		case 4:
			q.functions = slices.Insert(q.functions, random.IntN(len(q.functions)), newFunction(random, 10000+random.IntN(10000), len(q.functions)))
			continue
		case 5:
			if len(q.functions) > 2 {
				q.functions = slices.Delete(q.functions, i, i+1)
			}
			continue
		}
		q.functions[i] = f
	}
	if random.IntN(3) == 0 {
		q.data = slices.Insert(q.data, random.IntN(len(q.data)+1), random.IntN(len(q.functions)))
	}
	return &q
}

// Link returns the program's images for both slots.
func (p *Program) Link(t testing.TB) (images [image.Slots][]byte) {
	t.Helper()
	for slot := range images {
		images[slot] = p.LinkSlot(t, slot)
	}
	image.Relate(images[0], images[1])
	return images
}

// LinkSlot returns the image for a slot, without a relocation list.
func (p *Program) LinkSlot(t testing.TB, slot int) []byte {
	t.Helper()
	descriptor, err := image.Descriptor{DeviceType: p.DeviceType, Version: p.Version, Sequence: p.Sequence, Size: 0x1000}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	irom := image.IROMAddress(slot)
	// First where each function lies, then what is in them.
	address := map[int]uint32{}
	at := irom + uint32(len(descriptor))
	for _, f := range p.functions {
		at += uint32(4 * len(f.literals))
		address[f.identity] = at
		for _, in := range f.code {
			at += uint32(len(in.bytes))
		}
		at = (at + 3) &^ 3
	}
	word := func(named int) uint32 {
		if a, ok := address[named]; ok && named >= 0 {
			return a
		}
		return uint32(named) & 0x00FFFFFF
	}
	code := descriptor
	for _, f := range p.functions {
		pool := irom + uint32(len(code))
		for _, named := range f.literals {
			code = binary.LittleEndian.AppendUint32(code, word(named))
		}
		for _, in := range f.code {
			pc := irom + uint32(len(code))
			code = append(code, in.bytes...)
			last := code[len(code)-len(in.bytes):]
			switch in.kind {
			case l32r:
				d := (pool + uint32(4*in.target) - (pc+3)&^3) >> 2
				last[1], last[2] = byte(d), byte(d>>8)
			case call0:
				target, ok := address[in.target]
				if !ok { // it was removed
					target = address[p.functions[0].identity]
				}
				d := (target - (pc&^3 + 4)) >> 2
				last[0], last[1], last[2] = last[0]|byte(d<<6), byte(d>>2), byte(d>>10)
			}
		}
		code = append(code, make([]byte, -len(code)&3)...)
	}
	var data []byte
	for _, named := range p.data {
		data = binary.LittleEndian.AppendUint32(data, word(named))
	}
	b, err := image.Pack(image.Input{
		Entry: 0x40100004, IROM: append(code, make([]byte, image.RelocationRoom)...), Slot: slot, Link: p.For,
		FlashMode: image.FlashDOUT, FlashSizeFreq: image.Flash1MB40MHz,
		Segments: []image.Segment{{Addr: 0x40100000, Data: bytes.Repeat([]byte("code"), 30)}, {Addr: 0x3FFE8000, Data: data}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
