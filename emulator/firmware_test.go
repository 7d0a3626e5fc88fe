package emulator_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// world is a lab with a broker and a web server, and devices that run real firmware.
type world struct {
	*emulator.Lab
	t      *testing.T
	dir    string // of the site
	broker *network.Broker
	web    *network.Web
	hosts  struct{ broker, web *network.Host }
}

// newWorld makes a site with one device type, builds it as version "one", and a
// lab without devices.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Lab: emulator.NewLab(), t: t, dir: filepath.Join(t.TempDir(), "site")}
	err := site.Create(w.dir, site.Template{Realm: "home", SSID: "home", MQTT: "mqtt://broker:1883",
		UpdateURL: "http://web/firmware", Devices: os.DirFS("../firmware/devices"), Types: []string{"socket"}})
	if err != nil {
		t.Fatal(err)
	}
	w.build("one", 1)
	w.hosts.broker, w.hosts.web = w.Net.AddHost("broker"), w.Net.AddHost("web")
	w.broker = network.NewBroker(w.Net)
	w.hosts.broker.Listen(1883, w.broker)
	files := http.StripPrefix("/firmware/", http.FileServer(http.Dir(filepath.Join(w.dir, "published"))))
	w.web = network.NewWeb(w.Net, files)
	w.hosts.web.Listen(80, w.web)
	return w
}

// build builds a version of the site.
func (w *world) build(version string, sequence uint32) {
	w.t.Helper()
	if _, err := exec.LookPath("xtensa-lx106-elf-g++"); err != nil {
		w.t.Skip("the cross compiler is not installed")
	}
	opened, err := site.Open(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = build.Build(w.t.Context(), opened, build.Options{Version: &site.Version{Name: version, Sequence: sequence}})
	if errors.Is(err, build.ErrMonocypher) {
		w.t.Skip(err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// publish signs what was built last and puts it on the web server.
func (w *world) publish() {
	w.t.Helper()
	images, err := release.ReadImages(filepath.Join(w.dir, site.BuildDir), "socket")
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := release.LoadPrivateKey(filepath.Join(w.dir, site.KeyName+".key"))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := release.Sign(images, key)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := filepath.Join(w.dir, "published")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := r.Write(dir); err != nil {
		w.t.Fatal(err)
	}
}

// device adds a device that has what was built last in slot 0.
func (w *world) device(id uint32) *emulator.Device {
	w.t.Helper()
	folder := filepath.Join(w.dir, site.BuildDir)
	boot, err := os.ReadFile(filepath.Join(folder, build.BootloaderFile))
	if err != nil {
		w.t.Fatal(err)
	}
	images, err := release.ReadImages(folder, "socket")
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := image.NewFlash(boot, images[0], nil)
	if err != nil {
		w.t.Fatal(err)
	}
	flash := esp8266.NewFlash(esp8266.FlashSize)
	if err := flash.Put(0, content); err != nil {
		w.t.Fatal(err)
	}
	d, err := w.Add(emulator.Config{ChipID: id, Flash: flash, ELF: []string{filepath.Join(folder, "socket.elf0")}})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// until runs until a topic has a retained message that holds, or fails.
func (w *world) until(topic, want string, max time.Duration) {
	w.t.Helper()
	if !w.RunUntil(func() bool { got, _ := w.broker.Retained(topic); return strings.Contains(got, want) }, max) {
		got, _ := w.broker.Retained(topic)
		w.t.Fatalf("after %v %s is %q, not %q", max, topic, got, want)
	}
}
