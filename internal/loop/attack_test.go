package loop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository/repositorytest"
)

// The attacks that The Update Framework and Uptane name, by the names that they have
// there. docs/security.md says what comes of each.

// attack is a variant of one: what is changed on the server, and the reason for which
// the device refuses it.
type attack struct {
	reason string
	change func(t *testing.T, v *victim, f files)
}

// attacks plays variants of an attack. The server has the good release v2, sequence 6,
// with something changed.
func attacks(t *testing.T, firmwares *firmwares, variants map[string]attack) {
	for name, a := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, firmwares)
			f := folder(v.firmwares.release(t, "socket", "v2", 6))
			a.change(t, v, f)
			v.refuses(t, f, a.reason)
			v.recovers(t)
		})
	}
}

// recovers checks that what was refused does not stand in the way of what is right.
func (v *victim) recovers(t *testing.T) {
	t.Helper()
	v.handler = folder(v.firmwares.release(t, "socket", "v2", 6))
	v.notify()
	v.expect("the good release runs", 2*time.Minute, func() bool { return v.runs(v.device, "v2") })
}

// forge makes an image say of itself what the attacker likes, all sums right.
func forge(t testing.TB, old []byte, change func(irom []byte)) []byte {
	t.Helper()
	return repacked(t, old, func(in *image.Input) {
		change(in.IROM)
		in.Slot = int(in.IROM[ofSlot])
	})
}

// repacked is an image that was unpacked, changed and packed again.
func repacked(t testing.TB, old []byte, change func(*image.Input)) []byte {
	t.Helper()
	i, err := image.Parse(bytes.Clone(old))
	must(t, err)
	in := image.Input{Entry: i.Entry, IROM: i.IROM, Segments: i.Segments, Slot: i.Descriptor.Slot,
		Link: i.Descriptor.Link, FlashMode: i.FlashMode, FlashSizeFreq: i.FlashSizeFreq}
	change(&in)
	b, err := image.Pack(in)
	must(t, err)
	return b
}

// unrelated takes the relocation list away from an irom part.
func unrelated(irom []byte) { clear(irom[ofRelocations:image.DescriptorSize]) }

// Places in a descriptor (SPEC 2.3), which is the first of the irom part.
const (
	ofType     = 8
	ofVersion  = 40
	ofSequence = 76
	ofSlot     = 80

	ofRelocations = 92
	ofSize        = 84
)

// take replaces a line of the version file, from 0, by one of another release.
func (f files) take(line int, of *release.Release, from int) {
	lines := strings.SplitAfter(string(f["socket.version"]), "\n")
	lines[line] = strings.SplitAfter(string(of.VersionFile.Marshal()), "\n")[from]
	f["socket.version"] = []byte(strings.Join(lines, ""))
}

// swapSignatures swaps those of the slots.
func (f files) swapSignatures() {
	lines := strings.SplitAfter(string(f["socket.version"]), "\n")
	lines[1], lines[2] = lines[2], lines[1]
	f["socket.version"] = []byte(strings.Join(lines, ""))
}

// strangers are keys that no device trusts.
func strangers(t *testing.T, n int) (keys []ed25519.PrivateKey) {
	t.Helper()
	for range n {
		key, err := release.GenerateKey()
		must(t, err)
		keys = append(keys, key)
	}
	return keys
}

func TestArbitrarySoftware(t *testing.T) { arbitrarySoftware(t, theFirmwares(t)) }

func arbitrarySoftware(t *testing.T, firmwares *firmwares) {
	signedBy := func(n int) func(*testing.T, *victim, files) {
		return func(t *testing.T, v *victim, f files) {
			r, err := release.Sign(v.firmwares.images(t, "socket", "v2", 6), strangers(t, n)...)
			must(t, err)
			f["socket.version"] = r.VersionFile.Marshal()
		}
	}
	attacks(t, firmwares, map[string]attack{
		"signed with another key":      {"bad-signature", signedBy(1)},
		"signed with three other keys": {"bad-signature", signedBy(3)},
		"not signed": {"bad-signature", func(t *testing.T, v *victim, f files) {
			unsigned := release.VersionFile{Version: "v2", Sequence: 6}
			for slot := range unsigned.Signatures {
				unsigned.Signatures[slot] = make([]release.Signature, 1)
			}
			f["socket.version"] = unsigned.Marshal()
		}},
		"a changed program": {"bad-signature", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = forge(t, f["socket.rom1"], func(irom []byte) { irom[len(irom)/2] ^= 1 })
		}},
		"something that is no image": {"malformed-image", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = bytes.Repeat([]byte("<html>\n"), 10000)
		}},
	})
}

func TestRollback(t *testing.T) { rollback(t, theFirmwares(t)) }

func rollback(t *testing.T, firmwares *firmwares) {
	attacks(t, firmwares, map[string]attack{
		"an older release": {"not-newer", func(t *testing.T, v *victim, f files) {
			f["socket.version"] = v.firmwares.release(t, "socket", "v0", 4).VersionFile.Marshal()
		}},
		"another release of the same sequence": {"not-newer", func(t *testing.T, v *victim, f files) {
			f["socket.version"] = v.firmwares.release(t, "socket", "v2", 5).VersionFile.Marshal()
		}},
		"a development build": {"not-newer", func(t *testing.T, v *victim, f files) {
			f["socket.version"] = v.firmwares.release(t, "socket", "dev", 0).VersionFile.Marshal()
		}},
		"an older release under a newer name": {"wrong-version", func(t *testing.T, v *victim, f files) {
			old := v.firmwares.release(t, "socket", "v0", 4)
			old.Version, old.Sequence = "v2", 6
			f["socket.version"], f["socket.rom1"] = old.VersionFile.Marshal(), old.Images[1]
		}},
		"an older release with a newer sequence": {"wrong-sequence", func(t *testing.T, v *victim, f files) {
			old := v.firmwares.release(t, "socket", "v0", 4)
			old.Sequence = 6
			f["socket.version"], f["socket.rom1"] = old.VersionFile.Marshal(), old.Images[1]
		}},
		"an older release that says it is newer": {"bad-signature", func(t *testing.T, v *victim, f files) {
			old := v.firmwares.release(t, "socket", "v0", 4)
			old.Sequence = 6
			f["socket.version"] = old.VersionFile.Marshal()
			f["socket.rom1"] = forge(t, old.Images[1], func(irom []byte) { irom[ofSequence] = 6 })
		}},
	})
}

// Who has the key can make devices install what he likes, but cannot use up the numbers.
func TestFastForward(t *testing.T) { fastForward(t, theFirmwares(t)) }

func fastForward(t *testing.T, firmwares *firmwares) {
	attacks(t, firmwares, map[string]attack{
		"a version file with a greater sequence": {"wrong-sequence", func(_ *testing.T, _ *victim, f files) {
			f["socket.version"] = bytes.Replace(f["socket.version"], []byte("sequence 6"), []byte("sequence 1000005"), 1)
		}},
		"the greatest sequence, signed": {"sequence-jump", func(t *testing.T, v *victim, f files) {
			f["socket.version"] = v.firmwares.release(t, "socket", "evil", 1<<32-1).VersionFile.Marshal()
		}},
		"one more than is allowed, signed": {"sequence-jump", func(t *testing.T, v *victim, f files) {
			f["socket.version"] = v.firmwares.release(t, "socket", "evil", 5+1_000_001).VersionFile.Marshal()
		}},
	})
	t.Run("recovery", func(t *testing.T) {
		t.Parallel()
		releases := []*release.Release{
			firmwares.release(t, "socket", "evil", 5+1_000_000), firmwares.release(t, "socket", "recovered", 5+1_000_001),
		}
		v := newVictim(t, firmwares)
		for _, r := range releases {
			v.handler = folder(r)
			v.notify()
			v.expect(r.Version+" runs", 2*time.Minute, func() bool { return v.runs(v.device, r.Version) })
		}
	})
}

// A server that keeps the newest release back cannot be told from one that has none. But
// the operator sees devices that are well and behind what was published.
func TestIndefiniteFreeze(t *testing.T) { indefiniteFreeze(t, theFirmwares(t)) }

func indefiniteFreeze(t *testing.T, firmwares *firmwares) {
	w := newWorldOf(t, firmwares)
	d, other := w.add(1, "socket", "v1", 1), w.add(2, "sensor", "v1", 1)
	w.publish("socket", "v1", 1)
	w.publish("sensor", "v1", 1)
	frozen := folder(w.firmwares.release(t, "socket", "v1", 1))
	for name, content := range folder(w.firmwares.release(t, "sensor", "v1", 1)) {
		frozen[name] = content
	}
	w.handler = frozen
	w.settle()
	if late := w.behind(); len(late) != 0 {
		t.Errorf("behind before the attack: %v", late)
	}
	w.publish("socket", "v2", 2)
	for range 3 {
		w.notify()
		w.RunFor(time.Minute)
	}
	if u := w.lastUpdate(d); u.State != "idle" || u.Version != "v1" || !w.runs(d, "v1") {
		t.Errorf("reports %+v", u)
	}
	if late := w.behind(); len(late) != 1 || late[0] != d.ID() {
		t.Errorf("behind are %v, not %s", late, d.ID())
	}
	w.handler = w.firmware()
	w.notify()
	w.expect("v2 runs", 2*time.Minute, func() bool { return w.runs(d, "v2") })
	if late := w.behind(); len(late) != 0 || !w.runs(other, "v1") {
		t.Errorf("behind after the attack: %v", late)
	}
}

// behind lists the devices that are online and run less than what is published, from
// what they report.
func (w *world) behind() (ids []string) {
	w.t.Helper()
	for _, d := range w.fleet.Devices() {
		published, err := w.repository.Current(d.Type())
		must(w.t, err)
		if d.Status == fleet.Online && d.Info.Version.Sequence < published.Sequence {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func TestMixAndMatch(t *testing.T) { mixAndMatch(t, theFirmwares(t)) }

func mixAndMatch(t *testing.T, firmwares *firmwares) {
	v3 := func(t *testing.T, v *victim) *release.Release { return v.firmwares.release(t, "socket", "v3", 7) }
	attacks(t, firmwares, map[string]attack{
		"another release's image": {"wrong-version", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = v3(t, v).Images[1]
		}},
		"another build's image of the same version": {"wrong-sequence", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = v.firmwares.images(t, "socket", "v2", 7)[1]
		}},
		"another release's signature": {"bad-signature", func(t *testing.T, v *victim, f files) {
			f.take(2, v3(t, v), 2)
		}},
		"another release's signatures, further ones too": {"bad-signature", func(t *testing.T, v *victim, f files) {
			f.take(2, v3(t, v), 1)
			f["socket.version"] = append(f["socket.version"], "signature1 "+strings.Split(string(v3(t, v).Marshal()), "\n")[2]+"\n"...)
		}},
		"another release's name and sequence": {"wrong-version", func(t *testing.T, v *victim, f files) {
			f.take(0, v3(t, v), 0)
			f.take(3, v3(t, v), 3)
		}},
		"another release's image and signature": {"wrong-version", func(t *testing.T, v *victim, f files) {
			f.take(2, v3(t, v), 2)
			f["socket.rom1"] = v3(t, v).Images[1]
		}},
		"another release's image under this one's name": {"bad-signature", func(t *testing.T, v *victim, f files) {
			f.take(2, v3(t, v), 2)
			f["socket.rom1"] = forge(t, v3(t, v).Images[1], func(irom []byte) { irom[ofVersion+1], irom[ofSequence] = '2', 6 })
		}},
		"half of each": {"bad-signature", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = forge(t, f["socket.rom1"], func(irom []byte) {
				other, err := image.Parse(v.firmwares.images(t, "sensor", "v2", 6)[1])
				must(t, err)
				copy(irom[len(irom)/2:], other.IROM[len(irom)/2-1000:])
			})
		}},
	})
}

func TestWrongSoftwareInstallation(t *testing.T) { wrongSoftwareInstallation(t, theFirmwares(t)) }

func wrongSoftwareInstallation(t *testing.T, firmwares *firmwares) {
	attacks(t, firmwares, map[string]attack{
		"another type's image": {"wrong-device", func(t *testing.T, v *victim, f files) {
			f["socket.rom1"] = v.firmwares.images(t, "sensor", "v2", 6)[1]
		}},
		"another type's release": {"wrong-device", func(t *testing.T, v *victim, f files) {
			r := v.firmwares.release(t, "sensor", "v2", 6)
			f["socket.version"], f["socket.rom1"] = r.VersionFile.Marshal(), r.Images[1]
		}},
		"another type's release that says it is of this one": {"bad-signature", func(t *testing.T, v *victim, f files) {
			r := v.firmwares.release(t, "sensor", "v2", 6)
			f["socket.version"] = r.VersionFile.Marshal()
			f["socket.rom1"] = forge(t, r.Images[1], func(irom []byte) { copy(irom[ofType:], "socket") })
		}},
	})
}

// An image for the other slot would run from where it is not linked for.
func TestWrongSlot(t *testing.T) { wrongSlot(t, theFirmwares(t)) }

func wrongSlot(t *testing.T, firmwares *firmwares) {
	attacks(t, firmwares, map[string]attack{
		"the other slot's image": {"wrong-slot", func(_ *testing.T, _ *victim, f files) {
			f["socket.rom1"] = f["socket.rom0"]
		}},
		"the other slot's signature": {"bad-signature", func(_ *testing.T, _ *victim, f files) {
			f.swapSignatures()
		}},
		"the other slot's image and signature": {"wrong-slot", func(_ *testing.T, _ *victim, f files) {
			f.swapSignatures()
			f["socket.rom1"] = f["socket.rom0"]
		}},
		"the other slot's image that says it is for this one": {"bad-signature", func(t *testing.T, _ *victim, f files) {
			f.swapSignatures()
			f["socket.rom1"] = forge(t, f["socket.rom0"], func(irom []byte) { irom[ofSlot] = 1 })
		}},
	})
}

// An image of the other link would call functions that are not there. It is no attack but a mistake,
// of somebody who has the key.
func TestWrongLink(t *testing.T) {
	linked := func(t *testing.T, v *victim, links [image.Slots]image.Link) (images [image.Slots][]byte) {
		for slot, content := range v.firmwares.images(t, "socket", "v2", 6) {
			images[slot] = repositorytest.Mark(content, links[slot])
		}
		return images
	}
	attacks(t, theFirmwares(t), map[string]attack{
		"the other link's release, signed": {"wrong-link", func(t *testing.T, v *victim, f files) {
			r, err := release.Sign(linked(t, v, [image.Slots]image.Link{image.LinkChip, image.LinkChip}), v.firmwares.key)
			must(t, err)
			maps.Copy(f, folder(r))
		}},
		"an image of each link, signed": {"wrong-link", func(t *testing.T, v *victim, f files) {
			images := linked(t, v, [image.Slots]image.Link{image.LinkEmulator, image.LinkChip})
			r := v.firmwares.release(t, "socket", "v2", 6)
			text := release.SignedText(image.Descriptor{DeviceType: "socket", Version: "v2", Sequence: 6, Slot: 1}, sha256.Sum256(images[1]))
			r.Images, r.Signatures[1] = images, []release.Signature{release.Signature(ed25519.Sign(v.firmwares.key, text))}
			maps.Copy(f, folder(r))
		}},
	})
}

// A site that goes back to an older ESPer publishes such releases. A device that runs one takes the
// next with a mark.
func TestAnUnmarkedReleaseIsInstalled(t *testing.T) {
	v := newVictim(t, theFirmwares(t))
	var images [image.Slots][]byte
	for slot, content := range v.firmwares.images(t, "socket", "v2", 6) {
		images[slot] = repositorytest.Mark(content, image.LinkUnmarked)
	}
	r, err := release.Sign(images, v.firmwares.key)
	must(t, err)
	v.handler = folder(r)
	v.notify()
	v.expect("v2 confirmed", 2*time.Minute, func() bool { return v.runs(v.device, "v2") })
	v.expect("v2 in both slots", 2*time.Minute, func() bool { return v.lastUpdate(v.device).AtRest() })
	v.handler = folder(v.firmwares.release(t, "socket", "v3", 7))
	v.notify()
	v.expect("v3 confirmed", 2*time.Minute, func() bool { return v.runs(v.device, "v3") })
}

func TestPartialDownload(t *testing.T) { partialDownload(t, theFirmwares(t)) }

func partialDownload(t *testing.T, firmwares *firmwares) {
	attacks(t, firmwares, map[string]attack{
		"a truncated image": {"truncated", func(_ *testing.T, _ *victim, f files) {
			f["socket.rom1"] = f["socket.rom1"][:len(f["socket.rom1"])-4096]
		}},
		"a truncated image that says it is whole": {"bad-signature", func(t *testing.T, _ *victim, f files) {
			cut := f["socket.rom1"][:len(f["socket.rom1"])-4096]
			binary.LittleEndian.PutUint32(cut[0x10+ofSize:], uint32(len(cut)))
			f["socket.rom1"] = cut
		}},
		"an image with a hole": {"bad-signature", func(_ *testing.T, _ *victim, f files) {
			copy(f["socket.rom1"][0x4000:0x5000], bytes.Repeat([]byte{0xFF}, 0x1000))
		}},
		"an empty image":                    {"truncated", func(_ *testing.T, _ *victim, f files) { f["socket.rom1"] = nil }},
		"only the other slot's image":       {"http-status", func(_ *testing.T, _ *victim, f files) { delete(f, "socket.rom1") }},
		"only the version file":             {"http-status", func(_ *testing.T, _ *victim, f files) { delete(f, "socket.rom0"); delete(f, "socket.rom1") }},
		"only the images":                   {"http-status", func(_ *testing.T, _ *victim, f files) { delete(f, "socket.version") }},
		"an empty version file":             {"malformed-version-file", func(_ *testing.T, _ *victim, f files) { f["socket.version"] = nil }},
		"a version file without its end":    {"malformed-version-file", func(_ *testing.T, _ *victim, f files) { cut(f, "sequence") }},
		"a version file with one signature": {"malformed-version-file", func(_ *testing.T, _ *victim, f files) { f["socket.version"] = f["socket.version"][:132] }},
	})
	t.Run("a connection that always breaks", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, firmwares)
		v.webHost.CutAfter = 20000
		// A server without ranges: each try begins anew.
		good := folder(v.firmwares.release(t, "socket", "v2", 6))
		v.refuses(t, http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
			q.Header.Del("Range")
			good.ServeHTTP(rw, q)
		}), "unreachable")
		v.webHost.CutAfter = 0
		v.recovers(t)
	})
}
