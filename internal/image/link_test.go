package image

import "testing"

func TestAnImageIsOfTheLinkThatItsMarkSays(t *testing.T) {
	gate := Segment{0x40100000, []byte("\x04\x00\x00\x00\x10\x00\x08\x40")} // a literal: sdk_start
	code := Segment{0x40100000, []byte("\x04\x00\x00\x00\x10\x00\x08\x41")}
	for _, test := range []struct {
		name string
		mark Link
		code Segment
		want Link
	}{
		{"the chip's", LinkChip, code, LinkChip},
		{"the chip's, whatever is in it", LinkChip, gate, LinkChip},
		{"the emulator's", LinkEmulator, code, LinkEmulator},
		{"unmarked, and calls the emulator", LinkUnmarked, gate, LinkEmulator},
		{"unmarked, and does not", LinkUnmarked, code, LinkChip},
	} {
		in := input(1)
		in.Link, in.Segments = test.mark, []Segment{test.code}
		parsed, err := Parse(mustPack(t, in))
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Link(); got != test.want {
			t.Errorf("%s: the link is %v, want %v", test.name, got, test.want)
		}
	}
}
