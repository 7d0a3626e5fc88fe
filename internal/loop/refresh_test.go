package loop

import (
	"bytes"
	"testing"
	"time"

	"esper/emulator"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// holds says whether both slots of a device hold a version, whole, and slot n is the
// default.
func (w *world) holds(d *emulator.Device, version string, n int) bool {
	f := w.flash(d)
	for _, slot := range f.Slots {
		if slot.Image == nil || slot.Image.Descriptor.Version != version {
			return false
		}
	}
	return w.defaults(d) == n
}

func TestAfterTheConfirmationBothSlotsHoldTheRelease(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	if f := w.flash(d); f.Slots[0].Image == nil || f.Slots[0].Image.Descriptor.Version != "v1" {
		t.Fatal("during the trial the old firmware is not there")
	}
	w.expect("confirmed", confirmAfter+2*time.Second, func() bool { return w.lastUpdate(d).State == "confirmed" })
	resets, running := d.Resets(), bytes.Clone(d.Chip.Flash.Bytes())
	seen := len(w.updates[d.ID()])
	w.expect("both slots", 20*time.Second, func() bool { return w.holds(d, "v2", 1) && w.lastUpdate(d).AtRest() })
	w.expect("its info", time.Second, func() bool {
		other := w.device(d).Info.Boot.Slots[0]
		return other != nil && other.Version == "v2"
	})
	for _, u := range w.updates[d.ID()][seen:] {
		if u.State != "confirmed" || u.Version != "v2" || u.Error != "" {
			t.Errorf("reported %+v meanwhile", u)
		}
	}
	now := d.Chip.Flash.Bytes()
	if d.Resets() != resets || !bytes.Equal(now[image.Slot1Address:], running[image.Slot1Address:]) ||
		!bytes.Equal(now[:image.Slot0Address], running[:image.Slot0Address]) {
		t.Error("it restarted, or the running slot or the boot configuration has changed")
	}
	// And that was all: not a byte of it came over the air.
	requests := w.requests("socket.rom")
	if n := w.requests("socket.rom0"); n != 0 {
		t.Errorf("%d requests for the image that the running one gives", n)
	}
	w.notify()
	w.RunFor(10 * time.Second)
	if n := w.requests("socket.rom"); n != requests {
		t.Errorf("%d further requests for images", n-requests)
	}
	if u := w.lastUpdate(d); u.State != "idle" {
		t.Errorf("reports %+v", u)
	}
}

func TestARefreshThatIsInterruptedGoesOnAtTheNextCheck(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(*world, *emulator.Device){
		"by a power cut":  func(_ *world, d *emulator.Device) { d.PowerCycle() },
		"by the network":  func(w *world, _ *emulator.Device) { w.webHost.CutAfter = 700 },
		"by the server":   func(w *world, _ *emulator.Device) { w.handler = files{} },
		"by a dead radio": func(w *world, _ *emulator.Device) { w.Net.SetAccessPoint(false) },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := toTrialOf(t, func(r *release.Release) *release.Release { return theFirmwares(t).downloaded(t, r) })
			w.expect("the refresh", confirmAfter+10*time.Second, func() bool { return w.requests("socket.rom0?version=v2") > 0 })
			interrupt(w, d)
			w.RunFor(6 * time.Minute)
			w.webHost.CutAfter, w.handler = 0, w.firmware()
			w.Net.SetAccessPoint(true)
			w.expect("v2", time.Minute, func() bool { return w.runs(d, "v2") })
			w.notify()
			w.expect("both slots", time.Minute, func() bool { return w.holds(d, "v2", 1) })
		})
	}
}

func TestARefreshThatFailsSaysWhyAndStaysConfirmed(t *testing.T) {
	t.Parallel()
	downloaded := func(r *release.Release) *release.Release { return theFirmwares(t).downloaded(t, r) }
	w, d := toTrialOf(t, downloaded)
	w.handler = files{"socket.version": downloaded(w.firmwares.release(t, "socket", "v2", 2)).VersionFile.Marshal()}
	w.expect("an error", confirmAfter+10*time.Second, func() bool { return w.lastUpdate(d).Error != "" })
	if u := w.lastUpdate(d); u.State != "confirmed" || u.Version != "v2" || u.Error != "http-status" || u.HTTPStatus != 404 {
		t.Errorf("reports %+v", u)
	}
	if !w.runs(d, "v2") || w.defaults(d) != 1 {
		t.Error("v2 does not run as the default")
	}
}

// A slot that goes bad is found at the next check, and costs nothing meanwhile.
func TestASlotThatGoesBadIsRepaired(t *testing.T) {
	t.Parallel()
	for slot := range image.Slots {
		w := newWorld(t)
		d := w.add(1, "socket", "v1", 1)
		w.publish("socket", "v1", 1)
		w.settle()
		if !w.holds(d, "v1", 0) {
			t.Fatal("a device that was just flashed does not fill its other slot")
		}
		d.Chip.Flash.Put(image.SlotAddress(slot)+0x4000, make([]byte, 64))
		d.PowerCycle()
		w.expect("both slots whole again, and the one that runs the default", time.Minute,
			func() bool { return w.holds(d, "v1", 1-slot) })
		if !w.runs(d, "v1") {
			t.Errorf("slot %d damaged: v1 does not run", slot)
		}
	}
}

func TestThereIsNoRefreshWithoutLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	never := variant{name: "no refresh", config: func(c *site.Config) { c.Update.Refresh = false }}
	w.publishVariant("socket", "v2", 2, never)
	w.expect("confirmed", time.Minute, func() bool { return w.lastUpdate(d).State == "confirmed" })
	w.RunFor(2 * time.Hour)
	if f := w.flash(d); f.Slots[0].Image == nil || f.Slots[0].Image.Descriptor.Version != "v1" || w.requests("rom0") != 0 {
		t.Error("the other slot was refreshed")
	}
}
