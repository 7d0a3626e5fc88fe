package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Who may use the API: programs on this machine, and nobody through them.
func TestWhoIsAnswered(t *testing.T) {
	const local = "127.0.0.1:4711"
	for _, c := range []struct {
		name, remote, host string
		header             [2]string
		refusal            string // part of it; empty: is answered
	}{
		{"this machine", local, "127.0.0.1:8080", [2]string{}, ""},
		{"by name", local, "localhost:8080", [2]string{}, ""},
		{"on port 80", local, "localhost", [2]string{}, ""},
		{"by IPv6", "[::1]:4711", "[::1]:8080", [2]string{}, ""},
		{"by IPv6 on port 80", "[::1]:4711", "[::1]", [2]string{}, ""},
		{"by IPv4 in IPv6", "[::ffff:127.0.0.1]:4711", "127.0.0.1:8080", [2]string{}, ""},
		{"a page of its own", local, "localhost:8080", [2]string{"Origin", "http://localhost:8080"}, ""},
		{"typed into a browser", local, "localhost:8080", [2]string{"Sec-Fetch-Site", "none"}, ""},

		{"another machine", "192.168.1.5:4711", "localhost:8080", [2]string{}, "only its own machine"},
		{"another machine by IPv6", "[fe80::1%eth0]:4711", "localhost:8080", [2]string{}, "only its own machine"},
		{"a proxy", local, "localhost:8080", [2]string{"X-Forwarded-For", "192.168.1.5"}, "proxy"},
		{"a rebound name", local, "evil.example:8080", [2]string{}, "only at localhost"},
		{"a name that looks like it", local, "localhost.evil.example", [2]string{}, "only at localhost"},
		{"an address that looks like it", local, "127.0.0.1.evil.example:8080", [2]string{}, "only at localhost"},
		{"no host", local, "", [2]string{}, "only at localhost"},
		{"another site", local, "localhost:8080", [2]string{"Sec-Fetch-Site", "cross-site"}, "web page"},
		{"another port", local, "localhost:8080", [2]string{"Sec-Fetch-Site", "same-site"}, "web page"},
		{"another origin", local, "localhost:8080", [2]string{"Origin", "http://evil.example"}, "web page"},
		{"another port's origin", local, "localhost:8080", [2]string{"Origin", "http://localhost:3000"}, "web page"},
		{"a page in a sandbox", local, "localhost:8080", [2]string{"Origin", "null"}, "web page"},
	} {
		reached := false
		handler := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		r := httptest.NewRequest("POST", "/api/rollouts/socket/abort", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if reached != (c.refusal == "") || !strings.Contains(w.Body.String(), c.refusal) {
			t.Errorf("%s: reached %v: %d %s", c.name, reached, w.Code, w.Body)
		}
		if !reached && (w.Code != 403 || w.Header().Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: refused with %d, %s", c.name, w.Code, w.Header())
		}
	}
}

// The whole API is behind the guard, the description included.
func TestEverythingIsGuarded(t *testing.T) {
	handler := Handler(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, path := range []string{"/api/openapi.json", "/api/devices", "/api/history", "/api/nothing"} {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = "192.168.1.5:4711"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
