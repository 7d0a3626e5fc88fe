package monitor

import (
	"strings"
	"testing"
)

// heard is what arrives of a text that is sent at one speed and read at another: noise, mostly.
func heard(text string, sent, read int) []byte {
	b := []byte(text)
	if sent != read {
		for i := range b {
			b[i] = b[i]<<1 | 0x81
		}
	}
	return b
}

func TestTheSpeedFollowsTheBoard(t *testing.T) {
	const (
		rom      = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload 0x4010e000, len 2996, room 16 \r\ncsum 0x4f\r\n"
		firmware = "\r\nboot: slot 0: socket 8a1b2c3d, as configured\r\n3 mqtt: connected\r\nFatal exception 0(IllegalInstructionCause):\r\n"
	)
	s := NewSpeed()
	var shown []byte
	for range 3 { // it crashes, and starts again
		for _, part := range []struct {
			text string
			sent int
		}{{rom, ROMSpeed}, {firmware, FirmwareSpeed}} {
			for _, c := range []byte(part.text) {
				shown = append(shown, s.Take(heard(string(c), part.sent, s.Now()))...)
			}
		}
	}
	text := string(shown)
	for want, n := range map[string]int{
		"rst cause:2, boot mode:(3,6)": 1, "csum 0x4f\r\n": 3, "boot: slot 0: socket 8a1b2c3d, as configured\r\n": 3, "IllegalInstructionCause": 3,
	} {
		if got := strings.Count(text, want); got < n {
			t.Errorf("%q is shown %d times, not %d:\n%s", want, got, n, text)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		t.Errorf("noise is shown: %q", text)
	}
}

func TestABoardThatIsNotResetIsUnderstood(t *testing.T) {
	s := NewSpeed()
	var shown []byte
	for _, c := range []byte(strings.Repeat("60 update: checking v1\n", 10)) {
		shown = append(shown, s.Take(heard(string(c), FirmwareSpeed, s.Now()))...)
	}
	if s.Now() != FirmwareSpeed || strings.Count(string(shown), "60 update: checking v1\n") < 9 {
		t.Errorf("at %d: %q", s.Now(), shown)
	}
}
