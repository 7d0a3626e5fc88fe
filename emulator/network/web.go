package network

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"
)

// Web is an HTTP/1.1 server for a Memory network around a handler, which is
// called at once, without goroutines. Requests have no body.
type Web struct {
	Handler http.Handler

	net      *Memory
	conns    map[int][]byte // what has come of the next request
	requests []Request
}

// Request is a request that was answered.
type Request struct {
	At     time.Duration
	Method string
	URL    string
	Header http.Header
	Status int
}

// maxRequest is the most bytes of a request's head.
const maxRequest = 8 << 10

// NewWeb makes a server. Put it at a host's port with Listen.
func NewWeb(m *Memory, handler http.Handler) *Web {
	return &Web{Handler: handler, net: m, conns: map[int][]byte{}}
}

// Requests are the requests so far.
func (w *Web) Requests() []Request { return w.requests }

// Accept takes a connection.
func (w *Web) Accept(c Conn) { w.conns[c.ID] = nil }

// Closed forgets it.
func (w *Web) Closed(c Conn) { delete(w.conns, c.ID) }

// Receive answers each request that is complete.
func (w *Web) Receive(c Conn, data []byte) {
	in, ok := w.conns[c.ID]
	if !ok {
		return
	}
	in = append(in, data...)
	for {
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if end < 0 {
			break
		}
		end += 4
		keep := w.answer(c, in[:end])
		in = in[end:]
		if !keep {
			delete(w.conns, c.ID)
			c.Close()
			return
		}
	}
	if len(in) > maxRequest {
		delete(w.conns, c.ID)
		c.Reset()
		return
	}
	w.conns[c.ID] = in
}

// answer sends the response to a request and says whether the connection stays open.
func (w *Web) answer(c Conn, head []byte) bool {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		c.Send([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		return false
	}
	rec := httptest.NewRecorder()
	w.Handler.ServeHTTP(rec, req)
	w.requests = append(w.requests, Request{w.net.now, req.Method, req.URL.String(), req.Header, rec.Code})
	body := rec.Body.Bytes()
	header := rec.Header().Clone()
	length, err := strconv.Atoi(header.Get("Content-Length")) // a HEAD has one without a body, and a liar a wrong one
	if err != nil {
		length = len(body)
		header.Set("Content-Length", strconv.Itoa(length))
	}
	keep := !req.Close && len(body) >= length
	if !keep {
		header.Set("Connection", "close")
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", rec.Code, http.StatusText(rec.Code))
	_ = header.Write(&out)
	out.WriteString("\r\n")
	if req.Method != http.MethodHead {
		out.Write(body)
	}
	c.Send(out.Bytes())
	return keep || req.Method == http.MethodHead && !req.Close
}

// Wake has nothing to do.
func (w *Web) Wake(time.Duration) {}

// Next is never.
func (w *Web) Next() (time.Duration, bool) { return 0, false }

// Clone copies the server; the handler is shared.
func (w *Web) Clone(m *Memory) Peer {
	k := *w
	k.net = m
	k.conns = maps.Clone(w.conns)
	k.requests = slices.Clone(w.requests)
	return &k
}

// Raw is a peer that answers whatever it is sent first with fixed bytes and
// closes, for servers that answer nonsense.
type Raw []byte

// Accept takes a connection.
func (Raw) Accept(Conn) {}

// Receive answers.
func (r Raw) Receive(c Conn, _ []byte) {
	c.Send(r)
	c.Close()
}

// Closed has nothing to do.
func (Raw) Closed(Conn) {}

// Wake has nothing to do.
func (Raw) Wake(time.Duration) {}

// Next is never.
func (Raw) Next() (time.Duration, bool) { return 0, false }

// Clone returns the same.
func (r Raw) Clone(*Memory) Peer { return r }
