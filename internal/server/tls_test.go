package server_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"esper/internal/access"
)

// Over TLS the server answers the same, and devices still have plain HTTP.
func TestTheSameOverTLS(t *testing.T) {
	model := httptest.NewUnstartedServer(nil) // has a certificate, and a client that trusts it
	model.EnableHTTP2 = true                  // as browsers, curl and our own commands speak it
	model.StartTLS()
	defer model.Close()
	c := config(t)
	c.HTTPSListen = "127.0.0.1:0"
	c.TLS = &tls.Config{Certificates: model.TLS.Certificates}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	token := addToken(t, s, "ada", access.Viewer)
	eventuallyAnswers(t, s, "", "/api/devices", 401)
	get := func(path, token string) int {
		t.Helper()
		q, err := http.NewRequest("GET", "https://"+s.HTTPSAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			q.Header.Set("Authorization", "Bearer "+token)
		}
		a, err := model.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		io.Copy(io.Discard, a.Body)
		if a.ProtoMajor != 2 {
			t.Errorf("%s: answered in %s", path, a.Proto)
		}
		return a.StatusCode
	}
	for path, want := range map[string]int{"/api/devices": 200, "/firmware/socket.version": 404, "/healthz": 200} {
		if got := get(path, token); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if got := get("/api/devices", ""); got != 401 {
		t.Errorf("without a token: %d", got)
	}
	if status, _ := asWho(t, s, "", "GET", "/firmware/socket.version", ""); status != 404 {
		t.Errorf("firmware without TLS: %d", status)
	}
}
