package network

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// exchange connects to a peer, sends it data in pieces whose sizes the first bytes
// say, and waits for what comes of it. It returns all that came back.
func exchange(m *Memory, host *Host, port uint16, data []byte) []byte {
	link := m.Link()
	link.Connect(m.Now(), 1, host.IP, port)
	var got []byte
	wait := func(d time.Duration) {
		for end := m.Now() + d; m.Now() < end; {
			for e, ok := link.Poll(m.Now() + time.Millisecond); ok; e, ok = link.Poll(m.Now()) {
				got = append(got, e.Data...)
			}
		}
	}
	wait(10 * time.Millisecond)
	for len(data) > 0 {
		n := min(int(data[0]), len(data)-1)
		link.Send(m.Now(), 1, data[1:1+n])
		data = data[1+n:]
	}
	wait(100 * time.Millisecond)
	link.Close(m.Now(), 1)
	wait(20 * time.Millisecond)
	m.Advance(m.Now() + time.Minute) // a client that fell silent is dropped
	return got
}

// pieces is what exchange sends as these pieces, each of at most 255 bytes.
func pieces(all ...string) []byte {
	var b []byte
	for _, p := range all {
		b = append(append(b, byte(len(p))), p...)
	}
	return b
}

const (
	connectPacket   = "\x10\x1c\x00\x04MQTT\x04\x26\x00\x3c\x00\x01c\x00\x08c/status\x00\x03OFF"
	subscribePacket = "\x82\x08\x00\x01\x00\x03a/+\x00"
	publishPacket   = "\x31\x06\x00\x03a/xo"
	pingPacket      = "\xc0\x00"
	goodbyePacket   = "\xe0\x00"
)

// Whatever a device sends, the broker goes on: it keeps only what was published as
// MQTT allows it, and serves the next device.
func FuzzBroker(f *testing.F) {
	f.Add(0, []byte("\x00"))
	for _, cut := range []int{0, 3, 9} {
		f.Add(cut, pieces(connectPacket, subscribePacket, publishPacket, pingPacket, goodbyePacket))
		f.Add(cut, pieces(connectPacket+subscribePacket+publishPacket+pingPacket+goodbyePacket))
	}
	for _, second := range []string{
		connectPacket, "\x82\x05\x00\x01\x00\x00\x00", "\x82\x08\x00\x00\x00\x03a/+\x00", "\x30\x05\x00\x03a/+",
		"\x32\x07\x00\x03a/x\x00\x01", "\xa2\x07\x00\x01\x00\x03a/+", "\x30\xff\xff\xff\x7f", "\x30\x80\x80\x80\x80\x01",
		"\xf0\x00", "\x00\x00", "\x40\x02\x00\x01", "\x82\x07\x00\x01\x00\x02#a\x00", "\x30\x02\x00\x00", "\x30\x02\xff\xff",
	} {
		f.Add(0, pieces(connectPacket+second+pingPacket))
	}
	f.Add(0, []byte("0\x10\x1c\x00\x04MQTT\x04&00\x00\x010\x00\b#/000000\x00\x03000")) // a last will
	f.Fuzz(func(t *testing.T, cut int, data []byte) {
		m, b := newBroker()
		b.Publish("a/old", "retained", true)
		host := m.Host("broker")
		host.CutAfter = max(cut, 0)
		exchange(m, host, 1883, data)
		for _, s := range b.Messages() {
			if s.Topic == "" || len(s.Payload) > maxPacket {
				t.Errorf("published: %q, %d bytes", s.Topic, len(s.Payload))
			}
			if !matches("#", s.Topic) && s.Topic[0] != '$' || matches(s.Topic+"/x", s.Topic) {
				t.Errorf("topic %q matches as it should not", s.Topic)
			}
		}
		if clients := b.Clients(); len(clients) > 1 {
			t.Errorf("one connection, but the clients are %q", clients)
		}
		host.CutAfter = 0
		if got := exchange(m, host, 1883, pieces(connectPacket)); string(got) != "\x20\x02\x00\x00" {
			t.Errorf("the next device is answered % x; errors %q", got, b.Errors())
		}
	})
}

// Whatever a device sends, the web server answers requests in HTTP or resets the
// connection, and serves the next device.
func FuzzWeb(f *testing.F) {
	f.Add(pieces("GET /short HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add(pieces("G", "ET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r", "\n"))
	for _, head := range []string{
		"HEAD / HTTP/1.1\r\nHost: x", "GET / HTTP/1.0", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked", "CONNECT x:1 HTTP/1.1\r\nHost: x", "OPTIONS * HTTP/1.1\r\nHost: x",
		"GET http://y/z HTTP/1.1\r\nHost: x", "GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2,3-4", "GET / HTTP/9.9", "PRI * HTTP/2.0",
		"GET / HTTP/1.1\r\n Host: x", "GET /%zz HTTP/1.1\r\nHost: x", "",
	} {
		f.Add(pieces(head + "\r\n\r\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMemory()
		host := m.AddHost("web")
		web := NewWeb(m, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/short" {
				w.Header().Set("Content-Length", "9")
			}
			fmt.Fprint(w, "hello")
		}))
		host.Listen(80, web)
		got := exchange(m, host, 80, data)
		if len(got) > 0 && string(got[:9]) != "HTTP/1.1 " {
			t.Errorf("answered %.40q", got)
		}
		for _, in := range web.conns {
			if len(in) > maxRequest {
				t.Errorf("%d bytes are kept of a request", len(in))
			}
		}
		answers := len(web.Requests())
		exchange(m, host, 80, pieces("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		if r := web.Requests(); len(r) != answers+1 || r[answers].Status != 200 {
			t.Errorf("the next device is not served: %v", r)
		}
	})
}
