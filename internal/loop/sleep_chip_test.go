package loop

import (
	"slices"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/fleet"
)

// sleeps is code of a device type that goes to sleep a while after each start with another reason
// than the end of a sleep.
func sleeps(us string) string {
	return `
#include <esper/Timer.h>
static esper::Timer sleep([](void*) { system_deep_sleep(` + us + `); }, nullptr);
static struct Start {
    Start() {
        if (system_get_rst_info()->reason != REASON_DEEP_SLEEP_AWAKE) sleep.once(20000);
    }
} start;
`
}

// The vendor's software puts the chip to sleep by registers of the RTC, and says at the next start
// why it starts: of a reset by the pin while it slept, too, that it was the end of the sleep.
func TestAChipImageSleepsAndWakes(t *testing.T) {
	for _, rom := range roms {
		for _, c := range []struct {
			name, us string
			open     bool
			wake     func(d *emulator.Device) // nil: it wakes by itself
			reset    string
			reason   esp8266.ResetReason
		}{
			{"by itself", "300000000", false, nil, "deep-sleep", esp8266.ResetDeepSleep},
			{"by the reset pin", "0", false, (*emulator.Device).Reset, "deep-sleep", esp8266.ResetPin},
			{"by the power, GPIO16 being open", "300000000", true, (*emulator.Device).PowerCycle, "power-on", esp8266.ResetPowerOn},
		} {
			t.Run(rom.name+", "+c.name, func(t *testing.T) {
				f := chipFirmwares(t)
				w := newWorldOf(t, f)
				w.rom = rom.read(t)
				images := f.variant(t, "socket", "v1", 1, variant{name: "sleeps " + c.us, source: sleeps(c.us)})
				w.publish("socket", "v0", 1)
				d := w.addImage(f.bootloader, 9, images[0])
				d.Chip.WakeOpen = c.open
				d.Chip.Warned = func(text string) { t.Error(text) }
				var resets []esp8266.ResetReason
				d.OnReset = func(r esp8266.ResetReason) { resets = append(resets, r) }
				w.settle()
				w.expect("its sleep", time.Minute, d.Asleep)
				since := w.Now()
				w.RunFor(4 * time.Minute)
				if status := w.device(d).Status; status != fleet.Offline { // the broker has found out by itself
					t.Errorf("it is %s", status)
				}
				if c.wake != nil {
					w.RunFor(time.Hour)
					if !d.Asleep() {
						t.Fatal("it woke by itself")
					}
					c.wake(d)
				}
				w.expect("its start", 10*time.Minute, func() bool { return !d.Asleep() })
				if took := w.Now() - since; c.wake == nil && (took < 299*time.Second || took > 301*time.Second) {
					t.Errorf("it slept for %v", took)
				}
				w.expect("a word about it", time.Minute, func() bool {
					return w.device(d).Status == fleet.Online && w.device(d).Info.Boot.Reset == c.reset
				})
				if !slices.Equal(resets, []esp8266.ResetReason{c.reason}) {
					t.Errorf("resets: %v", resets)
				}
			})
		}
	}
}

// A reset by the pin of a chip that is awake is one by the pin, also after a sleep.
func TestAChipImageKnowsItsResetPin(t *testing.T) {
	f := chipFirmwares(t)
	w := newWorldOf(t, f)
	images := f.variant(t, "socket", "v1", 1, variant{name: "sleeps", source: sleeps("60000000")})
	w.publish("socket", "v0", 1)
	d := w.addImage(f.bootloader, 9, images[0])
	w.settle()
	d.Reset()
	w.expect("its reason", 15*time.Second, func() bool { return w.device(d).Info.Boot.Reset == "reset-pin" })
	w.expect("its sleep", time.Minute, d.Asleep)
	w.expect("its end", 2*time.Minute, func() bool { return w.device(d).Info.Boot.Reset == "deep-sleep" })
	d.Reset()
	w.expect("its reason", 15*time.Second, func() bool { return w.device(d).Info.Boot.Reset == "reset-pin" })
}
