package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"esper/internal/git"
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
	programs, err := w.repo.Run(context.Background(), "--exec-path")
	if err != nil {
		return nil, err
	}
	backend := filepath.Join(programs, "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return nil, err
	}
	program, args := git.Limited(backend)
	handler := &cgi.Handler{
		Path: program, Args: args, Root: strings.TrimSuffix(PushPath, "/"), Dir: w.repo.Dir,
		Env: append(git.Environment(),
			"GIT_PROJECT_ROOT="+filepath.Dir(w.repo.Dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=publisher"),
		Logger: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
		Stderr: debugWriter{w.log},
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, PushPath+filepath.Base(w.repo.Dir)+"/") || path.Clean(r.URL.Path) != r.URL.Path {
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
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			handler.ServeHTTP(rw, r)
			return
		}
		a := &answer{ResponseWriter: rw}
		handler.ServeHTTP(a, r)
		w.log.Info("pushed", "remote", r.RemoteAddr)
		// Before the answer ends, so that the build is there when 'git push' is done.
		w.follow(context.WithoutCancel(r.Context()), 0)
		a.end(w.afterPush())
	}), nil
}

// afterPush is what the author of a push is told.
func (w *Watcher) afterPush() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.lastFollowed()
	switch {
	case w.unborn:
		return fmt.Sprintf("nothing is built: there is no branch %s, which is the one that is built", w.branch)
	case b == nil:
		return "nothing is built: see the server's log"
	case b.State.Ended():
		return fmt.Sprintf("nothing is new: %s of %s was build %d, %s", b.Hash[:8], b.Branch, b.Number, b.State)
	}
	return fmt.Sprintf("%s of %s is build %d, %s. To follow it: esper builds log %d -f", b.Hash[:8], b.Branch, b.Number, b.State, b.Number)
}

// answer is git-receive-pack's answer to a push, to which a line for the author is added:
// packets that begin with their length in four hexadecimal digits, the last of them a flush,
// "0000". If the author's git can be told anything, each packet begins with the number of a
// band, of which 2 is for people (gitprotocol-pack, "Reference Update Request").
type answer struct {
	http.ResponseWriter
	start []byte // its first five bytes
	last  []byte // its last four, which wait
}

func (a *answer) Write(p []byte) (int, error) {
	a.start = append(a.start, p[:min(len(p), 5-len(a.start))]...)
	all := append(a.last, p...)
	keep := max(0, len(all)-4)
	a.last = bytes.Clone(all[keep:])
	if _, err := a.ResponseWriter.Write(all[:keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes the line and what waits.
func (a *answer) end(line string) {
	if len(a.start) == 5 && (a.start[4] == 1 || a.start[4] == 2) && string(a.last) == "0000" {
		line = "esper: " + line + "\n"
		fmt.Fprintf(a.ResponseWriter, "%04x\x02%s", len(line)+5, line)
	}
	a.ResponseWriter.Write(a.last) // nobody is left to tell of an error
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
