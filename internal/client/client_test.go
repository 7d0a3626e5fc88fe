package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"esper/internal/client"
)

// answers is a client of a server that answers everything so.
func answers(t *testing.T, handle http.HandlerFunc) *client.Client {
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &client.Client{Server: u}
}

func TestWhatIsAsked(t *testing.T) {
	var asked *http.Request
	var body string
	c := answers(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked, body = r, string(text)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{}`)
	})
	c.Token = "secret"
	c.Server.Path = "/below"
	if _, err := c.Pin(t.Context(), "00/c0de", "v1"); err != nil {
		t.Fatal(err)
	}
	if asked.Method != "POST" || asked.URL.EscapedPath() != "/below/api/devices/00%2Fc0de/pin" || body != `{"version":"v1"}` ||
		asked.Header.Get("Authorization") != "Bearer secret" || asked.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %s %v", asked.Method, asked.URL, body, asked.Header)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	answer := func(kind string, status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, text)
		}
	}
	var problem *client.Problem
	var foreign *client.ForeignError
	for _, c := range []struct {
		handle http.HandlerFunc
		as     any
		text   string
	}{
		{answer("application/problem+json", 409, `{"detail":"not now"}`), &problem, "not now"},
		{answer("application/problem+json", 422, `{"detail":"bad","errors":[{"message":"too long","location":"body.name"}]}`), &problem, "bad; body.name: too long"},
		{answer("application/problem+json", 500, `nothing`), &problem, "500 Internal Server Error"},
		{answer("text/html", 200, `<p>`), &foreign, "is no ESPer server: /api/releases answers 200 OK"},
		{answer("text/html", 404, `<p>`), &foreign, "404 Not Found"},
		{answer("application/json", 200, `[{"type":1}]`), nil, "cannot be read"},
		{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `[`)
		}, nil, "breaks off"},
	} {
		_, err := answers(t, c.handle).Releases(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.text) || c.as != nil && !errors.As(err, c.as) {
			t.Errorf("%v, want %s", err, c.text)
		}
	}
	gone := answers(t, nil)
	s := httptest.NewServer(nil)
	gone.Server, _ = url.Parse(s.URL)
	s.Close()
	var unreachable *client.UnreachableError
	if _, err := gone.Releases(t.Context()); !errors.As(err, &unreachable) || strings.Count(err.Error(), gone.Server.Host) != 2 {
		t.Errorf("nobody there: %v", err)
	}
}
