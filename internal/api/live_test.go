package api

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Who does not take what is told is dropped, and the others hear it.
func TestASlowListenerIsDropped(t *testing.T) {
	l := NewLive(slog.New(slog.DiscardHandler))
	slow, err := l.listen()
	if err != nil {
		t.Fatal(err)
	}
	quick, err := l.listen()
	if err != nil {
		t.Fatal(err)
	}
	<-quick.events // hello
	for n := range 2 * listenerQueue {
		l.tell(RemovedEvent, Removed{"00c0de"})
		if e, ok := <-quick.events; !ok || string(e.data) != `{"id":"00c0de"}` {
			t.Fatalf("event %d: %s, %v", n, e.data, ok)
		}
	}
	heard := 0
	for range slow.events {
		heard++
	}
	if heard != listenerQueue {
		t.Errorf("the slow one heard %d events, want %d and the end", heard, listenerQueue)
	}
	if len(l.listeners) != 1 {
		t.Errorf("%d listeners are left", len(l.listeners))
	}
}

// The limits on how long a request may take are not for streams.
func TestAStreamOutlivesTheServersTimeouts(t *testing.T) {
	const timeout = 100 * time.Millisecond
	events := make(chan event)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream(r.Context(), w, events) }))
	s.Config.ReadTimeout, s.Config.WriteTimeout = timeout, timeout
	s.Start()
	defer s.Close()
	defer close(events)
	go func() { events <- event{"hello", []byte("1")} }() // a stream begins with its first event
	answer, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	time.Sleep(3 * timeout)
	select {
	case events <- event{"device", []byte("2")}:
	case <-time.After(10 * time.Second):
		t.Fatal("the stream has ended")
	}
	lines := bufio.NewScanner(answer.Body)
	for _, want := range []string{"id: 1", "event: hello", "data: 1", "", "id: 2", "event: device", "data: 2", ""} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, want %q: %v", lines.Text(), want, lines.Err())
		}
	}
}
