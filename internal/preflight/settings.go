package preflight

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// SettingsTrial says how a settings release (SPEC 12.4) is to be tried.
type SettingsTrial struct {
	Config     site.Config // of the site that it is from
	Bootloader []byte
	ROM        []byte // the chip's mask ROM; nil: its functions are emulated
	File       []byte
	Firmware   *release.Release // that is published: its devices get the settings
	Before     settings.Entries // what these have now
}

// CheckSettings has a device that runs the published firmware take a settings release. The error is a
// [Failure] if it does not, or another if that could not be tried.
//
// In the emulator's network each WiFi password is right, each broker lets devices in, and each host is
// there. So this finds what the device itself has against the release, and nothing else.
func CheckSettings(ctx context.Context, o SettingsTrial) error {
	r, err := settings.ParseRelease(o.File)
	if err != nil {
		return err
	}
	if unknown(o.Firmware) != "" { // of another SDK: no release of it is tried, either
		return nil
	}
	t := trial{
		Options: Options{Config: o.Config, Bootloader: o.Bootloader, ROM: o.ROM},
		release: o.Firmware, store: o.Before, settings: o.File,
	}
	if r.Chip != "" {
		chip, err := strconv.ParseUint(r.Chip, 16, 24)
		if err != nil {
			return err
		}
		t.chip = uint32(chip)
	}
	w, err := newWorld(ctx, t)
	if err != nil {
		return err
	}
	w.takes(r.Header)
	if w.problem == "" {
		return context.Cause(ctx)
	}
	c := Case{Type: o.Firmware.Type, Version: fmt.Sprintf("settings %d", r.Sequence), Name: "with " + o.Firmware.Version,
		Seconds: w.Now().Seconds(), Reason: clean(w.problem, o.Config)}
	return &Failure{Case: c, Serial: tail(clean(w.log.kept.String(), o.Config))}
}

// takes waits until the device has the settings.
func (w *world) takes(h settings.Header) {
	f := w.running
	switch {
	case !w.until(reachWithin, w.reported):
		w.fail("%s within %v", w.missing(), reachWithin)
	case !w.until(checkWithin, func() bool { return f.stored }):
		w.fail("it has no settings in flash: firmware that has is built with build.secrets = \"move\" or \"settings\"")
	case !w.until(checkWithin, func() bool { return f.askedSettings }):
		w.fail("it did not ask for settings within %v", checkWithin)
	}
	done := func() bool {
		s := f.settings
		if s == nil || s.Error != "" && s.Candidate == h.Sequence {
			return s != nil
		}
		has := s.Sequence
		if h.Chip != "" {
			has = s.Own
		}
		return s.State == "confirmed" && has == h.Sequence
	}
	switch {
	case !w.until(w.Config.Update.TrialTimeout+2*time.Minute, done):
		w.fail("it neither took nor refused them")
	case f.settings.Error != "":
		w.fail("it refuses them: %s", f.settings.Error)
	}
}
