package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// descriptor returns the descriptor that an irom part begins with when it comes
// from the linker: without slot and size.
func descriptor(deviceType, version string, sequence uint32) []byte {
	b := make([]byte, DescriptorSize)
	copy(b, "ESPr\x01")
	copy(b[8:], deviceType)
	copy(b[40:], version)
	b[76], b[77], b[78], b[79] = byte(sequence), byte(sequence>>8), byte(sequence>>16), byte(sequence>>24)
	return b
}

// input returns something to pack.
func input(slot int) Input {
	return Input{
		Entry:         0x40100004,
		IROM:          append(descriptor("socket", "8a1b2c3d", 42), "flash"...),
		Segments:      []Segment{{0x40100000, []byte("code!")}, {0x3FFE8000, []byte("data")}},
		Slot:          slot,
		Link:          LinkChip,
		FlashMode:     FlashDOUT,
		FlashSizeFreq: Flash1MB40MHz,
	}
}

// mustPack packs what must be packable.
func mustPack(t testing.TB, in Input) []byte {
	t.Helper()
	b, err := Pack(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An image as SPEC 2.1 to 2.3 has it, each byte written by hand.
const literalImage = `
ea040320 04001040 00000000 70000000
45535072 01000000
736f636b 65740000 00000000 00000000 00000000 00000000 00000000 00000000
38613162 32633364 00000000 00000000 00000000 00000000 00000000 00000000 00000000
2a000000 01000000 d0000000 02000000 00000000
666c6173 68000000 00000000 00000000
e9020320 04001040
00001040 08000000 636f6465 21000000
0080fe3f 04000000 64617461
00000000 00000000 000000 d3
`

func literal(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(literalImage), ""))
	if err != nil {
		t.Fatal(err)
	}
	trailer := sha256.Sum256(b)
	return append(b, trailer[:]...)
}

func TestAnImageIsPackedAsSpecified(t *testing.T) {
	got, want := mustPack(t, input(1)), literal(t)
	if !bytes.Equal(got, want) {
		t.Errorf("packed:\n%swant:\n%s", hex.Dump(got), hex.Dump(want))
	}
}

func TestAnImageIsReadAsSpecified(t *testing.T) {
	got, err := Parse(literal(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Descriptor{"socket", "8a1b2c3d", 42, 1, 208, LinkChip, 0}); got.Descriptor != want {
		t.Errorf("descriptor %+v, want %+v", got.Descriptor, want)
	}
	if got.Entry != 0x40100004 || got.FlashMode != FlashDOUT || got.FlashSizeFreq != Flash1MB40MHz {
		t.Errorf("header: %#x %d %#x", got.Entry, got.FlashMode, got.FlashSizeFreq)
	}
	if len(got.IROM) != 112 || !bytes.HasPrefix(got.IROM[96:], []byte("flash\x00")) {
		t.Errorf("irom part: %q", got.IROM)
	}
	if len(got.Segments) != 2 || got.Segments[0].Addr != 0x40100000 ||
		string(got.Segments[0].Data) != "code!\x00\x00\x00" ||
		got.Segments[1].Addr != 0x3FFE8000 || string(got.Segments[1].Data) != "data" {
		t.Errorf("segments: %+v", got.Segments)
	}
}

func TestEachFaultOfAnImageHasItsError(t *testing.T) {
	tests := []struct {
		name   string
		damage func(b []byte) []byte // the trailer is made right again
		want   error
	}{
		{"first magic", set(0, 0xE9), ErrMagic},
		{"second magic", set(1, 0x03), ErrMagic},
		{"flash mode out of range", both(set(2, 4), set(0x80+2, 4)), ErrHeader},
		{"headers differ", set(2, 0), ErrHeader},
		{"reserved bytes in the header", set(9, 1), ErrHeader},
		{"irom part no multiple of 16", set(12, 0x78), ErrHeader},
		{"irom part shorter than a descriptor", set(12, 0x50), ErrHeader},
		{"irom part beyond the image", set(14, 1), ErrHeader},
		{"descriptor's magic", set(0x10, 0), ErrMagic},
		{"descriptor's format", set(0x14, 2), ErrFormat},
		{"no device type", set(0x18, 0), ErrDeviceType},
		{"device type in capitals", set(0x18, 'S'), ErrDeviceType},
		{"device type with something behind", set(0x18+31, 'x'), ErrDeviceType},
		{"no version", set(0x38, 0), ErrVersion},
		{"version with a space", set(0x38, ' '), ErrVersion},
		{"version of 33 characters", fill(0x38, 33, 'x'), ErrVersion},
		{"version without an end", fill(0x38, 36, 'x'), ErrVersion},
		{"slot 2", set(0x10+80, 2), ErrSlot},
		{"slot that is no small number", set(0x10+83, 0x80), ErrSlot},
		{"size no multiple of 16", set(0x10+84, 0xD8), ErrSize},
		{"size that ends in the descriptor", set(0x10+84, 0x60), ErrSize},
		{"a relocation list beyond the image", set(0x10+95, 1), ErrDescriptor},
		{"a relocation list without room", set(0x10+92, 0x80), ErrDescriptor},
		{"an unknown link", set(0x10+88, 3), ErrDescriptor},
		{"no 0xE9 image", set(0x80, 0xEA), ErrMagic},
		{"no segments", set(0x81, 0), ErrSegment},
		{"9 segments", set(0x81, 9), ErrSegment},
		{"an empty segment to nowhere", set(0x81, 3), ErrSegment},
		{"a segment too few", set(0x81, 1), ErrSegment},
		{"segment address no multiple of 4", set(0x88, 2), ErrSegment},
		{"segment length no multiple of 4", set(0x8C, 7), ErrSegment},
		{"segment beyond the image", set(0x8E, 1), ErrTruncated},
		{"segment in flash", set(0x8A, 0x20), ErrSegment},
		{"segment over the bootloader's RAM", both(set(0x88, 0xFC), set(0x89, 0x7F)), ErrSegment},
		{"a byte of a segment", set(0x90, 'C'), ErrChecksum},
		{"a byte before the checksum", set(0xAE, 1), ErrSegment},
		{"checksum", set(0xAF, 0), ErrChecksum},
		{"a block behind the checksum", insert(0xB0, make([]byte, 16)), ErrTrailingData},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := test.damage(bytes.Clone(literal(t)))
			sum := sha256.Sum256(b[:len(b)-32])
			copy(b[len(b)-32:], sum[:])
			if _, err := Parse(b); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func set(at int, value byte) func([]byte) []byte { return fill(at, 1, value) }

func fill(at, count int, value byte) func([]byte) []byte {
	return func(b []byte) []byte {
		copy(b[at:], bytes.Repeat([]byte{value}, count))
		return b
	}
}

func both(f, g func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte { return g(f(b)) }
}

// insert puts bytes into an image, and its new size into the descriptor.
func insert(at int, add []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append(b[:at:at], append(add, b[at:]...)...)
		b[0x10+84] = byte(len(b))
		return b
	}
}

func TestAFileThatIsNotExactlyTheImage(t *testing.T) {
	whole := literal(t)
	for _, size := range []int{0, 1, 16, 0x10 + DescriptorSize, 175, 176, 192, 207} {
		if _, err := Parse(whole[:size]); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: error %v, want %v", size, err, ErrTruncated)
		}
	}
	if _, err := Parse(append(bytes.Clone(whole), 0)); !errors.Is(err, ErrTrailingData) {
		t.Errorf("a byte more: error %v, want %v", err, ErrTrailingData)
	}
	whole[207] ^= 1
	if _, err := Parse(whole); !errors.Is(err, ErrTrailer) {
		t.Errorf("another trailer: error %v, want %v", err, ErrTrailer)
	}
}

func TestAnImageThatFillsTheSlotFitsAndOneMoreBlockDoesNot(t *testing.T) {
	in := input(0)
	in.IROM = append(in.IROM, make([]byte, SlotSize)...)
	in.IROM = in.IROM[:SlotSize-16-48-32] // header, standard image, trailer
	b := mustPack(t, in)
	if len(b) != SlotSize {
		t.Fatalf("%d bytes, want %d", len(b), SlotSize)
	}
	if _, err := Parse(b); err != nil {
		t.Error(err)
	}
	in.IROM = append(in.IROM, 0)
	_, err := Pack(in)
	var large *TooLargeError
	if !errors.As(err, &large) || large.Size != SlotSize+16 || large.Max != SlotSize {
		t.Fatalf("error %v, want a TooLargeError of %d bytes", err, SlotSize+16)
	}
	if !strings.Contains(err.Error(), "16 more than the 495616 that fit") {
		t.Errorf("%q does not say by how much", err)
	}
}

func TestWhatCannotBePacked(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Input)
		want   error
	}{
		{"slot 2", func(in *Input) { in.Slot = 2 }, ErrSlot},
		{"negative slot", func(in *Input) { in.Slot = -1 }, ErrSlot},
		{"no irom part", func(in *Input) { in.IROM = nil }, ErrTruncated},
		{"no descriptor", func(in *Input) { in.IROM[0] = 0 }, ErrMagic},
		{"malformed device type", func(in *Input) { in.IROM[8] = '1' }, ErrDeviceType},
		{"no segments", func(in *Input) { in.Segments = nil }, ErrSegment},
		{"only empty segments", func(in *Input) { in.Segments = []Segment{{IRAMStart, nil}} }, ErrSegment},
		{"9 segments", func(in *Input) {
			in.Segments = nil
			for i := range uint32(9) {
				in.Segments = append(in.Segments, Segment{IRAMStart + 4*i, []byte("1234")})
			}
		}, ErrSegment},
		{"unaligned segment", func(in *Input) { in.Segments[0].Addr++ }, ErrSegment},
		{"segment below DRAM", func(in *Input) { in.Segments[0].Addr = DRAMStart - 4 }, ErrSegment},
		{"segment into the bootloader's DRAM", func(in *Input) {
			in.Segments[0] = Segment{DRAMEnd - 4, []byte("12345")}
		}, ErrSegment},
		{"segment into the flash cache", func(in *Input) { in.Segments[0].Addr = IRAMEnd }, ErrSegment},
		{"segment at the end of memory", func(in *Input) { in.Segments[0].Addr = 0xFFFFFFFC }, ErrSegment},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := input(0)
			test.change(&in)
			if _, err := Pack(in); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestPackLeavesItsInputAsItIs(t *testing.T) {
	in := input(1)
	before := bytes.Clone(in.IROM)
	mustPack(t, in)
	if !bytes.Equal(in.IROM, before) {
		t.Error("the irom part has been changed")
	}
}

// anyInput draws something that can be packed.
func anyInput(t *rapid.T) Input {
	in := Input{
		Entry: rapid.Uint32Min(1).Draw(t, "entry"),
		IROM: descriptor(
			rapid.StringMatching(`[a-z][a-z0-9-]{0,30}`).Draw(t, "type"),
			rapid.StringMatching(`[A-Za-z0-9._+-]{1,32}`).Draw(t, "version"),
			rapid.Uint32().Draw(t, "sequence")),
		Slot:          rapid.IntRange(0, 1).Draw(t, "slot"),
		Link:          Link(rapid.IntRange(0, 2).Draw(t, "link")),
		FlashMode:     uint8(rapid.IntRange(0, 3).Draw(t, "mode")),
		FlashSizeFreq: rapid.Uint8().Draw(t, "size and clock"),
	}
	in.IROM = append(in.IROM, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "irom")...)
	for range rapid.IntRange(1, MaxSegments).Draw(t, "segments") {
		in.Segments = append(in.Segments, Segment{
			rapid.SampledFrom([]uint32{DRAMStart, DRAMEnd - 0x100, IRAMStart, IRAMEnd - 0x100}).Draw(t, "addr"),
			rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "data"),
		})
	}
	return in
}

func TestWhatIsPackedIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		b, err := Pack(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got.Descriptor.Slot != in.Slot || got.Descriptor.Size != len(b) || got.Entry != in.Entry ||
			got.FlashMode != in.FlashMode || got.FlashSizeFreq != in.FlashSizeFreq {
			t.Fatalf("%+v from %+v", got, in)
		}
		if !bytes.Equal(got.IROM[DescriptorSize:len(in.IROM)], in.IROM[DescriptorSize:]) {
			t.Fatalf("irom part %q from %q", got.IROM, in.IROM)
		}
		if len(got.Segments) != len(in.Segments) {
			t.Fatalf("%d segments from %d", len(got.Segments), len(in.Segments))
		}
		for i, s := range in.Segments {
			if got.Segments[i].Addr != s.Addr || !bytes.Equal(got.Segments[i].Data[:len(s.Data)], s.Data) {
				t.Fatalf("segment %d: %+v from %+v", i, got.Segments[i], s)
			}
		}
	})
}

func TestAnyChangedByteIsNoticed(t *testing.T) {
	whole := literal(t)
	for at := range whole {
		for _, change := range []byte{0x01, 0x80, 0xFF} {
			b := bytes.Clone(whole)
			b[at] ^= change
			if _, err := Parse(b); err == nil {
				t.Errorf("byte %#x changed by %#x: still whole", at, change)
			}
		}
	}
}

func TestTheBootloadersImageIsPackedAsSpecified(t *testing.T) {
	got, err := PackBootloader(0x4010E004, []Segment{{0x4010E000, []byte("boot")}})
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("\xE9\x01\x03\x20\x04\xE0\x10\x40" + "\x00\xE0\x10\x40\x04\x00\x00\x00boot" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\xF9")
	if !bytes.Equal(got, want) {
		t.Errorf("packed:\n%swant:\n%s", hex.Dump(got), hex.Dump(want))
	}
	parsed, size, err := ParseStandard(append(want, "what comes after"...))
	if err != nil || size != len(want) || parsed.Entry != 0x4010E004 || string(parsed.Segments[0].Data) != "boot" {
		t.Errorf("read: %+v, %d bytes, %v", parsed, size, err)
	}
}

func TestTheBootloaderFitsItsSector(t *testing.T) {
	b, err := PackBootloader(0x4010E000, []Segment{{0x4010E000, make([]byte, 4096-17)}})
	if err == nil {
		t.Fatalf("%d bytes were accepted", len(b))
	}
	if b, err = PackBootloader(0x4010E000, []Segment{{0x4010E000, make([]byte, 4096-20)}}); err != nil || len(b) != 4096 {
		t.Errorf("%d bytes, %v; want 4096", len(b), err)
	}
	_, err = PackBootloader(0x4010E000, []Segment{{0x4010E000, make([]byte, 5000)}})
	var large *TooLargeError
	if !errors.As(err, &large) || large.What != "bootloader" || large.Max != 4096 {
		t.Errorf("error %v, want a TooLargeError", err)
	}
}

func TestNamesThatMayStandInADescriptor(t *testing.T) {
	types := map[string]bool{
		"a": true, "socket": true, "s-2": true, strings.Repeat("x", 31): true,
		"": false, "-a": false, "2a": false, "Socket": false, "a_b": false, "a.b": false, "a/b": false,
		"ä": false, "a\x00": false, strings.Repeat("x", 32): false,
	}
	for name, want := range types {
		if err := CheckDeviceType(name); (err == nil) != want || err != nil && !errors.Is(err, ErrDeviceType) {
			t.Errorf("device type %q: %v", name, err)
		}
	}
	versions := map[string]bool{
		"1": true, "8a1b2c3d+dirty": true, "v1.0_rc-2": true, strings.Repeat("x", 32): true,
		"": false, "a b": false, "a/b": false, "é": false, "1\n": false, strings.Repeat("x", 33): false,
	}
	for version, want := range versions {
		if err := CheckVersion(version); (err == nil) != want || err != nil && !errors.Is(err, ErrVersion) {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(literal(f))
	f.Add(mustPack(f, input(0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := Parse(b)
		if err != nil {
			checkTyped(t, err)
			return
		}
		again, err := Pack(Input{parsed.Entry, parsed.IROM, parsed.Segments, parsed.Descriptor.Slot,
			parsed.Descriptor.Link, parsed.FlashMode, parsed.FlashSizeFreq})
		if err == nil && len(again) == len(b) && !bytes.Equal(again, b) {
			t.Errorf("packed again, it is another image:\n%s%s", hex.Dump(b), hex.Dump(again))
		}
	})
}

func FuzzParseStandard(f *testing.F) {
	b, err := PackBootloader(0x4010E004, []Segment{{0x4010E000, []byte("boot")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, size, err := ParseStandard(b)
		if err == nil && (size > len(b) || size%16 != 0) {
			t.Errorf("size %d of %d bytes", size, len(b))
		}
		checkTyped(t, err)
	})
}

func FuzzParseDescriptor(f *testing.F) {
	f.Add(literal(f)[0x10 : 0x10+DescriptorSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDescriptor(b)
		if err != nil {
			checkTyped(t, err)
			return
		}
		again, err := d.Marshal()
		if err != nil || !bytes.Equal(again, b[:DescriptorSize]) {
			t.Errorf("written again: %v\n%s%s", err, hex.Dump(b), hex.Dump(again))
		}
	})
}
