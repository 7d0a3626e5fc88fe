package sdk

import (
	"fmt"
	"strings"

	"esper/emulator/esp8266"
)

// print prints a line of the SDK's own, or of the emulator's.
func (s *SDK) print(format string, args ...any) { s.Chip.Print(fmt.Sprintf(format, args...)) }

// maxFormat is the longest format or string that is printed, maxPrinted the longest
// text that may come of it, in bytes: a width can be of any size.
const (
	maxFormat  = 4096
	maxPrinted = 64 << 10
)

// osPrintf is os_printf_plus(format, ...). It prints on UART 0, or through the function that the
// program has installed with ets_install_putc1, or nowhere.
func (s *SDK) osPrintf() uint32 {
	text := s.format(0)
	function, own := s.Chip.Putc1()
	switch {
	case !s.printing, text == "", own && function == 0:
	case own:
		s.prints = append(s.prints, printed{text, 0, s.Chip.CPU.A[0], function})
		s.printNext()
	default:
		s.Chip.Print(text)
	}
	return uint32(len(text))
}

// printed is a text that the program's own function prints, character by character.
type printed struct {
	text     string
	next     int
	returnTo uint32 // where os_printf_plus was called
	function uint32
}

// gatePrinted is where that function returns to: an address that no gate has.
const gatePrinted = esp8266.GateBase + 0x3FE0

// printNext prints the next character of the last text, or returns from os_printf_plus.
func (s *SDK) printNext() {
	if len(s.prints) == 0 {
		s.misuse("a return to 0x%08x without a call", uint32(gatePrinted))
	}
	p, cpu := &s.prints[len(s.prints)-1], s.Chip.CPU
	if p.next == len(p.text) {
		cpu.A[0] = p.returnTo
		s.Chip.Return(uint32(len(p.text)))
		s.prints = s.prints[:len(s.prints)-1]
		return
	}
	cpu.A[0], cpu.A[2], cpu.PC = gatePrinted, uint32(p.text[p.next]), p.function
	p.next++
}

// snprintf is ets_snprintf(out, size, format, ...).
func (s *SDK) snprintf() uint32 {
	out, size := s.Chip.Arg(0), s.Chip.Arg(1)
	text := s.format(2)
	if size > 0 {
		s.write(out, append([]byte(text[:min(len(text), int(size)-1)]), 0))
	}
	return uint32(len(text))
}

func (s *SDK) text(addr uint32) string {
	if addr == 0 {
		return "(null)"
	}
	text, err := s.Chip.String(addr, maxFormat)
	if err != nil {
		s.misuse("%s: %v", s.caller(), err)
	}
	return text
}

// format is what the conversions of C make of the arguments from index i on. Those
// that the SDK has not, such as %f, are a misuse.
func (s *SDK) format(i int) string {
	format := s.text(s.Chip.Arg(i))
	next := func() uint32 { i++; return s.Chip.Arg(i) }
	var out strings.Builder
	for j := 0; j < len(format); j++ {
		if out.Len() > maxPrinted {
			s.misuse("%s: more than %d bytes", s.caller(), maxPrinted)
		}
		if format[j] != '%' {
			out.WriteByte(format[j])
			continue
		}
		begin := j
		for j++; j < len(format) && strings.IndexByte("-+ #0123456789.*lhz", format[j]) >= 0; j++ {
		}
		if j == len(format) {
			break
		}
		spec := format[begin:j]
		if strings.Contains(spec, "ll") {
			s.misuse("%s: %s%c: 64-bit numbers cannot be printed", s.caller(), spec, format[j])
		}
		spec = strings.NewReplacer("l", "", "h", "", "z", "").Replace(spec)
		for strings.Contains(spec, "*") {
			spec = strings.Replace(spec, "*", fmt.Sprint(int32(next())), 1)
		}
		switch verb := format[j]; verb {
		case '%':
			out.WriteByte('%')
		case 'd', 'i':
			fmt.Fprintf(&out, spec+"d", int32(next()))
		case 'u':
			fmt.Fprintf(&out, spec+"d", next())
		case 'x', 'X', 'o':
			fmt.Fprintf(&out, spec+string(verb), next())
		case 'p':
			fmt.Fprintf(&out, "%x", next())
		case 'c':
			out.WriteByte(byte(next()))
		case 's':
			fmt.Fprintf(&out, spec+"s", s.text(next()))
		default:
			s.misuse("%s: the conversion %s%c is not there", s.caller(), spec, verb)
		}
	}
	return out.String()
}
