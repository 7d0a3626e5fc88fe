package loop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/internal/image"
	"esper/internal/release"
)

// files is a static web server's folder, for what a repository would not publish.
type files map[string][]byte

func (f files) ServeHTTP(rw http.ResponseWriter, q *http.Request) {
	content, ok := f[path.Base(q.URL.Path)]
	if !ok {
		http.NotFound(rw, q)
		return
	}
	http.ServeContent(rw, q, "", time.Time{}, bytes.NewReader(content))
}

// folder is what a release looks like on a static web server.
func folder(r *release.Release) files {
	return files{
		r.Type + ".version": r.VersionFile.Marshal(),
		r.Type + ".rom0":    slices.Clone(r.Images[0]),
		r.Type + ".rom1":    slices.Clone(r.Images[1]),
	}
}

// victim is a socket that runs v1 from slot 0, sequence 5.
type victim struct {
	*world
	device *emulator.Device
	before []byte // its flash
}

func newVictim(t *testing.T, firmwares *firmwares) *victim {
	w := newWorldOf(t, firmwares)
	return victimOf(t, w, w.add(1, "socket", "v1", 5))
}

// victimOf is a victim that was just switched on.
func victimOf(t *testing.T, w *world, d *emulator.Device) *victim {
	v := &victim{world: w, device: d}
	w.handler = folder(w.firmwares.release(t, "socket", "v1", 5))
	w.settle()
	v.before = slices.Clone(v.device.Chip.Flash.Bytes())
	return v
}

// refuses offers files to the device, and checks that it refuses them for the
// reason, goes on with its firmware, and could start nothing else.
func (v *victim) refuses(t *testing.T, offered http.Handler, reason string) {
	t.Helper()
	v.handler = offered
	resets, seen := v.device.Resets(), len(v.updates[v.device.ID()])
	v.notify()
	v.expect("an end of the update", 3*time.Minute, func() bool {
		all := v.updates[v.device.ID()]
		return len(all) > seen && all[len(all)-1].State == "failed"
	})
	if u := v.lastUpdate(v.device); u.Error != reason {
		t.Errorf("refused as %q, not %q", u.Error, reason)
	}
	v.RunFor(5 * time.Second)
	if v.device.Resets() != resets || !v.runs(v.device, "v1") {
		t.Error("the old firmware does not run on")
	}
	v.unharmed(t)
}

// unharmed checks that nothing of the flash has changed but what the standby slot holds, and
// that this could not be booted.
func (v *victim) unharmed(t *testing.T) {
	t.Helper()
	now := v.device.Chip.Flash.Bytes()
	if end := image.Slot0Address + image.SlotSize; !bytes.Equal(now[:end], v.before[:end]) {
		t.Error("bootloader, boot configuration or running slot have changed")
	}
	if end := image.Slot1Address + image.SlotSize; !bytes.Equal(now[end:], v.before[end:]) {
		t.Error("what follows the standby slot has changed")
	}
	if d := image.ApplicationDataAddress; !bytes.Equal(now[d:d+image.ApplicationDataSize], v.before[d:d+image.ApplicationDataSize]) {
		t.Error("the application's data have changed")
	}
	v.bootsNothingElse(t)
}

// bootsNothingElse checks that the standby slot holds the running release, as after a
// refresh, or nothing that could be booted.
func (v *victim) bootsNothingElse(t *testing.T) {
	t.Helper()
	flash, err := image.ParseFlash(v.device.Chip.Flash.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if i := flash.Slots[1].Image; i != nil && (i.Descriptor.Version != "v1" || i.Descriptor.Sequence != 5) {
		t.Errorf("the standby slot could be booted, with %s", i.Descriptor.Version)
	}
}

// R2, R4: what no attack is named after. attack_test.go has the rest.
func TestRefusals(t *testing.T) {
	attacks(t, theFirmwares(t), map[string]attack{
		"an image too large for the slot": {"too-large", func(_ *testing.T, _ *victim, f files) {
			f["socket.rom1"] = append(f["socket.rom1"], make([]byte, image.SlotSize)...)
		}},
		"an image that says it is too large": {"too-large", func(_ *testing.T, _ *victim, f files) {
			binary.LittleEndian.PutUint32(f["socket.rom1"][0x10+84:], image.SlotSize+16)
		}},
		"an image with something behind it": {"malformed-image", func(_ *testing.T, _ *victim, f files) {
			f["socket.rom1"] = append(f["socket.rom1"], make([]byte, 16)...)
		}},
		"a huge version file":  {"malformed-version-file", func(_ *testing.T, _ *victim, f files) { f["socket.version"] = bytes.Repeat([]byte("v2\n"), 400) }},
		"an HTML version file": {"malformed-version-file", func(_ *testing.T, _ *victim, f files) { f["socket.version"] = []byte("<html>log in here</html>\n") }},
		"a sequence too large": {"malformed-version-file", func(_ *testing.T, _ *victim, f files) {
			f["socket.version"] = bytes.Replace(f["socket.version"], []byte("ce 6"), []byte("ce 4294967296"), 1)
		}},
		"a version with a slash": {"malformed-version-file", func(_ *testing.T, _ *victim, f files) {
			f["socket.version"] = append([]byte("../"), f["socket.version"]...)
		}},
	})
}

// cut removes the line that begins so from the version file.
func cut(f files, prefix string) {
	var kept []string
	for line := range strings.Lines(string(f["socket.version"])) {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	f["socket.version"] = []byte(strings.Join(kept, ""))
}

// R4: one flipped bit, wherever it is. Where only the trailer could tell, it has been
// made right again, as an attacker would.
func TestAFlippedBitIsRefused(t *testing.T) {
	const seed = 2017
	v := newVictim(t, theFirmwares(t))
	good := v.firmwares.release(t, "socket", "v2", 6)
	random := rand.New(rand.NewPCG(seed, 0))
	image1 := good.Images[1]
	const codeAt = 0x10 + 96 // behind the header and the descriptor
	var header, code, trailer []int
	for at := range codeAt { // every byte
		header = append(header, at)
	}
	for range 78 {
		code = append(code, codeAt+random.IntN(len(image1)-codeAt-32))
	}
	for i := range 32 {
		trailer = append(trailer, len(image1)-32+i)
	}
	positions := slices.Concat(some(header, 16), some(code, 12), some(trailer, 4))
	for _, at := range positions {
		bit := random.IntN(8)
		f := folder(good)
		bad := f["socket.rom1"]
		bad[at] ^= 1 << bit
		if at < len(bad)-32 && at%2 == 0 {
			digest := sha256.Sum256(bad[:len(bad)-32])
			copy(bad[len(bad)-32:], digest[:])
		}
		v.refusesFlip(t, f, fmt.Sprintf("bit %d of byte %#x of the image", bit, at))
	}
	lines := bytes.SplitAfter(good.VersionFile.Marshal(), []byte("\n"))
	for _, i := range some(upTo(64), 12) { // every byte of the signature
		digit := []byte{lines[2][2*i+i%2]}
		flipped := []byte("0123456789abcdef")[bytes.IndexByte([]byte("0123456789abcdef"), digit[0])^(1<<(i%4))]
		f := folder(good)
		at := len(lines[0]) + len(lines[1]) + 2*i + i%2
		f["socket.version"][at] = flipped
		v.refusesFlip(t, f, fmt.Sprintf("byte %d of the signature", i))
	}
}

// refusesFlip is refuses for any of the reasons that a flipped bit may have.
func (v *victim) refusesFlip(t *testing.T, f files, what string) {
	t.Helper()
	v.handler = f
	resets, seen := v.device.Resets(), len(v.updates[v.device.ID()])
	v.notify()
	v.expect("an end of the update: "+what, 3*time.Minute, func() bool {
		all := v.updates[v.device.ID()]
		return len(all) > seen && all[len(all)-1].State == "failed"
	})
	possible := []string{"bad-signature", "malformed-image", "wrong-device", "wrong-version", "wrong-sequence", "wrong-slot", "wrong-link", "too-large", "truncated"}
	if u := v.lastUpdate(v.device); !slices.Contains(possible, u.Error) {
		t.Errorf("%s: refused as %q", what, u.Error)
	}
	now := v.device.Chip.Flash.Bytes()
	if end := image.Slot0Address + image.SlotSize; v.device.Resets() != resets || !bytes.Equal(now[:end], v.before[:end]) {
		t.Fatalf("%s: it restarted, or boot configuration or running slot have changed", what)
	}
	v.bootsNothingElse(t)
}
