// Package server puts together what esper serve runs: the firmware repository over
// HTTP, an MQTT broker or the connection to one, and the fleet that reports there.
package server

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"esper/internal/access"
	"esper/internal/api"
	"esper/internal/broker"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/health"
	"esper/internal/homeassistant"
	"esper/internal/logging"
	"esper/internal/metrics"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/waiting"
	"esper/internal/wanted"
)

// Config is how a server is set up.
type Config struct {
	Realm         string
	RepositoryDir string
	HTTPListen    string // host:port; port 0 takes a free one
	// HTTPSListen is where it answers the same over TLS, unless it is empty, and TLS says with
	// which certificate. PlainAPI lets it answer the API without TLS to others than its own
	// machine, too.
	HTTPSListen string
	TLS         *tls.Config
	PlainAPI    bool
	// MQTTListen is where the embedded broker listens, MQTTUser and MQTTPassword are the
	// devices'; if both are empty it is open to everybody.
	MQTTListen             string
	MQTTUser, MQTTPassword string
	// MQTTOwnOnly has devices log in with passwords of their own only, not with MQTTPassword.
	MQTTOwnOnly bool
	// ExternalMQTT is the broker to use instead of the embedded one, or nil.
	ExternalMQTT *url.URL
	// Plan says how the releases of a device type are rolled out, nil: all at once.
	Plan func(deviceType string) rollout.Plan
	// Trusted are the public keys whose releases may be uploaded; none: nobody's.
	Trusted []ed25519.PublicKey
	// Database is where the inventory is kept: a file, postgres://…, or in memory
	// (store.Open).
	Database string
	// Heartbeat is how often the heartbeat is published; 0: never.
	Heartbeat time.Duration
	// HomeAssistant is how Home Assistant is told of the devices, if it is.
	HomeAssistant homeassistant.Options
	Log           *slog.Logger
}

// Server is what esper serve runs.
type Server struct {
	config     Config
	log        *slog.Logger
	health     *health.Health
	repository *repository.Repository
	feed       *repository.Feed // what is published
	settings   *rolled          // settings, which are rolled out as firmware is
	fleet      *fleet.Fleet     // what devices did
	store      store.Store
	recorder   *store.Recorder
	labelling  chan struct{} // holds an element while labels are changed
	conductor  *conductor.Conductor
	features   *fleet.States
	reported   *fleet.SettingStates // of the settings of device code
	wanted     *wanted.Settings
	waiting    *waiting.Waiting
	guard      *access.Guard
	devices    *access.Devices // how they may log in
	live       *api.Live
	metrics    *metrics.Metrics
	requests   *logging.Digest
	http       net.Listener
	https      net.Listener                  // nil without TLS
	mqtt       net.Listener                  // nil with an external broker
	client     atomic.Pointer[broker.Client] // of the broker, nil until there is one
	builds     *builds                       // nil: it builds nothing
}

// Open gets a server ready: when it returns, the addresses are known and
// connections wait for Run. If Run is not going to be called, call Close.
func Open(c Config) (*Server, error) {
	if c.Plan == nil {
		c.Plan = func(string) rollout.Plan { return rollout.AllAtOnce }
	}
	s := &Server{
		config: c, log: c.Log, health: health.New(c.Log), labelling: make(chan struct{}, 1),
		requests: logging.NewDigest(c.Log, "firmware requests"),
		fleet:    fleet.New(c.Realm, c.Log), features: fleet.NewStates(c.Realm), reported: fleet.NewSettingStates(c.Realm),
	}
	if err := s.open(c); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open connects the parts. What devices do and what is published flows through them in one direction:
// both reach the conductor first, and then those who show what it makes of them.
func (s *Server) open(c Config) (err error) {
	if s.repository, err = repository.Open(c.RepositoryDir); err != nil {
		return err
	}
	s.repository.SetLog(func(err error) { s.log.Warn("a release has fewer deltas", "error", err) })
	devices, err := s.openInventory()
	if err != nil {
		return err
	}
	s.guard = access.NewGuard(access.NewKeeper(s.store, c.Log), s.store.Audit, c.Log)
	s.guard.Plain = c.PlainAPI
	if s.devices, err = access.OpenDevices(context.Background(), s.store, c.Log); err != nil {
		return err
	}
	s.live = api.NewLive(c.Log)
	s.conductor, err = conductor.Open(conductor.Config{
		Plan: c.Plan, Devices: devices, Storage: s.store, Keep: s.repository.Keep,
		Now: time.Now, Happened: s.announce, Changed: s.live.Rollout, Log: c.Log,
	})
	if err != nil {
		return err
	}
	s.wanted, err = wanted.Open(context.Background(), wanted.Config{
		Storage: s.store, Fleet: s.fleet, States: s.reported, Command: s.command, Now: time.Now, Log: c.Log,
	})
	if err != nil {
		return err
	}
	s.waiting = waiting.New(waiting.Config{Realm: c.Realm, Devices: s.fleet.Devices, Due: s.due, Log: c.Log})
	s.feed = repository.NewFeed(s.repository, s.conductor.Published, s.live.Published)
	if s.settings, err = s.openSettings(devices); err != nil {
		return err
	}
	s.metrics = s.newMetrics()
	s.recorder = store.NewRecorder(watchedStore{s.store, s.metrics, s.health}, c.Log)
	s.recorder.Stored = s.live.Changed
	s.fleet.Follow(s.conductor.Report)
	s.fleet.Follow(s.settings.conductor.Report)
	s.fleet.Follow(s.recorder.Add)
	if err := s.look(); err != nil {
		s.health.Note("repository", err)
	}
	if s.http, err = net.Listen("tcp", c.HTTPListen); err != nil {
		return fmt.Errorf("serve firmware: %w", err)
	}
	if c.HTTPSListen != "" {
		if s.https, err = net.Listen("tcp", c.HTTPSListen); err != nil {
			return fmt.Errorf("serve HTTPS: %w", err)
		}
	}
	if c.ExternalMQTT == nil {
		if s.mqtt, err = net.Listen("tcp", c.MQTTListen); err != nil {
			return fmt.Errorf("serve MQTT: %w", err)
		}
	}
	return nil
}

// Close frees what a server that does not run has taken.
func (s *Server) Close() error {
	var err error
	if s.store != nil {
		err = s.store.Close()
	}
	for _, l := range []net.Listener{s.http, s.https, s.mqtt} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// HTTPAddr is where the server answers HTTP.
func (s *Server) HTTPAddr() *net.TCPAddr { return s.http.Addr().(*net.TCPAddr) }

// HTTPSAddr is where the server answers HTTP over TLS, nil if it does not.
func (s *Server) HTTPSAddr() *net.TCPAddr {
	if s.https == nil {
		return nil
	}
	return s.https.Addr().(*net.TCPAddr)
}

// MQTTAddr is where the embedded broker listens, nil with an external one.
func (s *Server) MQTTAddr() *net.TCPAddr {
	if s.mqtt == nil {
		return nil
	}
	return s.mqtt.Addr().(*net.TCPAddr)
}

// Guard is in front of the API.
func (s *Server) Guard() *access.Guard { return s.guard }

// Repository is what the server serves. Releases published there, by whatever
// process, are served at once.
func (s *Server) Repository() *repository.Repository { return s.repository }

// Conductor is what decides which release each device gets.
func (s *Server) Conductor() *conductor.Conductor { return s.conductor }

// Fleet is what the devices have reported to the broker.
func (s *Server) Fleet() *fleet.Fleet { return s.fleet }

// Store is where the inventory is kept. Run closes it.
func (s *Server) Store() store.Store { return s.store }

// Run serves until the context ends, which is no error, or until the server fails.
// Requests that are being answered then have a few seconds to end.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	web := s.webServer()
	go func() {
		if err := web.Serve(s.http); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve firmware: %w", err))
		}
	}()
	s.log.Info("serving firmware", "url", "http://"+s.http.Addr().String()+FirmwarePath, "folder", s.repository.Dir())
	s.log.Info("dashboard", "url", fmt.Sprintf("http://127.0.0.1:%d/", s.HTTPAddr().Port))
	if s.https != nil {
		go func() {
			if err := web.ServeTLS(s.https, "", ""); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve HTTPS: %w", err))
			}
		}()
		s.log.Info("serving HTTPS", "address", s.https.Addr().String())
	}

	storing, stopStoring := context.WithCancel(context.Background())
	stored := make(chan struct{})
	go func() { s.recorder.Run(storing); close(stored) }()

	watching := make(chan error, 1)
	go func() { watching <- s.watchFleet(ctx) }()
	var working sync.WaitGroup
	working.Go(func() { s.live.Run(ctx, s.apiConfig()) })
	working.Go(func() { s.build(ctx) })
	for _, job := range []struct {
		what     string
		interval time.Duration
		do       func(context.Context) error
	}{
		{"repository", 2 * time.Second, func(context.Context) error { return s.look() }},
		{"roll-outs", 2 * time.Second, s.tick},
		{"database", 10 * time.Second, s.keepDatabase(cancel)},
		{"releases", 2 * time.Second, s.storeReleases()},
		{"passwords", 2 * time.Second, s.devices.Flush},
		{"history", time.Hour, s.prune()},
		{"disk", 10 * time.Second, func(context.Context) error { return health.CheckDisks(s.folders()...) }},
		{"devices", 10 * time.Second, s.watchSilence()},
		{"settings", 2 * time.Second, s.applySettings},
		{"sleeping devices", 2 * time.Second, s.tellSleeping},
	} {
		working.Go(func() { s.health.Every(ctx, job.interval, job.what, job.do) })
	}
	var err error
	select {
	case err = <-watching:
		watching <- nil
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
	}
	cancel(nil)

	s.log.Info("stopping")
	grace, release := context.WithTimeout(context.Background(), 3*time.Second)
	defer release()
	if web.Shutdown(grace) != nil {
		web.Close()
	}
	working.Wait()
	err = errors.Join(err, <-watching)
	if err := s.tick(grace); err != nil {
		s.log.Error("what happened last in the roll-outs is not saved", "error", err)
	}
	if err := s.devices.Flush(grace); err != nil {
		s.log.Error("which devices have logged in with new passwords is not saved", "error", err)
	}
	stopStoring() // after the last message
	<-stored
	return errors.Join(err, s.store.Close())
}

// tick lets roll-outs advance.
func (s *Server) tick(ctx context.Context) error {
	heard := s.connected()
	return errors.Join(s.conductor.Tick(ctx, heard), s.settings.conductor.Tick(ctx, heard))
}

// look looks at what is published.
func (s *Server) look() error { return errors.Join(s.feed.Look(), s.settings.feed.Look()) }

// keepDatabase returns what ends the server when another one has taken its database: that can happen
// while PostgreSQL is away.
func (s *Server) keepDatabase(cancel context.CancelCauseFunc) func(context.Context) error {
	return func(ctx context.Context) error {
		err := s.store.KeepLock(ctx)
		if errors.Is(err, store.ErrInUse) {
			cancel(fmt.Errorf("the database was taken over: %w", err))
		}
		return err
	}
}

// folders returns those that the server writes to.
func (s *Server) folders() []string {
	if store.IsFile(s.config.Database) {
		return []string{s.repository.Dir(), filepath.Dir(s.config.Database)}
	}
	return []string{s.repository.Dir()}
}
