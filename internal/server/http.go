package server

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"esper/internal/api"
	"esper/internal/connections"
	"esper/internal/dashboard"
	"esper/internal/metrics"
	"esper/internal/repository"
)

// FirmwarePath is the path that the repository is served under.
const FirmwarePath = "/firmware/"

// How many connections it holds, and how many of one address: all devices behind a router may ask at once.
const (
	maxConnections = 10_000
	maxFromAddress = 2_000
)

// webServer is the HTTP server, with limits for clients that are slow or worse. An
// image takes a device on a bad link a minute or two.
func (s *Server) webServer() *http.Server {
	secure := s.config.TLS.Clone()
	if secure != nil && !slices.Contains(secure.NextProtos, "h2") {
		// Else HTTP/2 is offered but not served: plain HTTP, which is the same server and starts
		// first, sets it up only if it is named.
		secure.NextProtos = append(secure.NextProtos, "h2", "http/1.1")
	}
	most := min(maxConnections, connections.Available()/4) // each may have a file, too
	return &http.Server{
		Handler:           s.routes(),
		ConnState:         connections.NewLimit(most, min(maxFromAddress, most/2)).State,
		TLSConfig:         secure,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	dashboard.Register(mux, s.guard)
	s.repository.SetRefused(func(id string) uint32 {
		if d, ok := s.fleet.Device(id); ok && d.Settings != nil && d.Settings.Error != "" {
			return d.Settings.Candidate
		}
		return 0
	})
	firmware := s.repository.HandlerFor(s.choose, func(q repository.Request) {
		if q.File == repository.SettingsFile {
			s.settings.conductor.Seen(q)
		} else {
			s.conductor.Seen(q)
		}
		_, known := s.feed.Published().Newest(q.Type)
		s.metrics.Firmware(q, known)
		s.logRequest(q)
	})
	mux.Handle(FirmwarePath, http.StripPrefix(FirmwarePath[:len(FirmwarePath)-1], firmware))
	mux.Handle("GET "+metrics.Path, s.guard.Protect(s.metrics.Handler()))
	mux.Handle(api.Path, s.metrics.API(api.Handler(s.apiConfig())))
	s.buildRoutes(mux)
	mux.Handle("GET /healthz", s.health.Handler(func() []string {
		if s.connected() {
			return nil
		}
		return []string{"broker"}
	}))
	return noSniff(mux)
}

// noSniff sets X-Content-Type-Options: nosniff, so that browsers take each answer for what it is said to
// be, not for what it looks like: much in answers is what others have chosen (Fetch, "nosniff").
func noSniff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// choose returns the version that a device gets, of what is published this very moment.
func (s *Server) choose(q repository.Request) string {
	if q.File == repository.SettingsFile {
		return s.chooseSettings(q)
	}
	if err := s.feed.Check(q.Type); err != nil {
		s.health.Note("repository", err)
	}
	return s.conductor.Choose(q)
}

// apiConfig is what the API works on.
func (s *Server) apiConfig() api.Config {
	return api.Config{
		Store: s.store, Label: s.label, Repository: s.repository, Feed: s.feed, Conductor: s.conductor,
		Settings: s.settings.conductor, SettingsFeed: s.settings.feed,
		Tell: s.tell, Command: s.command, Remove: s.remove, Features: s.features,
		HomeAssistant: s.config.HomeAssistant.Prefix != "", Wanted: s.wanted, Builds: s.watcher(),
		Devices: s.devices, MQTT: s.mqttAccess(), Trusted: s.config.Trusted, Guard: s.guard, Live: s.live, Log: s.log,
	}
}

// logRequest logs what devices fetch, which is a lot when all of them update at once; a digest counts it.
func (s *Server) logRequest(q repository.Request) {
	s.log.Debug("firmware request", "device", q.Device, "running", q.Running,
		"type", q.Type, "file", q.File, "wanted", q.Wanted, "from", q.From, "range", q.Range, "status", q.Status, "remote", q.Remote)
	what := "images"
	switch {
	case q.File == repository.SettingsFile && (q.Status < 400 || q.Status == http.StatusNotFound):
		what = "settings" // there may be none
	case q.From != "" && q.Status == http.StatusNotFound:
		what = "missing_deltas" // the device asks for the image
	case q.Status >= 400:
		what = "refused"
	case q.From != "":
		what = "deltas"
	case q.File == "version":
		what = "checks"
	}
	s.requests.Count(what)
}
