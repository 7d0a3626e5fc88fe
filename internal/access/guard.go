package access

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Way is a way to find out who a request is from. It returns ErrNobody if the request says
// nothing that it knows, so that another way may.
type Way func(*http.Request) (Identity, error)

// Bearer is the way of a token in the header Authorization (RFC 6750, 2.1).
func (k *Keeper) Bearer(r *http.Request) (Identity, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return Identity{}, ErrNobody
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Identity{}, ErrUnknown
	}
	return k.Identify(strings.TrimLeft(token, " "))
}

// Basic is the way of programs that know of users and passwords only, such as git: the
// token's name, and the token as the password (RFC 7617).
func (k *Keeper) Basic(r *http.Request) (Identity, error) {
	if name, token, ok := r.BasicAuth(); ok && len(r.Header.Values("Authorization")) == 1 {
		return k.Check(name, token)
	}
	return Identity{}, ErrNobody
}

// Guard lets in who may, and has written down what they do.
//
// As long as there is no token, that is who is on the same machine. Once there is one, all
// must show one, and those from elsewhere do so over TLS.
type Guard struct {
	Keeper *Keeper
	// Ways are tried one after the other.
	Ways []Way
	// Plain lets those in, too, who come from elsewhere without TLS.
	Plain bool
	// Opening is told to whoever is refused because the server answers its own machine only.
	Opening Opening
	// Audit adds to the audit log.
	Audit func(context.Context, Entry) error
	Log   *slog.Logger

	challenge string // the scheme that who shows no token is asked for
	tries     *tries
	now       func() time.Time
	// againEvery is againEvery, unless a test has no time.
	againEvery time.Duration
}

// NewGuard returns a guard whose only way is a bearer token.
func NewGuard(k *Keeper, audit func(context.Context, Entry) error, log *slog.Logger) *Guard {
	return &Guard{Keeper: k, Ways: []Way{k.Bearer}, Audit: audit, Log: log, challenge: "Bearer", tries: newTries(), now: time.Now, againEvery: againEvery}
}

// WithBasic returns the same guard for programs that send a user and a password.
func (g *Guard) WithBasic() *Guard {
	too := *g
	too.Ways, too.challenge = append([]Way{g.Keeper.Basic}, g.Ways...), "Basic"
	return &too
}

// Require is [Guard.Protect] for a handler that is one operation, which needs a role.
func (g *Guard) Require(need Role, action string, next http.Handler) http.Handler {
	return g.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Allow(r.Context(), need, action, r.URL.Path) {
			Problem(w, http.StatusForbidden, TooLow(r.Context(), need))
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// Protect has a handler answer only who is let in. Who that is is in the context ([From]).
// What may need more than a viewer's role asks [Allow].
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := origin(r)
		who, err := g.admit(r, from)
		if err != nil {
			g.refuse(w, r, from, who, err)
			return
		}
		g.serve(next, w, r, from, who)
	})
}

// refusal is an answer for who is not let in.
type refusal struct {
	status  int
	detail  string
	opening *howToOpen // nil: nothing on the server would change it
}

func (r *refusal) Error() string { return r.detail }

func forbidden(detail string) error { return &refusal{http.StatusForbidden, detail, nil} }

// admit says who a request is from, or why it is refused. Who had a token that has expired
// is named then, too.
func (g *Guard) admit(r *http.Request, from source) (Identity, error) {
	if isForeignPage(r) {
		return Identity{}, forbidden("a web page from elsewhere may not use the API")
	}
	needed, err := g.Keeper.Any()
	if err != nil {
		return Identity{}, err
	}
	if !needed {
		if why := notLocal(r, from); why != "" {
			return Identity{}, g.closed(r, why, true)
		}
		return Identity{Role: Local}, nil
	}
	if r.TLS == nil && !from.peer.IsLoopback() && !g.Plain {
		why := "from elsewhere the API answers over TLS only"
		if r.Header.Get("Authorization") != "" {
			why += "; a token that was sent now could be read on the way: replace it"
		}
		return Identity{}, g.closed(r, why, false)
	}
	for _, way := range g.Ways {
		if who, err := way(r); !errors.Is(err, ErrNobody) {
			return who, err
		}
	}
	return Identity{}, ErrNobody
}

// source is where a request comes from.
type source struct {
	peer    netip.Addr // who is connected
	claimed netip.Addr // whom a proxy on the same machine speaks for, if there is one
}

func origin(r *http.Request) (s source) {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		s.peer = peer.Addr().Unmap()
	}
	if s.peer.IsLoopback() {
		// The last one is by the proxy that is connected; what is before, the client can say.
		all := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		last := strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
		if a, err := netip.ParseAddr(last); err == nil {
			s.claimed = a.Unmap().WithZone("")
		}
	}
	return s
}

// address is whose tries are counted.
func (s source) address() netip.Addr {
	if s.claimed.IsValid() {
		return s.claimed
	}
	return s.peer
}

func (s source) String() string {
	if s.claimed.IsValid() {
		return s.claimed.String() + " by " + s.peer.String()
	}
	return s.peer.String()
}

// isForeignPage says whether a web page from elsewhere is behind a request: browsers mark
// those.
func isForeignPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	page := r.Header.Get("Origin")
	return page != "" && page != "http://"+r.Host && page != "https://"+r.Host
}

// notLocal says why a request is not from a program on the same machine, if so. What comes
// by a proxy is not, nor what is to a name that somebody lets resolve to this machine: a web
// page in a browser there is not the person in front of it.
func notLocal(r *http.Request, from source) string {
	if !from.peer.IsLoopback() {
		return "as long as it has no tokens, the API answers only its own machine, at 127.0.0.1"
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(header) != "" {
			return "as long as it has no tokens, the API is not to be reached through a proxy; this request has " + header
		}
	}
	if !isLocalHost(r.Host) {
		return "as long as it has no tokens, the API answers only at localhost or a loopback address, not as another host"
	}
	return ""
}

// isLocalHost says whether a host, with or without a port, is this machine by any resolver.
func isLocalHost(host string) bool {
	if host = withoutPort(host); host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// withoutPort returns the host of a request without a port and the brackets of IPv6.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// refuse answers who is not let in. Who tries too often is told no more than that, which
// keeps nobody out who has a token, also if they come from the same address.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, from source, who Identity, why error) {
	if errors.Is(why, ErrUnavailable) {
		Problem(w, http.StatusServiceUnavailable, "the server cannot read which tokens there are; its log says why")
		return
	}
	entry := Entry{
		At: g.now(), Who: who.Name, Remote: from.String(), Action: described(r), Status: http.StatusUnauthorized, Detail: why.Error(),
	}
	detail := "the token is not known to the server, or has expired"
	if errors.Is(why, ErrNobody) {
		detail = "the server asks for a token"
	}
	var refused *refusal
	if errors.As(why, &refused) {
		entry.Status, detail = refused.status, refused.detail
	}
	if !g.recordRefusal(r.Context(), from, entry) {
		w.Header().Set("Retry-After", "6")
		Problem(w, http.StatusTooManyRequests, "too many requests from this address were refused; a token that is right is let in all the same")
		return
	}
	if entry.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", g.challenge+` realm="esper"`)
	}
	var opening *howToOpen
	if refused != nil {
		opening = refused.opening
	}
	problemOf(w, entry.Status, detail, opening)
}

// recordRefusal writes down that somebody was refused, unless there are too many of those
// already, and says whether to tell them why.
func (g *Guard) recordRefusal(ctx context.Context, from source, e Entry) (told bool) {
	told, written, unsaid := g.tries.refused(from.address(), e.At)
	if written {
		g.Log.Warn("refused", "remote", e.Remote, "who", e.Who, "action", e.Action, "why", e.Detail, "not_shown_before", unsaid)
		g.write(ctx, e)
	}
	return told
}

// write adds to the audit log. What has been done is not undone if that fails; the log of the
// server has it then.
func (g *Guard) write(ctx context.Context, e Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	if err := g.Audit(ctx, e); err != nil {
		g.Log.Error("not in the audit log", "error", err, "who", e.Who, "remote", e.Remote, "action", e.Action,
			"target", e.Target, "status", e.Status)
	}
}

// Problem answers with a problem (RFC 9457).
func Problem(w http.ResponseWriter, status int, detail string) { problemOf(w, status, detail, nil) }
