package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"esper/internal/access"
	"esper/internal/heartbeat"
	"esper/internal/logging"
	"esper/internal/release"
	"esper/internal/secret"
	"esper/internal/server"
	"esper/internal/site"
	"esper/internal/store"
	"esper/internal/textfile"
	"esper/internal/watch"
)

// serveCommand runs the server.
type serveCommand struct {
	Site        string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Data        string `placeholder:"DIR" help:"Folder for the server's data; the repository is firmware in it (default: data, in the site)."`
	HTTP        string `name:"http" placeholder:"HOST:PORT" help:"Where to serve firmware (default: the port in the site's update.url, or 8080)."`
	MQTTListen  string `name:"mqtt-listen" placeholder:"HOST:PORT" help:"Where the embedded broker listens (default: the port in the site's mqtt.url, or 1883)."`
	MQTT        string `name:"mqtt" env:"ESPER_MQTT" placeholder:"URL" help:"Use this broker, mqtt://user:password@host:port, instead of the embedded one."`
	Database    string `env:"ESPER_DATABASE" placeholder:"FILE|URL" help:"Where to keep what devices report: a file, or postgres://user:password@host/database (default: esper.db, in the data)."`
	Realm       realm  `placeholder:"REALM" help:"First part of every topic (default: the site's, or home)."`
	Follow      string `placeholder:"REPOSITORY" group:"Build server:" help:"Release each new commit of a git repository, a folder or a URL."`
	Push        bool   `group:"Build server:" help:"Release each new commit that is pushed to /git/site.git."`
	HookSecret  string `env:"ESPER_HOOK_SECRET_FILE" placeholder:"FILE" group:"Build server:" help:"File with the secret of the webhooks that are sent to /hooks/git, which make it look at once."`
	followFlags `group:"Build server:"`
	accessFlags `group:"Access:"`
	Trust       []string `placeholder:"PUB" sep:"none" help:"Public key whose releases may be uploaded, besides the site's update.keys; may be repeated."`
	Heartbeat   bool     `help:"Publish the heartbeat that devices with a heartbeat.timeout wait for, as 'esper heartbeat' does."`
	// HeartbeatInterval is 0 for what fits the site's timeout.
	HeartbeatInterval time.Duration `placeholder:"TIME" help:"Time between two beats (default: a third of the site's heartbeat.timeout, or 10s)."`
	Verbose           bool          `short:"v" help:"Log each connection, request and change of a device, too."`
}

// Help is the command's description.
func (c *serveCommand) Help() string {
	return `Serves the site's releases over HTTP under /firmware/, and runs an MQTT broker, in one process
that needs nothing else. It keeps what devices report in a database, and answers
'esper devices', 'history', 'rollout' and the like under /api/. It runs until it is interrupted and
logs to standard error: starts, roll-outs, failures, and once a minute how much devices did;
with --verbose, each thing that they do.

The API answers the server's own machine only, until 'esper token add' makes a token; then it answers
who shows one, from elsewhere over TLS: --https with --tls-cert and --tls-key, which are read again
when they change, or with --acme, which gets certificates from Let's Encrypt. That needs the https
port to be reached at port 443 of the name, from the internet, and agrees to their terms of service.
Devices speak no TLS; --http is for them.

Devices find it by mqtt.url and update.url in esper.toml. If mqtt.url has a user and password,
the broker lets in devices, which know these or have a password of their own ('esper passwords') and
may use their own topics only, and whoever has an API token, whose name is the user; if not, it is
open to all. Firmware needs no protection: it is signed.

With --push it offers a git repository at /git/site.git, and with --follow it follows one: each new
commit is built, tried in the emulator, signed, published and announced. 'esper builds' shows them.

'esper publish --server' and 'esper release --server' upload releases from elsewhere; the server
checks their signatures by the keys that it trusts.

--mqtt uses a broker of your own instead. For firmware, any web server that serves the folder
data/firmware does as well.`
}

// Validate checks the command line.
func (c *serveCommand) Validate() error {
	if err := c.accessFlags.Validate(); err != nil {
		return err
	}
	switch {
	case c.HeartbeatInterval == 0:
		return nil
	case !c.Heartbeat:
		return errors.New("--heartbeat-interval needs --heartbeat")
	}
	return heartbeat.CheckInterval(c.HeartbeatInterval)
}

// Run serves until it is interrupted.
func (c *serveCommand) Run(s *streams) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := logging.New(s.err, level)
	config, err := c.config(log)
	if err != nil {
		return err
	}
	if c.Follow != "" && c.Push {
		return hint(errors.New("--follow and --push are two ways to get commits"), "choose one")
	}
	running, err := server.Open(config)
	if err != nil {
		return c.hint(err, config)
	}
	reached, err := openedBy(running, config)
	if err != nil {
		return c.hint(errors.Join(err, running.Close()), config)
	}
	running.Guard().Opening = access.Opening{Token: c.tokenCommand(config), HTTPS: reached.httpsPort()}
	reached.warn(log, running.Guard().Opening.Token)
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		log.Info("memory is limited", "bytes", limit)
	}
	if err := store.Unwritable(running.Store()); err != nil {
		log.Error("the database can be read but not written: devices get firmware and are heard, but no roll-out goes on, and nothing "+
			"that happens is kept; make room on its disk, which is noticed by itself", "error", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.Follow != "" || c.Push {
		err := c.build(ctx, s, running, log)
		switch {
		case err != nil && store.Unwritable(running.Store()) != nil: // devices need no builds
			log.Error("nothing is built: when there is room on the disk, start the server again", "error", err)
		case err != nil:
			return errors.Join(err, running.Close())
		}
	}
	return running.Run(ctx)
}

// hint adds what to do about an error at the start.
func (c *serveCommand) hint(err error, config server.Config) error {
	var taken *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && errors.As(err, &taken):
		return hint(err, "%s", c.portHint(portOf(taken.Addr.String()), config))
	case errors.Is(err, store.ErrInUse):
		return hint(err, "another 'esper serve' has this database; stop it, or choose another place with --data or --database")
	case errors.Is(err, store.ErrSchema):
		return hint(err, "a newer 'esper serve' has used it: run that one, or a copy of the database from before")
	case store.IsDamaged(err):
		return hint(err, damagedHint)
	}
	return err
}

// damagedHint says what to do about a damaged database.
const damagedHint = "put back a copy, or move it away, with the files beside it that begin with its name: " +
	"a new one learns of the devices again as they report, and has no tokens, labels and history"

// portHint returns what to do about a port that is taken. What it is for is known by its number.
func (c *serveCommand) portHint(port string, config server.Config) string {
	where := func(flag, given, setting string) string {
		if given != "" {
			return "--" + flag
		}
		return setting + " in " + site.ConfigFile
	}
	http, mqtt := where("http", c.HTTP, "update.url"), where("mqtt-listen", c.MQTTListen, "mqtt.url")
	isHTTP, isHTTPS := port == portOf(config.HTTPListen), port == portOf(config.HTTPSListen)
	isMQTT := port == portOf(config.MQTTListen) && config.ExternalMQTT == nil
	switch {
	case isHTTP && isMQTT, isHTTP && isHTTPS, isHTTPS && isMQTT:
		return fmt.Sprintf("it is asked to listen there for two things: give each a port of its own, in %s, %s or --https", http, mqtt)
	case isMQTT:
		return fmt.Sprintf("another broker listens there; if it is Mosquitto, use it: 'esper serve --mqtt mqtt://127.0.0.1:%s'. Else take another port, in %s", port, mqtt)
	case isHTTPS:
		return "another program listens there, perhaps a web server; take another port, in --https"
	}
	return fmt.Sprintf("another program listens there, perhaps another 'esper serve'; take another port, in %s", http)
}

// portOf returns the port of host:port.
func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// build makes the server a build server.
func (c *serveCommand) build(ctx context.Context, s *streams, running *server.Server, log *slog.Logger) error {
	opened, err := site.Open(c.Site)
	if err != nil && !errors.Is(err, site.ErrNoSite) {
		return err
	}
	data := c.Data
	if data == "" {
		data = opened.DataPath() // or config would have failed
	}
	hook, err := c.hookSecret(opened)
	if err != nil {
		return err
	}
	others := beside{
		announce: func(ctx context.Context, _ *site.Site) error { return running.Announce(ctx) },
		stale:    func(now *site.Site) []string { return c.stale(opened, now.Config) },
	}
	w, err := c.open(ctx, s, c.Follow, data, opened, always(running.Repository()), others, log)
	if err != nil {
		return err
	}
	var push, hooks http.Handler
	if c.Push {
		if push, err = w.Push(); err != nil {
			return err
		}
		log.Info("push to", "repository", "http://"+running.HTTPAddr().String()+watch.PushPath+"site.git")
	}
	if hook != "" {
		hooks = w.Hook(hook)
	}
	running.Builds(w, push, hooks)
	return nil
}

// stale names what a commit's esper.toml says otherwise than the server does, which has its
// settings from the command line and from the site that it was started in, or nil.
func (c *serveCommand) stale(started *site.Site, now site.Config) []string {
	var names []string
	differ := func(name string, differs bool) {
		if differs {
			names = append(names, name)
		}
	}
	realm := string(c.Realm)
	if realm == "" && started != nil {
		realm = started.Config.Realm
	}
	differ("realm", now.Realm != cmp.Or(realm, defaultRealm))
	if started == nil {
		return names
	}
	was := started.Config
	differ("the port in mqtt.url", c.MQTT == "" && c.MQTTListen == "" && now.MQTT.Port != was.MQTT.Port)
	differ("the user or password in mqtt.url", c.MQTT == "" && (now.MQTT.User != was.MQTT.User || now.MQTT.Password != was.MQTT.Password))
	differ("mqtt.shared", now.MQTT.OwnOnly != was.MQTT.OwnOnly)
	differ("the port in update.url", c.HTTP == "" && now.Update.Port != was.Update.Port)
	differ("heartbeat.timeout", c.Heartbeat && c.HeartbeatInterval == 0 && now.Heartbeat != was.Heartbeat)
	differ("[rollout]", !reflect.DeepEqual(now.Rollouts, was.Rollouts))
	differ("[homeassistant]", !reflect.DeepEqual(now.HomeAssistant, was.HomeAssistant))
	return names
}

// tokenCommand returns the command that makes a token on this server, in whatever folder it is
// given. It is for everybody to see, so a database's URL, which may hold a password, is left out.
func (c *serveCommand) tokenCommand(config server.Config) string {
	opened, err := site.Open(c.Site)
	where := []string{}
	switch {
	case strings.Contains(config.Database, "://"):
		where = append(where, "--database", "URL")
	case err == nil && config.Database == databaseFile(opened.DataPath()):
		where = append(where, "--site", opened.Dir)
		if opened.Environment != "" {
			where = append(where, "--environment", opened.Environment)
		}
	default:
		file, err := filepath.Abs(config.Database)
		if err != nil {
			return access.TokenCommand
		}
		where = append(where, "--database", file)
	}
	for i, word := range where {
		where[i] = shellWord(word)
	}
	return access.TokenCommand + " " + strings.Join(where, " ")
}

// shellWord returns a text as a shell reads it as one word (POSIX, 2.2.2).
func shellWord(text string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-", c)
	}
	if text != "" && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// minHookSecret is the least length of a webhook's secret, in bytes.
const minHookSecret = 16

// hookSecret reads the secret of the webhooks, from the file that is named or else the
// site's secrets; empty if there are none.
func (c *serveCommand) hookSecret(opened *site.Site) (string, error) {
	if c.HookSecret == "" && opened == nil {
		return "", nil
	}
	if c.HookSecret == "" {
		v, err := opened.Secret(site.WebhookSecret)
		if errors.Is(err, secret.ErrNone) {
			return "", nil
		}
		return v.Reveal(), secretHint(err)
	}
	text, err := textfile.Read(c.HookSecret, secret.MaxValue)
	if err != nil {
		return "", err
	}
	hook := strings.TrimSpace(string(text))
	if len(hook) < minHookSecret {
		return "", hint(fmt.Errorf("%s: the secret is shorter than %d characters", c.HookSecret, minHookSecret), "'openssl rand -hex 32' makes one")
	}
	return hook, nil
}

// defaultRealm is the realm of who has no site.
const defaultRealm = "home"

// config returns how the server is set up, from the command line as far as it is
// there, else from the site.
func (c *serveCommand) config(log *slog.Logger) (server.Config, error) {
	config := server.Config{
		Realm: defaultRealm, HTTPListen: ":8080", MQTTListen: ":1883", Log: log,
	}
	data := c.Data
	opened, err := site.Open(c.Site)
	switch {
	case err == nil:
		if err := opened.Unlocked(site.MQTTPassword); err != nil {
			return config, secretHint(err)
		}
		log.Info("serving the site", "folder", opened.Dir)
		if data == "" {
			data = opened.DataPath()
		}
		takeSite(&config, opened.Config)
		if c.Heartbeat {
			config.Heartbeat = beatEvery(c.HeartbeatInterval, opened.Config, func(warning string) { log.Warn(warning) })
		}
	case errors.Is(err, site.ErrNoSite) && data != "" && os.Getenv(site.EnvironmentVariable) != "" && c.Follow == "" && !c.Push:
		return config, hint(fmt.Errorf("no environment of a site can be served: %w", err), "leave --environment and %s out", site.EnvironmentVariable)
	case errors.Is(err, site.ErrNoSite) && data != "":
		// Without a site it is an open broker and a repository that others publish to.
	case errors.Is(err, site.ErrNoSite):
		return config, hint(err, "'esper init' makes a site; outside one, --data names a folder")
	default:
		return config, err
	}
	if c.Heartbeat && config.Heartbeat == 0 {
		config.Heartbeat = cmp.Or(c.HeartbeatInterval, heartbeat.DefaultInterval)
	}
	if c.HTTP != "" {
		config.HTTPListen = c.HTTP
	}
	if c.MQTTListen != "" {
		config.MQTTListen = c.MQTTListen
	}
	if c.Realm != "" {
		config.Realm = string(c.Realm)
	}
	if c.MQTT != "" {
		if config.ExternalMQTT, err = parseBroker(c.MQTT); err != nil {
			return config, err
		}
	}
	for _, path := range c.Trust {
		key, err := release.LoadPublicKey(path)
		if err != nil {
			return config, err
		}
		config.Trusted = append(config.Trusted, key)
	}
	config.RepositoryDir = repositoryDir(data)
	if config.Database = c.Database; config.Database == "" {
		config.Database = databaseFile(data)
	}
	if err := c.accessFlags.take(&config, data); err != nil {
		return config, err
	}
	return config, makeDataDir(data)
}

// databaseFile is the file of the database in the server's data.
func databaseFile(data string) string { return filepath.Join(data, "esper.db") }

// takeSite sets what the site's devices expect.
func takeSite(config *server.Config, from site.Config) {
	config.Realm, config.Plan = from.Realm, from.Rollouts.Plan
	config.MQTTListen = ":" + strconv.Itoa(int(from.MQTT.Port))
	config.HomeAssistant = from.HomeAssistant
	config.Trusted = slices.Clone(from.Update.Keys)
	config.MQTTUser, config.MQTTPassword = from.MQTT.User, from.MQTT.Password.Reveal()
	config.MQTTOwnOnly = from.MQTT.OwnOnly
	if from.Update.URL == "" {
		return
	}
	config.HTTPListen = ":" + strconv.Itoa(int(from.Update.Port))
	if from.Update.Path+"/" != server.FirmwarePath {
		config.Log.Warn("devices look for firmware elsewhere than this server has it",
			"update.url", from.Update.URL, "path", server.FirmwarePath)
	}
}

// makeDataDir makes the folder for the server's data, and keeps it out of the
// site's git repository.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ignore := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(ignore); err == nil {
		return nil
	}
	err := os.WriteFile(ignore, []byte("*\n"), 0o644)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) { // the server can do without
		_ = os.Remove(ignore)
		return nil
	}
	return err
}
