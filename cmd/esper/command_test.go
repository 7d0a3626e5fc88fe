package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"esper/internal/access"
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

// A refusal names a role in the command that makes a token, and is not about that role.
func TestAServerThatIsNotOpenIsNoMatterOfRoles(t *testing.T) {
	for detail, want := range map[string]string{
		"as long as it has no tokens, the API answers only its own machine; on the server, 'esper token add NAME --role operator' makes one": "ssh -L 8080:127.0.0.1:8080 SERVER",
		"this needs a token with the role operator; that of ada is viewer":                                                                   "a token with another role",
		"from elsewhere the API answers over TLS only":                                                                                       "ask https://…",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			access.Problem(w, http.StatusForbidden, detail)
		}))
		var out, notes bytes.Buffer
		code := run([]string{"releases", "--server", s.URL}, strings.NewReader(""), &out, &notes)
		s.Close()
		_, todo, _ := strings.Cut(notes.String(), "esper: hint: ")
		if code != exitFailed || !strings.Contains(todo, want) {
			t.Errorf("exit code %d, %s", code, &notes)
		}
	}
}
