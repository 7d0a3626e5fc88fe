package site

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"esper/internal/image"
)

// openWith opens a site whose device type has this device.toml, and libraries.
func openWith(t *testing.T, file string) (*Site, error) {
	dir := newSite(t, good)
	write(t, filepath.Join(dir, "devices/socket", DeviceFile), file)
	write(t, filepath.Join(dir, "lib/leds/leds.cpp"), "")
	write(t, filepath.Join(dir, "lib/headers/only.h"), "")
	write(t, filepath.Join(dir, "boards/lamp.toml"), "title = \"Lamp\"\nflash_size = \"4MB\"\nflash_mode = \"qio\"\n")
	write(t, filepath.Join(dir, "boards/broken.toml"), "title = \"Lamp\"\n")
	return OpenFor(dir, "")
}

func TestADeviceTypeSaysWhatIsItsOwn(t *testing.T) {
	s, err := openWith(t, "flash_mode = \"dio\"\nlibraries = [\"leds\", \"headers\"]\n[constants]\nTEXT = \"é\"\nON = true\nLOW = -7\n")
	must(t, err)
	got := s.Types[0]
	if got.FlashMode != image.FlashDIO {
		t.Errorf("flash mode %d", got.FlashMode)
	}
	if want := []Constant{{"LOW", int64(-7)}, {"ON", true}, {"TEXT", "é"}}; !reflect.DeepEqual(got.Constants, want) {
		t.Errorf("%v, not %v", got.Constants, want)
	}
	want := []Library{{"leds", filepath.Join(s.Dir, "lib", "leds"), []string{"leds.cpp"}}, {"headers", filepath.Join(s.Dir, "lib", "headers"), nil}}
	if !reflect.DeepEqual(got.Libraries, want) {
		t.Errorf("%v, not %v", got.Libraries, want)
	}
	s, err = openWith(t, "")
	must(t, err)
	if s.Types[0].FlashMode != image.FlashDOUT {
		t.Errorf("flash mode %d without one in the file", s.Types[0].FlashMode)
	}
}

// An explicit flash mode goes before the board's.
func TestABoardGivesTheFlashMode(t *testing.T) {
	for text, want := range map[string]uint8{
		"board = \"lamp\"\n":                           image.FlashQIO,
		"board = \"lamp\"\nflash_mode = \"dout\"\n":    image.FlashDOUT,
		"board = \"nodemcu\"\n":                        image.FlashDIO,
		"board = \"sonoff-4ch\"\n":                     image.FlashDOUT,
		"board = \"sonoff-s20\"\nflash_mode=\"qio\"\n": image.FlashQIO,
	} {
		s, err := openWith(t, text)
		must(t, err)
		must(t, s.Types[0].Wrong)
		if b := s.Types[0].Board; s.Types[0].FlashMode != want || b == nil || !strings.Contains(text, b.Name) {
			t.Errorf("%q: flash mode %d, board %v", text, s.Types[0].FlashMode, b)
		}
	}
}

func TestAMistakeInADeviceFileIsNamed(t *testing.T) {
	many := "[constants]\n"
	for i := range maxConstants + 1 {
		many += fmt.Sprintf("N%d = 1\n", i)
	}
	for text, says := range map[string]string{
		"flash_mode = \"fast\"\n":                                 "flash_mode",
		"board = \"sonof-basic\"\n":                               "device.toml: board: there is no board \"sonof-basic\": perhaps sonoff-basic",
		"board = \"esp-01-512k\"\n":                               "device.toml: board: esp-01-512k, ESP-01 (512 KB, blue board), has 512 KB",
		"board = \"broken\"\n":                                    "boards/broken.toml: flash_size",
		"board = \"sonoff-4ch\"\nflash_mode = \"qio\"\n":          "device.toml: flash_mode: qio reads the flash over GPIO9 and GPIO10, and sonoff-4ch has its pin button2",
		"flash = \"dio\"\n":                                       "unknown key flash",
		"libraries = [\"../devices\"]\n":                          "libraries",
		"libraries = [\"leds\", \"leds\"]\n":                      "twice",
		"libraries = [\"lamps\"]\n":                               "there is no folder",
		"[constants]\nlow = 1\n":                                  "constants: \"low\"",
		"[constants]\n\"A B\" = 1\n":                              "constants",
		"[constants]\nA = 1.5\n":                                  "constants.A",
		"[constants]\nA = [1]\n":                                  "constants.A",
		"[constants]\nA = 4294967296\n":                           "constants.A",
		"[constants]\nA = -2147483649\n":                          "constants.A",
		"[constants]\nA = \"" + strings.Repeat("x", 257) + "\"\n": "constants.A",
		"[constants]\nA = \"\\u0000\"\n":                          "constants.A",
		many:                                                      "at most 64",
		"#" + strings.Repeat("x", maxConfigFile):                  "larger than",
	} {
		s, err := openWith(t, text)
		if err == nil {
			err = wrong(s)
		}
		if err == nil || !strings.Contains(err.Error(), "device.toml: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, without %q", text, err, says)
		}
	}
}
