package board

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"esper/internal/image"
)

// own makes a folder of boards with one file.
func own(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const good = "title = \"Lamp\"\nflash_size = \"2MB\"\n"

func TestWhatShipsIsComplete(t *testing.T) {
	boards, err := All("")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range boards {
		names = append(names, b.Name)
		if len(b.Sources) == 0 || b.Chip == "" || len(b.Pins) == 0 {
			t.Errorf("%s: no chip, no pins, or nothing that says where they are from", b.Name)
		}
		if b.CheckSize() == nil && len(b.Flashing) < 2 {
			t.Errorf("%s: nothing says how to bring it into flash mode", b.Name)
		}
		text := strings.Join(b.Instructions(), "\n")
		if !b.AutoReset && (!strings.Contains(text, "GPIO0") || !strings.Contains(text, "3.3 V only")) {
			t.Errorf("%s: %s", b.Name, text)
		}
		if b.Mains != strings.Contains(text, "mains") || b.Mains != strings.HasPrefix(b.Name, "sonoff") {
			t.Errorf("%s: %s", b.Name, text)
		}
	}
	want := []string{"d1-mini", "esp-01", "esp-01-512k", "esp-01s", "esp-12", "nodemcu", "sonoff-4ch",
		"sonoff-basic", "sonoff-s20", "sonoff-t1-1ch", "sonoff-t1-2ch", "sonoff-t1-3ch"}
	if !slices.Equal(names, want) {
		t.Errorf("%v, not %v", names, want)
	}
}

// The pins of the boards as ESPHome and Tasmota have them (the files name the pages).
func TestThePinsOfShippedBoards(t *testing.T) {
	for name, want := range map[string]string{
		"sonoff-basic":  "button=!0 led=!13 relay=12",
		"sonoff-s20":    "button=!0 led=!13 relay=12",
		"sonoff-t1-1ch": "button=!0 led=!13 relay=12",
		"sonoff-t1-2ch": "button1=!0 button2=!9 led=!13 relay1=12 relay2=5",
		"sonoff-t1-3ch": "button1=!0 button2=!9 button3=!10 led=!13 relay1=12 relay2=5 relay3=4",
		"sonoff-4ch":    "button1=!0 button2=!9 button3=!10 button4=!14 led=!13 relay1=12 relay2=5 relay3=4 relay4=15",
		"esp-01":        "gpio0=0 gpio2=2 led=!1 rx=3",
		"esp-01s":       "gpio0=0 gpio2=2 led=!2 rx=3",
		"d1-mini":       "d0=16 d1=5 d2=4 d3=0 d4=2 d5=14 d6=12 d7=13 d8=15 led=!2",
		"nodemcu":       "button=!0 d0=16 d1=5 d2=4 d3=0 d4=2 d5=14 d6=12 d7=13 d8=15 led=!2",
	} {
		b, err := Find("", name)
		if err != nil {
			t.Fatal(err)
		}
		var pins []string
		for _, p := range b.Pins {
			inverted := map[bool]string{true: "!"}[p.Inverted]
			pins = append(pins, fmt.Sprintf("%s=%s%d", p.Name, inverted, p.GPIO))
		}
		if got := strings.Join(pins, " "); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}

func TestASitesBoardReplacesAndAddsTo(t *testing.T) {
	dir := own(t, "sonoff-s20.toml", good+"flash_mode = \"qio\"\n[pins]\nrelay = { gpio = 5, inverted = true, note = \"x\" }\n")
	if err := os.WriteFile(filepath.Join(dir, "lamp.toml"), []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"README.md", ".lamp.toml.swp", "Big.toml"} {
		if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	boards, err := All(dir)
	if err != nil || len(boards) != 13 {
		t.Fatalf("%d boards, %v", len(boards), err)
	}
	b, err := Find(dir, "sonoff-s20")
	if err != nil || b.FlashMode != image.FlashQIO || b.FlashSize != 2<<20 || b.Path != filepath.Join(dir, "sonoff-s20.toml") {
		t.Errorf("%+v, %v", b, err)
	}
	if want := (Pin{"relay", 5, true, "x"}); len(b.Pins) != 1 || b.Pins[0] != want {
		t.Errorf("%+v", b.Pins)
	}
	if b, err = Find(dir, "lamp"); err != nil || b.FlashMode != image.FlashDOUT {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestAMistakeInABoardIsNamed(t *testing.T) {
	many := good + "[pins]\n"
	for i := range maxPins + 1 {
		many += fmt.Sprintf("p%d = { gpio = 1 }\n", i)
	}
	for text, says := range map[string]string{
		"flash_size = \"1MB\"\n":                                       "title: missing",
		"title = \"x\"\n":                                              "flash_size: \"\"",
		"title = \"x\"\nflash_size = \"3MB\"\n":                        "flash_size: \"3MB\"",
		good + "flash_mode = \"fast\"\n":                               "flash_mode: \"fast\"",
		good + "colour = \"red\"\n":                                    "unknown key colour",
		good + "notes = \"one\"\n":                                     "line 3",
		good + "notes = [\"a\\nb\"]\n":                                 "notes: control",
		good + "notes = [\"a\\u009bb\"]\n":                             "notes: control",
		good + "notes = [\"" + strings.Repeat("x", 201) + "\"]\n":      "notes: a line of 201",
		good + "notes = [" + strings.Repeat("\"x\",", 13) + "]\n":      "notes: 13 lines",
		"title = \"" + strings.Repeat("x", 61) + "\"\n" + good[15:]:    "title: a line of 61",
		good + "[pins]\nrelay = 12\n":                                  "line 4",
		good + "[pins]\nrelay = { pin = 12 }\n":                        "line 4: unknown key pins.",
		good + "[pins]\nrelay = { inverted = true }\n":                 "pins.relay: gpio is missing",
		good + "[pins]\nrelay = { gpio = 17 }\n":                       "pins.relay.gpio: 17",
		good + "[pins]\nrelay = { gpio = 6 }\n":                        "pins.relay.gpio: 6",
		good + "[pins]\nRelay = { gpio = 1 }\n":                        "pins: \"Relay\"",
		good + "[pins]\nrelay_inverted = { gpio = 1 }\n":               "pins: \"relay_inverted\"",
		good + "flash_mode = \"qio\"\n[pins]\nbutton = { gpio = 9 }\n": "flash_mode: qio reads the flash over GPIO9",
		"\xff":                         "not UTF-8",
		many:                           "pins: 33",
		strings.Repeat("#", maxFile+1): "larger than 16384 bytes",
	} {
		dir := own(t, "lamp.toml", text)
		_, err := Find(dir, "lamp")
		if err == nil || !strings.Contains(err.Error(), "lamp.toml: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v", text, err)
		}
		if boards, err := All(dir); err == nil || len(boards) != 12 {
			t.Errorf("%.60q: with it there are %d boards, %v", text, len(boards), err)
		}
	}
}

func TestTheNearestBoardIsNamed(t *testing.T) {
	for name, want := range map[string]string{
		"sonof-basic": "sonoff-basic", "s20": "sonoff-s20", "NodeMCU": "nodemcu", "d1mini": "d1-mini", "esp01": "esp-01",
		"sonoff": "sonoff-4ch", "toaster": "", "": "", "../x": "",
	} {
		_, err := Find("", name)
		var unknown *UnknownError
		if !errors.As(err, &unknown) || unknown.Nearest != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABoardOf512KBIsRefused(t *testing.T) {
	b, err := Find("", "esp-01-512k")
	if err != nil {
		t.Fatal(err)
	}
	var small *TooSmallError
	if err := b.CheckSize(); !errors.As(err, &small) || !strings.Contains(err.Error(), "esp-01-512k, ESP-01 (512 KB, blue board), has 512 KB") {
		t.Error(err)
	}
}

// A board may name the pins that Gpio.h drives, and no others.
func TestThePinsAreThoseOfTheFramework(t *testing.T) {
	text, err := os.ReadFile("../../firmware/framework/esper/Gpio.h")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)OFFSETS\[16\] = \{(.*?)\}`).FindSubmatch(text)
	if table == nil {
		t.Fatal("Gpio.h has no table of offsets")
	}
	var used []int
	for n, offset := range strings.Split(string(table[1]), ",") {
		if v, err := strconv.ParseUint(strings.TrimSpace(offset), 0, 8); err != nil {
			t.Fatal(err)
		} else if v != 0 {
			used = append(used, n)
		}
	}
	if bytes.Contains(text, []byte("class Gpio<16>")) { // which has registers of its own
		used = append(used, 16)
	}
	if !slices.Equal(used, gpios) {
		t.Errorf("%v, not %v", gpios, used)
	}
}

func FuzzParse(f *testing.F) {
	entries, err := shipped.ReadDir("boards")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		text, _ := shipped.ReadFile("boards/" + entry.Name())
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parse("x", text)
		if err != nil {
			return
		}
		if b.Title == "" || b.FlashSize == 0 || len(b.Pins) > maxPins || image.FlashModeName(b.FlashMode) == "" {
			t.Errorf("%+v", b)
		}
	})
}
