package esp8266

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatHarmsABoardIsSaidOnce(t *testing.T) {
	mux := func(n int) uint32 { return regIOMux + muxOffset[n] }
	const (
		set, clear, enable = regGPIO + 0x04, regGPIO + 0x08, regGPIO + 0x10
		quad, dual         = 0, 2
	)
	cache := func(m *machine) { m.rom("Cache_Read_Enable", 0, 0, 1) }
	for name, c := range map[string]struct {
		mode byte
		do   func(m *machine)
		want []string
	}{
		"an output of the flash": {dual, func(m *machine) {
			cache(m)
			for range 2 {
				m.mustStore(mux(7), 3<<4)
				m.mustStore(enable, 1<<7)
				m.mustStore(regGPIO+0x14, 1<<7)
			}
		}, []string{"the program drives GPIO7, which belongs to the flash: a chip would crash"}},
		"GPIO9 in a quad mode":     {quad, func(m *machine) { cache(m); m.mustStore(enable, 1<<9); m.mustStore(mux(9), 3<<4) }, []string{"the program drives GPIO9, which belongs to the flash: a chip would crash"}},
		"GPIO9 in a dual mode":     {dual, func(m *machine) { cache(m); m.mustStore(enable, 1<<9); m.mustStore(mux(9), 3<<4) }, nil},
		"the flash keeps its pin":  {quad, func(m *machine) { cache(m); m.mustStore(enable, 1<<7) }, nil},
		"the flash is not in use":  {quad, func(m *machine) { m.mustStore(mux(11), 3<<4); m.mustStore(enable, 1<<11) }, nil},
		"an output of the board's": {quad, func(m *machine) { cache(m); m.mustStore(mux(12), 3<<4); m.mustStore(enable, 1<<12) }, nil},
		"a short circuit": {dual, func(m *machine) {
			m.mustStore(set, 1<<4)
			m.mustStore(enable, 1<<4)
			for range 2 {
				m.SetPin(4, false)
				m.ReleasePin(4)
			}
			m.SetPin(5, true)
			m.mustStore(enable, 1<<5)
			m.mustStore(set, 1<<5)
		}, []string{
			"a short circuit at GPIO4: the program drives it high, and the outside low",
			"a short circuit at GPIO5: the program drives it low, and the outside high",
		}},
		"GPIO16": {dual, func(m *machine) {
			m.SetPin(16, true)
			m.mustStore(regGPIO16, 0)
			m.mustStore(regRTC+0x74, 1)
		}, []string{"a short circuit at GPIO16: the program drives it low, and the outside high"}},
		"the same level": {dual, func(m *machine) { m.SetPin(4, false); m.mustStore(enable, 1<<4) }, nil},
		"an open drain": {dual, func(m *machine) {
			m.mustStore(regGPIO+0x28+16, pinOpenDrain)
			m.mustStore(set, 1<<4)
			m.mustStore(enable, 1<<4)
			m.SetPin(4, false)
		}, nil},
		"a resistor of a module": {dual, func(m *machine) { m.mustStore(clear, 1); m.mustStore(enable, 1) }, nil},
		"an input":               {dual, func(m *machine) { m.SetPin(4, true); m.SetPin(4, false) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, new(code).exit())
			header := slices.Clone(m.Flash.Bytes()[:4])
			header[2] = c.mode
			must(t, m.Flash.Put(0, header))
			var got []string
			m.Warned = func(text string) { got = append(got, text) }
			m.serial.Reset()
			c.do(m)
			if !slices.Equal(got, c.want) {
				t.Errorf("it says %q, want %q", got, c.want)
			}
			for _, text := range c.want {
				if n := strings.Count(m.serial.String(), "emulator: "+text+"\r\n"); n != 1 {
					t.Errorf("%d times on the serial line: %q", n, text)
				}
			}
		})
	}
}
