package api

import (
	"io"
	"net/http"
	"time"
)

// How much of a request is still read, and for how long, when it has been answered.
const (
	lingerBytes = 64 << 20
	lingerTime  = 30 * time.Second
)

// lingering reads the rest of requests that were answered before their end, such as those that are
// too long. Otherwise the connection would be reset while the client still sends, and the answer
// lost with it (RFC 9112, 9.6).
func lingering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := r.Body
		r.Body = unclosed{body}
		next.ServeHTTP(w, r)
		control := http.NewResponseController(w)
		if control.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, body, lingerBytes)
		}
	})
}

// unclosed is a body that who answers cannot close.
type unclosed struct{ io.Reader }

func (unclosed) Close() error { return nil }
