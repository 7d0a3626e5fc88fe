package access

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// What is written down of a request, in bytes at most.
const (
	maxAction = 100
	maxDetail = 200
)

// act is what a request turns out to be while it is answered.
type act struct {
	action, target string
	refused        bool
	concealed      bool
}

type actKey struct{}

// Allow says whether who a request is from may do something, and has it written down by the
// operation's id and what it is done to.
func Allow(ctx context.Context, need Role, action, target string) bool {
	who, _ := From(ctx)
	allowed := who.Role.May(need)
	if a, ok := ctx.Value(actKey{}).(*act); ok {
		a.action, a.target, a.refused = action, target, !allowed
	}
	return allowed
}

// Conceal keeps what a request sends out of the audit log.
func Conceal(ctx context.Context) {
	if a, ok := ctx.Value(actKey{}).(*act); ok {
		a.concealed = true
	}
}

// TooLow says to somebody which role an operation needs that they may not do.
func TooLow(ctx context.Context, need Role) string {
	who, _ := From(ctx)
	return "this needs a token with the role " + string(need) + "; that of " + who.Name + " is " + string(who.Role)
}

// serve has a request answered and writes down what it did: all but reading, and what was
// refused.
func (g *Guard) serve(next http.Handler, w http.ResponseWriter, r *http.Request, from source, who Identity) {
	done := &act{action: described(r)}
	r = r.WithContext(context.WithValue(With(r.Context(), who), actKey{}, done))
	entry := Entry{At: g.now(), Who: who.Name, Role: who.Role, Remote: from.String()}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	sent := &excerpt{}
	if !reads {
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind == "application/json" {
			sent.ReadCloser = r.Body
			r.Body = sent
		}
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		entry.Status = seen.status
	} else {
		ctx, stop := g.whileAdmitted(r, from, who)
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	}
	entry.Action, entry.Target = done.action, clean(done.target, maxAction)
	if !done.concealed {
		entry.Detail = sent.String()
	}
	switch {
	case done.refused:
		entry.Status = http.StatusForbidden
		g.recordRefusal(r.Context(), from, entry)
	case !reads:
		g.Log.Info("operator", "who", entry.Who, "role", entry.Role, "remote", entry.Remote, "action", entry.Action,
			"target", entry.Target, "status", entry.Status)
		g.write(r.Context(), entry)
	}
}

// againEvery is how often it is looked whether who reads something without end still may.
const againEvery = 5 * time.Second

// whileAdmitted is the context of a request that ends when its token is removed or expires.
func (g *Guard) whileAdmitted(r *http.Request, from source, who Identity) (context.Context, func()) {
	ctx, cancel := context.WithCancel(r.Context())
	timer := time.NewTimer(g.againEvery)
	go func() {
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
			if now, err := g.admit(r, from); err != nil || now != who {
				cancel()
				return
			}
			timer.Reset(g.againEvery)
		}
	}()
	return ctx, cancel
}

// described is a request whose operation is not known.
func described(r *http.Request) string { return clean(r.Method+" "+r.URL.Path, maxAction) }

// clean is a text that may be shown, cut to a length in bytes.
func clean(text string, most int) string {
	text = Redact(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, text))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// excerpt keeps the beginning of a body that is read.
type excerpt struct {
	io.ReadCloser
	begin []byte
}

func (e *excerpt) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	e.begin = append(e.begin, p[:min(n, 2*maxDetail-len(e.begin))]...)
	return n, err
}

func (e *excerpt) String() string { return clean(string(e.begin), maxDetail) }

// statusWriter knows the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
