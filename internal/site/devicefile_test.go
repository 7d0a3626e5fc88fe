package site

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"esper/internal/devicesetting"
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

func TestADeviceTypeSaysWhatItPrintsAndWhere(t *testing.T) {
	for file, want := range map[string]Log{
		"": {},
		"[log]\nlevel = \"info\"\nport = \"uart0\"\n": {},
		"[log]\nlevel = \"none\"\nport = \"none\"\n":  {Level: "none", Port: "none"},
		"[log]\nport = \"uart1\"\n":                   {Port: "uart1"},
		"[log]\nlevel = \"debug\"\n":                  {Level: "debug"},
	} {
		s, err := openWith(t, file)
		must(t, err)
		must(t, s.Types[0].Wrong)
		if got := s.Types[0].Log; got != want {
			t.Errorf("%q: %+v, not %+v", file, got, want)
		}
	}
}

// setting is a device.toml with a setting called a.
func setting(kind, standard, more string) string {
	return fmt.Sprintf("[settings.a]\ntype = %q\ndefault = %s\n%s\n", kind, standard, more)
}

func TestADeviceTypeDeclaresSettings(t *testing.T) {
	s, err := openWith(t, `
[settings.mode]
type = "select"
default = "slow"
options = ["slow", "fast"]
[settings.interval]
type = "number"
default = 60
min = 1
max = 3600
unit = "s"
label = "Interval"
[settings.enabled]
type = "switch"
default = true
[settings.greeting]
type = "text"
default = ""
`)
	must(t, err)
	must(t, s.Types[0].Wrong)
	least, most := int32(1), int32(3600)
	want := []devicesetting.Setting{
		{Name: "enabled", Declaration: devicesetting.Declaration{Type: devicesetting.Switch, Default: "1"}},
		{Name: "greeting", Declaration: devicesetting.Declaration{Type: devicesetting.Text, Length: 64}},
		{Name: "interval", Declaration: devicesetting.Declaration{Type: devicesetting.Number, Label: "Interval", Default: "60", Min: &least, Max: &most, Unit: "s"}},
		{Name: "mode", Declaration: devicesetting.Declaration{Type: devicesetting.Select, Default: "slow", Options: []string{"slow", "fast"}}},
	}
	if got := s.Types[0].Settings; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, not %+v", got, want)
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
	manySettings, large := "", ""
	for i := range devicesetting.Max + 1 {
		manySettings += fmt.Sprintf("[settings.s%d]\ntype = \"switch\"\ndefault = true\n", i)
	}
	for i := range devicesetting.Max {
		large += fmt.Sprintf("[settings.s%d]\ntype = \"text\"\ndefault = \"%s\"\nlabel = \"%s\"\n",
			i, strings.Repeat("d", 64), strings.Repeat("l", 64))
	}
	for text, says := range map[string]string{
		"flash_mode = \"fast\"\n":                                 "flash_mode",
		"board = \"sonof-basic\"\n":                               "device.toml: board: there is no board \"sonof-basic\": perhaps sonoff-basic",
		"board = \"esp-01-512k\"\n":                               "device.toml: board: esp-01-512k, ESP-01 (512 KB, blue board), has 512 KB",
		"board = \"broken\"\n":                                    "boards/broken.toml: flash_size",
		"board = \"sonoff-4ch\"\nflash_mode = \"qio\"\n":          "device.toml: flash_mode: qio reads the flash over GPIO9 and GPIO10, and sonoff-4ch has its pin button2",
		"[log]\nlevel = \"verbose\"\n":                            `log.level: "verbose" is none of error, warning, info, debug and none`,
		"[log]\nport = \"uart2\"\n":                               `log.port: "uart2" is none of uart0, uart1 and none`,
		"[log]\nspeed = 9600\n":                                   "unknown key log.speed",
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
		manySettings:                                              "settings: 17, but at most 16",
		"[settings.A]\ntype = \"switch\"\ndefault = true\n":       "settings: \"A\": a name is",
		"[settings.switch]\ntype = \"switch\"\ndefault = true\n":  "settings: switch: is a word of C++",
		"[settings.a]\ndefault = true\n":                          "settings.a.type: is missing",
		"[settings.a]\ntype = \"colour\"\ndefault = true\n":       "settings.a.type: \"colour\" is none of",
		"[settings.a]\ntype = \"switch\"\n":                       "settings.a.default: is missing",
		"[settings.a]\ntype = \"switch\"\ndefault = 1\n":          "settings.a.default: is not true or false",
		"[settings.a]\ntype = \"number\"\ndefault = true\n":       "settings.a.default: is not a whole number",
		"[settings.a]\ntype = \"number\"\ndefault = 1.5\n":        "settings.a.default: is not a whole number",
		"[settings.a]\ntype = \"text\"\ndefault = 1\n":            "settings.a.default: is not a text in quotes",
		setting("number", "5", "min = 6"):                         "settings.a.default: 5 is less than 6",
		setting("number", "5", "min = 2147483648"):                "settings.a.min: 2147483648 is not between",
		setting("number", "5", "step = 0"):                        "settings.a.step: 0 is less than 1",
		setting("number", "5", "length = 3"):                      "settings.a.length: only a setting of type text",
		setting("text", "''", "length = 0"):                       "settings.a.length: 0 is not between",
		setting("text", "''", "length = 4294967297"):              "settings.a.length: 4294967297 is not between",
		setting("text", "'long'", "length = 3"):                   "settings.a.default: \"long\" is not at most 3 bytes",
		setting("select", "'a'", ""):                              "settings.a.options: there are 0",
		setting("select", "'c'", "options = ['a', 'b']"):          "settings.a.default: \"c\" is none of a, b",
		setting("number", "5", "maximum = 6"):                     "unknown key settings.a.maximum",
		large:                                                     "settings: what is declared takes",
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
