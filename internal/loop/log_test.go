package loop

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/site"
)

// speaks prints a line of each level, at the start.
const speaks = `
#include <esper/Log.h>
static int counted = 0;
static int count() { return ++counted; }
template <int number>
void speakInTemplate() {
    ESPER_INFO("template", "info %d", number);
    ESPER_DEBUG("template", "debug %d", number);
}
inline void speakInline(const char* name) {
    ESPER_INFO("inline", "info of %s", name);
}
struct Speaks {
    Speaks() {
        ESPER_ERROR("test", "error %d", count());
        ESPER_WARNING("test", "warning %d", count());
        ESPER_INFO("test", "info %d", count());
        ESPER_LOG("test", "log %d", count());
        ESPER_DEBUG("test", "debug %d", count());
        speakInTemplate<7>();
        speakInline("test");
    }
} speaks;
`

// spoken runs a socket with such a log until it has been online and cannot reach its broker any
// more, and returns what it sent on both UARTs after the bootloader.
func spoken(t *testing.T, f *firmwares, log site.Log) (uart0, uart1 string) {
	t.Helper()
	w := newWorldOf(t, f)
	images := f.variant(t, "socket", "v1", 1, variant{
		name: "log " + string(log.Level) + " " + string(log.Port), source: speaks,
		declare: func(t *site.DeviceType) { t.Log = log },
	})
	var serial, serial1 bytes.Buffer
	config := f.flashed(t, 0x00C0DE, f.bootloader, images[0])
	config.Serial, config.Serial1, config.ROM = &serial, &serial1, w.rom
	d, err := w.Add(config)
	if err != nil {
		t.Fatal(err)
	}
	w.expect("online", time.Minute, func() bool { return w.device(d).Status == fleet.Online })
	w.Net.SetDown(w.brokerHost, true)
	w.RunFor(5 * time.Second)
	_, own, booted := strings.Cut(serial.String(), "as configured\r\n")
	if !booted {
		t.Fatalf("the bootloader says nothing on UART 0:\n%s", &serial)
	}
	return strings.ReplaceAll(own, "\r", ""), strings.ReplaceAll(serial1.String(), "\r", "")
}

// lines returns the lines of device code and framework, without the seconds.
func lines(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^\d+ ([a-z]+: .*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestTheLogHasTheLevelsThatADeviceTypeWants(t *testing.T) {
	f := theFirmwares(t)
	for level, want := range map[site.LogLevel][]string{
		"none":    nil,
		"error":   {"test: error 1"},
		"warning": {"test: error 1", "test: warning 2"},
		"":        {"test: error 1", "test: warning 2", "test: info 3", "test: log 4", "template: info 7", "inline: info of test"},
		"debug": {"test: error 1", "test: warning 2", "test: info 3", "test: log 4", "test: debug 5",
			"template: info 7", "template: debug 7", "inline: info of test"},
	} {
		uart0, uart1 := spoken(t, f, site.Log{Level: level})
		got := lines(uart0)
		if uart1 != "" || len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("level %q:\n%s%s", level, uart0, uart1)
		}
		// What the framework says, at each level.
		for line, least := range map[string]site.LogLevel{"mqtt: closed": "warning", "mqtt: connected": "info", "http: socket.version": "debug"} {
			wanted := slices.Index(site.LogLevels, least) <= slices.Index(site.LogLevels, cmp.Or(level, "info"))
			if strings.Contains(uart0, line) != wanted {
				t.Errorf("level %q, and %q is there: %v\n%s", level, line, !wanted, uart0)
			}
		}
	}
}

// logGoes tries all ports.
func logGoes(t *testing.T, f *firmwares) {
	for _, port := range []site.LogPort{"", "uart1", "none"} {
		uart0, uart1 := spoken(t, f, site.Log{Port: port})
		if port == "" {
			uart0, uart1 = uart1, uart0
		}
		// The emulator's SDK gives its version before it calls the firmware.
		if rest := strings.TrimSpace(uart0); rest != "" && !strings.HasSuffix(rest, "(emulator)") {
			t.Errorf("port %q: the other UART sends\n%s", port, uart0)
		}
		said := lines(uart1)
		if port == "none" && uart1 != "" {
			t.Errorf("port none: UART 1 sends\n%s", uart1)
		}
		if port != "none" && (!slices.Contains(said, "test: warning 2") || !slices.Contains(said, "mqtt: connected")) {
			t.Errorf("port %q:\n%s", port, uart1)
		}
	}
}

func TestTheLogGoesToThePortThatADeviceTypeWants(t *testing.T) { logGoes(t, theFirmwares(t)) }

// The vendor's own lines go there, too.
func TestTheLogOfAChipImageGoesToThePortThatADeviceTypeWants(t *testing.T) {
	f := chipFirmwares(t)
	logGoes(t, f)
	if uart0, uart1 := spoken(t, f, site.Log{Port: "uart1"}); strings.Contains(uart0, "mode : sta") || !strings.Contains(uart1, "mode : sta") {
		t.Errorf("UART 0:\n%sUART 1:\n%s", uart0, uart1)
	}
}
