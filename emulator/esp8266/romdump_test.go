package esp8266

import (
	"os"
	"strings"
	"testing"
)

// romDump is the chip's own mask ROM; tests that need it are skipped without.
func romDump(t testing.TB) []byte {
	t.Helper()
	path := os.Getenv("ESPER_ROM")
	if path == "" {
		t.Skip("ESPER_ROM does not name a dump of the chip's mask ROM")
	}
	rom, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(rom) != romSize {
		t.Fatalf("%s has %d bytes, not %d", path, len(rom), romSize)
	}
	return rom
}

func TestTheChipsROMBootsAnImage(t *testing.T) {
	m := &machine{t: t, Chip: New(NewFlash(FlashSize))}
	m.ROM = romDump(t)
	m.attach()
	p := new(code).store(result, 0x12345678).loop()
	must(t, m.Flash.Put(0, p.image()))
	m.PowerOn()
	m.run(CyclesPerSecond/4, EventBudget)
	if v := m.word(result); v != 0x12345678 {
		t.Errorf("the program left 0x%08x; pc 0x%08x, serial %q", v, m.CPU.PC, m.serial.String())
	}
	for _, want := range []string{"ets Jan  8 2013", "boot mode:(3,6)", "load 0x40100000"} {
		if !strings.Contains(m.serial.String(), want) {
			t.Errorf("it printed %q, without %q", m.serial.String(), want)
		}
	}
}
