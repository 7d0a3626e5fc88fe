package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/server"
)

// locked is a log that several goroutines write.
type locked struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// addToken makes a token, as another process would.
func addToken(t *testing.T, s *server.Server, name string, role access.Role) string {
	t.Helper()
	text, token, err := access.NewToken(name, role, time.Now(), time.Time{})
	if err == nil {
		err = s.Store().AddToken(t.Context(), token, "test")
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// asWho sends a request with a token, unless that is empty.
func asWho(t *testing.T, s *server.Server, token, method, path, body string) (status int, text string) {
	t.Helper()
	q, err := http.NewRequest(method, "http://"+s.HTTPAddr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.Header.Get("Content-Type") == "text/event-stream" {
		return a.StatusCode, "" // it has no end
	}
	content, _ := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	return a.StatusCode, string(content)
}

// eventuallyAnswers waits until a request is answered with a status.
func eventuallyAnswers(t *testing.T, s *server.Server, token, path string, want int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status, text := asWho(t, s, token, "GET", path, "")
		if status == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d %s, want %d", path, status, text, want)
		}
	}
}

// Each operation of the document says which role it needs, is done for that role and refused
// to the others; and no token gets into the log.
func TestEachOperationNeedsItsRole(t *testing.T) {
	log := &locked{}
	c := config(t)
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	tokens := map[access.Role]string{}
	for _, role := range access.Roles {
		tokens[role] = addToken(t, s, "the-"+string(role), role)
	}
	eventuallyAnswers(t, s, tokens[access.Viewer], "/api/openapi.json", 200)
	_, text := asWho(t, s, tokens[access.Viewer], "GET", "/api/openapi.json", "")
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Security    []struct{ Token []access.Role }
			Responses   map[string]any
		}
		Components struct {
			SecuritySchemes map[string]struct{ Type, Scheme string }
		}
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if scheme := document.Components.SecuritySchemes["token"]; scheme.Type != "http" || scheme.Scheme != "bearer" {
		t.Errorf("security schemes %+v", document.Components.SecuritySchemes)
	}
	changes, refused := 0, 0
	for path, methods := range document.Paths {
		at := strings.NewReplacer("{id}", "00beef", "{type}", "kettle", "{number}", "1").Replace(path)
		for method, o := range methods {
			method = strings.ToUpper(method)
			if len(o.Security) == 0 || o.Responses["401"] == nil || o.Responses["400"] == nil {
				t.Fatalf("%s: needs %+v, answers %v", o.OperationID, o.Security, o.Responses)
			}
			var needs []access.Role // one of them
			for _, scheme := range o.Security {
				needs = append(needs, scheme.Token...)
			}
			may := func(role access.Role) bool { return slices.ContainsFunc(needs, role.May) }
			if method != "GET" && may(access.Viewer) {
				t.Errorf("%s: a viewer may change something", o.OperationID)
			}
			if status, text := asWho(t, s, "", method, at, ""); status != 401 && status != 429 {
				t.Errorf("%s without a token: %d %s", o.OperationID, status, text)
			}
			for role, token := range tokens {
				status, text := asWho(t, s, token, method, at, "")
				if (status == 403) != !may(role) || status == 401 || status == 429 {
					t.Errorf("%s as %s: %d %s", o.OperationID, role, status, text)
				}
				if status == 403 && !strings.Contains(text, "role "+string(needs[0])) {
					t.Errorf("%s as %s: the answer does not say which role it needs: %s", o.OperationID, role, text)
				}
				if status == 403 {
					refused++
				} else if method != "GET" {
					changes++
				}
			}
		}
	}
	if changes < 10 || refused < 20 {
		t.Errorf("%d changes and %d refusals: that tested little", changes, refused)
	}
	entries, err := s.Store().AuditLog(t.Context(), access.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, e := range entries {
		if e.Role != access.Database && !e.Refused() {
			written++
		}
	}
	if written != changes {
		t.Errorf("%d changes are in the audit log, want %d", written, changes)
	}
	for role, token := range tokens {
		if strings.Contains(log.String(), token) {
			t.Errorf("the token of the %s is in the log", role)
		}
	}
}

// Tokens that another process makes and removes count within a second or two. The firmware
// stays open to devices, which have none.
func TestTokensWorkWithoutARestart(t *testing.T) {
	s, _ := start(t, config(t))
	waitForHealth(t, s, 200)
	if status, text := asWho(t, s, "", "GET", "/api/devices", ""); status != 200 {
		t.Fatalf("without any token there is: %d %s", status, text)
	}
	token := addToken(t, s, "ada", access.Viewer)
	eventuallyAnswers(t, s, "", "/api/devices", 401)
	eventuallyAnswers(t, s, token, "/api/devices", 200)
	for _, path := range []string{"/api/openapi.json", "/api/nothing", "/api/", "/api/devices/00c0de"} {
		if status, _ := asWho(t, s, "", "GET", path, ""); status != 401 && status != 429 {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
	if status, _ := asWho(t, s, "", "GET", "/firmware/socket.version", ""); status != 404 {
		t.Errorf("firmware: %d", status)
	}
	addToken(t, s, "bob", access.Viewer) // so that the door does not open again
	if err := s.Store().RemoveToken(t.Context(), "ada", "test"); err != nil {
		t.Fatal(err)
	}
	eventuallyAnswers(t, s, token, "/api/devices", 401)
}

// Who did what can be asked for over the API, by those who could have.
func TestTheAuditLogOverTheAPI(t *testing.T) {
	s, _ := operated(t)
	operator, viewer := addToken(t, s, "ada", access.Operator), addToken(t, s, "bob", access.Viewer)
	eventuallyAnswers(t, s, operator, "/api/audit", 200)
	eventuallyAnswers(t, s, viewer, "/api/audit", 403)
	asWho(t, s, operator, "POST", "/api/devices/00c0de/pin", `{"version":"v9"}`)
	_, text := asWho(t, s, operator, "GET", "/api/audit?limit=1", "")
	var entries []access.Entry
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		t.Fatal(err, text)
	}
	e := entries[0]
	if time.Since(e.At).Abs() > time.Minute || e.Remote != "127.0.0.1" {
		t.Errorf("entry %+v", e)
	}
	e.At, e.Remote = time.Time{}, ""
	if want := (access.Entry{Who: "ada", Role: access.Operator, Action: "pin-device", Target: "00c0de", Detail: `{"version":"v9"}`, Status: 422}); e != want {
		t.Errorf("entry %+v, want %+v", e, want)
	}
}
