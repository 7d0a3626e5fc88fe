package esptool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What versions 4.8.1 and 5.6.0 say.
const (
	says4 = `esptool.py v4.8.1
Serial port /dev/ttyUSB0
Connecting....
Detecting chip type... Unsupported detection protocol, switching and trying again...
Chip is ESP8266EX
Features: WiFi
Crystal is 26MHz
MAC: 5c:cf:7f:00:c0:de
Manufacturer: ef
Device: 4016
Detected flash size: 4MB
Hard resetting via RTS pin...
`
	says5 = `esptool v5.6.0
Connected to ESP8266 on /dev/ttyUSB0:
Chip type:          ESP8285N08
Features:           Wi-Fi, 160MHz, Embedded Flash
Crystal frequency:  26MHz
MAC:                5c:cf:7f:00:c0:de

Flash Memory Information:
=========================
Manufacturer: 51
Device: 4014
Detected flash size: 1MB
`
)

// fake is an esptool that prints a text, ends with a code, and writes its arguments down.
func fake(t *testing.T, major int, text string, code string) (tool Tool, arguments func() string) {
	t.Helper()
	dir := t.TempDir()
	said, asked := filepath.Join(dir, "says"), filepath.Join(dir, "asked")
	if err := os.WriteFile(said, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "esptool")
	program(t, path, `echo "$*" >`+asked+`; cat `+said+`; exit `+code)
	return Tool{Command: []string{path}, Major: major}, func() string {
		content, err := os.ReadFile(asked)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(content))
	}
}

func TestAChipIsNamed(t *testing.T) {
	tool, asked := fake(t, 4, says4, "0")
	chip, err := tool.Identify(t.Context(), Port{Name: "/dev/ttyUSB0", Baud: 115200})
	if want := (Chip{"ESP8266EX", "5c:cf:7f:00:c0:de", "00c0de", 4 << 20}); err != nil || *chip != want {
		t.Errorf("%+v, %v", chip, err)
	}
	if want := "--chip auto --port /dev/ttyUSB0 --baud 115200 --after no_reset flash_id"; asked() != want {
		t.Errorf("asked by %q", asked())
	}
	tool, asked = fake(t, 5, says5, "0")
	chip, err = tool.Identify(t.Context(), Port{Name: "p", Baud: 1})
	if want := (Chip{"ESP8285N08", "5c:cf:7f:00:c0:de", "00c0de", 1 << 20}); err != nil || *chip != want {
		t.Errorf("%+v, %v", chip, err)
	}
	if want := "--chip auto --port p --baud 115200 --after no-reset flash-id"; asked() != want {
		t.Errorf("asked by %q", asked())
	}
}

func TestWhatCannotBeFlashedIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text, code string
		reason     error
		says       string
	}{
		"another chip":  {strings.ReplaceAll(says4, "ESP8266EX", "ESP32-D0WD-V3 (revision v3.0)"), "0", ErrWrongChip, "ESP32-D0WD-V3"},
		"a small flash": {strings.ReplaceAll(says4, "4MB", "512KB"), "0", ErrSmall, "00c0de, an ESP8266EX with 512KB"},
		"nobody there":  {"A fatal error occurred: Failed to connect to ESP8266: No serial data received.\n", "2", ErrNoChip, "/dev/ttyUSB0"},
		"no permission": {"Could not open /dev/ttyUSB0, the port is busy or doesn't exist.\n([Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0')\n", "2", ErrPermission, ""},
		"another error": {"A fatal error occurred: MD5 of file does not match data in flash!\n", "2", nil, "MD5 of file does not match"},
		"no error":      {"Traceback (most recent call last):\n", "1", nil, "Traceback"},
		"no chip named": {"hello\n", "0", nil, "hello"},
		"no flash size": {strings.ReplaceAll(says4, "Detected flash size", "Flash"), "0", nil, "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			tool, _ := fake(t, 4, test.text, test.code)
			_, err := tool.Identify(t.Context(), Port{Name: "/dev/ttyUSB0"})
			if err == nil || test.reason != nil && !errors.Is(err, test.reason) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPartsAreWrittenWhereTheyBelong(t *testing.T) {
	tool, asked := fake(t, 5, "", "0")
	err := tool.Write(t.Context(), Port{Name: "p", Baud: 1}, Part{0, []byte("a")}, Part{0xFC000, []byte("b")})
	a := asked()
	if err != nil || !strings.HasPrefix(a, "--chip auto --port p --baud 1 --after hard-reset write-flash --flash-size detect 0x000000 ") ||
		!strings.Contains(a, " 0x0fc000 ") {
		t.Errorf("%v; asked by %q", err, a)
	}
}
