package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"esper/internal/delta/deltatest"
	"esper/internal/image"
)

// made returns a delta, which must give the target.
func made(t testing.TB, source, target []byte) []byte {
	t.Helper()
	d, err := Make(source, target)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Apply(source, d)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, target) {
		t.Fatal("the delta gives another image")
	}
	return d
}

func TestADeltaGivesItsTarget(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := deltatest.New(random, 1+random.IntN(300))
		was, is := p.Link(t), p.Edit(random).Link(t)
		for slot := range image.Slots {
			if d := made(t, was[1-slot], is[slot]); len(d) > len(is[slot])/4+200 {
				t.Errorf("seed %d: a delta of %d bytes for an image of %d", seed, len(d), len(is[slot]))
			}
		}
	}
}

// However little two images have in common, and however small they are.
func TestADeltaBetweenStrangersGivesItsTarget(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 2))
		was := deltatest.New(random, 1+random.IntN(100)).Link(t)
		is := deltatest.New(random, 1+random.IntN(100)).Link(t)
		if d := made(t, was[0], is[1]); len(d) > len(is[1])+len(is[1])/10+200 {
			t.Errorf("seed %d: a delta of %d bytes for an image of %d", seed, len(d), len(is[1]))
		}
	}
}

func TestADeltaIsAlwaysTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	p := deltatest.New(random, 300)
	was, is := p.Link(t), p.Edit(random).Edit(random).Link(t)
	first := made(t, was[0], is[1])
	for range 5 {
		if !bytes.Equal(made(t, was[0], is[1]), first) {
			t.Fatal("the same images gave two deltas")
		}
	}
}

func TestADeltaSaysWhatItIsFor(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 4))
	p := deltatest.New(random, 50)
	next := p.Edit(random)
	was, is := p.Link(t), next.Link(t)
	h, err := ParseHeader(made(t, was[1], is[0]))
	if err != nil {
		t.Fatal(err)
	}
	trailer := [8]byte(was[1][len(was[1])-32:])
	if want := (Header{trailer, len(is[0]), next.Sequence}); h != want {
		t.Errorf("header %+v, want %+v", h, want)
	}
}

func TestADeltaIsForItsSourceAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 5))
	p := deltatest.New(random, 50)
	next := p.Edit(random)
	was, is := p.Link(t), next.Link(t)
	d := made(t, was[0], is[1])
	for name, source := range map[string][]byte{"the other slot's": was[1], "the target": is[1], "another": next.Edit(random).Link(t)[0]} {
		if _, err := Apply(source, d); !errors.Is(err, ErrSource) {
			t.Errorf("%s image: %v", name, err)
		}
	}
}

func TestWhatNoDeltaCanBeMadeOfIsAnError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 6))
	p := deltatest.New(random, 20)
	images := p.Link(t)
	alone := p.LinkSlot(t, 0)
	if Usable(alone) || !Usable(images[0]) {
		t.Error("only an image with a relocation list is usable")
	}
	for name, c := range map[string]struct {
		source, target []byte
		want           error
	}{
		"no relocation list": {alone, images[1], image.ErrNoRelocations},
		"no source":          {nil, images[1], image.ErrTruncated},
		"no target":          {images[0], images[1][:100], image.ErrTruncated},
	} {
		if _, err := Make(c.source, c.target); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Make(images[0], images[0]); err == nil {
		t.Error("a delta to the same slot was made")
	}
}

func TestADamagedDeltaNeverGivesItsTarget(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 7))
	p := deltatest.New(random, 100)
	was, is := p.Link(t), p.Edit(random).Link(t)
	d := made(t, was[0], is[1])
	for range 2000 {
		bad := bytes.Clone(d)
		switch at := random.IntN(len(bad)); random.IntN(3) {
		case 0:
			bad[at] ^= 1 << random.IntN(8)
		case 1:
			bad = bad[:at]
		case 2:
			for i := at; i < len(bad); i++ {
				bad[i] = byte(random.IntN(256))
			}
		}
		// The last bytes say more than the decoder needs, and may be damaged.
		needed := len(d) - 4
		if got, err := Apply(was[0], bad); err == nil && bytes.Equal(got, is[1]) &&
			!bytes.Equal(bad[HeaderSize:min(needed, len(bad))], d[HeaderSize:needed]) {
			t.Errorf("a damaged delta gives the image: % x", bad)
		}
	}
}

func TestEachFaultOfAHeaderIsMalformed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 8))
	p := deltatest.New(random, 20)
	was, is := p.Link(t), p.Edit(random).Link(t)
	d := made(t, was[0], is[1])
	for name, bad := range map[string][]byte{
		"nothing":       nil,
		"its beginning": d[:HeaderSize-1],
		"another magic": append([]byte{1}, d[1:]...),
		"of no size":    size(d, 0),
		"too large":     size(d, image.SlotSize+16),
		"not of blocks": size(d, 0x1008),
		"endless":       size(d, 0xFFFFFFF0),
	} {
		if _, err := ParseHeader(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Apply(was[0], bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s is applied: %v", name, err)
		}
	}
}

// size returns a delta that says that its target has another size.
func size(d []byte, size uint32) []byte {
	d = bytes.Clone(d)
	binary.LittleEndian.PutUint32(d[12:], size)
	return d
}

// The table is limited to what a device has memory for, and keeps what saves most.
func TestTheTableOfMovesIsLimited(t *testing.T) {
	v := votes{}
	for i := range uint32(3 * maxMoves) {
		v[firstAddress+100*i] = map[uint32]int{4 * i: costOfWrong * int(2+i%7)}
	}
	table := v.moves()
	if len(table) != maxMoves {
		t.Fatalf("%d moves", len(table))
	}
	for i := 1; i < len(table); i++ {
		if table[i].from <= table[i-1].from {
			t.Fatal("the table is not sorted")
		}
	}
}

func TestNumbersAreCoded(t *testing.T) {
	values := []int{0, 1, 2, 3, 4, 100, 4095, 4096, 1 << 20, 1<<24 - 2, 5, 5, 5}
	e, m := newEncoder(), newModels()
	for _, v := range values {
		m.jump.code(e, v)
		m.jump.code(e, -v)
		m.insert.code(e, uint32(v))
		m.literal.code(e, byte(v))
	}
	d, m := newDecoder(e.finish()), newModels()
	for _, v := range values {
		got := fmt.Sprint(m.jump.code(d, 0), m.jump.code(d, 0), m.insert.code(d, 0), m.literal.code(d, 0))
		if want := fmt.Sprint(v, -v, v, byte(v)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Whatever the images hold, the delta of one gives the other.
func FuzzEncode(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 10))
	p := deltatest.New(random, 5)
	f.Add(p.Link(f)[1], p.Edit(random).Link(f)[1])
	f.Add([]byte{}, []byte{0})
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, source, target []byte) {
		if len(source) > 1<<16 || len(target) > 1<<16 || len(target) == 0 {
			return
		}
		made := encode(source, target, image.Slot1Address)
		if got, err := decode(source, made, len(target), image.Slot1Address); err != nil || !bytes.Equal(got, target) {
			t.Errorf("% x to % x: % x, %v", source, target, got, err)
		}
	})
}

// Whatever the body of a delta, it is decoded in the end, and gives an image of the size that the header
// says or an [ErrMalformed].
func FuzzApply(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 9))
	p := deltatest.New(random, 30)
	was := p.Link(f)
	for range 5 {
		p = p.Edit(random)
		f.Add(made(f, was[0], p.Link(f)[1])[16:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := append(binary.LittleEndian.AppendUint32(nil, magic), was[0][len(was[0])-32:][:8]...)
		d = append(binary.LittleEndian.AppendUint32(d, uint32(len(was[0]))), b...)
		got, err := Apply(was[0], d)
		if err != nil && !errors.Is(err, ErrMalformed) || err == nil && len(got) != len(was[0]) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
