package dashboard_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/firmware"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/server"
	"esper/internal/settings"
	"esper/internal/site"
)

// The firmware itself, in an emulated device, is watched while it comes online, obeys, and
// updates itself: no page is loaded anew.
func TestAnEmulatedDeviceIsWatchedWhileItUpdates(t *testing.T) {
	t.Parallel()
	chromium(t) // or it need not be built
	w := newWorld(t, nil)
	h := w.site()
	first, second := h.build("v1"), h.build("v2")
	h.publish(first)

	b := open(t, w.url())
	b.visit("/")
	b.says("No device has reported yet")
	eval[bool](b, `window.same = true`)
	h.boot(0x00C0DE, first)
	b.showsRows("00c0de")
	b.wait(`document.querySelector("tr[data-key='00c0de']").innerText.includes("Online")`)

	b.follow("00c0de")
	relay := `find("[role=switch]", "socket of 00c0de")`
	b.wait(relay + `.getAttribute("aria-checked") === "false"`)
	b.clickAt(relay)
	b.wait(relay + `.getAttribute("aria-checked") === "true"`) // it says so, not the page
	b.wait(`document.querySelector(".slot.runs").innerText.includes("Slot 0")`)
	w.until("the other slot holds the release, too", func() bool {
		u := w.device("00c0de").Update
		return u != nil && u.State == "confirmed" && u.AtRest()
	})

	// Each state is noted when it is shown, however short.
	eval[bool](b, `(window.shown = new Set(), new MutationObserver(() => shown.add(text("h1"))).observe(document.getElementById("main"),
		{ subtree: true, childList: true, characterData: true }), true)`)
	h.publish(second)
	b.click("Check now")
	b.wait(`document.querySelector(".slot.runs").innerText.includes("Slot 1")`)
	b.wait(`document.querySelector(".slot.runs code").innerText === "v2" && document.querySelectorAll(".slot code").length === 2`)
	b.wait(`text(".timeline").includes("update to v2: confirmed in ")`)
	b.wait(`/update to v2: confirmed in .* \([\d,]+ (bytes|KB) in [\d.]+ s/.test(text(".timeline"))`)
	b.wait(`/Last update: [\d,]+ (bytes|KB) in [\d.]+ s\./.test(text("main"))`)
	b.wait(`text(".timeline").includes("runs v2, before v1")`)
	b.wait(`document.querySelectorAll("h1 .badge").length === 1`) // it is over: nothing but that it is online
	states := eval[[]string](b, `[...shown]`)
	t.Logf("it showed %q", states)
	if all := strings.Join(states, "\n"); !strings.Contains(all, "Downloading") && !strings.Contains(all, "On trial") {
		t.Error("it is not seen that the device updates itself")
	}

	b.follow("Releases")
	b.follow("How it went")
	b.says("1 of 1")
	b.says("Generally available")
	if !eval[bool](b, `window.same === true`) {
		t.Error("the page was loaded anew")
	}
	b.fine()
}

// home is a site whose devices belong to a world.
type home struct {
	w    *world
	site *site.Site
}

// built is a version of the site's sockets.
type built struct {
	bootloader []byte
	images     [image.Slots][]byte
}

// site makes a site of sockets for the world's server, whose trials are short.
func (w *world) site() *home {
	w.t.Helper()
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := filepath.Join(w.t.TempDir(), "site")
	err = site.Create(dir, site.Template{
		Realm: w.config.Realm, SSID: "net", MQTT: "mqtt://" + w.config.MQTTListen,
		UpdateURL: w.url() + strings.TrimSuffix(server.FirmwarePath, "/"), Devices: devices, Types: []string{"socket"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := site.Open(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Config.Update.ConfirmAfter = 2 * time.Second
	return &home{w, s}
}

func (h *home) build(version string) built {
	h.w.t.Helper()
	_, err := build.Build(h.w.t.Context(), h.site, build.Options{Version: &site.Version{Name: version, Sequence: sequences[version]}})
	if err != nil {
		h.w.t.Fatal(err)
	}
	dir := filepath.Join(h.site.Dir, site.BuildDir)
	var made built
	if made.bootloader, err = os.ReadFile(filepath.Join(dir, build.BootloaderFile)); err != nil {
		h.w.t.Fatal(err)
	}
	if made.images, err = release.ReadImages(dir, "socket"); err != nil {
		h.w.t.Fatal(err)
	}
	return made
}

func (h *home) publish(b built) {
	h.w.t.Helper()
	key, err := release.LoadPrivateKey(filepath.Join(h.site.Dir, site.KeyName+".key"))
	if err != nil {
		h.w.t.Fatal(err)
	}
	r, err := release.Sign(b.images, key)
	if err != nil {
		h.w.t.Fatal(err)
	}
	if err := h.w.server.Repository().Publish(r, repository.Allow{}); err != nil {
		h.w.t.Fatal(err)
	}
}

// boot runs a device with a first flash until the end of the test.
func (h *home) boot(id uint32, b built) {
	h.w.t.Helper()
	content, err := image.NewFlash(b.bootloader, b.images[0], nil)
	if err != nil {
		h.w.t.Fatal(err)
	}
	store, err := settings.Record{Generation: 1, Entries: h.site.Config.Settings()}.Store()
	if err != nil {
		h.w.t.Fatal(err)
	}
	copy(content[image.SettingsAddress:], store)
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, content); err != nil {
		h.w.t.Fatal(err)
	}
	var serial strings.Builder
	device, err := emulator.New(emulator.Config{ChipID: id, Flash: flash, Link: network.NewSockets(), Serial: &serial})
	if err != nil {
		h.w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		device.Run(ctx)
	}()
	h.w.t.Cleanup(func() {
		cancel()
		<-done
		if h.w.t.Failed() {
			h.w.t.Log(serial.String())
		}
	})
}
