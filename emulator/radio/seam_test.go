package radio

import (
	"bytes"
	"encoding/binary"
	"testing"

	"esper/emulator/esp8266"
)

// chained lays a frame out as lwIP does: pbufs of at most n bytes, each with the length of all that
// follows and its own. It returns the first one's address.
func chained(t *testing.T, c *esp8266.Chip, frame []byte, n int) uint32 {
	t.Helper()
	const first, step = 0x3FFE8000, 0x800
	write := func(addr uint32, b []byte) {
		if err := c.Write(addr, b); err != nil {
			t.Fatal(err)
		}
	}
	for at := uint32(first); ; at += step {
		part, next := frame[:min(n, len(frame))], at+step
		if len(part) == len(frame) {
			next = 0
		}
		head := binary.LittleEndian.AppendUint32(nil, next)
		head = binary.LittleEndian.AppendUint32(head, at+16)
		head = binary.LittleEndian.AppendUint16(head, uint16(len(frame)))
		head = binary.LittleEndian.AppendUint16(head, uint16(len(part)))
		write(at, head)
		write(at+16, part)
		if frame = frame[len(part):]; next == 0 {
			return first
		}
	}
}

func TestAFrameIsReadOutOfItsPbufs(t *testing.T) {
	c := esp8266.New(esp8266.NewFlash(esp8266.FlashSize))
	c.PowerOn()
	r := New(c, nil, nil, nil)
	frame := bytes.Repeat([]byte("frame"), 300)
	for _, n := range []int{1500, 1499, 700, 54} {
		if got := r.frameIn(chained(t, c, frame, n)); !bytes.Equal(got, frame) {
			t.Errorf("of pbufs of %d bytes came %d bytes of %d", n, len(got), len(frame))
		}
	}
	// A chain that leads to itself or to nowhere is no reason to go on for ever, or to crash.
	loop := chained(t, c, frame, 700)
	if err := c.Store32(loop, loop); err != nil {
		t.Fatal(err)
	}
	if got := r.frameIn(loop); len(got) > maxFrame+700 {
		t.Errorf("%d bytes came out of a loop", len(got))
	}
	if got := r.frameIn(0x10); got != nil {
		t.Errorf("%d bytes came from where nothing is", len(got))
	}
}
