package loop

import (
	"os"
	"testing"
	"time"

	"esper/internal/settings"
	"esper/internal/site"
)

// BenchmarkSettings is what settings in the flash cost a socket, in its image and its heap, and
// what a change of them costs: the heap that is needed by the check for firmware before it, and
// while the release is looked at, and the times until the trial begins and until it is confirmed,
// of which confirm_after is a part.
func BenchmarkSettings(b *testing.B) {
	home := func(secrets site.Secrets) variant {
		return variant{name: "at home: " + string(secrets), config: func(c *site.Config) {
			c.Secrets = secrets
			c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
		}}
	}
	links := map[string]func(testing.TB) *firmwares{"emulator": theFirmwares}
	if os.Getenv("SDK_DIR") != "" {
		links["chip"] = chipFirmwares
	}
	for link, firmwares := range links {
		for _, secrets := range []site.Secrets{site.InImage, site.Moving, site.InSettings} {
			b.Run(link+"/"+string(secrets), func(b *testing.B) {
				f, v := firmwares(b), home(secrets)
				for b.Loop() {
					next := len(f.elves)
					image := f.variant(b, "socket", "v1", 1, v)[0]
					entries := append(atHome().Entries(), settings.OfNumber(settings.SequenceName,
						7))
					if secrets == site.InImage {
						entries = nil
					}
					s := newStoredOn(b, f, v, entries)
					s.settle()
					s.RunFor(30 * time.Second)
					free := func() uint32 { return uint32(s.free()) }
					if link == "chip" {
						free = freeHeap(b, s.device, f.elves[next])
					}
					connected := free()
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(float64(len(image)), "B-image")
					b.ReportMetric(float64(connected), "B-heap-connected")
					least, n := connected, 0
					s.device.Chip.CPU.Trace = func(uint32) {
						if n++; n%32 == 0 {
							least = min(least, free())
						}
					}
					if secrets == site.InImage {
						s.notify()
						s.RunFor(20 * time.Second)
						b.ReportMetric(float64(connected-least), "B-heap-checking")
						continue
					}
					begin, asked := s.Now(), s.requests(".settings")
					s.release(8, atHome().Entries())
					s.expect("a request", time.Minute,
						func() bool { return s.requests(".settings") > asked })
					b.ReportMetric(float64(connected-least), "B-heap-checking")
					least = free()
					s.expect("the trial", time.Minute,
						func() bool { return s.status().State == "trial" })
					s.device.Chip.CPU.Trace = nil
					trial := s.Now()
					s.became(time.Minute, "confirmed", 8, "")
					b.ReportMetric(float64(connected-least), "B-heap-looking")
					b.ReportMetric((trial - begin).Seconds(), "s-until-the-trial")
					b.ReportMetric((s.Now() - begin).Seconds(), "s-until-confirmed")
				}
			})
		}
	}
}
