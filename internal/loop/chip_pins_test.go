package loop

import "testing"

// TestAChipCountsPulsesAndKeepsValues is what device code does with pins and the journal, with the
// vendor's own software around it, which disables the flash's cache while it writes.
func TestAChipCountsPulsesAndKeepsValues(t *testing.T) {
	for _, rom := range roms {
		for name, play := range map[string]func(*testing.T, *world){
			"a persisted value":      keptOutlives,
			"a counter":              countsPulses,
			"a counter in an update": countsDuringUpdate,
		} {
			t.Run(rom.name+", "+name, func(t *testing.T) {
				w := newWorldOf(t, chipFirmwares(t))
				w.rom = rom.read(t)
				play(t, w)
			})
		}
	}
}
