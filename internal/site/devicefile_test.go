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

func TestAMistakeInADeviceFileIsNamed(t *testing.T) {
	many := "[constants]\n"
	for i := range maxConstants + 1 {
		many += fmt.Sprintf("N%d = 1\n", i)
	}
	for text, says := range map[string]string{
		"flash_mode = \"fast\"\n":                                 "flash_mode",
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
