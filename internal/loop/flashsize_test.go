package loop

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
)

// sizes are the flash sizes that a header may name, by its number in it, in MB; 0: the SDK does not
// run with it. (With number 1, 256 KB, the vendor's start overwrites slot 0 with its parameters.)
var sizes = map[byte]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 2, 6: 4, 7: 0, 8: 8, 9: 16}

// A chip of each size, with each header: it runs and is updated as one of 1 MB, or the serial line
// says what is wrong. Tools set the header to what the chip has (esptool's detect) or to what the
// user says.
func TestFlashesOfAllSizesWithAllHeaders(t *testing.T) { flashesOfAllSizes(t, theFirmwares(t)) }

func TestChipsWithFlashesOfAllSizesAndAllHeaders(t *testing.T) {
	flashesOfAllSizes(t, chipFirmwares(t))
}

func flashesOfAllSizes(t *testing.T, f *firmwares) {
	f.images(t, "socket", "v2", 2)
	chips := []int{1, 4} // a sample
	if f.sdk != "" || full {
		chips = []int{1, 2, 4, 8, 16}
	}
	for header, named := range sizes {
		for _, size := range chips {
			t.Run(fmt.Sprintf("header %d, %d MB", header, size), func(t *testing.T) {
				t.Parallel()
				w := newWorldOf(t, f)
				w.publish("socket", "v2", 2)
				d, serial := w.addSized(f.images(t, "socket", "v1", 1)[0], size<<20, header)
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("serial line:\n%s", tail(serial.String(), 2000))
					}
				})
				const wrong = "does not fit a chip of"
				if named == 0 || named > size {
					w.expect("what is wrong", 10*time.Second, func() bool { return strings.Contains(serial.String(), wrong) })
					return
				}
				w.expect("v2 runs", 2*time.Minute, func() bool { return w.runs(d, "v2") })
				if strings.Contains(serial.String(), wrong) || strings.Contains(serial.String(), "mismatch") {
					t.Errorf("it complains:\n%s", serial)
				}
				if above := d.Chip.Flash.Bytes()[image.FlashSize : size<<20]; len(bytes.Trim(above, "\xFF")) > 0 && f.sdk == "" {
					t.Error("the flash above 1 MB has changed")
				}
			})
		}
	}
}

// addSized is addImage for a flash of a size with that number of it in the header at 0.
func (w *world) addSized(rom []byte, size int, header byte) (*emulator.Device, *bytes.Buffer) {
	w.t.Helper()
	bootloader := bytes.Clone(w.firmwares.bootloader)
	bootloader[3] = bootloader[3]&0x0F | header<<4
	flash := esp8266.NewFlash(size)
	content, err := image.NewFlash(bootloader, rom, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	copy(content[image.PHYDataAddress:], w.firmwares.phyData(w.t))
	if err := flash.Put(0, content); err != nil {
		w.t.Fatal(err)
	}
	serial := &bytes.Buffer{}
	d, err := w.Add(emulator.Config{ChipID: 1, Flash: flash, Serial: serial, ELF: w.firmwares.elves})
	if err != nil {
		w.t.Fatal(err)
	}
	return d, serial
}
