// Package dashboard is the web interface: pages that read the API as everybody else does, and
// the sessions of who has signed in to them.
//
// The pages are written for browsers as they are, so nothing has to be built for them, and
// they load nothing from other hosts.
package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"esper/internal/access"
)

//go:embed web
var embedded embed.FS

// policy allows the dashboard's own files and nothing else: no markup that a device might
// smuggle in could run, load or send anything (CSP Level 3), and no script can make markup of
// text at all (Trusted Types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pages are the paths of the pages. Which of them it is, the page itself looks after.
var pages = []string{"GET /{$}", "GET /devices/{id}", "GET /releases", "GET /rollouts/{type}", "GET /builds", "GET /builds/{number}"}

// assets is the path of the files that pages load.
const assets = "/assets/"

// Register adds the pages to a multiplexer. The pages themselves are for everybody: they show
// nothing without the API, which the guard protects, and let in who has signed in here.
func Register(mux *http.ServeMux, guard *access.Guard) {
	signedIn := newSessions()
	guard.Ways = append(guard.Ways, signedIn.way(guard.Keeper))
	signedIn.register(mux, guard)
	files := load()
	for _, pattern := range pages {
		mux.HandleFunc(pattern, files["index.html"].serve)
	}
	for name, f := range files {
		if name != "index.html" {
			mux.HandleFunc("GET "+assets+name, f.serve)
		}
	}
}

// file is a file of the dashboard.
type file struct {
	name    string
	content []byte
	etag    string // strong (RFC 9110, 8.8.3)
}

// load reads the files, by their path.
func load() map[string]file {
	files := map[string]file{}
	err := fs.WalkDir(embedded, "web", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(at)
		name := strings.TrimPrefix(at, "web/")
		hash := sha256.Sum256(content)
		files[name] = file{path.Base(at), content, `"` + hex.EncodeToString(hash[:8]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // it is in the program
	}
	return files
}

// serve answers with the file. Browsers ask each time whether it is still the same, so that
// pages and server are always of one version.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.content))
}
