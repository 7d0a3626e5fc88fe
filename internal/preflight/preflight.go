// Package preflight tries a release in the emulator before it is published.
//
// Each device type is tried in up to four cases, in virtual time: its image for
// slot 0 and for slot 1, each on a new device; and the update from the release that is
// published now, out of slot 0 and out of slot 1. In each the new firmware must reach
// the broker, say that it is what it should be, stay healthy, look for updates where the
// site says, and bring the other slot to its own release, by which it downloads and verifies
// as it will the next release; and an update must be confirmed. An update should need no more
// than the delta, if the published release can use deltas.
//
// The emulator's network knows every host: whatever broker and web server a firmware
// looks for, it finds ours. So the published release may look elsewhere than
// the new one.
package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"esper/emulator/radio"
	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// Options say what to try. [ForSite] fills them in.
type Options struct {
	Config     site.Config // what the firmware should have been built with
	Bootloader []byte
	ROM        []byte // the chip's mask ROM; nil: its functions are emulated
	Subjects   []Subject
	LogDir     string // where <type>.log goes, all that the type's devices sent on their serial lines; empty: nowhere
	Jobs       int    // cases at a time; 0: as many as there are cores

	// make makes a delta; nil: [delta.Make].
	make func(source, target []byte) ([]byte, error)
}

// Subject is a release to be tried.
type Subject struct {
	Release   *release.Release
	Published *release.Release // what devices run now; nil: nothing, or the same
	ELF       []string         // the new release's programs, to name functions in crashes
}

// Report is what was tried.
type Report struct {
	Cases    []Case   `json:"cases"`    // by type, in the order of the package's description
	Warnings []string `json:"warnings"` // what is no reason to refuse, but should be known
}

// Case is one of the cases.
type Case struct {
	Type    string  `json:"type"`
	Version string  `json:"version"`
	Name    string  `json:"name"`    // "slot 1", "update to slot 1"
	From    string  `json:"from"`    // the version that it was updated from, or empty
	Seconds float64 `json:"seconds"` // of the device's own time
	Reason  string  `json:"reason"`  // why it failed, or empty

	serial   string
	warnings []string
}

// Failure says why a release is refused. One of a type stands for all.
type Failure struct {
	Case
	LogFile string // with all of it, or empty
	Serial  string // the last lines of the device's serial line
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s %s is refused: %s: %s", f.Type, f.Version, f.about(), f.Reason)
}

// Failures are the releases that an error, or one that it wraps, refuses; none if it is of
// another kind.
func Failures(err error) []*Failure {
	var all []*Failure
	switch e := err.(type) {
	case *Failure:
		return []*Failure{e}
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			all = append(all, Failures(each)...)
		}
	case interface{ Unwrap() error }:
		return Failures(e.Unwrap())
	}
	return all
}

// about is a case in words.
func (c Case) about() string {
	if c.From != "" {
		return fmt.Sprintf("%s from %s", c.Name, c.From)
	}
	return c.Name
}

// lastLines is how many lines of the serial line a Failure has at most.
const lastLines = 100

// Check tries releases. The error joins a [Failure] for each device type that failed, or
// is another if it could not be tried or the context ended. What was tried is
// reported in any case.
func Check(ctx context.Context, o Options) (*Report, error) {
	var trials []trial
	for _, s := range o.Subjects {
		trials = append(trials, s.trials(o)...)
	}
	r := &Report{Cases: make([]Case, len(trials)), Warnings: []string{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(o.Jobs, runtime.NumCPU()))
	for i, t := range trials {
		group.Go(func() (err error) {
			r.Cases[i], err = t.run(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return r, err
	}
	for _, s := range o.Subjects {
		if reason := s.apart(); reason != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s %s: the update from %s was not tried: %s",
				s.Release.Type, s.Release.Version, s.Published.Version, reason))
		}
	}
	for _, c := range r.Cases {
		for _, w := range c.warnings {
			if w = fmt.Sprintf("%s %s: %s", c.Type, c.Version, w); !slices.Contains(r.Warnings, w) {
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
	return r, r.judge(o)
}

// logFile returns the path of a device type's log.
func (o Options) logFile(deviceType string) string { return filepath.Join(o.LogDir, deviceType+".log") }

// judge writes the logs and returns the failures.
func (r *Report) judge(o Options) error {
	var failures []error
	for _, s := range o.Subjects {
		var failed *Failure
		var log string
		untried := Case{Type: s.Release.Type, Version: s.Release.Version, Name: "its keys", Reason: s.keys(o.Config.Update)}
		if reason := unknown(s.Release); reason != "" {
			untried.Name, untried.Reason = "its images", reason+" ('esper release --no-preflight' publishes it untried)"
		}
		if untried.Reason != "" {
			failed = &Failure{Case: untried}
		}
		for _, c := range r.Cases {
			if c.Type != s.Release.Type {
				continue
			}
			log += fmt.Sprintf("==== %s %s, %s: %s\n%s\n", c.Type, c.Version, c.about(), cmp.Or(c.Reason, "good"), c.serial)
			if c.Reason != "" && failed == nil {
				failed = &Failure{Case: c, Serial: tail(c.serial)}
			}
		}
		if o.LogDir != "" && log != "" {
			path := o.logFile(s.Release.Type)
			if err := writeLog(path, log); err != nil {
				return err
			}
			if failed != nil && failed.Serial != "" {
				failed.LogFile = path
			}
		}
		if failed != nil {
			failures = append(failures, failed)
		}
	}
	return errors.Join(failures...)
}

// trial is a case to be tried.
type trial struct {
	Options
	subject Subject
	release *release.Release
	before  *release.Release // that it is updated from; nil: it is flashed
	slot    int              // that it begins in

	store    settings.Entries // in the device's flash; nil: those of the configuration
	settings []byte           // a settings release that is served; nil: none
	chip     uint32           // the device's id; 0: any
}

// trials are the cases of a release.
func (s Subject) trials(o Options) []trial {
	if unknown(s.Release) != "" {
		return nil
	}
	t := trial{Options: o, subject: s, release: s.Release}
	befores := []*release.Release{nil}
	if s.Published != nil && s.apart() == "" {
		befores = append(befores, s.Published)
	}
	var all []trial
	for _, t.before = range befores {
		for t.slot = range image.Slots {
			all = append(all, t)
		}
	}
	return all
}

// apart returns why the update from what is published cannot be tried, or an empty text.
func (s Subject) apart() string {
	if s.Published == nil {
		return ""
	}
	if was, is := s.Published.Link(), s.Release.Link(); was != is {
		return fmt.Sprintf("that is linked for the %s, this for the %s", was, is)
	}
	return unknown(s.Published)
}

// unknown returns why the emulator cannot run a release, or an empty text.
func unknown(r *release.Release) string {
	if r.Link() != image.LinkChip {
		return ""
	}
	for slot, content := range r.Images {
		if err := radio.Check(content); err != nil {
			return fmt.Sprintf("the emulator cannot run its image for slot %d: %v; it is of an older ESPer or another SDK, perhaps", slot, err)
		}
	}
	return ""
}

// delta returns the delta of an update as a repository would make it; nil if there is none.
func (t trial) delta() (content []byte) {
	defer func() {
		if recover() != nil { // a mistake in the encoder must not keep the release from being tried
			content = nil
		}
	}()
	if t.before == nil {
		return nil
	}
	encode := t.make
	if encode == nil {
		encode = delta.Make
	}
	source, target := t.before.Images[t.slot], t.release.Images[1-t.slot]
	content, err := encode(source, target)
	if err != nil || !delta.Worthwhile(content, target) {
		return nil
	}
	return content
}

// patience is how long a case may take by the wall clock. A firmware that is never idle is the
// only one that takes minutes.
const patience = 3 * time.Minute

// run tries the case.
func (t trial) run(ctx context.Context) (Case, error) {
	c := Case{Type: t.release.Type, Version: t.release.Version, Name: fmt.Sprintf("slot %d", t.slot)}
	if t.before != nil {
		c.Name = fmt.Sprintf("update to slot %d", 1-t.slot)
		c.From = t.before.Version
	}
	w, err := newWorld(ctx, t)
	if err != nil {
		return c, fmt.Errorf("%s %s: %s: %w", c.Type, c.Version, c.Name, err)
	}
	if t.before == nil {
		w.flashed()
	} else {
		w.updated()
	}
	c.Reason, c.serial = clean(w.problem, t.Config), clean(w.log.kept.String(), t.Config)
	for _, text := range w.warnings {
		c.warnings = append(c.warnings, clean(text, t.Config))
	}
	c.Seconds = w.Now().Seconds()
	return c, context.Cause(ctx)
}
