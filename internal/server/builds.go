package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"esper/internal/access"
	"esper/internal/watch"
)

// builds is what a server that is a build server has besides.
type builds struct {
	watcher *watch.Watcher
	push    http.Handler // nil: nobody pushes to it
	hook    http.Handler // nil: no webhooks
}

// Builds makes the server a build server as long as it runs. It must be called before Run.
// Pushing and hook, if they are not nil, are answered at [watch.PushPath] and [watch.HookPath].
func (s *Server) Builds(w *watch.Watcher, push, hook http.Handler) {
	w.Changed = s.live.Build
	s.builds = &builds{w, push, hook}
}

// watcher is the build server, or nil.
func (s *Server) watcher() *watch.Watcher {
	if s.builds == nil {
		return nil
	}
	return s.builds.watcher
}

// build follows and builds until the context ends. The rest of the server does without it.
func (s *Server) build(ctx context.Context) {
	if s.builds == nil {
		return
	}
	if err := s.builds.watcher.Run(ctx); err != nil {
		s.log.Error("nothing is built any more", "error", err)
	}
}

func (s *Server) buildRoutes(mux *http.ServeMux) {
	if s.builds == nil {
		return
	}
	if s.builds.push != nil {
		mux.Handle(watch.PushPath, s.guard.WithBasic().Require(access.Publisher, "git", s.builds.push))
	}
	if s.builds.hook != nil {
		mux.Handle(watch.HookPath, s.builds.hook)
	}
}

// announcePatience is how long a release waits for the broker to be there.
const announcePatience = 10 * time.Second

// Announce tells all devices to look for a release.
func (s *Server) Announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announcePatience)
	defer cancel()
	for !s.connected() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("there is no MQTT broker")
		}
	}
	return s.tell("")
}
