package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
)

// tokens are what is stored.
type tokens []access.Token

func (t *tokens) Tokens(context.Context) ([]access.Token, error)    { return *t, nil }
func (t *tokens) UseToken(context.Context, string, time.Time) error { return nil }
func (t *tokens) audit(context.Context, access.Entry) error         { return nil }
func (t *tokens) add(tb testing.TB, name string, role access.Role) (text string) {
	text, token, err := access.NewToken(name, role, time.Now(), time.Time{})
	if err != nil {
		tb.Fatal(err)
	}
	*t = append(*t, token)
	return text
}

// site is a dashboard on this machine, with a browser.
type site struct {
	t      *testing.T
	stored *tokens
	mux    *http.ServeMux
	cookie *http.Cookie
}

func newSite(t *testing.T) *site {
	s := &site{t: t, stored: &tokens{}, mux: http.NewServeMux()}
	log := slog.New(slog.DiscardHandler)
	guard := access.NewGuard(access.NewKeeper(s.stored, log), s.stored.audit, log)
	Register(s.mux, guard)
	s.mux.Handle("POST /api/act", guard.Require(access.Operator, "act", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return s
}

func (s *site) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost:8080"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if s.cookie != nil {
		r.AddCookie(s.cookie)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if s.cookie = c; c.MaxAge < 0 {
			s.cookie = nil
		}
	}
	return w
}

func (s *site) expect(what string, w *httptest.ResponseRecorder, status int) {
	s.t.Helper()
	if w.Code != status {
		s.t.Errorf("%s: status %d, want %d: %s", what, w.Code, status, w.Body)
	}
}

func TestWithoutTokensNobodySignsIn(t *testing.T) {
	s := newSite(t)
	w := s.ask("GET", "/session", "")
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"role":"local","session":false}` {
		t.Errorf("who looks: %d %s", w.Code, w.Body)
	}
	s.expect("sign in all the same", s.ask("POST", "/session", `{"token":"x"}`), 204)
	if s.cookie != nil {
		t.Error("there is a session that nobody needs")
	}
}

func TestASessionHasItsTokensRole(t *testing.T) {
	s := newSite(t)
	operator, viewer := s.stored.add(t, "anna", access.Operator), s.stored.add(t, "wall", access.Viewer)
	s.expect("without a session", s.ask("POST", "/api/act", ""), 401)
	s.expect("a wrong token", s.ask("POST", "/session", `{"token":"esper_no"}`), 401)
	s.expect("not JSON", s.ask("POST", "/session", `token=x`), 400)
	s.expect("too long", s.ask("POST", "/session", `{"token":"`+strings.Repeat("x", 2000)+`"}`), 400)
	if s.cookie != nil {
		t.Fatal("a session without a token")
	}
	s.expect("sign in", s.ask("POST", "/session", `{"token":"`+viewer+`"}`), 204)
	s.expect("a viewer acts", s.ask("POST", "/api/act", ""), 403)
	s.expect("sign in as another", s.ask("POST", "/session", `{"token":"`+operator+`"}`), 204)
	s.expect("an operator acts", s.ask("POST", "/api/act", ""), 200)
	if w := s.ask("GET", "/session", ""); strings.TrimSpace(w.Body.String()) != `{"name":"anna","role":"operator","session":true}` {
		t.Errorf("who looks: %s", w.Body)
	}

	old := s.cookie
	s.expect("sign out", s.ask("DELETE", "/session", ""), 204)
	s.cookie = old
	s.expect("the cookie afterwards", s.ask("POST", "/api/act", ""), 401)
}

func TestTheCookieIsOutOfReach(t *testing.T) {
	s := newSite(t)
	text := s.stored.add(t, "anna", access.Operator)
	s.ask("POST", "/session", `{"token":"`+text+`"}`)
	if c := s.cookie; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || strings.Contains(c.Value, text) {
		t.Errorf("over HTTP: %v", c)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "http://evil.example"}, {"Origin", "null"},
	} {
		s.expect("with "+strings.Join(header, " "), s.ask("POST", "/api/act", "", header...), 403)
	}
	s.expect("from the dashboard", s.ask("POST", "/api/act", "", "Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8080"), 200)
	s.ask("POST", "/session", `{"token":"`+text+`"}`, "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https")
	if c := s.cookie; !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("over HTTPS: %v", c)
	}
}

func TestASessionEndsWithItsTokenAndWithTime(t *testing.T) {
	t.Parallel()
	all := newSessions()
	now := time.Now()
	all.now = func() time.Time { return now }
	begin := func() *http.Request {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		all.begin(w, r, "secret")
		r.AddCookie(w.Result().Cookies()[0])
		return r
	}
	r := begin()
	for range 20 { // used now and then
		now = now.Add(idleTime - time.Hour)
		if now.Sub(all.at(r).began) > sessionTime {
			break
		}
		if all.token(r) != "secret" {
			t.Fatal("it ends although it is used")
		}
	}
	if all.token(r) != "" {
		t.Error("it lasts for ever")
	}
	r = begin()
	now = now.Add(idleTime + time.Second)
	if all.token(r) != "" {
		t.Error("it lasts although nobody uses it")
	}
	first := begin()
	for range maxSessions {
		now = now.Add(time.Second)
		begin()
	}
	if len(all.all) > maxSessions || all.token(first) != "" {
		t.Errorf("%d sessions, the oldest one of them", len(all.all))
	}

	s := newSite(t)
	s.ask("POST", "/session", `{"token":"`+s.stored.add(t, "anna", access.Operator)+`"}`)
	s.expect("with the token", s.ask("POST", "/api/act", ""), 200)
	s.stored.add(t, "other", access.Viewer)
	*s.stored = (*s.stored)[1:]
	for deadline := time.Now().Add(5 * time.Second); s.ask("POST", "/api/act", "").Code != 401; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) { // the keeper looks once a second
			t.Fatal("the session outlives its token")
		}
	}
}

// at is the request's session.
func (s *sessions) at(r *http.Request) *session {
	key, _ := cookieKey(r)
	return s.all[key]
}

func TestEveryFileIsServedWithThePolicy(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/devices/00c0de", "/releases", "/rollouts/socket", "/builds", "/builds/12", "/assets/app.js", "/assets/pages/fleet.js", "/assets/style.css"} {
		w := s.ask("GET", path, "")
		s.expect(path, w, 200)
		if h := w.Header(); h.Get("Content-Security-Policy") != policy || h.Get("ETag") == "" {
			t.Errorf("%s: %v", path, h)
		}
		s.expect(path+" again", s.ask("GET", path, "", "If-None-Match", w.Header().Get("ETag")), 304)
	}
	if strings.Contains(policy, "unsafe") {
		t.Error("the policy has an exception")
	}
	s.expect("another file", s.ask("GET", "/assets/dashboard.go", ""), 404)
	s.expect("another page", s.ask("GET", "/other", ""), 404)
}
