package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The server is somebody else's, and says why it refuses.
func TestAnErrorIsOneLineThatNoTerminalObeys(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		w.Write([]byte(`{"detail":"no\u001b]0;owned\u0007\nesper: all is well\u009b31m"}`))
	}))
	defer s.Close()
	var out, notes bytes.Buffer
	if code := run([]string{"releases", "--server", s.URL}, strings.NewReader(""), &out, &notes); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if got, want := notes.String(), "esper: error: no.]0;owned.; esper: all is well.31m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
