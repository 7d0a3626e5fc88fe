// Package health knows what of a server does not work at the moment, and tells those who watch over it.
package health

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Health is what does not work. Its methods can be called at the same time.
type Health struct {
	log *slog.Logger

	mu       sync.Mutex       // guards the following fields
	problems map[string]error // by what does not work
}

// New returns the health of a server of which everything works. It logs what changes.
func New(log *slog.Logger) *Health { return &Health{log: log, problems: map[string]error{}} }

// Note takes in whether something works.
func (h *Health) Note(what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, failing := h.problems[what]
	if err == nil {
		if delete(h.problems, what); failing {
			h.log.Info("it works again", "what", what)
		}
		return
	}
	if h.problems[what] = err; !failing {
		h.log.Error("it does not work; trying again", "what", what, "error", err)
	}
}

// Every does something at once and then at an interval, until the context ends, and takes in whether
// that worked.
func (h *Health) Every(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := do(ctx); ctx.Err() == nil {
			h.Note(what, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// Handler answers 200 when everything works, and else 503 with what does not. More returns what does
// not work besides. Anybody may ask, so details are only in the log.
func (h *Health) Handler(more func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		failing := slices.Collect(maps.Keys(h.problems))
		h.mu.Unlock()
		failing = append(failing, more()...)
		slices.Sort(failing)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if len(failing) == 0 {
			io.WriteString(w, "ok\n")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "does not work: %s\n", strings.Join(failing, ", "))
	})
}
