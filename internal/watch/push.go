package watch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"esper/internal/secret"
)

// PushPath is what the repository's URL begins with: git push http://server/git/site.git.
const PushPath = "/git/"

// maxPushBody is the longest request of a push, in bytes. A pack that is too large is git's to
// refuse, which tells its author so.
const maxPushBody = maxPush + 1<<20

// pushTime is how long a request may take.
const pushTime = 10 * time.Minute

// Push answers git at the repository's URL, by git's own http-backend. Whoever is let through
// to it may read the site and push to every branch; only the followed one is built.
func (w *Watcher) Push() (http.Handler, error) {
	git := exec.Command("git", "--exec-path")
	git.Env = secret.Environ()
	path, err := git.Output()
	if err != nil {
		return nil, err
	}
	backend := filepath.Join(strings.TrimSpace(string(path)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return nil, err
	}
	handler := &cgi.Handler{
		Path: backend, Root: strings.TrimSuffix(PushPath, "/"), Dir: w.repo.dir,
		Env: []string{
			"GIT_PROJECT_ROOT=" + filepath.Dir(w.repo.dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=publisher",
			"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		},
		Logger: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
		Stderr: debugWriter{w.log},
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, PushPath+filepath.Base(w.repo.dir)+"/") {
			http.NotFound(rw, r)
			return
		}
		control := http.NewResponseController(rw)
		until := time.Now().Add(pushTime)
		control.SetReadDeadline(until) // no error matters: the server's own limits hold then
		control.SetWriteDeadline(until)
		if err := spool(rw, r); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				http.Error(rw, "the push is too large", http.StatusRequestEntityTooLarge)
			}
			return
		}
		defer r.Body.Close()
		r.Header.Del("Authorization") // or git's environment would have it
		handler.ServeHTTP(rw, r)
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			w.log.Info("pushed", "remote", r.RemoteAddr)
			// Before the answer ends, so that the build is there when 'git push' is done.
			w.follow(context.WithoutCancel(r.Context()), 0)
		}
	}), nil
}

// spool makes the body of a request one of known length, since CGI (RFC 3875) has no other.
func spool(rw http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		r.Body = http.NoBody
		return nil
	}
	f, err := os.CreateTemp("", "esper-push-*")
	if err != nil {
		http.Error(rw, "the push cannot be stored", http.StatusInsufficientStorage)
		return err
	}
	os.Remove(f.Name()) // it goes when it is closed
	size, err := io.Copy(f, http.MaxBytesReader(rw, r.Body, maxPushBody))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.Body, r.ContentLength, r.TransferEncoding = f, size, nil
	return nil
}

// debugWriter logs what git says beside its answer.
type debugWriter struct{ log *slog.Logger }

func (d debugWriter) Write(p []byte) (int, error) {
	d.log.Log(context.Background(), slog.LevelDebug, "git", "said", string(bytes.TrimSpace(p)))
	return len(p), nil
}
