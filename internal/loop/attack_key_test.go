package loop

import (
	"crypto/ed25519"
	"net/http"
	"testing"
	"time"

	"esper/internal/image"
	"esper/internal/release"
)

// keys are what the tests here sign with, and a site that is built with any of them.
type keys struct {
	*firmwares
	old, new ed25519.PrivateKey
}

func newKeys(t *testing.T, firmwares *firmwares) *keys {
	t.Helper()
	f, err := makeFirmwares(t.TempDir())
	must(t, err)
	f.sdk = firmwares.sdk
	pair := strangers(t, 2)
	return &keys{f, pair[0], pair[1]}
}

// carry lets what is built next trust some keys. Each version is built once.
func (k *keys) carry(trusted ...ed25519.PrivateKey) {
	k.site.Config.Update.Keys = nil
	for _, key := range trusted {
		k.site.Config.Update.Keys = append(k.site.Config.Update.Keys, key.Public().(ed25519.PublicKey))
	}
}

// sign builds a socket's release and signs it.
func (k *keys) sign(t *testing.T, version string, sequence uint32, by ...ed25519.PrivateKey) files {
	t.Helper()
	r, err := release.Sign(k.images(t, "socket", version, sequence), by...)
	must(t, err)
	return folder(r)
}

// One device takes part in all of it. One is off while the new key is brought out, and
// still gets through; one that comes when the old key signs no more does not.
func TestKeyRotation(t *testing.T) { keyRotation(t, theFirmwares(t)) }

func keyRotation(t *testing.T, firmwares *firmwares) {
	t.Parallel()
	k := newKeys(t, firmwares)
	k.carry(k.old)
	v1 := k.sign(t, "v1", 1, k.old)
	k.carry(k.old, k.new)
	v2 := k.sign(t, "v2", 2, k.old)
	k.carry(k.new)
	v3, v4, v5 := k.sign(t, "v3", 3, k.new, k.old), k.sign(t, "v4", 4, k.new), k.sign(t, "v5", 5, k.new, k.old)

	w := newWorldOf(t, k.firmwares)
	present, away, tooLate := w.add(1, "socket", "v1", 1), w.add(2, "socket", "v1", 1), w.add(3, "socket", "v1", 1)
	offered := v1
	absent := map[string]bool{away.ID(): true, tooLate.ID(): true}
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		if absent[q.Header.Get("X-Esper-Device")] {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		offered.ServeHTTP(rw, q)
	})
	w.settle()
	release := func(f files) {
		offered = f
		w.notify()
	}

	// The old key signs a release that trusts both.
	release(v2)
	w.expect("v2 runs", 2*time.Minute, func() bool { return w.runs(present, "v2") })

	// Both sign one that trusts the new key only.
	release(v3)
	w.expect("v3 runs", 2*time.Minute, func() bool { return w.runs(present, "v3") })
	delete(absent, away.ID())
	w.notify()
	w.expect("v3 runs on what missed v2", 2*time.Minute, func() bool { return w.runs(away, "v3") })

	// The new key alone.
	release(v4)
	w.expect("v4 runs", 2*time.Minute, func() bool { return w.runs(present, "v4") && w.runs(away, "v4") })
	delete(absent, tooLate.ID())
	w.notify()
	w.expect("a refusal by what missed all", 2*time.Minute, func() bool { return w.lastUpdate(tooLate).Error == "bad-signature" })
	if !w.runs(tooLate, "v1") {
		t.Error("what missed all does not run on")
	}
	// It is not lost: the old key's signature beside the new one's is enough.
	release(v5)
	w.expect("v5 runs everywhere", 2*time.Minute, func() bool {
		return w.runs(present, "v5") && w.runs(away, "v5") && w.runs(tooLate, "v5")
	})
}

// A key that leaked is worth nothing as soon as a device runs a release that does not
// carry it.
func TestKeyCompromise(t *testing.T) { keyCompromise(t, theFirmwares(t)) }

func keyCompromise(t *testing.T, firmwares *firmwares) {
	t.Parallel()
	k := newKeys(t, firmwares)
	k.carry(k.old)
	v1 := k.sign(t, "v1", 5, k.old)
	k.carry(k.new)
	safe := k.sign(t, "safe", 6, k.new, k.old)

	w := newWorldOf(t, k.firmwares)
	v := &victim{world: w, device: w.add(1, "socket", "v1", 5)}
	w.handler = v1
	w.settle()
	w.handler = safe
	w.notify()
	w.expect("the release that trusts the new key runs", 2*time.Minute, func() bool { return w.runs(v.device, "safe") })
	w.RunFor(time.Minute)

	// The thief signs whatever he likes, with further signatures that he has seen.
	k.carry(k.old)
	evil := k.sign(t, "evil", 7, k.old)
	seen := string(k.sign(t, "safe", 6, k.new)["socket.version"])
	evil["socket.version"] = append(evil["socket.version"], "signature0 "+seen[5:134]+"signature1 "+seen[134:263]...)
	kept := func() string { // bootloader, boot configuration, and slot 1, which runs
		flash := v.device.Chip.Flash.Bytes()
		return string(flash[:image.Slot0Address]) + string(flash[image.Slot1Address:])
	}
	before, resets := kept(), v.device.Resets()
	w.handler = evil
	w.notify()
	w.expect("a refusal", 2*time.Minute, func() bool { return w.lastUpdate(v.device).State == "failed" })
	if u := w.lastUpdate(v.device); u.Error != "bad-signature" {
		t.Errorf("refused as %q", u.Error)
	}
	w.RunFor(10 * time.Second)
	if v.device.Resets() != resets || !w.runs(v.device, "safe") || kept() != before {
		t.Error("the good release does not run on as before")
	}
}
