// Package monitor reads what a board says on its serial line: at the right speed, and with the names
// of the functions where it crashed.
package monitor

import "bytes"

// The speeds of a line: the ROM's, with the usual crystal of 26 MHz, and that of bootloader and
// firmware.
const (
	ROMSpeed      = 74880
	FirmwareSpeed = 115200
)

// Speed follows the speed at which a board speaks. The ROM begins with its own; the bootloader has the
// other. What is heard at the wrong one is noise.
type Speed struct {
	now    int
	line   []byte // what has come of it
	recent []byte // the last bytes that have come at this speed
}

// NewSpeed returns the speed of a board that is being reset.
func NewSpeed() *Speed { return &Speed{now: ROMSpeed} }

// Now returns the speed to read at.
func (s *Speed) Now() int { return s.now }

// How many of the last bytes must be noise for the speed to be wrong.
const (
	window    = 12
	maxNoise  = 6
	lastOfROM = "csum 0x" // the ROM's last line before it jumps to the bootloader
	maxLine   = 1024
)

// Take takes what has been read, and returns the text in it; noise is left out. What it returns must be
// shown before the next read, which may be at another speed.
func (s *Speed) Take(b []byte) []byte {
	var text []byte
	for _, c := range b {
		s.recent = append(s.recent, c)
		if len(s.recent) > window {
			s.recent = s.recent[1:]
		}
		if noise(s.recent) > maxNoise {
			s.turn()
			continue
		}
		if isNoise(c) {
			continue
		}
		text = append(text, c)
		if s.line = append(s.line, c); c == '\n' || len(s.line) > maxLine {
			if s.now == ROMSpeed && bytes.HasPrefix(s.line, []byte(lastOfROM)) {
				s.turn()
			}
			s.line = nil
		}
	}
	return text
}

// turn changes to the other speed.
func (s *Speed) turn() {
	s.now = ROMSpeed + FirmwareSpeed - s.now
	s.recent, s.line = nil, nil
}

func noise(b []byte) int {
	n := 0
	for _, c := range b {
		if isNoise(c) {
			n++
		}
	}
	return n
}

// isNoise reports whether neither ROM nor firmware sends a byte.
func isNoise(c byte) bool { return c >= 0x7F || c < ' ' && c != '\r' && c != '\n' && c != '\t' }
