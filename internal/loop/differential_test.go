package loop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/image"
)

// diary is what a device did, without what must differ between the links.
type diary struct {
	messages map[string][]string // by topic, without repetitions
	requests []string
	flash    []string          // what happened to its flash, but for the vendor's sectors
	answers  map[string]string // the different results of each of the SDK's functions
	resets   int
}

// plain returns a payload without what depends on time, memory, radio or link.
func plain(t *testing.T, payload string) string {
	var members map[string]any
	if json.Unmarshal([]byte(payload), &members) != nil {
		return payload
	}
	for _, name := range []string{"uptime", "heap", "wifi", "progress", "received"} {
		delete(members, name)
	}
	if version, ok := members["version"].(map[string]any); ok {
		delete(version, "sdk")
		delete(version, "link")
	}
	text, err := json.Marshal(members)
	must(t, err)
	return string(text)
}

// note adds a line that is not the last one again.
func note(lines *[]string, line string) {
	if n := len(*lines); n == 0 || (*lines)[n-1] != line {
		*lines = append(*lines, line)
	}
}

// keep returns a diary of a device that has just been switched on.
func (w *world) keep(t *testing.T, d *emulator.Device) *diary {
	k := &diary{messages: map[string][]string{}}
	before := w.broker.OnMessage
	w.broker.OnMessage = func(m network.Message) {
		before(m)
		if topic, ok := strings.CutPrefix(m.Topic, realm+"/"+d.ID()+"/"); ok {
			lines := k.messages[topic]
			note(&lines, plain(t, m.Payload))
			k.messages[topic] = lines
		}
	}
	d.OnReset = func(esp8266.ResetReason) { k.resets++ }
	d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		switch configuration := d.Chip.Flash.Bytes()[image.BootConfigurationAddress:][:image.SectorSize]; {
		case op.Addr >= image.PHYDataAddress-image.SectorSize:
		case op.Addr >= image.SlotAddress(1):
			note(&k.flash, "slot 1")
		case op.Addr >= image.SlotAddress(0):
			note(&k.flash, "slot 0")
		default:
			note(&k.flash, fmt.Sprintf("configuration after %x", configuration[:160]))
		}
		return esp8266.Cut{}
	}
	return k
}

// asked are the requests, and how they were answered.
func (w *world) asked() (lines []string) {
	for _, q := range w.web.Requests() {
		line := fmt.Sprint(q.Method, " ", path.Base(q.URL), " ", q.Status)
		if q.Header.Get("Range") != "" {
			line += ", a part"
		}
		lines = append(lines, line)
	}
	return lines
}

// withoutDeltas is a server that has none, so that images are downloaded.
func withoutDeltas(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, ".delta") {
			http.NotFound(rw, q)
			return
		}
		inner.ServeHTTP(rw, q)
	})
}

// What is the same on both links: what a device says over MQTT and asks over HTTP, what it does to its
// flash, how often it starts, and what its firmware is answered by the SDK.
func TestAChipImageDoesWhatTheEmulatorsLinkDoes(t *testing.T) {
	update := func(w *world, d *emulator.Device) {
		w.publish("socket", "v2", 2)
		w.notify()
		w.expect("v2 confirmed", 2*time.Minute, func() bool { return w.runs(d, "v2") && w.lastUpdate(d).AtRest() })
	}
	fail := func(w *world, d *emulator.Device, how string) {
		bad := failures[how].variant
		bad.name = how
		w.publishVariant("socket", "v2", 2, bad)
		w.notify()
		w.expect("rolled back", 2*time.Minute, func() bool { return w.lastUpdate(d).State == "rolled-back" })
	}
	chip := chipFirmwares(t)
	emulated, err := makeFirmwares(filepath.Join(dir, "kept"))
	must(t, err)
	emulated.keeps = true
	for name, play := range map[string]func(w *world, d *emulator.Device){
		"start": func(w *world, d *emulator.Device) {},
		"WiFi lost": func(w *world, d *emulator.Device) {
			w.Net.SetAccessPoint(false)
			w.expect("its last will", 5*time.Minute, func() bool { return w.device(d).Status == "OFFLINE" })
			w.Net.SetAccessPoint(true)
			w.expect("its return", time.Minute, func() bool { return w.runs(d, "v1") })
		},
		"broker lost": func(w *world, d *emulator.Device) {
			w.Net.SetDown(w.brokerHost, true)
			w.RunFor(20 * time.Second)
			w.Net.SetDown(w.brokerHost, false)
			w.RunFor(time.Minute)
		},
		"update": update,
		"server closes first": func(w *world, d *emulator.Device) {
			handler := w.handler
			w.handler = http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
				q.Header.Set("Connection", "close")
				rw.Header().Set("Connection", "close")
				handler.ServeHTTP(rw, q)
			})
			update(w, d)
		},
		"resumption": func(w *world, d *emulator.Device) {
			w.handler = withoutDeltas(w.handler)
			w.webHost.CutAfter = 2 * len(w.firmwares.images(w.t, "socket", "v2", 2)[1]) / 3
			update(w, d)
		},
		"restart": func(w *world, d *emulator.Device) {
			w.broker.Publish(realm+"/reboot", d.ID(), false)
			w.expect("a restart", time.Minute, func() bool { return d.Resets() > 0 })
			w.RunFor(20 * time.Second)
		},
		"crash on trial": func(w *world, d *emulator.Device) { fail(w, d, "crashes later") },
		"hang on trial":  func(w *world, d *emulator.Device) { fail(w, d, "hangs") },
		"safe mode": func(w *world, d *emulator.Device) {
			// When both are online: the chip's link takes longer for that.
			later := variant{name: "crashes 8 s after a start", source: strings.Replace(crashing.source, "2000", "8000", 1)}
			w.publishVariant("socket", "v2", 2, later)
			w.notify()
			w.expect("safe mode", 5*time.Minute, func() bool { return w.runs(d, "v2") && w.device(d).Info.Boot.Safe })
		},
	} {
		t.Run(name, func(t *testing.T) {
			both := [2]*diary{}
			for i, f := range []*firmwares{emulated, chip} {
				w := newWorldOf(t, f)
				w.publish("socket", "v1", 1)
				d := w.add(1, "socket", "v1", 1)
				both[i] = w.keep(t, d)
				heard := w.listen(t, d)
				w.settle()
				w.RunFor(10 * time.Second) // it brings its other slot to v1
				play(w, d)
				w.RunFor(20 * time.Second)
				both[i].requests = w.asked()
				both[i].answers = heard.results()
			}
			emulated, chip := both[0], both[1]
			compare := func(what string, a, b []string) {
				if !slices.Equal(a, b) {
					t.Errorf("%s differ:\n%s\non the chip's link:\n%s", what, strings.Join(a, "\n"), strings.Join(b, "\n"))
				}
			}
			for topic := range emulated.messages {
				compare("messages on "+topic, emulated.messages[topic], chip.messages[topic])
			}
			if len(emulated.messages) != len(chip.messages) || len(chip.messages) == 0 {
				t.Errorf("%d topics and %d", len(emulated.messages), len(chip.messages))
			}
			compare("requests", emulated.requests, chip.requests)
			for name, results := range chip.answers {
				if other, ok := emulated.answers[name]; ok && other != results { // the times decide what is called at all
					t.Errorf("%s returns %s, and %s on the chip's link", name, other, results)
				}
			}
			if len(chip.answers) < 15 || len(emulated.answers) < 15 {
				t.Errorf("the SDK's answers are only %v and %v", emulated.answers, chip.answers)
			}
			compare("what was done to the flash", emulated.flash, chip.flash)
			if emulated.resets != chip.resets {
				t.Errorf("%d resets and %d", emulated.resets, chip.resets)
			}
		})
	}
}
