package broker

import (
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// The library must not close clients while one of them is leaving: it would wait for itself.
func TestTheLibraryClosesNoClientThatIsLeaving(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner, newGate(Options{}, mqtt.New(nil)), slog.New(slog.DiscardHandler))
	const clients = 20
	var served, leaving atomic.Int32
	go l.Serve(func(_ string, c net.Conn) error {
		served.Add(1)
		leaving.Add(1)
		defer leaving.Add(-1)
		io.Copy(io.Discard, c)
		time.Sleep(50 * time.Millisecond) // what a hook, or a lock, takes
		return nil
	})
	for range clients {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for served.Load() < clients {
		time.Sleep(time.Millisecond)
	}
	l.Close(func(string) {
		if n := leaving.Load(); n != 0 {
			t.Errorf("%d clients are leaving", n)
		}
	})
}
