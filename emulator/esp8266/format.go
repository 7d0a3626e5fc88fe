package esp8266

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of what Format makes: a width, and all of it, in bytes.
const (
	maxWidth     = 256
	maxFormatted = 1 << 16
)

// Format makes the text that C's printf would of the format at an address, as far
// as the chip's functions know it: %d %u %x %X %p %c %s %%, with the flags -
// and 0, width, precision and the sizes h, l, ll and z. arg gives the words behind
// the format, which must be an even argument (the first, the third) for the 64-bit
// values, as these begin at even ones. load reads one byte of format or strings.
func (c *Chip) Format(format uint32, arg func(i int) uint32, load func(addr uint32) byte) string {
	var out strings.Builder
	next := 0
	word := func() uint32 { next++; return arg(next - 1) }
	at := format
	char := func() byte { at++; return load(at - 1) }
	for b := char(); b != 0 && out.Len() < maxFormatted; b = char() {
		if b != '%' {
			out.WriteByte(b)
			continue
		}
		s := specifier{precision: -1}
		if b = s.parse(char, word); b == 0 {
			break
		}
		switch b {
		case '%':
			out.WriteByte('%')
			continue
		case 'c':
			out.WriteString(s.pad(string([]byte{byte(word())})))
			continue
		case 's':
			out.WriteString(s.pad(s.text(word(), load)))
			continue
		}
		out.WriteString(s.number(b, word, &next))
	}
	return out.String()
}

// specifier is what stands between % and the letter.
type specifier struct {
	left, zero, plus bool
	width, precision int
	long             int // number of l
}

// parse reads up to the letter, which it returns.
func (s *specifier) parse(char func() byte, word func() uint32) byte {
	number := func(b byte) (int, byte) {
		if b == '*' {
			return min(int(int32(word())), maxWidth), char()
		}
		n := 0
		for ; b >= '0' && b <= '9'; b = char() {
			n = min(n*10+int(b-'0'), maxWidth)
		}
		return n, b
	}
	b := char()
	for ; strings.IndexByte("-0+ #", b) >= 0; b = char() {
		switch b {
		case '-':
			s.left = true
		case '0':
			s.zero = true
		case '+':
			s.plus = true
		}
	}
	if s.width, b = number(b); s.width < 0 {
		s.left, s.width = true, -s.width
	}
	if b == '.' {
		s.precision, b = number(char())
	}
	for ; b == 'l' || b == 'h' || b == 'z'; b = char() {
		if b == 'l' {
			s.long++
		}
	}
	return b
}

func (s *specifier) text(addr uint32, load func(uint32) byte) string {
	if addr == 0 {
		return "(null)"
	}
	var text []byte
	for s.precision < 0 || len(text) < s.precision {
		b := load(addr + uint32(len(text)))
		if b == 0 || len(text) == maxFormatted {
			break
		}
		text = append(text, b)
	}
	return string(text)
}

func (s *specifier) number(letter byte, word func() uint32, next *int) string {
	var v uint64
	signed := letter == 'd'
	switch {
	case s.long >= 2:
		if *next%2 == 0 {
			word()
		}
		low := word()
		v = uint64(low) | uint64(word())<<32
	case signed:
		v = uint64(int64(int32(word())))
	default:
		v = uint64(word())
	}
	var text, sign string
	switch letter {
	case 'd':
		if int64(v) < 0 {
			sign, v = "-", -v
		} else if s.plus {
			sign = "+"
		}
		text = strconv.FormatUint(v, 10)
	case 'u':
		text = strconv.FormatUint(v, 10)
	case 'x':
		text = strconv.FormatUint(v, 16)
	case 'p':
		text = fmt.Sprintf("0x%08x", v)
	case 'X':
		text = strings.ToUpper(strconv.FormatUint(v, 16))
	default:
		return "%" + string(letter)
	}
	for len(text) < s.precision {
		text = "0" + text
	}
	if s.zero && !s.left && s.precision < 0 {
		for len(sign)+len(text) < s.width {
			text = "0" + text
		}
	}
	return s.pad(sign + text)
}

// pad fills up to the width with spaces.
func (s *specifier) pad(text string) string {
	fill := strings.Repeat(" ", max(0, s.width-len(text)))
	if s.left {
		return text + fill
	}
	return fill + text
}
