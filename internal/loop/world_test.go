package loop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/firmware"
	"esper/internal/build"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

const realm = "test"

// firmwares is what the tests build once: a site with two device types, and a key.
type firmwares struct {
	site       *site.Site
	key        ed25519.PrivateKey
	bootloader []byte
	sdk        string // the vendor's; empty: the emulator's link

	mu    sync.Mutex
	built map[string][image.Slots][]byte
	elves []string // the ELF files of all that was built, if it was with the vendor's SDK or keeps is set
	keeps bool
}

var (
	once   sync.Once
	made   *firmwares
	failed error
	dir    string
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// theFirmwares returns what is built for all tests.
func theFirmwares(t testing.TB) *firmwares {
	t.Helper()
	once.Do(func() {
		if dir, failed = os.MkdirTemp("", "loop-*"); failed == nil {
			made, failed = makeFirmwares(dir)
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	return made
}

func makeFirmwares(dir string) (*firmwares, error) {
	devices, err := fs.Sub(firmware.Files, "devices")
	if err != nil {
		return nil, err
	}
	err = site.Create(dir, site.Template{
		Realm: realm, SSID: "net",
		MQTT: "mqtt://broker:1883", UpdateURL: "http://web/firmware",
		Devices: devices, Types: []string{"socket", "sensor", "button"},
	})
	if err != nil {
		return nil, err
	}
	if err := shortenTrial(filepath.Join(dir, site.ConfigFile)); err != nil {
		return nil, err
	}
	if err := addCrowded(dir); err != nil {
		return nil, err
	}
	if err := addTuned(dir); err != nil {
		return nil, err
	}
	if err := addKinds(dir); err != nil {
		return nil, err
	}
	f := &firmwares{built: map[string][image.Slots][]byte{}}
	if f.site, err = site.Open(dir); err != nil {
		return nil, err
	}
	f.site.Config.Secrets = site.InImage // but for the tests of settings
	// Always the same key: what was tried can be tried again, in another process, too.
	f.key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	f.site.Config.Update.Keys = []ed25519.PublicKey{f.key.Public().(ed25519.PublicKey)}
	f.site.Config.FleetKeys = []site.Secret{site.Secret(fmt.Sprintf("%x", fleetKey))}
	return f, nil
}

// confirmAfter is how long a trial must be healthy here.
const confirmAfter = 10 * time.Second

func shortenTrial(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	return os.WriteFile(config, bytes.Replace(text, []byte(`confirm_after = "30s"`),
		fmt.Appendf(nil, "confirm_after = %q", confirmAfter), 1), 0o644)
}

// variant is how a firmware differs from what the site says. The zero value does not.
type variant struct {
	name    string
	source  string                 // added to the device type's
	config  func(*site.Config)     // what changes
	declare func(*site.DeviceType) // what it declares
}

// images builds a device type in a version, once.
func (f *firmwares) images(t testing.TB, deviceType, version string, sequence uint32) [image.Slots][]byte {
	t.Helper()
	return f.variant(t, deviceType, version, sequence, variant{})
}

// variant builds a variant of a device type in a version, once.
func (f *firmwares) variant(t testing.TB, deviceType, version string, sequence uint32, v variant) [image.Slots][]byte {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fmt.Sprint(deviceType, " ", version, " ", sequence, " ", v.name)
	if images, ok := f.built[name]; ok {
		return images
	}
	path := filepath.Join(f.site.Dir, site.DevicesDir, deviceType, deviceType+".cpp")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config, types := f.site.Config, f.site.Types
	f.site.Types = slices.Clone(types)
	defer func() {
		f.site.Config, f.site.Types = config, types
		os.WriteFile(path, source, 0o644)
	}()
	if v.config != nil {
		v.config(&f.site.Config)
	}
	if v.declare != nil {
		at := slices.IndexFunc(types, func(t site.DeviceType) bool { return t.Name == deviceType })
		v.declare(&f.site.Types[at])
	}
	if err := os.WriteFile(path, []byte(string(source)+v.source), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	result, err := build.Build(context.Background(), f.site, build.Options{
		Types:   []string{deviceType},
		Version: &site.Version{Name: version, Sequence: sequence},
		Log:     &log,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	images, err := release.ReadImages(filepath.Join(f.site.Dir, site.BuildDir), deviceType)
	if err != nil {
		t.Fatal(err)
	}
	if f.bootloader, err = os.ReadFile(result.Bootloader); err != nil {
		t.Fatal(err)
	}
	if f.sdk != "" || f.keeps {
		f.keepELF(t, deviceType)
	}
	f.built[name] = images
	return images
}

// release builds and signs.
func (f *firmwares) release(t testing.TB, deviceType, version string, sequence uint32) *release.Release {
	t.Helper()
	r, err := release.Sign(f.images(t, deviceType, version, sequence), f.key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// downloaded is a release of which no device can make an image of the running one, as its images have no
// relocation list.
func (f *firmwares) downloaded(t testing.TB, r *release.Release) *release.Release {
	t.Helper()
	images := r.Images
	for slot, rom := range images {
		images[slot] = forge(t, rom, unrelated)
	}
	r, err := release.Sign(images, f.key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// world is a fleet, its broker and its repository, in virtual time.
type world struct {
	*emulator.Lab
	t          testing.TB
	firmwares  *firmwares
	rom        []byte // the mask ROM of its chips; nil: its functions are emulated
	repository *repository.Repository
	handler    http.Handler // what the web server answers with; the repository's, unless a test plays another
	brokerHost *network.Host
	webHost    *network.Host
	broker     *network.Broker
	web        *network.Web
	fleet      *fleet.Fleet
	updates    map[string][]fleet.UpdateStatus // by device: all that it reported
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, theFirmwares(t))
}

func newWorldOf(t testing.TB, f *firmwares) *world {
	t.Helper()
	w := &world{Lab: emulator.NewLab(), t: t, firmwares: f, updates: map[string][]fleet.UpdateStatus{}}
	var err error
	if w.repository, err = repository.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	w.handler = w.firmware()
	w.web = network.NewWeb(w.Net, http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) { w.handler.ServeHTTP(rw, q) }))
	w.broker = network.NewBroker(w.Net)
	w.brokerHost, w.webHost = w.Net.AddHost("broker"), w.Net.AddHost("web")
	w.brokerHost.Listen(1883, w.broker)
	w.webHost.Listen(80, w.web)

	w.fleet = fleet.New(realm, slog.New(slog.DiscardHandler))
	w.broker.OnMessage = func(m network.Message) {
		w.fleet.Handle(m.Topic, []byte(m.Payload), time.Unix(0, int64(m.At)))
		if id, ok := strings.CutSuffix(strings.TrimPrefix(m.Topic, realm+"/"), "/update/status"); ok {
			var u fleet.UpdateStatus
			if err := json.Unmarshal([]byte(m.Payload), &u); err != nil {
				t.Errorf("update/status of %s: %v: %s", id, err, m.Payload)
			}
			w.updates[id] = append(w.updates[id], u)
		}
	}
	t.Cleanup(func() {
		for _, e := range w.broker.Errors() {
			t.Errorf("MQTT protocol error: %s", e)
		}
	})
	return w
}

// firmware is what the repository answers.
func (w *world) firmware() http.Handler {
	return http.StripPrefix("/firmware", w.repository.Handler(nil))
}

// add switches on a device that was flashed over the serial line.
func (w *world) add(id uint32, deviceType, version string, sequence uint32) *emulator.Device {
	w.t.Helper()
	w.firmwares.images(w.t, deviceType, version, sequence) // and the bootloader
	return w.addWith(w.firmwares.bootloader, id, deviceType, version, sequence)
}

// addWith is add with another bootloader.
func (w *world) addWith(bootloader []byte, id uint32, deviceType, version string, sequence uint32) *emulator.Device {
	w.t.Helper()
	return w.addImage(bootloader, id, w.firmwares.images(w.t, deviceType, version, sequence)[0])
}

// addImage is addWith for an image of slot 0.
func (w *world) addImage(bootloader []byte, id uint32, rom []byte) *emulator.Device {
	w.t.Helper()
	serial := &bytes.Buffer{}
	config := w.firmwares.flashed(w.t, id, bootloader, rom)
	config.Serial, config.ROM = serial, w.rom
	d, err := w.Add(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("serial line of %s:\n%s", d.ID(), tail(serial.String(), 4000))
		}
	})
	return d
}

// flashed is a device that was flashed over the serial line, with the vendor's sectors where it
// needs them.
func (f *firmwares) flashed(t testing.TB, id uint32, bootloader, rom []byte) emulator.Config {
	t.Helper()
	content, err := image.NewFlash(bootloader, rom, nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[image.PHYDataAddress:], f.phyData(t))
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, content); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return emulator.Config{ChipID: id, Flash: flash, ELF: slices.Clone(f.elves)}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// publish builds, signs and publishes a release, without telling the devices.
func (w *world) publish(deviceType, version string, sequence uint32) {
	w.t.Helper()
	w.offer(w.firmwares.release(w.t, deviceType, version, sequence))
}

// publishDownloaded is publish of a release that no device can make of the one before.
func (w *world) publishDownloaded(deviceType, version string, sequence uint32) *release.Release {
	w.t.Helper()
	r := w.firmwares.downloaded(w.t, w.firmwares.release(w.t, deviceType, version, sequence))
	w.offer(r)
	return r
}

// offer publishes a release.
func (w *world) offer(r *release.Release) {
	w.t.Helper()
	if err := w.repository.Publish(r, repository.Allow{}); err != nil {
		w.t.Fatal(err)
	}
}

// notify tells all devices to check.
func (w *world) notify() { w.broker.Publish(realm+"/update", "", false) }

// expect lets everything work until the condition holds.
func (w *world) expect(what string, max time.Duration, condition func() bool) {
	w.t.Helper()
	if !w.RunUntil(condition, max) {
		w.t.Fatalf("not within %v: %s", max, what)
	}
}

// device is what a device has reported.
func (w *world) device(d *emulator.Device) fleet.Device {
	for _, known := range w.fleet.Devices() {
		if known.ID == d.ID() {
			return known
		}
	}
	return fleet.Device{}
}

// runs says whether a device is online and reports to run the version, not on trial.
func (w *world) runs(d *emulator.Device, version string) bool {
	return w.starts(d, version) && !w.device(d).Info.Boot.Trial
}

// starts says whether a device is online and reports to run the version, be it on trial.
func (w *world) starts(d *emulator.Device, version string) bool {
	known := w.device(d)
	return known.Status == fleet.Online && known.Version() == version
}

// settle waits until the devices are online and have checked for a release once.
func (w *world) settle() {
	w.t.Helper()
	for _, d := range w.Devices {
		w.expect(d.ID()+" online, and done with its first check", 30*time.Second, func() bool {
			u := w.lastUpdate(d)
			return w.device(d).Status == fleet.Online && w.device(d).Info != nil &&
				(len(w.updates[d.ID()]) > 1 || u.State != "idle") && u.AtRest()
		})
	}
}

// lastUpdate is what a device reported last on update/status.
func (w *world) lastUpdate(d *emulator.Device) fleet.UpdateStatus {
	all := w.updates[d.ID()]
	if len(all) == 0 {
		return fleet.UpdateStatus{}
	}
	return all[len(all)-1]
}

// requests counts the requests so far whose URL contains the text.
func (w *world) requests(text string) int {
	n := 0
	for _, q := range w.web.Requests() {
		if strings.Contains(q.URL, text) {
			n++
		}
	}
	return n
}
