package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// gate is a guard, and what it lets in and writes down.
type gate struct {
	*Guard
	*stored
	at      *time.Time
	log     bytes.Buffer
	entries []Entry
	reached []Identity
}

func newGate(tokens ...Token) *gate {
	k, from, at := keeping(tokens...)
	g := &gate{stored: from, at: at}
	g.Guard = NewGuard(k, func(_ context.Context, e Entry) error { g.entries = append(g.entries, e); return nil },
		slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	g.now = k.now
	return g
}

// request is one from the same machine, unless a test changes it.
func request(method, path string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "127.0.0.1:8080"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// asks has the guard answer a request.
func (g *gate) asks(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := From(r.Context())
		g.reached = append(g.reached, who)
		io.ReadAll(r.Body)
		if !Allow(r.Context(), Operator, "do-it", "00c0de") {
			w.WriteHeader(http.StatusForbidden)
		}
	})).ServeHTTP(w, r)
	return w
}

// Without tokens: programs on this machine, and nobody through them.
func TestWithoutTokensOnlyTheSameMachineIsAnswered(t *testing.T) {
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
		{"nobody knows whence", "@", "localhost:8080", [2]string{}, "only its own machine"},
		{"a proxy", local, "localhost:8080", [2]string{"X-Forwarded-For", "192.168.1.5"}, "proxy"},
		{"a proxy that says so otherwise", local, "localhost:8080", [2]string{"X-Real-Ip", "192.168.1.5"}, "proxy"},
		{"a proxy by the standard", local, "localhost:8080", [2]string{"Forwarded", "for=192.168.1.5"}, "proxy"},
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
		g := newGate()
		g.Plain = true // which does not matter then
		r := request("POST", "/api/rollouts/socket/abort")
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := g.asks(r)
		if (len(g.reached) == 1) != (c.refusal == "") || !strings.Contains(w.Body.String(), c.refusal) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.refusal == "" && g.reached[0] != (Identity{Role: Local}) {
			t.Errorf("%s: is %+v", c.name, g.reached[0])
		}
		if c.refusal != "" && (w.Code != 403 || w.Header().Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: refused with %d, %s", c.name, w.Code, w.Header())
		}
	}
}

// Whoever could be let in is told how, and a page under a name that somebody chose not where the
// server keeps its data.
func TestARefusalSaysHowTheServerIsOpened(t *testing.T) {
	const exact, general = "esper token add NAME --role operator --site /srv/home", TokenCommand
	text, token := made(t, "ada", Operator, time.Time{})
	for _, c := range []struct {
		name, remote, host string
		header             [2]string
		tokens             []Token
		plain              bool
		want               string // of opening; empty: there is none
	}{
		{"by address", "192.168.1.5:4711", "192.168.1.2:8080", [2]string{}, nil, false, `{"token":"` + exact + `","tls":true,"https":8443}`},
		{"by IPv6", "[fe80::1]:4711", "[fd00::2]:8080", [2]string{}, nil, false, `{"token":"` + exact + `","tls":true,"https":8443}`},
		{"plain", "192.168.1.5:4711", "192.168.1.2:8080", [2]string{}, nil, true, `{"token":"` + exact + `","tls":false,"https":8443}`},
		{"by name", "192.168.1.5:4711", "esper.lan:8080", [2]string{}, nil, false, `{"token":"` + general + `","tls":true,"https":8443}`},
		{"a rebound name", "127.0.0.1:4711", "evil.example:8080", [2]string{}, nil, false, `{"token":"` + general + `","tls":true,"https":8443}`},
		{"without TLS", "192.168.1.5:4711", "192.168.1.2:8080", [2]string{"Authorization", "Bearer " + text}, []Token{token}, false, `{"tls":true,"https":8443}`},
		{"a foreign page", "127.0.0.1:4711", "127.0.0.1:8080", [2]string{"Origin", "http://evil.example"}, nil, false, ""},
		{"no token", "127.0.0.1:4711", "127.0.0.1:8080", [2]string{}, []Token{token}, false, ""},
	} {
		g := newGate(c.tokens...)
		g.Plain, g.Opening = c.plain, Opening{Token: exact, HTTPS: 8443}
		r := request("GET", "/session")
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := g.asks(r)
		var said struct{ Opening json.RawMessage }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || string(said.Opening) != c.want || w.Code < 400 {
			t.Errorf("%s: %d, opening %s, want %s (%v)", c.name, w.Code, said.Opening, c.want, err)
		}
		if !strings.Contains(c.want, exact) && strings.Contains(w.Body.String(), "/srv/home") {
			t.Errorf("%s: it says where the data is: %s", c.name, w.Body)
		}
	}
}

// With tokens: nobody without one, wherever they are.
func TestWithTokensEachRequestNeedsOne(t *testing.T) {
	good, ada := made(t, "ada", Operator, time.Time{})
	old, eve := made(t, "eve", Operator, now)
	foreign, _ := made(t, "ada", Operator, time.Time{})
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"good", []string{"Authorization", "Bearer " + good}, 200},
		{"by any spelling of the scheme", []string{"Authorization", "bearer  " + good}, 200},
		{"by a proxy", []string{"Authorization", "Bearer " + good, "X-Forwarded-For", "203.0.113.7", "X-Real-Ip", "203.0.113.7"}, 200},
		{"of the same page", []string{"Authorization", "Bearer " + good, "Sec-Fetch-Site", "same-origin", "Origin", "https://esper.example"}, 200},

		{"none", nil, 401},
		{"empty", []string{"Authorization", ""}, 401},
		{"no token", []string{"Authorization", "Bearer"}, 401},
		{"wrong", []string{"Authorization", "Bearer " + foreign}, 401},
		{"one letter short", []string{"Authorization", "Bearer " + good[:len(good)-1]}, 401},
		{"the hash", []string{"Authorization", "Bearer " + ada.Hash.String()}, 401},
		{"expired", []string{"Authorization", "Bearer " + old}, 401},
		{"another scheme", []string{"Authorization", "Basic " + good}, 401},
		{"two", []string{"Authorization", "Bearer " + foreign, "Authorization", "Bearer " + good}, 401},
		{"in the wrong place", []string{"X-Token", good}, 401},
		{"from a page elsewhere", []string{"Authorization", "Bearer " + good, "Sec-Fetch-Site", "cross-site"}, 403},
		{"from a page elsewhere in an old browser", []string{"Authorization", "Bearer " + good, "Origin", "https://evil.example"}, 403},
	} {
		g := newGate(ada, eve)
		w := g.asks(request("POST", "/api/devices/00c0de/hold?token="+good, c.header...))
		if w.Code != c.status || (len(g.reached) == 1) != (c.status == 200) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if (w.Header().Get("WWW-Authenticate") != "") != (c.status == 401) {
			t.Errorf("%s: %v", c.name, w.Header())
		}
		if len(g.entries) != 1 || g.entries[0].Status != c.status {
			t.Errorf("%s: written down %+v", c.name, g.entries)
		}
		for _, secret := range []string{good, old, foreign} {
			if told := g.log.String() + fmt.Sprint(g.entries) + w.Body.String(); strings.Contains(told, secret[6:]) {
				t.Errorf("%s: a token is shown in %s", c.name, told)
			}
		}
	}
}

// An answer tells an attacker nothing of why a token is not good.
func TestWrongAndExpiredTokensAreAnsweredAlike(t *testing.T) {
	old, eve := made(t, "eve", Operator, now)
	foreign, _ := made(t, "eve", Operator, time.Time{})
	g := newGate(eve)
	a := g.asks(request("GET", "/api/devices", "Authorization", "Bearer "+old))
	b := g.asks(request("GET", "/api/devices", "Authorization", "Bearer "+foreign))
	if a.Body.String() != b.Body.String() {
		t.Errorf("%s and %s", a.Body, b.Body)
	}
	if g.entries[0].Who != "eve" || g.entries[1].Who != "" { // but the operator is told
		t.Errorf("written down: %+v", g.entries)
	}
}

func TestFromElsewhereOnlyOverTLS(t *testing.T) {
	good, ada := made(t, "ada", Operator, time.Time{})
	for _, c := range []struct {
		name, remote     string
		encrypted, plain bool
		status           int
	}{
		{"this machine", "127.0.0.1:4711", false, false, 200},
		{"elsewhere", "192.168.1.5:4711", false, false, 403},
		{"elsewhere by IPv6", "[fe80::1%eth0]:4711", false, false, 403},
		{"elsewhere over TLS", "192.168.1.5:4711", true, false, 200},
		{"elsewhere, allowed", "192.168.1.5:4711", false, true, 200},
	} {
		g := newGate(ada)
		g.Plain = c.plain
		r := request("POST", "/api/devices/00c0de/hold", "Authorization", "Bearer "+good)
		r.RemoteAddr = c.remote
		if c.encrypted {
			r.TLS = &tls.ConnectionState{}
		}
		w := g.asks(r)
		if w.Code != c.status || c.status == 403 && !strings.Contains(w.Body.String(), "replace it") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

func TestADatabaseThatIsAwayOpensNothing(t *testing.T) {
	g := newGate()
	g.set(errors.New("away"))
	if w := g.asks(request("POST", "/api/x")); w.Code != 503 || len(g.reached) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A later way to identify somebody is asked if the one before finds nothing.
func TestOtherWaysToIdentify(t *testing.T) {
	_, ada := made(t, "ada", Operator, time.Time{})
	g := newGate(ada)
	g.Ways = append(g.Ways, func(r *http.Request) (Identity, error) {
		if _, err := r.Cookie("session"); err != nil {
			return Identity{}, ErrNobody
		}
		return Identity{"bob", Viewer}, nil
	})
	if w := g.asks(request("GET", "/", "Cookie", "session=1")); w.Code != 403 || g.reached[0].Name != "bob" {
		t.Errorf("%d, %+v", w.Code, g.reached)
	}
	if w := g.asks(request("GET", "/", "Cookie", "session=1", "Authorization", "Bearer x")); w.Code != 401 {
		t.Errorf("with a wrong token, too: %d", w.Code)
	}
}

// git sends the token as a password, where it is allowed to, and asks for nothing before it
// is asked itself.
func TestATokenAsThePasswordOfItsName(t *testing.T) {
	good, ada := made(t, "ada", Publisher, time.Time{})
	g := newGate(ada)
	handler := g.WithBasic().Require(Publisher, "git-push", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		name, token string
		status      int
	}{{"ada", good, 200}, {"eve", good, 401}, {"", good, 401}, {"ada", "x", 401}, {"", "", 401}} {
		r := request("POST", "/git/site.git/git-receive-pack")
		if c.name+c.token != "" {
			r.SetBasicAuth(c.name, c.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.status || c.status == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%+v: %d %v", c, w.Code, w.Header())
		}
	}
	r := request("POST", "/", "Authorization", "Bearer "+good)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("as a bearer token: %d", w.Code)
	}
	w = httptest.NewRecorder()
	g.Require(Operator, "x", handler).ServeHTTP(w, r)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "role operator; that of ada is publisher") {
		t.Errorf("with another role: %d %s", w.Code, w.Body)
	}
}

// What is done is written down: who, what, to what, how it ended. Reading is not, unless
// the role does not allow it.
func TestWhatIsWrittenDown(t *testing.T) {
	good, ada := made(t, "ada", Operator, time.Time{})
	low, bob := made(t, "bob", Viewer, time.Time{})
	g := newGate(ada, bob)
	do := func(method, token, body string) {
		r := request(method, "/api/devices/00c0de/x", "Authorization", "Bearer "+token, "Content-Type", "application/json", "X-Forwarded-For", "10.9.9.9, 203.0.113.7")
		r.Body = io.NopCloser(strings.NewReader(body))
		g.asks(r)
	}
	do("GET", good, "")
	do("POST", good, `{"a":"`+"\x1b[2J\n"+good+`"}`)
	do("PUT", good, strings.Repeat("x", 10_000))
	do("GET", low, "")
	do("POST", low, "{}")
	want := []Entry{
		{Who: "ada", Role: Operator, Detail: `{"a":".[2J.esper_…"}`, Status: 200},
		{Who: "ada", Role: Operator, Detail: strings.Repeat("x", 200) + "…", Status: 200},
		{Who: "bob", Role: Viewer, Status: 403},
		{Who: "bob", Role: Viewer, Detail: "{}", Status: 403},
	}
	for i := range want {
		want[i].At, want[i].Remote, want[i].Action, want[i].Target = now, "203.0.113.7 by 127.0.0.1", "do-it", "00c0de"
	}
	if fmt.Sprint(g.entries) != fmt.Sprint(want) {
		t.Errorf("written down\n%+v, want\n%+v", g.entries, want)
	}
	if strings.Contains(g.log.String(), good) {
		t.Error("a token is in the log")
	}
}

// What is read without end ends when the token is removed.
func TestAStreamEndsWithItsToken(t *testing.T) {
	good, ada := made(t, "ada", Viewer, time.Time{})
	_, bob := made(t, "bob", Viewer, time.Time{})
	from := &stored{tokens: []Token{ada, bob}, used: make(chan string, 10)}
	k := NewKeeper(from, slog.New(slog.DiscardHandler))
	g := NewGuard(k, func(context.Context, Entry) error { return nil }, slog.New(slog.DiscardHandler))
	g.againEvery = time.Millisecond
	streaming, ended := make(chan bool), make(chan bool)
	handler := g.Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		streaming <- true
		<-r.Context().Done()
	}))
	go func() {
		handler.ServeHTTP(httptest.NewRecorder(), request("GET", "/api/events", "Authorization", "Bearer "+good))
		close(ended)
	}()
	<-streaming
	select {
	case <-ended:
		t.Fatal("ended before")
	case <-time.After(20 * time.Millisecond):
	}
	from.set(nil, bob)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("goes on")
	}
}

// A flood of wrong tries is told less and less and fills nothing, and keeps nobody out who
// has a token, even at the same address.
func TestAFlood(t *testing.T) {
	good, ada := made(t, "ada", Operator, time.Time{})
	g := newGate(ada)
	statuses := map[int]int{}
	for range 1000 {
		statuses[g.asks(request("POST", "/api/x")).Code]++
	}
	if statuses[401] != triesBurst || statuses[429] != 1000-triesBurst || len(g.entries) != triesBurst {
		t.Errorf("%v, %d written down", statuses, len(g.entries))
	}
	if w := g.asks(request("POST", "/api/x", "Authorization", "Bearer "+good)); w.Code != 200 {
		t.Errorf("who has a token: %d", w.Code)
	}
	*g.at = g.at.Add(triesEvery)
	if w := g.asks(request("POST", "/api/x")); w.Code != 401 {
		t.Errorf("later: %d", w.Code)
	}
	if !strings.Contains(g.log.String(), "not_shown_before=990") {
		t.Errorf("the log does not say how many there were:\n%s", g.log.String())
	}

	g = newGate(ada)
	for i := range 20_000 {
		r := request("POST", "/api/x", "X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String())
		g.asks(r)
	}
	if n := len(g.tries.by); n > maxWatched {
		t.Errorf("%d addresses are watched", n)
	}
	if len(g.entries) != allBurst {
		t.Errorf("%d written down", len(g.entries))
	}
	*g.at = g.at.Add(time.Hour) // then there is room again
	g.asks(request("POST", "/api/x"))
	if n := len(g.tries.by); n != 1 {
		t.Errorf("%d addresses are watched an hour later", n)
	}
}

// A network of IPv6 has as many addresses as it likes, but tries like one.
func TestAFloodFromManyAddressesOfANetwork(t *testing.T) {
	_, ada := made(t, "ada", Operator, time.Time{})
	g := newGate(ada)
	for i := range 100 {
		g.asks(request("POST", "/api/x", "X-Forwarded-For", fmt.Sprintf("2001:db8::%x", i)))
	}
	if len(g.entries) != triesBurst {
		t.Errorf("%d written down", len(g.entries))
	}
}

// BenchmarkGuard is what each request costs until it is let in.
func BenchmarkGuard(b *testing.B) {
	good, ada, _ := NewToken("ada", Operator, now, time.Time{})
	g := newGate(ada)
	handler := g.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := httptest.NewRecorder()
	r := request("GET", "/api/devices", "Authorization", "Bearer "+good)
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
}
