package loop

import (
	"testing"
	"time"
)

// asksForTheTime is code of a device type that keeps what time it is in RTC memory.
const asksForTheTime = `
#include <esper/Timer.h>
#include <sntp.h>
static char server[] = "ntp";
static esper::Timer ask([](void*) { *(volatile uint32_t*)0x600013FC = sntp_get_current_timestamp(); }, nullptr);
static struct Start {
    Start() {
        *(volatile uint32_t*)0x600013FC = 0;
        sntp_setservername(0, server);
        sntp_set_timezone(2);
        sntp_init();
        ask.repeat(1000);
    }
} start;
`

// The vendor's lwIP asks for the time over UDP; the emulator's SDK says the same.
func TestAChipImageKnowsTheTime(t *testing.T) {
	for name, make := range map[string]func(t testing.TB) *firmwares{"chip": chipFirmwares, "emulator": theFirmwares} {
		t.Run(name, func(t *testing.T) {
			f := make(t)
			w := newWorldOf(t, f)
			server := w.Net.AddTimeServer("ntp")
			server.Silent = true
			images := f.variant(t, "socket", "v1", 1, variant{name: "asks for the time", source: asksForTheTime})
			w.publish("socket", "v0", 1)
			d := w.addImage(f.bootloader, 9, images[0])
			told := func() time.Duration {
				v, err := d.Chip.Load32(0x600013FC)
				must(t, err)
				if v == 0 {
					return 0
				}
				return time.Unix(int64(v), 0).Sub(w.Net.Clock())
			}
			right := func() bool { v := told(); return v > 2*time.Hour-3*time.Second && v <= 2*time.Hour }
			w.settle()
			w.RunFor(time.Minute)
			if v := told(); v != 0 {
				t.Errorf("nobody answers, and it is %v", v)
			}
			server.Silent = false
			w.expect("the time", 2*time.Minute, right)
			w.RunFor(10 * time.Minute)
			if !right() {
				t.Errorf("ten minutes later its clock is %v ahead", told())
			}
			w.Net.SetClock(w.Net.Clock().Add(-30 * 24 * time.Hour))
			w.expect("the time after a jump", 65*time.Minute, right)
		})
	}
}
