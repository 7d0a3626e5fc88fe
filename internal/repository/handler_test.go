package repository

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"esper/internal/image"
	"esper/internal/release"
)

func request(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

func TestTheWantedVersionIsServedAsLongAsItIsKept(t *testing.T) {
	r := open(t, t.TempDir())
	h := r.Handler(nil)
	first := testRelease(t, "v0", 1, "")
	mustPublish(t, r, first)
	for i := range uint32(kept) {
		w := request(h, "GET", "/socket.rom0?version=v0")
		if w.Code != 200 || w.Body.String() != string(first.Images[0]) {
			t.Errorf("after %d more releases: status %d, %d bytes", i, w.Code, w.Body.Len())
		}
		mustPublish(t, r, testRelease(t, fmt.Sprint("v", i+1), i+2, ""))
	}
	if w := request(h, "GET", "/socket.rom0?version=v0"); w.Code != 404 {
		t.Errorf("no longer kept: status %d, want 404", w.Code)
	}
}

// Devices that ask all the time, while releases are published, never get files
// that do not belong together.
func TestADeviceNeverGetsAMixture(t *testing.T) {
	r := open(t, t.TempDir())
	h := r.Handler(nil)
	mustPublish(t, r, testRelease(t, "v0", 1, ""))
	var next []*release.Release
	for i := range uint32(30) {
		next = append(next, testRelease(t, fmt.Sprint("v", i+1), i+2, ""))
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for _, rel := range next {
			if err == nil {
				err = r.Publish(rel, Allow{})
			}
		}
		done <- err
	}()
	for downloads := 0; ; downloads++ {
		version := request(h, "GET", "/socket.version").Body.Bytes()
		v, err := release.ParseVersionFile(version)
		if err != nil {
			t.Fatal(err)
		}
		rom0 := request(h, "GET", "/socket.rom0?version="+v.Version)
		rom1 := request(h, "GET", "/socket.rom1?version="+v.Version)
		err = release.Verify(version, rom0.Body.Bytes(), rom1.Body.Bytes(), "socket", []ed25519.PublicKey{key.Public().(ed25519.PublicKey)})
		if err != nil && rom0.Code == 200 && rom1.Code == 200 {
			t.Fatalf("download %d of %s: %v", downloads, v.Version, err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if downloads < 5 {
				t.Errorf("only %d downloads during 30 publications", downloads)
			}
			return
		default:
		}
	}
}

func TestAnswersSayWhatTheyAre(t *testing.T) {
	r := open(t, t.TempDir())
	rel := relocatable(t, "v1", 1)
	mustPublish(t, r, relocatable(t, "v0", 0))
	mustPublish(t, r, rel)
	for path, contentType := range map[string]string{
		"/socket.version": "text/plain; charset=us-ascii", "/socket.rom0": "application/octet-stream",
		"/socket.v0.delta1?version=v1": "application/octet-stream",
	} {
		w := request(r.Handler(nil), "GET", path)
		want := http.Header{
			"Cache-Control":          {"no-cache"},
			"Content-Type":           {contentType},
			"Content-Length":         {fmt.Sprint(w.Body.Len())},
			"Etag":                   {fmt.Sprintf(`"%x"`, sha256.Sum256(w.Body.Bytes()))},
			"Accept-Ranges":          {"bytes"},
			"X-Content-Type-Options": {"nosniff"},
		}
		for name := range want {
			if !slices.Equal(w.Header()[name], want[name]) {
				t.Errorf("%s: %s is %q, want %q", path, name, w.Header()[name], want[name])
			}
		}
	}
	if w := request(r.Handler(nil), "POST", "/socket.version"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestRequestsAreSeen(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "v.0", 0))
	mustPublish(t, r, relocatable(t, "v1", 1))
	var seen []Request
	h := r.Handler(func(q Request) { seen = append(seen, q) })
	part := request(h, "GET", "/socket.rom1?version=v1", "X-Esper-Device", "00c0de", "X-Esper-Version", "v0", "Range", "bytes=5-")
	none := request(h, "GET", "/lamp.version", "X-Esper-Device", "00c0de\nforged line", "X-Esper-Version", "\x1b[2J")
	request(h, "GET", "/nonsense")
	delta := request(h, "GET", "/socket.v.0.delta1?version=v1", "X-Esper-Device", "00c0de", "X-Esper-Version", "v.0", "Range", "bytes=20-")
	gone := request(h, "GET", "/socket.v9.delta0")
	want := []Request{
		{Device: "00c0de", Running: "v0", Type: "socket", File: "rom1", Wanted: "v1", Served: "v1", Range: "bytes=5-", Status: 206, Sent: int64(part.Body.Len()), Remote: "192.0.2.1:1234"},
		{Type: "lamp", File: "version", Status: 404, Sent: int64(none.Body.Len()), Remote: "192.0.2.1:1234"},
		{Device: "00c0de", Running: "v.0", Type: "socket", File: "delta1", From: "v.0", Wanted: "v1", Served: "v1", Range: "bytes=20-", Status: 206, Sent: int64(delta.Body.Len()), Remote: "192.0.2.1:1234"},
		{Type: "socket", File: "delta0", From: "v9", Status: 404, Sent: int64(gone.Body.Len()), Remote: "192.0.2.1:1234"},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %+v,\nwant %+v", seen, want)
	}
}

// Whatever is asked for, the answer is a file of the release, a part of one, or an
// error, never something from elsewhere on the disk; and what is told of the request
// is as it should be, or empty.
func FuzzRequest(f *testing.F) {
	r := open(f, f.TempDir())
	rel := relocatable(f, "v1", 1)
	mustPublish(f, r, relocatable(f, "v0", 0))
	mustPublish(f, r, rel)
	var seen []Request
	h := r.Handler(func(q Request) { seen = append(seen, q) })
	for _, target := range []string{
		"/socket.version", "/socket.rom0?version=v1", "/socket.rom1?version=..", "/../../etc/passwd", "//socket.rom0",
		"/socket.rom0/", "/socket.%72om0", "/socket.rom0?version=../socket/v1", "/socket.rom0?version=.new-v1", "/\x00.rom0",
		"/socket.version?%zz", "/socket.rom0?version=v1&version=..",
		"/socket.v0.delta0", "/socket.v0.delta1?version=v1", "/socket.v0.delta0?version=v0", "/socket...delta0", "/socket.delta0",
		"/socket.%2e%2e%2fv1%2fsocket.v0.delta0", "/socket.v0.delta0/", "/socket.v0.rom0", "/socket.v0.delta2", "/../socket.v0.delta0",
	} {
		f.Add(target, "00c0de", "v1", "", "")
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(rel.Images[0]))
	for _, part := range []string{
		"bytes=5-", "bytes=0-0", "bytes=-1", "bytes=5-4", "bytes=1-2,4-5", "bytes=99999999999999999999-", "bytes=", "lines=1-", "bytes=16-\n",
	} {
		f.Add("/socket.rom0", "00C0DE", "../x", part, tag)
	}
	f.Add("/socket.rom0", "\x1b[2J", "v\n1", "bytes=5-", `W/"x"`)
	own := []string{string(rel.VersionFile.Marshal()), string(rel.Images[0]), string(rel.Images[1])}
	for slot := range rel.Images {
		content, err := os.ReadFile(filepath.Join(r.Dir(), fmt.Sprintf("socket.v0.delta%d", slot)))
		if err != nil {
			f.Fatal(err)
		}
		own = append(own, string(content))
	}
	old, err := r.Release("socket", "v0") // which ?version= gives
	if err != nil {
		f.Fatal(err)
	}
	own = append(own, string(old.VersionFile.Marshal()), string(old.Images[0]), string(old.Images[1]))
	f.Fuzz(func(t *testing.T, target, device, running, part, condition string) {
		q, err := http.NewRequest("GET", "http://x"+target, nil)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		for name, value := range map[string]string{
			"X-Esper-Device": device, "X-Esper-Version": running, "Range": part, "If-Range": condition,
		} {
			if value != "" {
				q.Header.Set(name, value)
			}
		}
		seen = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		switch body := w.Body.String(); w.Code {
		case 200:
			if !slices.Contains(own, body) {
				t.Errorf("GET %q: %d bytes that are no file of the release", target, len(body))
			}
		case 206:
			var from, to, size int
			if n, _ := fmt.Sscanf(w.Header().Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); n != 3 {
				break // several ranges
			}
			if !slices.ContainsFunc(own, func(file string) bool { return len(file) == size && file[from:to+1] == body }) {
				t.Errorf("GET %q, %q: not bytes %d-%d of a file", target, part, from, to)
			}
		case 404, 416:
		default:
			t.Errorf("GET %q, %q: status %d", target, part, w.Code)
		}
		for _, s := range seen {
			if s.Device != "" && (s.Device != device || len(s.Device) != 6) || s.Running != "" && image.CheckVersion(s.Running) != nil ||
				s.Wanted != "" && checkVersion(s.Wanted) != nil || s.From != "" && checkVersion(s.From) != nil ||
				(s.From != "") != strings.HasPrefix(s.File, "delta") || s.Status != w.Code {
				t.Errorf("seen %+v", s)
			}
		}
	})
}

func TestADeltaIsServedAsLongAsItsReleaseIsKept(t *testing.T) {
	r := open(t, t.TempDir())
	h := r.Handler(nil)
	mustPublish(t, r, relocatable(t, "v0", 1))
	first := relocatable(t, "v1", 2)
	mustPublish(t, r, first)
	source := relocatable(t, "v0", 1).Images[1]
	for i := range uint32(kept) {
		w := request(h, "GET", "/socket.v0.delta0?version=v1")
		if err := makes(source, w.Body.Bytes(), first.Images[0]); w.Code != 200 || err != nil {
			t.Errorf("after %d more releases: status %d, %v", i, w.Code, err)
		}
		mustPublish(t, r, relocatable(t, fmt.Sprint("v", i+2), i+3))
	}
	for _, path := range []string{
		"/socket.v0.delta0?version=v1", "/socket.v0.delta0", // no longer kept; not made
		"/socket.v6.delta0", "/socket.v5.delta2", "/socket.delta0", "/lamp.v5.delta0", "/socket.v5.delta0?version=v9",
		"/socket.../v6/socket.v5.delta0", "/socket.v5.delta0?version=../socket/v6", "/socket.v5.delta0?version=.new-v6",
	} {
		if w := request(h, "GET", path); w.Code != 404 {
			t.Errorf("GET %s: status %d, want 404", path, w.Code)
		}
	}
	if w := request(h, "GET", "/socket.v5.delta0"); w.Code != 200 {
		t.Errorf("the current release's: status %d", w.Code)
	}
}

func TestTheChooserDecidesWhoGetsWhat(t *testing.T) {
	r := open(t, t.TempDir())
	old, current := relocatable(t, "v1", 1), relocatable(t, "v2", 2)
	mustPublish(t, r, old)
	mustPublish(t, r, current)
	h := r.HandlerFor(func(q Request) string {
		return map[string]string{"": "v1", "000001": "v2", "000002": "", "000003": "v0"}[q.Device]
	}, nil)
	for device, want := range map[string]*release.Release{"": old, "000001": current, "000002": nil, "000003": nil} {
		w := request(h, "GET", "/socket.version", "X-Esper-Device", device)
		if want == nil {
			if w.Code != 404 {
				t.Errorf("%q: status %d, want 404", device, w.Code)
			}
		} else if w.Body.String() != string(want.VersionFile.Marshal()) {
			t.Errorf("%q gets another version file than that of %s", device, want.Version)
		}
	}
	// The paper's firmware does not name the version of the image.
	if w := request(h, "GET", "/socket.rom0"); w.Body.String() != string(old.Images[0]) {
		t.Error("the image is not that of the version file")
	}
	if w := request(h, "GET", "/socket.v1.delta0"); w.Code != 404 {
		t.Errorf("the delta of another release than that of the version file: status %d", w.Code)
	}
	if w := request(h, "GET", "/socket.v1.delta0?version=v2", "X-Esper-Device", "000002"); w.Code != 200 {
		t.Errorf("who was told of a version does not get its delta: status %d", w.Code)
	}
	if w := request(h, "GET", "/socket.rom0?version=v2", "X-Esper-Device", "000002"); w.Body.String() != string(current.Images[0]) {
		t.Error("who was told of a version does not get its image")
	}
}

func TestWhatIsToBeKeptIsKept(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, testRelease(t, "v0", 1, ""))
	if err := r.Keep("socket", []string{"v0", "gone"}); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(2 * kept) {
		mustPublish(t, r, testRelease(t, fmt.Sprint("v", i+1), i+2, ""))
	}
	if !r.Has("socket", "v0") || r.Has("socket", "v1") {
		t.Error("v0 is gone, or v1 is not")
	}
	if newest, err := r.Newest("socket"); err != nil || newest.Version != r.NewestVersion("socket") || newest.Sequence != 2*kept+1 {
		t.Errorf("newest is %+v, %v", newest, err)
	}
	if err := r.Keep("socket", nil); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, testRelease(t, "last", 100, ""))
	if r.Has("socket", "v0") {
		t.Error("v0 is kept though nobody wants it any more")
	}
}
