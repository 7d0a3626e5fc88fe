package firmware_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"esper/internal/delta"
	"esper/internal/delta/deltatest"
	"esper/internal/image"
)

// deltaQuestion is what the oracle is asked of a delta, which comes in pieces of so many bytes.
func deltaQuestion(pieces byte, source []byte, sequence uint32, d []byte) []byte {
	q := binary.LittleEndian.AppendUint32([]byte{pieces - 1}, uint32(len(source)))
	q = append(q, source...)
	return append(binary.LittleEndian.AppendUint32(q, sequence), d...)
}

// Devices and server make the same image of a delta, whatever its pieces; and of the running image the
// same one for the standby slot.
func TestDeltasGiveTheSameOnTheDevice(t *testing.T) {
	o := newOracle(t)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := deltatest.New(random, 1+random.IntN(300))
		next := p.Edit(random)
		if seed%4 == 0 {
			next = deltatest.New(random, 1+random.IntN(300))
		}
		was, is := p.Link(t), next.Link(t)
		slot := random.IntN(image.Slots)
		d, err := delta.Make(was[1-slot], is[slot])
		if err != nil {
			t.Fatal(err)
		}
		pieces := byte(1 + random.IntN(255))
		got := o.ask(t, 'p', deltaQuestion(pieces, was[1-slot], next.Sequence, d))
		if want := fmt.Sprintf("%x", sha256.Sum256(is[slot])); got != want {
			t.Errorf("seed %d, pieces of %d: %s, want %s", seed, pieces, got, want)
		}
		if got := o.ask(t, 'p', deltaQuestion(pieces, was[1-slot], next.Sequence+1, d)); got != "another target" {
			t.Errorf("seed %d: for another sequence: %s", seed, got)
		}
		if got := o.ask(t, 'p', deltaQuestion(pieces, is[1-slot], next.Sequence, d)); got != "another source" {
			t.Errorf("seed %d: from another image: %s", seed, got)
		}
		if got, want := o.ask(t, 'o', was[slot]), fmt.Sprintf("%x", sha256.Sum256(was[1-slot][:len(was[0])-sha256.Size])); got != want {
			t.Errorf("seed %d: relocated: %s, want %s", seed, got, want)
		}
	}
}

// Devices and server agree on each delta, malformed or not. The C++ side is compiled with sanitizers, so that
// it reads and writes nothing else.
func FuzzDeltaAsOnTheDevice(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	p := deltatest.New(random, 40)
	next := p.Edit(random)
	was, is := p.Link(f), next.Link(f)
	good, err := delta.Make(was[0], is[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(200), good)
	for range 30 {
		bad := append([]byte(nil), good...)
		bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
		f.Add(byte(1+random.IntN(255)), bad)
		garbage := append([]byte(nil), good[:delta.HeaderSize]...)
		for range random.IntN(3000) {
			garbage = append(garbage, byte(random.IntN(256)))
		}
		f.Add(byte(1+random.IntN(255)), garbage)
	}
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, pieces byte, d []byte) {
		if pieces == 0 {
			return
		}
		made, err := delta.Apply(was[0], d)
		h, _ := delta.ParseHeader(d)
		want := fmt.Sprintf("%x", sha256.Sum256(made))
		switch {
		case errors.Is(err, delta.ErrSource):
			want = "another source"
		case errors.Is(err, delta.ErrMalformed):
			want = "malformed"
		case err != nil:
			t.Fatal(err)
		}
		if got := o.ask(t, 'p', deltaQuestion(pieces, was[0], h.Sequence, d)); got != want {
			t.Errorf("C++ %s, Go %s (%v)\n% x", got, want, err, d)
		}
	})
}
