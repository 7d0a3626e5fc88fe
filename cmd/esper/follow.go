package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"esper/internal/build"
	"esper/internal/client"
	"esper/internal/git"
	"esper/internal/logging"
	"esper/internal/pipeline"
	"esper/internal/preflight"
	"esper/internal/repository"
	"esper/internal/sandbox"
	"esper/internal/site"
	"esper/internal/watch"
)

// followFlags say how a build server builds.
type followFlags struct {
	Branch      string        `placeholder:"NAME" help:"Branch to follow (default: the one that the repository's HEAD names when it is first seen; main if it is pushed to)."`
	Folder      string        `placeholder:"DIR" help:"Folder of the site in the repository (default: the repository is the site)."`
	Order       string        `enum:"newest,every" default:"newest" help:"What to do with commits that come during a build: skip all but the newest, or build every one in order."`
	Interval    time.Duration `placeholder:"TIME" help:"Time between two looks at the repository (default: 10s for a folder, 1m for a URL)."`
	All         bool          `help:"Release every device type with each commit, not only those whose firmware changed."`
	NoPreflight bool          `help:"Publish without trying the releases in the emulator first."`
	Key         []string      `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three (default: the site's, see 'esper secrets --help')."`
	romFlag
}

// watchCommand follows a repository.
type watchCommand struct {
	Source     string `arg:"" optional:"" help:"The site's git repository: a folder or a URL (default: the site you are in)."`
	Data       string `placeholder:"DIR" help:"Folder for the builds (default: data, in the site)."`
	Repository string `placeholder:"DIR" help:"Folder to publish to, even if --server is there (default: firmware, in the data)."`
	followFlags
	tellFlags
}

// Help is the command's description.
func (c *watchCommand) Help() string {
	return `Follows a branch of a site's git repository until it is interrupted. Each new commit is checked
out clean, built, signed and published, and the devices are told; a commit that fails publishes
nothing. Only device types whose firmware changed are released.

With --server, or ESPER_SERVER, the releases are sent to that server, which verifies them, publishes
them and tells the devices; it takes a token with the role publisher.

'esper builds --data DIR' lists what was built, with the logs. 'esper serve --follow' does the same
within the server, and 'esper serve --push' offers a repository to push to.`
}

// instead implements siteless: what is built is always a site.
func (c *watchCommand) instead() string { return "" }

// Run follows until it is interrupted.
func (c *watchCommand) Run(s *streams) error {
	log := logging.New(s.err, slog.LevelInfo)
	opened, err := site.Open(c.Site)
	if err != nil && !errors.Is(err, site.ErrNoSite) {
		return err
	}
	if c.Source == "" {
		if opened == nil {
			return hint(err, "name the repository: esper watch URL --data DIR")
		}
		c.Source = opened.Dir
	}
	data := c.Data
	if data == "" {
		if opened == nil {
			return hint(err, "outside a site, name the folder for the builds: --data DIR")
		}
		data = opened.DataPath()
	}
	if err := makeDataDir(data); err != nil {
		return err
	}
	target, announce, err := c.target(data, log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := c.open(ctx, s, c.Source, data, opened, target, beside{announce: announce}, log)
	if err != nil {
		return err
	}
	log.Info("following", "repository", redacted(c.Source), "builds", w.Dir())
	return w.Run(ctx)
}

// targetFor is where the releases of a build go, until its context ends.
type targetFor func(context.Context) pipeline.Target

// target returns where to publish, and who tells the devices then; nobody, if a server does.
func (c *watchCommand) target(data string, log *slog.Logger) (targetFor, func(context.Context, *site.Site) error, error) {
	if c.Server != "" && c.Repository == "" {
		server, err := c.client()
		return func(ctx context.Context) pipeline.Target {
			return &client.Repository{Client: server, Context: ctx}
		}, nil, err
	}
	dir := c.Repository
	if dir == "" {
		dir = repositoryDir(data)
	}
	local, err := repository.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	local.SetLog(func(err error) { log.Warn("a release has fewer deltas", "error", err) })
	return always(local), c.announce, nil
}

// always is one place for all builds.
func always(target pipeline.Target) targetFor {
	return func(context.Context) pipeline.Target { return target }
}

// announce tells the devices of a site to check.
func (c *watchCommand) announce(ctx context.Context, s *site.Site) error {
	tell := c.tellFlags
	tell.Site = s.Dir
	return tell.tell(ctx, []string{""}, func(string, string) {})
}

// beside is what goes on beside the builds.
type beside struct {
	announce func(context.Context, *site.Site) error // tells a site's devices to check, if not nil
	stale    func(*site.Site) []string               // what the site has otherwise than who serves it, if not nil
}

// open gets a build server ready. Opened is the site that the command was called in, or nil.
func (f *followFlags) open(ctx context.Context, s *streams, source, data string, opened *site.Site, target targetFor,
	others beside, log *slog.Logger) (*watch.Watcher, error) {
	keys := f.Key
	if len(keys) == 0 && opened != nil {
		_, from, err := siteKey(s, opened) // better now than at the first commit
		if err != nil {
			return nil, err
		}
		if filepath.IsAbs(from) { // a file, which is in no commit; else each commit has its own
			keys = []string{from}
		}
	}
	for _, key := range keys { // better now than at the first commit
		if _, err := os.Stat(key); err != nil {
			return nil, hint(fmt.Errorf("no private key to sign with: %w", err), "--key FILE names it; 'esper keygen' makes one")
		}
	}
	source, folder, interval := locate(source)
	if f.Folder != "" {
		folder = f.Folder
	}
	if f.Interval > 0 {
		interval = f.Interval
	}
	if filepath.IsAbs(folder) || !filepath.IsLocal(filepath.Join(".", folder)) {
		return nil, fmt.Errorf("--folder %s should be a folder in the repository", folder)
	}
	rom, err := f.readROM()
	if err != nil {
		return nil, err
	}
	format := ""
	if source == "" && opened != nil { // what is pushed is most likely this
		format, _ = git.Repository{Dir: opened.Dir}.Format(ctx)
	}
	if err := sandbox.Check(); err != nil {
		log.Warn("the compiler is not confined: a commit can make it read all that this user may read, the signing key too; "+
			"use a kernel with Landlock, or keep the key elsewhere (docs/security.md, The build server)", "error", err)
	}
	w, err := watch.Open(ctx, watch.Config{
		Data: data, Source: source, Format: format, Branch: f.Branch, Folder: folder, Every: f.Order == "every", Interval: interval, Log: log,
		Make: func(ctx context.Context, m watch.Making) ([]pipeline.Outcome, error) {
			return f.make(ctx, s, m, keys, rom, target(ctx), others)
		},
	})
	if errors.Is(err, watch.ErrLocked) {
		err = hint(err, "is 'esper watch' or 'esper serve' running already? --data names another folder")
	}
	return w, err
}

// locate returns where to fetch a source from, the site's folder in it, and how often to look.
func locate(source string) (where, folder string, interval time.Duration) {
	if source == "" {
		return "", "", 10 * time.Second // it is pushed to, perhaps as a folder
	}
	info, err := os.Stat(source)
	if err != nil || !info.IsDir() {
		return source, "", time.Minute
	}
	where, folder, interval = source, "", 10*time.Second
	if abs, err := filepath.Abs(source); err == nil {
		where = abs
	}
	if top, prefix, err := (git.Repository{Dir: where}).Place(context.Background()); err == nil { // not in a bare repository
		where, folder = top, filepath.FromSlash(prefix)
	}
	return where, folder, interval
}

// make makes and announces the releases of a commit.
func (f *followFlags) make(ctx context.Context, s *streams, m watch.Making, keyFiles []string, rom []byte, target pipeline.Target,
	others beside) ([]pipeline.Outcome, error) {
	opened, err := site.Open(m.Dir)
	if err != nil {
		return nil, err
	}
	m.Log.Hide(opened.Config.RevealSecrets()...)
	keys, err := signingKeys(s, opened, keyFiles)
	if err != nil {
		return nil, err
	}
	m.Log.Hide(keyTexts(keys)...)
	outcomes, err := runPatiently(ctx, pipeline.Job{
		Site: opened, Version: m.Version, Keys: keys, All: f.All, Untried: f.NoPreflight, ROM: rom, Target: target, Log: m.Log,
	})
	var compile *build.CompileError
	if err != nil && !errors.As(err, &compile) {
		err = buildHint(publishHint(err))
	}
	for _, failure := range preflight.Failures(err) {
		writeSerial(m.Log, failure)
	}
	if err == nil && others.stale != nil {
		if stale := others.stale(opened); len(stale) > 0 {
			fmt.Fprintf(m.Log, "warning: in esper.toml, %s changed, and the server goes on as it was started: restart it, and with its own site up to date\n",
				strings.Join(stale, ", "))
		}
	}
	released := false
	for _, o := range outcomes {
		released = released || o.Version == m.Version.Name
	}
	if !released || err != nil {
		return outcomes, err
	}
	if others.announce == nil {
		fmt.Fprintln(m.Log, "the server tells the devices")
	} else if err := others.announce(ctx, opened); err != nil {
		fmt.Fprintf(m.Log, "warning: published, but the devices could not be told; they find it at their next check: %v\n", err)
	} else {
		fmt.Fprintln(m.Log, "told the devices")
	}
	return outcomes, ctx.Err()
}

// maxPatience is the longest time between two attempts at a server that does not answer.
const maxPatience = time.Minute

// runPatiently runs a job again, a little later each time, when the server does not answer: it may
// have been started anew meanwhile, and nobody sits there to try again.
func runPatiently(ctx context.Context, j pipeline.Job) (outcomes []pipeline.Outcome, err error) {
	for wait := time.Second; ; wait *= 2 {
		outcomes, err = j.Run(ctx)
		if !errors.Is(err, pipeline.ErrUnreached) || wait > maxPatience || ctx.Err() != nil {
			return outcomes, err
		}
		fmt.Fprintf(j.Log, "%v; again in %v\n", err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return outcomes, err
		}
	}
}

// maxSerial is how much of a device's serial line goes into the log, in bytes: the last.
const maxSerial = 64 << 10

// writeSerial writes what a device said that failed. The file with it goes with the checkout.
func writeSerial(log io.Writer, f *preflight.Failure) {
	text := f.Serial
	if all, err := os.ReadFile(f.LogFile); err == nil {
		text = string(all[max(0, len(all)-maxSerial):])
	}
	fmt.Fprintf(log, "%s %s failed in the emulator; on its serial line:\n", f.Type, f.Version)
	for line := range strings.Lines(text) {
		fmt.Fprintf(log, "  %s\n", strings.TrimRight(line, "\r\n"))
	}
}

// keyTexts are private keys as somebody could write them.
func keyTexts(keys []ed25519.PrivateKey) []string {
	var texts []string
	for _, key := range keys {
		texts = append(texts, base64.StdEncoding.EncodeToString(key.Seed()), fmt.Sprintf("%x", key.Seed()))
	}
	return texts
}

// redacted is a repository's URL without its password.
func redacted(source string) string {
	if scheme, rest, found := strings.Cut(source, "://"); found {
		if _, host, found := strings.Cut(rest, "@"); found {
			return scheme + "://" + host
		}
	}
	return source
}
