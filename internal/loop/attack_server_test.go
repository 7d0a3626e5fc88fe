package loop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/emulator/network"
	"esper/internal/fleet"
)

// dripping is a web server that answers requests for one resource with the start of a
// response, and then with one piece after another for as long as the device stays.
type dripping struct {
	*network.Web
	resource     string // the part of the request that says so
	start, piece string
	every        time.Duration

	net  *network.Memory
	open map[int]bool // connections
	due  time.Duration
}

func (d *dripping) Receive(c network.Conn, data []byte) {
	if !strings.Contains(string(data), d.resource) {
		d.Web.Receive(c, data)
		return
	}
	c.Send([]byte(d.start))
	d.open[c.ID] = true
	d.due = d.net.Now() + d.every
}

func (d *dripping) Closed(c network.Conn) {
	delete(d.open, c.ID)
	d.Web.Closed(c)
}

func (d *dripping) Wake(now time.Duration) {
	for id := range d.open {
		network.Conn{Net: d.net, ID: id}.Send([]byte(d.piece))
	}
	d.due = now + d.every
}

func (d *dripping) Next() (time.Duration, bool) { return d.due, d.piece != "" && len(d.open) > 0 }

// drip lets the victim's server answer so from now on.
func (v *victim) drip(d *dripping) {
	d.Web, d.net, d.open = v.web, v.Net, map[int]bool{}
	v.webHost.Replace(80, d)
}

// body is a response's head for a body of that many bytes.
func body(length int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", length)
}

// heap is the free heap that the device reports next.
func (v *victim) heap() uint32 {
	v.t.Helper()
	seen := v.device.Now()
	reported := func() bool {
		for _, m := range v.broker.Messages() {
			if m.At > seen && strings.HasSuffix(m.Topic, v.device.ID()+"/info") {
				return true
			}
		}
		return false
	}
	v.expect("the next info", 2*time.Minute, reported)
	return v.world.device(v.device).Info.Heap
}

// A server that sends more than it should, or without an end.
func TestEndlessData(t *testing.T) { endlessData(t, theFirmwares(t)) }

func endlessData(t *testing.T, firmwares *firmwares) {
	const fast = 5 * time.Millisecond
	kilobyte := strings.Repeat("esper ", 200)
	for name, a := range map[string]struct {
		reason string
		server dripping
	}{
		"a version file without a length":  {"malformed-response", dripping{resource: ".version", start: "HTTP/1.1 200 OK\r\n\r\n", piece: kilobyte}},
		"a version file of a gigabyte":     {"malformed-response", dripping{resource: ".version", start: body(1 << 30), piece: kilobyte}},
		"a version file of 900 megabytes":  {"malformed-version-file", dripping{resource: ".version", start: body(900 << 20), piece: kilobyte}},
		"a version file of 1025 bytes":     {"malformed-version-file", dripping{resource: ".version", start: body(1025), piece: kilobyte}},
		"a version file longer than told":  {"malformed-version-file", dripping{resource: ".version", start: body(600), piece: kilobyte}},
		"a version file in chunks":         {"malformed-response", dripping{resource: ".version", start: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", piece: "400\r\n" + strings.Repeat("x", 1024) + "\r\n"}},
		"headers without an end":           {"malformed-response", dripping{resource: ".version", start: "HTTP/1.1 200 OK\r\n", piece: "X-More: of it\r\n"}},
		"a header without an end":          {"malformed-response", dripping{resource: ".version", start: "HTTP/1.1 200 OK\r\nX-More: ", piece: kilobyte}},
		"a status line without an end":     {"malformed-response", dripping{resource: ".version", start: "HTTP/1.1 200 ", piece: kilobyte}},
		"interim responses without an end": {"unreachable", dripping{resource: ".version", start: "HTTP/1.1 100 Continue\r\n\r\n", piece: "HTTP/1.1 100 Continue\r\n\r\n"}},
		"an image without a length":        {"malformed-response", dripping{resource: ".rom1", start: "HTTP/1.1 200 OK\r\n\r\n", piece: kilobyte}},
		"an image larger than the slot":    {"too-large", dripping{resource: ".rom1", start: body(0x79001), piece: kilobyte}},
		"an image of 900 megabytes":        {"too-large", dripping{resource: ".rom1", start: body(900 << 20), piece: kilobyte}},
		"an image that is only headers":    {"malformed-response", dripping{resource: ".rom1", start: "HTTP/1.1 200 OK\r\n", piece: "X-More: of it\r\n"}},
		"an image of nonsense":             {"malformed-image", dripping{resource: ".rom1", start: body(0x79000), piece: kilobyte}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, firmwares)
			heap := v.heap()
			a.server.every = fast
			v.drip(&a.server)
			v.refuses(t, folder(v.firmwares.release(t, "socket", "v2", 6)), a.reason)
			if now := v.heap(); now < heap {
				t.Errorf("%d bytes of the heap are free, before %d", now, heap)
			}
			v.webHost.Replace(80, v.web)
			v.recovers(t)
		})
	}
	t.Run("an image longer than told", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		good := v.firmwares.release(t, "socket", "v2", 6)
		v.handler = folder(good)
		v.drip(&dripping{resource: ".rom1", start: body(len(good.Images[1])) + string(good.Images[1]), piece: kilobyte, every: fast})
		v.notify()
		v.expect("what was signed runs", 2*time.Minute, func() bool { return v.runs(v.device, "v2") })
	})
}

// A server that is as slow as it can be: the device gives up, goes on, and comes back.
func TestSlowRetrieval(t *testing.T) { slowRetrieval(t, theFirmwares(t)) }

func slowRetrieval(t *testing.T, firmwares *firmwares) {
	image := func(t *testing.T) string {
		return string(firmwares.release(t, "socket", "v2", 6).Images[1])
	}
	for name, a := range map[string]struct {
		server func(t *testing.T) *dripping
		within time.Duration // it gives up
	}{
		"no answer": {func(*testing.T) *dripping { return &dripping{resource: ".version"} }, time.Minute},
		"a head of one byte a second": {func(*testing.T) *dripping {
			return &dripping{resource: ".version", start: "HTTP/1.1 200 OK\r\nX-More: ", piece: "x", every: time.Second}
		}, time.Minute},
		"a version file of one byte a second": {func(*testing.T) *dripping {
			return &dripping{resource: ".version", start: body(300), piece: "v", every: time.Second}
		}, time.Minute},
		"an image that does not come": {func(*testing.T) *dripping { return &dripping{resource: ".rom1"} }, 31 * time.Minute},
		"an image of one byte a second": {func(t *testing.T) *dripping {
			good := image(t)
			return &dripping{resource: ".rom1", start: body(len(good)) + good[:1000], piece: "x", every: time.Second}
		}, 31 * time.Minute},
		"an image that stops in the middle": {func(t *testing.T) *dripping {
			good := image(t)
			return &dripping{resource: ".rom1", start: body(len(good)) + good[:len(good)/2]}
		}, 31 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, firmwares)
			heap := v.heap()
			v.drip(a.server(t))
			v.handler = folder(v.firmwares.release(t, "socket", "v2", 6))
			resets, began := v.device.Resets(), v.Now()
			v.notify()
			v.expect("it tries", time.Minute, func() bool {
				s := v.lastUpdate(v.device).State
				return s == "checking" || s == "downloading"
			})
			v.RunFor(5 * time.Second)
			topic := realm + "/" + v.device.ID() + "/socket"
			v.broker.Publish(topic+"/set", "1", false)
			v.expect("the switch to work meanwhile", 100*time.Millisecond, func() bool {
				state, _ := v.broker.Retained(topic)
				return state == "1" && v.device.Pin(12)
			})
			v.expect("it gives up", a.within, func() bool { return v.lastUpdate(v.device).State == "failed" })
			t.Logf("gave up after %v", v.Now()-began)
			if u := v.lastUpdate(v.device); u.Error != "unreachable" {
				t.Errorf("gave up as %q", u.Error)
			}
			if now := v.heap(); now < heap {
				t.Errorf("%d bytes of the heap are free, before %d", now, heap)
			}
			if v.device.Resets() != resets || !v.runs(v.device, "v1") {
				t.Error("the old firmware does not run on")
			}
			v.unharmed(t)
			// Nobody has to tell it: the next check comes by itself.
			v.webHost.Replace(80, v.web)
			v.expect("v2 runs", 70*time.Minute, func() bool { return v.runs(v.device, "v2") })
		})
	}
}

// Requests that vanish cannot be told from a broken network. The operator sees which
// devices do not reach the server, and which are not reached.
func TestDropRequest(t *testing.T) { dropRequest(t, theFirmwares(t)) }

func dropRequest(t *testing.T, firmwares *firmwares) {
	t.Run("of devices to the web server", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		v.webHost.Silent = true
		v.refuses(t, folder(v.firmwares.release(t, "socket", "v2", 6)), "unreachable")
		if d := v.world.device(v.device); d.Status != fleet.Online || d.Update.State != "failed" || d.Update.Error != "unreachable" {
			t.Errorf("the operator sees %+v", d)
		}
		v.webHost.Silent = false
		v.recovers(t)
	})
	t.Run("for images only", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		v.drip(&dripping{resource: ".rom1"})
		v.handler = folder(v.firmwares.release(t, "socket", "v2", 6))
		v.notify()
		v.expect("failed", 31*time.Minute, func() bool { return v.world.device(v.device).Update.State == "failed" })
		if u := v.world.device(v.device).Update; u.Error != "unreachable" || u.Version != "v2" {
			t.Errorf("the operator sees %+v", u)
		}
		v.unharmed(t)
		v.webHost.Replace(80, v.web)
		v.recovers(t)
	})
	t.Run("of the broker to devices", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		v.handler = folder(v.firmwares.release(t, "socket", "v2", 6)) // nobody hears of it
		v.expect("v2 runs, by the interval", 70*time.Minute, func() bool { return v.runs(v.device, "v2") })
	})
	t.Run("of everything", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		v.Net.SetAccessPoint(false)
		v.expect("the operator sees it", 2*time.Minute, func() bool { return v.world.device(v.device).Status == fleet.Offline })
		v.Net.SetAccessPoint(true)
		v.recovers(t)
	})
}
