package loop

import (
	"testing"
	"time"

	"esper/internal/image"
	"esper/internal/release"
)

// badRelease builds and signs a socket that differs.
func (f *firmwares) badRelease(t *testing.T, version string, sequence uint32, name string, v variant) *release.Release {
	t.Helper()
	v.name = name
	r, err := release.Sign(f.variant(t, "socket", version, sequence, v), f.key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// everyMinute is code that runs a minute after each start.
func everyMinute(code string) string {
	return `
#include <esper/Timer.h>
using namespace esper;
static Timer later([](void*) { ` + code + ` }, nullptr);
static struct Start { Start() { later.once(60000); } } start;
`
}

// What the trial cannot know: a firmware that is confirmed, and bad afterwards. There is no
// way back, since it has replaced the one before in both slots; but the next release takes its
// place, in a start that lasts long enough, or in safe mode.
func TestAFirmwareThatGoesBadAfterItsConfirmationIsReplacedByTheNext(t *testing.T) {
	for name, source := range map[string]string{
		"crashes every minute": everyMinute(`asm volatile("ill");`),
		"hangs every minute":   everyMinute(`for (;;) asm volatile("");`),
		"crashes at once at each start but the first": `
#include <esper/BootRecord.h>
using namespace esper;
static struct Start { Start() { if (!(BootRecord::read().lastMode & BootRecord::TRIAL)) asm volatile("ill"); } } start;
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := theHome(t)
			f := theFirmwares(t)
			v3 := f.badRelease(t, "v3", 3, name, variant{source: source})
			v4 := f.release(t, "socket", "v4", 4)
			s := h.scene(t)
			s.releases, s.bad = []*release.Release{h.v2, v3, v4}, v3
			s.set(h.mark)
			s.offer(stage{offered: v3, wanted: v3, handler: offers(t, h.v2, v3)})
			s.broker.Publish(realm+"/update", "", false)
			s.RunFor(time.Minute)
			s.device.PowerCycle()
			s.RunFor(130 * time.Second)
			c, err := image.ParseBootConfiguration(s.device.Chip.Flash.Bytes()[image.BootConfigurationAddress:])
			if err != nil || s.problem != "" || !s.holds(0, v3) || !s.holds(1, v3) || s.device.Resets() < 5 {
				t.Fatalf("it does not run v3 over and over from slot %d: %v, %s, %d resets", c.Current, err, s.problem, s.device.Resets())
			}
			s.offer(stage{offered: v4, wanted: v4, handler: offers(t, h.v2, v3, v4)})
			if !s.RunUntil(func() bool { return s.problem != "" || s.settled() }, patience) || s.problem != "" || !s.operates() {
				t.Errorf("v4 is not reached: %s; %s", s.problem, s.last())
			}
		})
	}
}
