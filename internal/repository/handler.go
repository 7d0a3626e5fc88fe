package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"esper/internal/image"
	"esper/internal/settings"
)

// Request is what a device asked for, and what it got.
type Request struct {
	Device   string              // the chip id that it says it has, or empty
	Running  string              // the version that it says it runs, or empty
	Type     string              // the device type in the path
	File     string              // version, rom0, rom1, delta0, delta1 or settings
	From     string              // of a delta: the version of the release that it is from
	Wanted   string              // the version in the query, or empty
	Settings *settings.Sequences // of the settings that it says it has; nil if it does not say
	Own      bool                // it got the settings for it alone
	Served   string              // the version that it got, or the sequence of settings; empty: none, or the newest
	Range    string              // the Range header, or empty
	Status   int                 // of the answer
	Sent     int64               // bytes of the answer's body, as far as it got
	Remote   string              // host and port of the client
}

// Chooser returns which version of a device type's release, or which sequence of its settings, a
// client gets that does not ask for one itself; empty: none. Status is not known yet.
type Chooser func(Request) string

// Handler serves the releases as docs/SPEC.md sections 6 and 12.5 say: /<type>.version,
// .rom0, .rom1, .<from>.delta0, .<from>.delta1 and .settings, with ?version= those of that version as
// long as it is kept. A device for which alone there are settings, newer than those that it says it has,
// gets these.
// It answers ranges and conditions with the file's SHA-256 as the entity tag.
// Whatever else is asked for is not found. Seen, if not nil, is called after each
// request for a file with a valid name; it must not block. Who does not ask for a version
// gets the one published last.
func (r *Repository) Handler(seen func(Request)) http.Handler {
	return r.HandlerFor(nil, seen)
}

// HandlerFor is a [Repository.Handler] that lets choose decide, if it is not nil.
func (r *Repository) HandlerFor(choose Chooser, seen func(Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
			return
		}
		deviceType, from, file, ok := parsePath(q.URL.Path)
		wanted := q.URL.Query().Get("version")
		if !ok || (wanted != "" && checkVersion(wanted) != nil) {
			http.Error(w, "no such firmware", http.StatusNotFound)
			return
		}
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		request := Request{
			Device: deviceID(q.Header.Get("X-Esper-Device")), Running: version(q.Header.Get("X-Esper-Version")),
			Type: deviceType, File: file, From: from, Wanted: wanted, Range: q.Header.Get("Range"), Remote: q.RemoteAddr,
		}
		request.Served = wanted
		if file == SettingsFile {
			request.Settings = sequences(q.Header.Get("X-Esper-Settings"))
			request.Own = wanted == "" && r.hasOwn(request)
		}
		choose := choose
		if request.Own {
			choose = nil
		}
		if wanted == "" && choose != nil {
			request.Served = choose(request)
		}
		if request.Served == "" && choose != nil {
			http.Error(recorder, "nothing for you", http.StatusNotFound)
		} else {
			r.serveFile(recorder, q, request)
		}
		if seen != nil {
			request.Status, request.Sent = recorder.status, recorder.sent
			seen(request)
		}
	})
}

// path returns the file that is asked for, of the version that is to be served.
func (r *Repository) path(asked Request) (string, error) {
	switch {
	case asked.Own:
		return r.currentSettings("", asked.Device), nil
	case asked.File == SettingsFile:
		name := settings.FileName(asked.Type)
		folder, err := r.folder(name, asked.Served)
		return filepath.Join(folder, name), err
	}
	folder, err := r.folder(asked.Type, asked.Served)
	name := asked.Type + "." + asked.File
	if asked.From != "" {
		name = asked.Type + "." + asked.From + "." + asked.File
	}
	return filepath.Join(folder, name), err
}

// SettingsFile is the File of a [Request] for settings.
const SettingsFile = "settings"

// hasOwn reports whether there are settings for the device alone that are newer than it says it has, and
// that it did not refuse.
func (r *Repository) hasOwn(asked Request) bool {
	if asked.Device == "" {
		return false
	}
	has := settings.Sequences{}
	if asked.Settings != nil {
		has = *asked.Settings
	}
	h, _, err := r.deviceSettings(asked.Device)
	return err == nil && h.Sequence > has.Device && h.Sequence != r.refused(asked.Device) && (h.Type == asked.Type || h.Type == settings.AllTypes)
}

// HasOwnSettings reports whether a device with such settings would get those for it alone if it asked.
func (r *Repository) HasOwnSettings(id, deviceType string, has settings.Sequences) bool {
	return r.hasOwn(Request{Device: id, Type: deviceType, Settings: &has})
}

// sequences reads the header X-Esper-Settings: two decimal numbers and a space between them. It returns
// nil for anything else.
func sequences(header string) *settings.Sequences {
	fleet, device, ok := strings.Cut(header, " ")
	a, err := strconv.ParseUint(fleet, 10, 32)
	b, deviceErr := strconv.ParseUint(device, 10, 32)
	if !ok || err != nil || deviceErr != nil {
		return nil
	}
	return &settings.Sequences{Fleet: uint32(a), Device: uint32(b)}
}

// serveFile answers with the file that is asked for, of the version that is to be served.
func (r *Repository) serveFile(w http.ResponseWriter, q *http.Request, asked Request) {
	path, err := r.path(asked)
	if err != nil {
		http.Error(w, "no such firmware", http.StatusNotFound)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		http.Error(w, "no such firmware", http.StatusNotFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	var tag string
	if err == nil {
		tag, err = r.etag.of(f, info)
	}
	if err != nil {
		http.Error(w, "the firmware cannot be read", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // the same name is another file after the next release
	h.Set("Content-Type", "application/octet-stream")
	if asked.File == "version" {
		h.Set("Content-Type", "text/plain; charset=us-ascii")
	}
	// No time: two releases may lie within its resolution, and a release that is put
	// back is older than the one before. The entity tag says it all.
	http.ServeContent(w, q, "", time.Time{}, f)
}

// plainFiles are the ends of the names of the files that there is one of in a release.
var plainFiles = []string{"version", "rom0", "rom1", SettingsFile}

// parsePath splits /<type>.<file> and /<type>.<from>.<file>.
func parsePath(path string) (deviceType, from, file string, ok bool) {
	name, ok := strings.CutPrefix(path, "/")
	if !ok {
		return "", "", "", false
	}
	if d, ok := parseDeltaName(name); ok {
		return d.deviceType, d.from, fmt.Sprint("delta", d.slot), true
	}
	deviceType, file, ok = strings.Cut(name, ".")
	ok = ok && image.CheckDeviceType(deviceType) == nil && slices.Contains(plainFiles, file)
	return deviceType, "", file, ok
}

// deviceID returns a chip id if it is one, else nothing: what a client sends must
// not reach logs as it is.
func deviceID(s string) string {
	if len(s) != 6 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

func version(s string) string {
	if image.CheckVersion(s) != nil {
		return ""
	}
	return s
}

// statusRecorder keeps the status and the length of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ReadFrom keeps the kernel's way of sending a file.
func (w *statusRecorder) ReadFrom(source io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, source)
	w.sent += n
	return n, err
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// etags remembers the hashes of files. A file of a release never changes, and
// another file under its name has another time or size.
type etags struct {
	hashing singleflight.Group // by fileKey: a file that many ask for is read once

	mu    sync.Mutex
	known map[fileKey]string
}

type fileKey struct {
	path       string
	size, time int64
}

// maxETags bounds what etags remembers: the files of some hundred device types.
const maxETags = 4096

// of returns the entity tag of an open file. No lock is held while the file is read: on a disk
// that hangs, who asks for other files does not wait for it.
func (e *etags) of(f *os.File, info os.FileInfo) (string, error) {
	key := fileKey{f.Name(), info.Size(), info.ModTime().UnixNano()}
	e.mu.Lock()
	tag, ok := e.known[key]
	e.mu.Unlock()
	if ok {
		return tag, nil
	}
	found, err, _ := e.hashing.Do(fmt.Sprint(key), func() (any, error) {
		hash := sha256.New()
		if _, err := io.Copy(hash, io.NewSectionReader(f, 0, key.size)); err != nil {
			return "", err
		}
		tag := `"` + hex.EncodeToString(hash.Sum(nil)) + `"`
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.known) >= maxETags || e.known == nil {
			e.known = map[fileKey]string{}
		}
		e.known[key] = tag
		return tag, nil
	})
	if err != nil {
		return "", err
	}
	return found.(string), nil
}
