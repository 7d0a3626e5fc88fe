package dashboard

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"esper/internal/access"
)

// cookieName is the cookie of a session. The prefix has browsers refuse it from another
// host's page (RFC 6265bis, 4.1.3); it needs Secure, so plain HTTP has one without.
const (
	cookieName       = "esper-session"
	secureCookieName = "__Host-" + cookieName
)

// How long a session lasts: since it was used, and in all. A wall display uses it all the time.
const (
	idleTime    = 7 * 24 * time.Hour
	sessionTime = 90 * 24 * time.Hour
	// maxSessions is how many there may be; the one that was not used for the longest
	// time ends for the next.
	maxSessions = 1000
)

// sessions are those who have signed in. They end with the server, and with their token. Their
// tokens are in memory only, and the cookies as hashes.
type sessions struct {
	now func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

type session struct {
	token       string
	began, used time.Time
}

// newSessions returns no sessions.
func newSessions() *sessions {
	return &sessions{now: time.Now, all: map[[sha256.Size]byte]*session{}}
}

// token is the token that the request's session was begun with, or empty if there is none. The
// caller sees to it that it is still one.
func (s *sessions) token(r *http.Request) string {
	key, ok := cookieKey(r)
	if !ok {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, now := s.all[key], s.now()
	if found == nil {
		return ""
	}
	if found.ended(now) {
		delete(s.all, key)
		return ""
	}
	found.used = now
	return found.token
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.used) > idleTime || now.Sub(s.began) > sessionTime
}

// begin begins a session with a token that was checked, and gives the browser its cookie.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, token string) {
	secret := make([]byte, 32)
	rand.Read(secret)
	value := base64.RawURLEncoding.EncodeToString(secret)
	now := s.now()
	s.mu.Lock()
	s.makeRoom(now)
	s.all[sha256.Sum256([]byte(value))] = &session{token, now, now}
	s.mu.Unlock()
	http.SetCookie(w, cookie(r, value, int(sessionTime.Seconds())))
}

// end ends the request's session, if there is one.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if key, ok := cookieKey(r); ok {
		s.mu.Lock()
		delete(s.all, key)
		s.mu.Unlock()
	}
	http.SetCookie(w, cookie(r, "", -1))
}

// makeRoom forgets what has ended, and if that is nothing, the session that was not used for
// the longest time.
func (s *sessions) makeRoom(now time.Time) {
	if len(s.all) < maxSessions {
		return
	}
	var oldest [sha256.Size]byte
	used := now
	for key, one := range s.all {
		if one.ended(now) {
			delete(s.all, key)
		} else if !one.used.After(used) {
			oldest, used = key, one.used
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

// secure says whether the browser came over TLS, to here or to a proxy on this machine.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookie is the cookie with a value: out of scripts' reach, and never sent along with what
// another site's page asks for.
func cookie(r *http.Request, value string, age int) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if secure(r) {
		c.Name, c.Secure = secureCookieName, true
	}
	return c
}

// cookieKey is what the request's session is found by.
func cookieKey(r *http.Request) (key [sha256.Size]byte, ok bool) {
	name := cookieName
	if secure(r) {
		name = secureCookieName
	}
	c, err := r.Cookie(name)
	if err != nil || c.Value == "" {
		return key, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}

// way is the way of who has signed in. It ends with the token.
func (s *sessions) way(k *access.Keeper) access.Way {
	return func(r *http.Request) (access.Identity, error) {
		token := s.token(r)
		if token == "" {
			return access.Identity{}, access.ErrNobody
		}
		return k.Identify(token)
	}
}

// maxSignIn is how long the body of a sign-in may be, in bytes.
const maxSignIn = 1024

// me is who looks at the dashboard.
type me struct {
	Name    string      `json:"name,omitempty"` // of the token
	Role    access.Role `json:"role"`
	Session bool        `json:"session"` // there is one, which can be ended
}

// register adds what a page signs in and out with, and learns who looks at it.
func (s *sessions) register(mux *http.ServeMux, guard *access.Guard) {
	mux.Handle("GET /session", guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := access.From(r.Context())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(me{who.Name, who.Role, s.token(r) != ""})
	})))
	begin := guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, _ := access.From(r.Context()); who.Role != access.Local { // who needs no token needs no session
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			s.begin(w, r, token)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("POST /session", func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Token string }
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSignIn)).Decode(&asked); err != nil || asked.Token == "" {
			access.Problem(w, http.StatusBadRequest, `to sign in takes {"token": "…"}`)
			return
		}
		// From here on it is a request with a token like every other.
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+asked.Token)
		begin.ServeHTTP(w, r)
	})
	mux.Handle("DELETE /session", guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.end(w, r)
		w.WriteHeader(http.StatusNoContent)
	})))
}
