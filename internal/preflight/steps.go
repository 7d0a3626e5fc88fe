package preflight

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"esper/internal/fleet"
	"esper/internal/image"
)

// How long things may take, in the device's time, which costs next to nothing while it waits.
const (
	reachWithin  = time.Minute      // a device is online and has reported
	checkWithin  = time.Minute      // it asks for the version file
	updateWithin = 20 * time.Minute // a whole download, or several tries
	sleepWithin  = 2 * time.Minute
	longestSleep = 24 * time.Hour  // that is waited for
	healthyFor   = 5 * time.Minute // a firmware that crashes earlier would be started in safe mode in the end
)

// flashed tries an image on a device that was flashed with it.
func (w *world) flashed() {
	if !w.until(reachWithin, w.reported) {
		w.fail("%s within %v", w.missing(), reachWithin)
		return
	}
	w.conflicts()
	w.compare(w.slot)
	w.looks()
	if w.running.rhythm > 0 {
		w.sleeps()
		return
	}
	stays := func() bool { return w.running.online > 0 && w.Now() >= w.running.online+w.Config.Update.ConfirmAfter }
	if !w.until(w.Config.Update.TrialTimeout, stays) {
		w.fail("it does not stay connected to the broker for %v, as an update needs it for its confirmation", w.Config.Update.ConfirmAfter)
	}
	w.until(max(0, healthyFor-w.Now()), func() bool { return false })
	if w.running.online == 0 {
		w.fail("it is no longer connected to the broker %v after its start", w.Now().Round(time.Second))
	}
	if m := blocked.FindSubmatch(w.log.kept.Bytes()); m != nil {
		w.warn("a function of its device code took %s ms: meanwhile it hears no command, and after some seconds the watchdog resets it; "+
			"have it work in steps, with a Timer", m[1])
	}
}

// What firmware says on its serial line of its device code (firmware/framework/esper/Device.cpp and
// Blocked.cpp).
var (
	conflict = regexp.MustCompile(`(?m)^ *[0-9.]+ [0-9]+ device: (pin [0-9]+ is used by .*|two features are called .*|[0-9]+ features, more than .*)$`)
	blocked  = regexp.MustCompile(`(?m)^ *[0-9.]+ [0-9]+ device: blocked for ([0-9]+) ms$`)
)

// conflicts refuses features that cannot be on one device.
func (w *world) conflicts() {
	if m := conflict.FindSubmatch(w.log.kept.Bytes()); m != nil {
		w.fail("%s", m[1])
	}
}

// sleeps waits until a device that sleeps is done with a wake, and with the next one if that comes within
// a day.
func (w *world) sleeps() {
	f := w.running
	if !w.until(sleepWithin, func() bool { return f.slept > 0 }) {
		w.fail("it does not sleep within %v, though it says that it wakes every %v", sleepWithin, f.rhythm)
		return
	}
	if within := f.rhythm + sleepWithin; f.rhythm <= longestSleep && !w.until(within, func() bool { return f.slept > 1 }) {
		w.fail("it does not wake, reach the broker and sleep again within %v", within)
	}
}

// updated tries the update of a device that runs the published release.
func (w *world) updated() {
	old := w.running
	w.until(updateWithin, func() bool { return w.running != old || w.declined() })
	if w.problem != "" {
		return
	}
	if w.running == old {
		w.left(old)
		return
	}
	confirmed := func() bool {
		f := w.running
		return w.reported() && !f.info.Boot.Trial && f.last().State == "confirmed"
	}
	if !w.until(w.Config.Update.TrialTimeout+time.Minute, confirmed) {
		w.fail("%s", w.unconfirmed())
		return
	}
	w.compare(1 - w.slot)
	w.looks()
	w.moved(old)
	w.unusedDelta(old)
}

// reported says whether the device is online and has said what it is.
func (w *world) reported() bool { return w.running.realm != "" && w.running.info != nil }

// last is what the firmware reported last on update/status.
func (f *run) last() fleet.UpdateStatus {
	if len(f.updates) == 0 {
		return fleet.UpdateStatus{}
	}
	return f.updates[len(f.updates)-1]
}

// declined says whether the device has looked at the new release and let it be.
func (w *world) declined() bool {
	return len(w.running.versions) > 0 && w.settled()
}

// settled says whether the device is done with what it last asked for.
func (w *world) settled() bool {
	f := w.running
	return f.last().AtRest() && !retried[f.last().Error] && w.Now() > f.asked+2*time.Second
}

// retried are the errors after which the device's next start or check may do better.
var retried = map[string]bool{"unreachable": true}

// left says why a device of the published release did not take the new one: the new
// one's fault if it looked at it.
func (w *world) left(old *run) {
	u := old.last()
	switch {
	case len(old.versions) == 0 && old.started > 0:
		w.warn("%s, which is published, never asks for updates: %s; devices that run it may have to be flashed over the serial line",
			old.release.Version, old.resets)
	case len(old.versions) == 0:
		w.warn("%s, which is published, never asks for updates; devices that run it must be flashed over the serial line", old.release.Version)
	case u.Problem() == "not-newer":
		w.warn("devices that run %s, which is published, do not install it: its sequence is not greater", old.release.Version)
	case u.Problem() == "bad-signature":
		w.fail("devices that run %s refuse it: none of the keys that they trust signed it", old.release.Version)
	default:
		w.fail("devices that run %s do not install it: %s", old.release.Version, said(u))
	}
}

// compare compares what the device says with what it must be.
func (w *world) compare(slot int) {
	i, r := w.running.info, w.release
	switch {
	case w.running.realm != w.Config.Realm:
		w.fail("it reports itself in realm %q, not in %q", w.running.realm, w.Config.Realm)
	case i.Device != r.Type:
		w.fail("it says that it is a %q, not a %q", i.Device, r.Type)
	case i.Version.ESPer != r.Version || i.Version.Sequence != r.Sequence:
		w.fail("it says that it is version %s (sequence %d), not %s (%d)", i.Version.ESPer, i.Version.Sequence, r.Version, r.Sequence)
	case int(i.Boot.ROM) != slot:
		w.fail("it says that it runs from slot %d, not from %d", i.Boot.ROM, slot)
	case int(i.Boot.Default) != slot:
		w.fail("slot %d would start after a power cut, not %d", i.Boot.Default, slot)
	case i.WiFi.SSID != w.Config.WiFi.SSID:
		w.warn("it joins the network %q, but esper.toml names %q", i.WiFi.SSID, w.Config.WiFi.SSID)
	}
	w.elsewhere("the broker", w.running.brokerAt, w.Config.MQTT.Address())
}

// elsewhere warns of an address that is not the site's.
func (w *world) elsewhere(what, found, wanted string) {
	if found != "" && found != wanted {
		w.warn("it looks for %s at %s, but esper.toml says %s", what, found, wanted)
	}
}

// looks waits until the new firmware has asked for updates and brought its other slot
// to its own release.
func (w *world) looks() {
	f, u := w.running, w.Config.Update
	if w.problem != "" {
		return
	}
	if u.URL == "" {
		w.warn("it has no update URL: devices that run it must be flashed over the serial line")
		return
	}
	if !w.until(checkWithin, func() bool { return len(f.versions) > 0 }) {
		w.fail("it did not look for updates within %v: devices that run it would never be updated", checkWithin)
		return
	}
	if want := u.Path + "/" + w.release.Type + ".version"; f.versions[0] != want {
		w.fail("it looks for updates at %s, but they are served at %s", f.versions[0], want)
	}
	w.elsewhere("updates", f.webAt, net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port))))
	switch done := w.until(updateWithin, w.settled); {
	case !done:
		w.fail("it is not done with looking for updates within %v: %s", updateWithin, said(f.last()))
	case f.last().Error == "bad-signature":
		w.fail("it refuses its own release: none of the keys that it trusts signed it, so devices that run it could not be updated")
	case f.last().State != "idle" && f.last().State != "confirmed" || f.last().Error != "":
		w.fail("it cannot update: %s", said(f.last()))
	case w.Config.Update.Refresh && !w.holds(1-int(f.info.Boot.ROM)):
		w.fail("it does not bring its other slot to the same release")
	}
}

// holds says whether a slot holds the new release.
func (w *world) holds(slot int) bool {
	return bytes.HasPrefix(w.device.Chip.Flash.Bytes()[image.SlotAddress(slot):], w.release.Images[slot])
}

// moved warns of devices that go elsewhere with the update.
func (w *world) moved(old *run) {
	for _, at := range []struct{ what, before, now string }{
		{"the broker", old.brokerAt, w.running.brokerAt},
		{"updates", urlOf(old), urlOf(w.running)},
		{"their topics, in realm", old.realm, w.running.realm},
	} {
		if at.before != "" && at.now != "" && at.before != at.now {
			w.warn("with it devices move from %s to %s for %s: there it must be served when they come", at.before, at.now, at.what)
		}
	}
}

// unusedDelta warns of devices that download the whole image though there is a delta.
func (w *world) unusedDelta(old *run) {
	if w.delta == nil || old.images == 0 {
		return
	}
	reason := "they do not say why"
	for _, u := range old.updates {
		if said := u.WithoutDelta(); said != "" {
			reason = fmt.Sprintf("they say %q", said)
		}
	}
	if w.LogDir != "" {
		reason += fmt.Sprintf("; the serial log: %s", w.logFile(w.release.Type))
	}
	w.warn("devices that run %s, which is published, download the whole image though there is a delta: %s", old.release.Version, reason)
}

// urlOf is where a firmware looks for updates; empty if it does not.
func urlOf(f *run) string {
	if len(f.versions) == 0 {
		return ""
	}
	file := f.versions[len(f.versions)-1]
	return "http://" + f.webAt + file[:strings.LastIndexByte(file, '/')]
}
