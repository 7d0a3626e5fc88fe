package loop

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
)

// Whatever is gone for a while, or talks nonsense: the device keeps working, and
// catches up when it is back. Meanwhile a release is published, which it may not hear of.
func TestADeviceCatchesUpAfterEachFault(t *testing.T) {
	nonsense := func(w *world, answer string) { w.webHost.Replace(80, network.Raw(answer)) }
	for name, fault := range map[string]struct {
		begin, end func(w *world, d *emulator.Device)
		reason     string // that the device reports meanwhile, if it can and does
		status     int    // that the web server answers, with http-status
		tried      bool   // the release is fetched, but its trial cannot be confirmed meanwhile
	}{
		"the access point is off": {
			begin: func(w *world, _ *emulator.Device) { w.Net.SetAccessPoint(false) },
			end:   func(w *world, _ *emulator.Device) { w.Net.SetAccessPoint(true) },
		},
		"the broker is down": {
			begin: func(w *world, _ *emulator.Device) { w.Net.SetDown(w.brokerHost, true) },
			end:   func(w *world, _ *emulator.Device) { w.Net.SetDown(w.brokerHost, false) },
		},
		"the broker is silent": {
			begin: func(w *world, _ *emulator.Device) { w.brokerHost.Silent = true },
			end:   func(w *world, _ *emulator.Device) { w.brokerHost.Silent = false },
		},
		"the broker refuses": {
			begin: func(w *world, d *emulator.Device) { w.broker.Refuse = 3; d.PowerCycle() },
			end:   func(w *world, _ *emulator.Device) { w.broker.Refuse = 0 },
			tried: true,
		},
		"the broker talks nonsense": {
			begin: func(w *world, d *emulator.Device) {
				w.brokerHost.Replace(1883, network.Raw("SSH-2.0-OpenSSH_9.2\r\n"))
				d.PowerCycle()
			},
			end:   func(w *world, _ *emulator.Device) { w.brokerHost.Replace(1883, w.broker) },
			tried: true,
		},
		"the web server is down": {
			begin:  func(w *world, _ *emulator.Device) { w.Net.SetDown(w.webHost, true) },
			end:    func(w *world, _ *emulator.Device) { w.Net.SetDown(w.webHost, false) },
			reason: "unreachable",
		},
		"the web server is silent": {
			begin:  func(w *world, _ *emulator.Device) { w.webHost.Silent = true },
			end:    func(w *world, _ *emulator.Device) { w.webHost.Silent = false },
			reason: "unreachable",
		},
		"the web server breaks off": {
			begin:  func(w *world, _ *emulator.Device) { w.webHost.CutAfter = 100 },
			end:    func(w *world, _ *emulator.Device) { w.webHost.CutAfter = 0 },
			reason: "unreachable",
		},
		"the web server fails": {
			begin: func(w *world, _ *emulator.Device) {
				w.handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
			},
			end:    func(w *world, _ *emulator.Device) { w.handler = w.firmware() },
			reason: "http-status", status: 500,
		},
		"the web server redirects": {
			begin: func(w *world, _ *emulator.Device) {
				w.handler = http.RedirectHandler("http://elsewhere/", http.StatusFound)
			},
			end:    func(w *world, _ *emulator.Device) { w.handler = w.firmware() },
			reason: "http-status", status: 302,
		},
		"the web server talks something else": {
			begin:  func(w *world, _ *emulator.Device) { nonsense(w, "220 mail.example ESMTP\r\n") },
			end:    func(w *world, _ *emulator.Device) { w.webHost.Replace(80, w.web) },
			reason: "malformed-response",
		},
		"the web server sends chunks": {
			begin: func(w *world, _ *emulator.Device) {
				nonsense(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nv2\n\r\n0\r\n\r\n")
			},
			end:    func(w *world, _ *emulator.Device) { w.webHost.Replace(80, w.web) },
			reason: "malformed-response",
		},
		"the web server's head does not end": {
			begin: func(w *world, _ *emulator.Device) {
				nonsense(w, "HTTP/1.1 200 OK\r\nX: "+fmt.Sprintf("%09000d", 0)+"\r\n")
			},
			end:    func(w *world, _ *emulator.Device) { w.webHost.Replace(80, w.web) },
			reason: "malformed-response",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.add(7, "socket", "v1", 1)
			w.publish("socket", "v1", 1)
			w.settle()
			fault.begin(w, d)
			w.publish("socket", "v2", 2)
			w.notify()
			w.RunFor(5 * time.Minute)
			if version := w.device(d).Version(); version != "v1" {
				t.Fatalf("runs %s", version)
			}
			if fault.reason != "" {
				if u := w.lastUpdate(d); u.State != "failed" || u.Error != fault.reason || u.HTTPStatus != fault.status {
					t.Errorf("reports %+v, not %s (%d)", u, fault.reason, fault.status)
				}
				topic := realm + "/" + d.ID() + "/socket"
				w.broker.Publish(topic+"/set", "1", false)
				w.expect("the switch to work on", time.Second, func() bool {
					state, _ := w.broker.Retained(topic)
					return state == "1" && d.Pin(12)
				})
			}
			fault.end(w, d)
			if fault.reason != "" {
				w.notify()
			}
			if fault.tried {
				w.expect("the end of the trial", 3*time.Minute, func() bool {
					u := w.lastUpdate(d)
					return u.State == "rolled-back" && u.Error == "not-confirmed"
				})
				w.broker.Publish(realm+"/"+d.ID()+"/update", "again", false)
			}
			w.expect("v2 runs", 3*time.Minute, func() bool { return w.runs(d, "v2") })
		})
	}
}
