package preflight

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/emulator/radio"
	"esper/emulator/sdk"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// world is one device, with a broker and a web server that are found under any name.
type world struct {
	*emulator.Lab
	trial
	ctx    context.Context
	device *emulator.Device
	broker *network.Broker
	log    serialLog
	kept   []*release.Release // that are served by version
	delta  []byte             // of the update; nil: there is none

	running  *run   // that runs
	asking   string // where who asks the web server has connected to, host:port
	crash    *sdk.Crash
	beat     time.Duration
	deadline time.Time

	problem  string
	warnings []string
}

// run is what was seen of one release on the device.
type run struct {
	release *release.Release
	since   time.Duration // the device's time when it started
	started int           // how often
	resets  string        // why it was started again last

	joined   bool          // it has connected to something
	brokerAt string        // host:port, once it has connected there
	webAt    string        // where it has asked for the version file
	realm    string        // in which it says that it is online
	online   time.Duration // since when; 0: it is not
	rhythm   time.Duration // at which it wakes; 0: it does not sleep
	slept    int           // how often it said that it sleeps
	info     *fleet.Info
	updates  []fleet.UpdateStatus
	stored   bool // it has settings in flash
	settings *fleet.SettingsStatus

	askedSettings bool
	versions      []string      // URLs of the version files that it asked for
	asked         time.Duration // when it sent its last request for a file of a release
	images        int           // how often it asked for an image
}

// newWorld switches a device on.
func newWorld(ctx context.Context, t trial) (*world, error) {
	w := &world{Lab: emulator.NewLab(), trial: t, ctx: ctx, deadline: time.Now().Add(patience)}
	w.log.now = w.Now
	w.kept = []*release.Release{t.release}
	w.running = &run{release: t.release}
	w.delta = t.delta()
	rom := func(r *release.Release, slot int) []byte {
		if r == nil {
			return nil
		}
		return r.Images[slot]
	}
	var roms [image.Slots][]byte
	if t.before != nil {
		w.kept = append(w.kept, t.before)
		w.running.release = t.before
		roms = t.before.Images
	} else {
		roms[t.slot] = rom(t.release, t.slot)
	}
	content, err := image.NewFlash(t.Bootloader, roms[0], roms[1])
	if err != nil {
		return nil, err
	}
	copy(content[image.BootConfigurationAddress:], image.BootConfiguration{Current: t.slot}.Marshal())
	copy(content[radio.DataAddress:], radio.Data())
	if t.store != nil || t.Config.Secrets.Stored() || t.before != nil { // which may need them
		// Passwords may be missing: here each network lets the device in, and each broker.
		entries := t.store
		if entries == nil {
			entries = t.Config.Settings()
		}
		store, err := settings.Record{Generation: 1, Entries: entries}.Store()
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		copy(content[image.SettingsAddress:], store)
	}
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, content); err != nil {
		return nil, err
	}

	w.broker = network.NewBroker(w.Net)
	w.broker.OnMessage = w.message
	d := &door{world: w, peers: map[int]network.Peer{}}
	d.web = network.NewWeb(w.Net, http.HandlerFunc(w.serve))
	w.Net.Unknown = func(name string) *network.Host {
		h := w.Net.AddHost(name)
		// Not in the device's network, where a name may well be an address.
		h.IP = [4]byte{198, 18, 0, h.IP[3]}
		if ip, err := parseAddress(name); err == nil {
			h.IP = ip
		}
		h.Listen(network.AnyPort, d)
		return h
	}
	w.device, err = w.Add(emulator.Config{ChipID: cmp.Or(t.chip, 0x00C0DE), Flash: flash, Serial: &w.log, Serial1: &w.log,
		ROM: t.ROM, ELF: t.subject.ELF})
	if err != nil {
		return nil, err
	}
	w.device.OnReset = w.reset
	w.device.SDK.OnCrash = func(c sdk.Crash) { w.crash = &c }
	return w, nil
}

func parseAddress(name string) (ip [4]byte, err error) {
	if p := net.ParseIP(name).To4(); p != nil {
		return [4]byte(p), nil
	}
	return ip, errors.New("a name")
}

// fail keeps the first reason for which the release is refused.
func (w *world) fail(format string, args ...any) {
	if w.problem == "" {
		w.problem = fmt.Sprintf(format, args...)
	}
}

// warn keeps something that should be known.
func (w *world) warn(format string, args ...any) {
	w.warnings = append(w.warnings, fmt.Sprintf(format, args...))
}

// until lets everything work until the condition holds, and says whether it came to
// that within max of the device's time. It ends at once when the case has failed.
func (w *world) until(max time.Duration, condition func() bool) bool {
	holds := false
	w.RunUntil(func() bool {
		switch {
		case w.ctx.Err() != nil:
			w.fail("%v", context.Cause(w.ctx))
		case time.Now().After(w.deadline):
			w.fail("it is never idle: %v of its time took more than %v to emulate", w.Now().Round(time.Second), patience)
		case len(w.broker.Errors()) > 0:
			w.fail("it breaks the rules of MQTT: %s", w.broker.Errors()[0])
		}
		w.heartbeat()
		holds = w.problem == "" && condition()
		return holds || w.problem != ""
	}, max)
	return holds
}

// heartbeat says every second that the broker is well, to who wants to hear it.
func (w *world) heartbeat() {
	if realm := w.running.realm; realm != "" && w.Now() >= w.beat {
		w.beat = w.Now() + time.Second
		w.broker.Publish(realm+"/heartbeat", "", false)
	}
}

// reset is called at each reset of the device, before it starts again.
func (w *world) reset(reason esp8266.ResetReason) {
	crash := w.crash
	w.crash = nil
	switch { // the vendor's software restarts the chip after an exception, and when its watchdog bites
	case crash != nil:
		reason = crash.Reason
	case reason == esp8266.ResetRestart && w.ran():
		reason = esp8266.ResetSoftWatchdog
	}
	f := w.running
	if f.release != w.release && reason == esp8266.ResetRestart && w.asksForTrial() {
		w.running = &run{release: w.release, since: w.Now()}
		if !f.stored && w.Config.Secrets == site.InSettings {
			w.fail("devices that run %s have no settings in flash, and this firmware brings none, so they could not connect: "+
				"release it once with build.secrets = \"move\" in esper.toml", f.release.Version)
		}
		return
	}
	f.started++
	f.resets = because(reason, crash)
	if f.release == w.release && reason != esp8266.ResetDeepSleep {
		w.fail("%s", w.restarted(reason))
		w.log.end()
	}
}

// ran reports whether the firmware ran on when the chip was restarted: its run record (docs/SPEC.md,
// section 3) does not say that it asked for that.
func (w *world) ran() bool {
	b, err := w.device.Chip.Read(image.RTCRecordAddress+image.RTCRecordSize, 4)
	const magic, runs = 0x5AFE0000, 1 << 8
	record := binary.LittleEndian.Uint32(append(b, 0, 0, 0, 0)) ^ magic
	return err == nil && record>>16 == 0 && record&runs != 0
}

// asksForTrial says whether the bootloader will start the other slot on trial.
func (w *world) asksForTrial() bool {
	b, err := w.device.Chip.Read(image.RTCRecordAddress, image.RTCRecordSize)
	if err != nil {
		return false
	}
	r, err := image.ParseRTCRecord(b)
	return err == nil && r.NextMode == image.ModeTemporary && int(r.TempROM) == 1-w.slot
}

// sleeping is the status of a device that sleeps (docs/SPEC.md, section 7.7).
const sleeping = "SLEEPING"

// message is something that was published.
func (w *world) message(m network.Message) {
	realm, name, ok := strings.Cut(m.Topic, "/"+w.device.ID()+"/")
	if !ok || m.Client == "" {
		return
	}
	f := w.running
	switch name {
	case "status":
		f.online = 0
		switch m.Payload {
		case fleet.Online:
			f.realm, f.online = realm, w.Now()
		case sleeping:
			f.slept++
		}
	case "info":
		info, problems, err := fleet.ParseInfo(w.device.ID(), []byte(m.Payload))
		w.judge("info", problems, err)
		if f.info = info; info == nil {
			f.info = &fleet.Info{}
		}
		var more struct{ Sleep uint32 }
		_ = json.Unmarshal([]byte(m.Payload), &more) // ParseInfo has said what is wrong
		f.rhythm = time.Duration(more.Sleep) * time.Second
	case "settings":
		status, problems, err := fleet.ParseSettings([]byte(m.Payload))
		w.judge("settings", problems, err)
		f.stored, f.settings = true, status
	case "update/status":
		u, problems, err := fleet.ParseUpdate([]byte(m.Payload))
		if w.judge("update/status", problems, err); u != nil {
			f.updates = append(f.updates, *u)
		}
	}
}

// judge refuses a release of whose message a server could not use all. What is published
// already may have such messages: that is no reason to keep a better release from it.
func (w *world) judge(message string, problems []string, err error) {
	if w.running.release != w.release {
		return
	}
	if err != nil {
		w.fail("a server cannot use its %s: %v", message, err)
	}
	for _, p := range problems {
		w.fail("a server cannot use all of its %s: %s", message, p)
	}
}

// serve answers as a repository that has the new release as its current one. Which path is
// the right one is looked at afterwards.
func (w *world) serve(rw http.ResponseWriter, q *http.Request) {
	name := path.Base(q.URL.Path)
	version := q.URL.Query().Get("version")
	r := w.release
	if i := slices.IndexFunc(w.kept, func(r *release.Release) bool { return r.Version == version }); i >= 0 {
		r = w.kept[i]
	}
	f := w.running
	var content []byte
	switch name {
	case release.VersionFileName(r.Type):
		content = r.VersionFile.Marshal()
		f.versions = append(f.versions, q.URL.Path)
		f.webAt = w.asking
	case release.ImageName(r.Type, 0):
		content = r.Images[0]
		f.images++
	case release.ImageName(r.Type, 1):
		content = r.Images[1]
		f.images++
	case w.deltaName():
		content = w.delta
	case r.Type + ".settings":
		f.askedSettings = true
		content = w.settings
	}
	if content == nil {
		http.NotFound(rw, q)
		return
	}
	f.asked = w.Now()
	rw.Header().Set("ETag", strconv.Quote(r.Version+name))
	http.ServeContent(rw, q, "", time.Time{}, bytes.NewReader(content))
}

// deltaName returns the name by which the device asks for the delta of the update; empty if there is
// no update.
func (w *world) deltaName() string {
	if w.before == nil {
		return ""
	}
	return release.DeltaName(w.release.Type, w.before.Version, 1-w.slot)
}

// door is every port of every host. Who connects speaks first, and it is MQTT or HTTP.
type door struct {
	world *world
	web   *network.Web
	peers map[int]network.Peer
}

// Accept takes a connection.
func (d *door) Accept(c network.Conn) {
	d.world.running.joined = true
	d.peers[c.ID] = nil
}

// Receive finds out who is meant.
func (d *door) Receive(c network.Conn, data []byte) {
	at := net.JoinHostPort(c.Host().Name, strconv.Itoa(int(c.Port())))
	p := d.peers[c.ID]
	if p == nil {
		if p = d.web; data[0] == mqttConnect {
			p = d.world.broker
			d.world.running.brokerAt = at
		}
		d.peers[c.ID] = p
		p.Accept(c)
	}
	d.world.asking = at
	p.Receive(c, data)
}

// mqttConnect is the first byte that an MQTT client sends.
const mqttConnect = 0x10

// Closed tells who it was.
func (d *door) Closed(c network.Conn) {
	if p := d.peers[c.ID]; p != nil {
		p.Closed(c)
	}
	delete(d.peers, c.ID)
}

// Wake is the broker's.
func (d *door) Wake(now time.Duration) { d.world.broker.Wake(now) }

// Next is the broker's.
func (d *door) Next() (time.Duration, bool) { return d.world.broker.Next() }

// Clone is not needed: nothing is taken back here.
func (d *door) Clone(*network.Memory) network.Peer { panic("a preflight is not copied") }
