package loop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
	"esper/internal/release"
)

// resuming is a socket that runs v1 from both slots and updates by whole images, and a network that breaks
// each connection after so many bytes.
func resuming(t *testing.T, cut int) (*world, *emulator.Device) {
	t.Helper()
	w := newWorld(t)
	v1 := w.publishDownloaded("socket", "v1", 1)
	d := w.addImage(w.firmwares.bootloader, 1, v1.Images[0])
	w.settle()
	w.webHost.CutAfter = cut
	return w, d
}

// images are the requests for images of slot 1.
func (w *world) images() (found []network.Request) {
	for _, q := range w.web.Requests() {
		if strings.Contains(q.URL, "socket.rom1") {
			found = append(found, q)
		}
	}
	return found
}

// since returns the requests for images from the nth on.
func (w *world) since(n int) []network.Request { return w.images()[n:] }

// ranges are the Range headers of requests; the one of a request for all is empty.
func ranges(requests []network.Request) (found []string) {
	for _, q := range requests {
		found = append(found, q.Header.Get("Range"))
	}
	return found
}

// without is a server that leaves headers of requests and answers out.
func without(inner http.Handler, headers ...string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		q = q.Clone(q.Context())
		for _, name := range headers {
			q.Header.Del(name)
		}
		inner.ServeHTTP(&leavingOut{rw, headers}, q)
	})
}

type leavingOut struct {
	http.ResponseWriter
	headers []string
}

func (l *leavingOut) WriteHeader(status int) {
	for _, name := range l.headers {
		l.Header().Del(name)
	}
	l.ResponseWriter.WriteHeader(status)
}

func TestADownloadIsResumedWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server  func(http.Handler) http.Handler
		ifRange bool
	}{
		"the repository":           {func(h http.Handler) http.Handler { return h }, true},
		"a server without an ETag": {func(h http.Handler) http.Handler { return without(h, "Etag", "If-Range") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			const cut = 9000
			w, d := resuming(t, cut)
			before := len(w.images())
			w.handler = c.server(w.handler)
			w.publishDownloaded("socket", "v2", 2)
			size := len(w.firmwares.images(t, "socket", "v2", 2)[1])
			w.notify()
			w.expect("v2 runs", 5*time.Minute, func() bool { return w.runs(d, "v2") })

			requests := w.since(before)
			if least := size/cut + 1; len(requests) < least || len(requests) > 1+8 {
				t.Fatalf("%d requests for %d bytes, %d at a time", len(requests), size, cut)
			}
			tag, last := "", 0
			for i, q := range requests {
				from := 0
				if i > 0 {
					if _, err := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-", &from); err != nil || q.Status != http.StatusPartialContent {
						t.Fatalf("request %d: Range %q, answered %d", i, q.Header.Get("Range"), q.Status)
					}
				}
				// Nothing that came is asked for again: only the heads are missing in the pieces.
				if i > 0 && (from <= last || from < last+cut-1000) {
					t.Errorf("request %d from byte %d, after one from %d", i, from, last)
				}
				last = from
				switch ifRange := q.Header.Get("If-Range"); {
				case i == 0 || !c.ifRange:
					if ifRange != "" {
						t.Errorf("request %d: If-Range %q", i, ifRange)
					}
				case i == 1:
					tag = ifRange
					if len(tag) != 66 {
						t.Errorf("If-Range %q is not the repository's tag", tag)
					}
				case ifRange != tag:
					t.Errorf("request %d: If-Range %q, before %q", i, ifRange, tag)
				}
			}
			var pauses []time.Duration
			for i := 1; i < len(requests); i++ {
				pauses = append(pauses, requests[i].At-requests[i-1].At)
			}
			if len(pauses) < 3 || pauses[2] < pauses[0] {
				t.Errorf("the pauses do not grow: %v", pauses)
			}
		})
	}
}

func TestADownloadIsResumedEightTimes(t *testing.T) {
	t.Parallel()
	w, d := resuming(t, 2000)
	before := len(w.images())
	w.publishDownloaded("socket", "v2", 2)
	w.notify()
	w.expect("the end", 10*time.Minute, func() bool { return w.lastUpdate(d).State == "failed" })
	if u := w.lastUpdate(d); u.Error != "unreachable" {
		t.Errorf("reports %+v", u)
	}
	if n := len(w.since(before)); n != 9 {
		t.Errorf("%d requests, not 1 and 8 more", n)
	}
	w.webHost.CutAfter = 0
	w.notify()
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
}

// A server that gives all of it when asked for a part.
func TestAServerThatIgnoresRangesIsReadFromTheBeginning(t *testing.T) {
	t.Parallel()
	w, d := resuming(t, 20000)
	before := len(w.images())
	w.handler = without(w.handler, "Range")
	w.publishDownloaded("socket", "v2", 2)
	w.notify()
	w.expect("a break", time.Minute, func() bool { return len(w.since(before)) == 1 })
	w.RunFor(300 * time.Millisecond)
	w.webHost.CutAfter = 0
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
	if r := ranges(w.since(before)); len(r) != 2 || r[0] != "" || !strings.HasPrefix(r[1], "bytes=") {
		t.Errorf("asked for %q", r)
	}
}

// The web server knows nothing of versions: its files change under the same names.
func TestAReleaseThatReplacesAnotherDuringItsDownloadIsInstalled(t *testing.T) {
	t.Parallel()
	longer := variant{name: "longer", source: "\nextern const char padding[20000];\nconst char padding[20000] __attribute__((used, section(\".irom.text.padding\"))) = {1};\n"}
	for name, c := range map[string]struct {
		v       variant
		headers []string // that the server does not know
	}{
		"with ETag":                 {variant{}, nil},
		"without ETag, other total": {longer, []string{"Etag", "If-Range"}},
		"without ETag, same total":  {variant{}, []string{"Etag", "If-Range"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := resuming(t, 20000)
			serve := func(r *release.Release) {
				f := folder(r)
				w.handler = without(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
					rw.Header().Set("ETag", fmt.Sprintf("%q", r.Version))
					f.ServeHTTP(rw, q)
				}), c.headers...)
			}
			serve(w.firmwares.release(t, "socket", "v2", 2))
			before := len(w.images())
			w.notify()
			w.expect("a break", time.Minute, func() bool { return len(w.since(before)) == 1 })
			w.RunFor(300 * time.Millisecond)
			v3, err := release.Sign(w.firmwares.variant(t, "socket", "v3", 3, c.v), w.firmwares.key)
			if err != nil {
				t.Fatal(err)
			}
			serve(v3)
			w.webHost.CutAfter = 0
			w.notify() // as whoever publishes does
			w.expect("v3 runs", 2*time.Minute, func() bool { return w.runs(d, "v3") })
			if r := ranges(w.since(before)); !slices.ContainsFunc(r, func(s string) bool { return s != "" }) {
				t.Errorf("asked for %q: nothing was resumed", r)
			}
		})
	}
}

// What a server may say to the second request, and what the device does then.
func TestWhatIsAnsweredToARange(t *testing.T) {
	t.Parallel()
	status := func(n int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(n) }
	}
	for name, c := range map[string]struct {
		answer http.Handler
		fails  string // empty: the release gets there
	}{
		"416": {http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Range", "bytes */100")
			rw.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}), ""},
		"500": {status(500), ""},
		"503": {status(503), ""},
		"404": {status(404), "http-status"},
		"302": {status(302), "http-status"},
		"a part without a range": {http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusPartialContent)
			rw.Write(make([]byte, 100))
		}), "malformed-response"},
		"a part that begins elsewhere": {http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Range", "bytes 50-149/50000")
			rw.WriteHeader(http.StatusPartialContent)
			rw.Write(make([]byte, 100))
		}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := resuming(t, 20000)
			before, honest, times := len(w.images()), w.handler, 0
			w.handler = http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
				if q.Header.Get("Range") != "" {
					if times++; times == 1 {
						c.answer.ServeHTTP(rw, q)
						return
					}
				}
				honest.ServeHTTP(rw, q)
			})
			w.publishDownloaded("socket", "v2", 2)
			w.notify()
			w.expect("the odd answer", time.Minute, func() bool { return times > 0 })
			w.webHost.CutAfter = 0
			if c.fails == "" {
				w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
				return
			}
			w.expect("the end", time.Minute, func() bool { return w.lastUpdate(d).State == "failed" })
			if u := w.lastUpdate(d); u.Error != c.fails || len(w.since(before)) != 2 {
				t.Errorf("reports %+v after %d requests", u, len(w.since(before)))
			}
			w.notify()
			w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
		})
	}
}

// The bytes that were lost are asked for again, whichever the connection broke at.
func TestADownloadCanBreakAnywhere(t *testing.T) {
	t.Parallel()
	v2 := theFirmwares(t).images(t, "socket", "v2", 2)[1]
	for _, cut := range []int{500, 800, 1000, 4200, 4600, 12000, 16000, len(v2) - 100, len(v2), len(v2) + 200} {
		w, d := resuming(t, cut)
		w.publishDownloaded("socket", "v2", 2)
		w.notify()
		before := len(w.images())
		w.expect("a break", time.Minute, func() bool { return len(w.since(before)) == 1 || w.lastUpdate(d).State == "failed" })
		w.RunFor(300 * time.Millisecond)
		w.webHost.CutAfter = 0
		w.notify()
		w.expect(fmt.Sprintf("v2 runs after a break at %d", cut), time.Minute, func() bool { return w.runs(d, "v2") })
	}
}
