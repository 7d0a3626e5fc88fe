// Package repositorytest holds what every way to serve a repository must do for
// devices, our own handler as well as a plain static web server.
package repositorytest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"esper/internal/delta"
	"esper/internal/delta/deltatest"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
)

// Key signs the releases of [Release].
var Key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// Release makes a signed release that can be told apart from all others, of a few
// kilobytes. Its images have no relocation lists, so there are no deltas from it.
func Release(t testing.TB, deviceType, version string, sequence uint32) *release.Release {
	t.Helper()
	var images [image.Slots][]byte
	for slot := range images {
		descriptor, err := image.Descriptor{DeviceType: deviceType, Version: version, Sequence: sequence, Slot: slot, Size: 4096}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s for slot %d. ", deviceType, version, slot)
		images[slot], err = image.Pack(image.Input{
			Entry:    image.IRAMStart,
			IROM:     append(descriptor, strings.Repeat(text, 300)...),
			Segments: []image.Segment{{Addr: image.IRAMStart, Data: make([]byte, 64)}},
			Slot:     slot,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := release.Sign(images, Key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Relocatable makes a signed release whose images have relocation lists, so that there are deltas from it
// to others of its kind.
func Relocatable(t testing.TB, deviceType, version string, sequence uint32) *release.Release {
	t.Helper()
	r, err := release.Sign(deltatest.Firmware(deviceType, version, sequence).Link(t), Key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Linked returns a release of [Release] as one of another link, signed again.
func Linked(t testing.TB, r *release.Release, link image.Link) *release.Release {
	t.Helper()
	var images [image.Slots][]byte
	for slot, content := range r.Images {
		images[slot] = Mark(content, link)
	}
	linked, err := release.Sign(images, Key)
	if err != nil {
		t.Fatal(err)
	}
	return linked
}

// Mark returns a whole image with the mark of a link.
func Mark(content []byte, link image.Link) []byte {
	marked := bytes.Clone(content)
	binary.LittleEndian.PutUint32(marked[image.DescriptorAt+88:], uint32(link)) // SPEC 2.3
	trailer := sha256.Sum256(marked[:len(marked)-sha256.Size])
	copy(marked[len(marked)-sha256.Size:], trailer[:])
	return marked
}

// Suite tests a server of a repository. Serve starts it and returns the address
// that /<type>.version is appended to.
func Suite(t *testing.T, serve func(t *testing.T, r *repository.Repository) string) {
	start := func(t *testing.T) (*repository.Repository, string) {
		r, err := repository.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r.SetLog(func(err error) { t.Error(err) })
		return r, serve(t, r)
	}
	publish := func(t *testing.T, r *repository.Repository, rel *release.Release) {
		t.Helper()
		if err := r.Publish(rel, repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("a device fetches a release", func(t *testing.T) {
		r, base := start(t)
		rel := Release(t, "socket", "v1", 1)
		publish(t, r, rel)
		for _, query := range []string{"", "?version=v1"} {
			for name, want := range files(rel) {
				answer, body := get(t, base+name+query, "X-Esper-Device", "00c0de", "X-Esper-Version", "v0")
				if answer.StatusCode != 200 || !bytes.Equal(body, want) {
					t.Errorf("GET %s%s: %s, %d bytes; want 200, %d bytes", name, query, answer.Status, len(body), len(want))
				}
				if answer.ContentLength != int64(len(want)) {
					t.Errorf("GET %s%s: Content-Length %d, want %d", name, query, answer.ContentLength, len(want))
				}
			}
		}
	})

	t.Run("the next release takes the place of the one before", func(t *testing.T) {
		r, base := start(t)
		publish(t, r, Release(t, "socket", "v1", 1))
		other := Release(t, "sensor", "v1", 1)
		publish(t, r, other)
		old, _ := get(t, base+"/socket.rom0")
		rel := Release(t, "socket", "v2", 2)
		publish(t, r, rel)
		for _, rel := range []*release.Release{rel, other} {
			for name, want := range files(rel) {
				if _, body := get(t, base+name); !bytes.Equal(body, want) {
					t.Errorf("GET %s: not the file of %s", name, rel.Version)
				}
			}
		}
		if answer, _ := get(t, base+"/socket.rom0"); answer.Header.Get("ETag") == old.Header.Get("ETag") {
			t.Errorf("two releases have the same ETag %s", old.Header.Get("ETag"))
		}
	})

	t.Run("HEAD gives the length", func(t *testing.T) {
		r, base := start(t)
		rel := Release(t, "socket", "v1", 1)
		publish(t, r, rel)
		answer, body := do(t, "HEAD", base+"/socket.rom1")
		if answer.StatusCode != 200 || answer.ContentLength != int64(len(rel.Images[1])) || len(body) != 0 {
			t.Errorf("HEAD: %s, Content-Length %d, body %d bytes", answer.Status, answer.ContentLength, len(body))
		}
	})

	t.Run("a broken download is resumed", func(t *testing.T) {
		r, base := start(t)
		rel := Release(t, "socket", "v1", 1)
		publish(t, r, rel)
		first, _ := get(t, base+"/socket.rom0")
		tag := first.Header.Get("ETag")

		answer, body := get(t, base+"/socket.rom0", "Range", "bytes=1000-", "If-Range", tag)
		if answer.StatusCode != 206 || !bytes.Equal(body, rel.Images[0][1000:]) {
			t.Errorf("the rest: %s, %d bytes", answer.Status, len(body))
		}
		if want := fmt.Sprintf("bytes 1000-%d/%d", len(rel.Images[0])-1, len(rel.Images[0])); answer.Header.Get("Content-Range") != want {
			t.Errorf("Content-Range %q, want %q", answer.Header.Get("Content-Range"), want)
		}
		answer, body = get(t, base+"/socket.rom0", "Range", "bytes=0-15")
		if answer.StatusCode != 206 || !bytes.Equal(body, rel.Images[0][:16]) {
			t.Errorf("a header: %s, %d bytes", answer.Status, len(body))
		}
		if answer, _ = get(t, base+"/socket.rom0", "Range", "bytes=99999999-"); answer.StatusCode != 416 {
			t.Errorf("a range behind the end: %s", answer.Status)
		}

		next := Release(t, "socket", "v2-longer", 2)
		publish(t, r, next)
		answer, body = get(t, base+"/socket.rom0", "Range", "bytes=1000-", "If-Range", tag)
		if answer.StatusCode != 200 || !bytes.Equal(body, next.Images[0]) {
			t.Errorf("the rest of what has changed meanwhile: %s, %d bytes; want all of the new one", answer.Status, len(body))
		}
	})

	t.Run("what is known already is not sent again", func(t *testing.T) {
		r, base := start(t)
		publish(t, r, Release(t, "socket", "v1", 1))
		first, _ := get(t, base+"/socket.version")
		tag := first.Header.Get("ETag")
		if answer, body := get(t, base+"/socket.version", "If-None-Match", tag); answer.StatusCode != 304 || len(body) != 0 {
			t.Errorf("unchanged: %s, %d bytes", answer.Status, len(body))
		}
		publish(t, r, Release(t, "socket", "v2-longer", 2))
		if answer, _ := get(t, base+"/socket.version", "If-None-Match", tag); answer.StatusCode != 200 {
			t.Errorf("changed: %s", answer.Status)
		}
	})

	t.Run("a device fetches a delta", func(t *testing.T) {
		r, base := start(t)
		// A device writes + as %2B.
		publish(t, r, Relocatable(t, "socket", "1.0+x", 1))
		publish(t, r, Relocatable(t, "socket", "1.1", 2))
		tags := map[string]string{} // by name
		for i, version := range []string{"2.0", "2.1"} {
			rel := Relocatable(t, "socket", version, uint32(i+3))
			publish(t, r, rel)
			for _, from := range []string{"1.0%2Bx", "1.1"} {
				for slot, target := range rel.Images {
					source, err := r.Release("socket", strings.ReplaceAll(from, "%2B", "+"))
					if err != nil {
						t.Fatal(err)
					}
					name := fmt.Sprintf("/socket.%s.delta%d", from, slot)
					url := base + name + "?version=" + version
					answer, body := get(t, url, "X-Esper-Device", "00c0de", "X-Esper-Version", source.Version)
					made, err := delta.Apply(source.Images[1-slot], body)
					if answer.StatusCode != 200 || err != nil || !bytes.Equal(made, target) {
						t.Errorf("GET %s: %s, %d bytes that make %d bytes, %v", url, answer.Status, len(body), len(made), err)
						continue
					}
					tag := answer.Header.Get("ETag")
					if tag == tags[name] {
						t.Errorf("GET %s: the delta of another release has the same ETag %s", url, tag)
					}
					tags[name] = tag
					answer, rest := get(t, url, "Range", "bytes=30-", "If-Range", tag)
					if answer.StatusCode != 206 || !bytes.Equal(rest, body[30:]) {
						t.Errorf("GET %s, the rest: %s, %d bytes", url, answer.Status, len(rest))
					}
				}
			}
		}
		for _, name := range []string{"/socket.2.1.delta0", "/socket.9.delta0", "/socket.1.1.delta2"} {
			if answer, _ := get(t, base+name); answer.StatusCode != 404 {
				t.Errorf("GET %s: %s, want 404", name, answer.Status)
			}
		}
	})

	t.Run("nothing else is served", func(t *testing.T) {
		r, base := start(t)
		publish(t, r, Release(t, "socket", "v1", 1))
		for _, path := range []string{
			"/", "/current/", "/releases/", "/releases/socket/", "/lamp.version", "/socket.rom2", "/socket",
			"/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
		} {
			answer, body := get(t, base+path)
			if answer.StatusCode < 400 || answer.StatusCode >= 500 || bytes.Contains(body, []byte("v1")) {
				t.Errorf("GET %s: %s %q, want a client error", path, answer.Status, body)
			}
		}
	})
}

// files returns the files of a release by path.
func files(r *release.Release) map[string][]byte {
	return map[string][]byte{
		"/" + r.Type + ".version": r.VersionFile.Marshal(),
		"/" + r.Type + ".rom0":    r.Images[0],
		"/" + r.Type + ".rom1":    r.Images[1],
	}
}

func get(t *testing.T, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return do(t, "GET", url, headers...)
}

// do sends a request with headers, given as names and values in turn.
func do(t *testing.T, method, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	q, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}
