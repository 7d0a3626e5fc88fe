package loop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/settings/settingstest"
	"esper/internal/site"
)

// The attacks on settings releases (SPEC 12.4). docs/security.md says what comes of each.

type crafted = settingstest.Release

// craft is a release of sequence 8 with all that is right, entries, key and signature, but for a
// change.
func (s *stored) craft(change func(c *crafted)) []byte {
	s.t.Helper()
	c := crafted{Header: settings.Header{Type: "socket", Sequence: 8}, Plain: marshal(s.t,
		atHome().Entries()),
		Keys: [][]byte{fleetKey}, Signers: []ed25519.PrivateKey{s.firmwares.key}}
	change(&c)
	return c.File()
}

// withSequence is a device whose settings are from release 7.
func withSequence(t testing.TB) *stored {
	t.Helper()
	s := newStoredOf(t, inSettings, append(atHome().Entries(),
		settings.OfNumber(settings.SequenceName, 7)))
	s.settle()
	s.RunFor(20 * time.Second)
	return s
}

// looksAt offers a file, and waits until the device has looked at it.
func (s *stored) looksAt(file []byte) settingsStatus {
	s.t.Helper()
	s.file = file
	seen := len(s.said)
	s.notify()
	s.expect("a word about the settings", 2*time.Minute, func() bool { return len(s.said) > seen })
	return s.status()
}

// refusesSettings offers a file, and checks that the device refuses it for the reason and that
// nothing of it is left.
func (s *stored) refusesSettings(what string, file []byte, reason string) {
	s.t.Helper()
	flash, resets, heap := bytes.Clone(s.device.Chip.Flash.Bytes()), s.device.Resets(), s.free()
	got := s.looksAt(file)
	if got.State != "failed" || got.Error != reason {
		s.t.Errorf("%s: %+v, not %s", what, got, reason)
	}
	s.RunFor(2 * time.Second)
	if s.device.Resets() != resets || !s.runs(s.device, "v1") {
		s.t.Fatalf("%s: it does not go on", what)
	}
	if !bytes.Equal(s.device.Chip.Flash.Bytes(), flash) {
		s.t.Fatalf("%s: something was written", what)
	}
	if now := s.free(); now != heap {
		s.t.Errorf("%s: %d bytes of the heap are free, before %d", what, now, heap)
	}
}

func (s *stored) free() int {
	now, _ := s.device.SDK.HeapFree()
	return now
}

// takesSettings checks that what was refused does not stand in the way of what is right.
func (s *stored) takesSettings() {
	s.t.Helper()
	s.release(9, atHome().Entries())
	s.became(2*time.Minute, "confirmed", 9, "")
	if got := s.status(); got.Candidate != 0 {
		s.t.Errorf("confirmed, it is still about %d", got.Candidate)
	}
}

func TestForeignSettings(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	otherFleet := bytes.Repeat([]byte{0x31}, settings.KeySize)
	evil := atHomeBut(func(c *settings.Connection) {
		c.Broker.Host, c.FleetKey = "evil", otherFleet
	})
	for _, a := range []struct {
		what, reason string
		change       func(c *crafted)
	}{
		{"signed with another key", "bad-signature", func(c *crafted) {
			c.Signers = strangers(t, 1)
		}},
		{"signed with three other keys", "bad-signature",
			func(c *crafted) { c.Signers = strangers(t, 3) }},
		{"another site's", "bad-signature", func(c *crafted) {
			c.Signers, c.Keys, c.Plain = strangers(t, 1), [][]byte{otherFleet}, marshal(t, evil)
		}},
		{"sealed with another fleet key", "wrong-fleet-key",
			func(c *crafted) { c.Keys = [][]byte{otherFleet} }},
		{"sealed with three other fleet keys", "wrong-fleet-key", func(c *crafted) {
			c.Keys = [][]byte{otherFleet, make([]byte, 32), bytes.Repeat([]byte{0xFF}, 32)}
		}},
		{"a content key that does not open the entries", "wrong-fleet-key", func(c *crafted) {
			c.Change = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}},
		{"a signature of zeros", "bad-signature", func(c *crafted) {
			c.Signers, c.Change = nil, func(b []byte) []byte {
				return append(b, make([]byte, 64)...)
			}
		}},
		{"signed as firmware", "bad-signature", func(c *crafted) {
			c.Text = func(digest [sha256.Size]byte) []byte {
				return release.SignedText(image.Descriptor{DeviceType: "socket", Version: "v2",
					Sequence: 8, Slot: 1}, digest)
			}
		}},
		{"another type's", "wrong-device", func(c *crafted) { c.Type = "sensor" }},
		{"another chip's", "wrong-device", func(c *crafted) { c.Chip = "00c0df" }},
		{"another chip's, of all types", "wrong-device", func(c *crafted) {
			c.Type, c.Chip = "*", "ffffff"
		}},
		{"this chip's of another type", "wrong-device", func(c *crafted) {
			c.Type, c.Chip = "button", "00c0de"
		}},
		{"an older one", "not-newer", func(c *crafted) { c.Sequence = 6 }},
		{"sequence 0", "not-newer", func(c *crafted) { c.Sequence = 0 }},
		{"a jump", "sequence-jump", func(c *crafted) { c.Sequence = 7 + 1_000_001 }},
		{"the greatest sequence", "sequence-jump", func(c *crafted) { c.Sequence = 1<<31 - 1 }},
		{"a greater one", "malformed-settings", func(c *crafted) { c.Sequence = 1 << 31 }},
	} {
		s.refusesSettings(a.what, s.craft(a.change), a.reason)
		if got := s.status(); (got.Candidate != 0) != (a.reason != "malformed-settings" &&
			a.what != "sequence 0") {
			t.Errorf("%s: about %d", a.what, got.Candidate)
		}
	}
	s.takesSettings()
	// What was good once: an older release, and the same again.
	s.refusesSettings("a replay", s.craft(func(*crafted) {}), "not-newer")
	flash := bytes.Clone(s.device.Chip.Flash.Bytes())
	if got := s.looksAt(s.craft(func(c *crafted) {
		c.Sequence, c.Plain = 9, marshal(t, evil)
	})); got.State != "idle" {
		t.Errorf("another release of the same sequence: %+v", got)
	}
	if !bytes.Equal(flash, s.device.Chip.Flash.Bytes()) {
		t.Error("it is not ignored")
	}
}

// A version file signed as settings is no firmware.
func TestFirmwareSignedAsSettings(t *testing.T) {
	t.Parallel()
	attacks(t, theFirmwares(t), map[string]attack{
		"signed as settings": {"bad-signature", func(t *testing.T, v *victim, f files) {
			r := v.firmwares.release(t, "socket", "v2", 6)
			text := settings.Header{Type: "socket",
				Sequence: 6}.SignedText(sha256.Sum256(r.Images[1]))
			forged := release.VersionFile{Version: "v2", Sequence: 6}
			for slot := range forged.Signatures {
				forged.Signatures[slot] = []release.Signature{release.Signature(ed25519.Sign(v.firmwares.key, text))}
			}
			f["socket.version"] = forged.Marshal()
		}},
	})
}

func TestMalformedSettings(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	key := func(n int) func(c *crafted) {
		return func(c *crafted) { c.Keys = slices.Repeat([][]byte{fleetKey}, n) }
	}
	entries := func(plain string) func(c *crafted) {
		return func(c *crafted) { c.Plain = []byte(plain) }
	}
	header := func(at int, values ...byte) func(c *crafted) {
		return func(c *crafted) {
			c.Change = func(b []byte) []byte {
				copy(b[at:], values)
				return b
			}
		}
	}
	long := strings.Repeat("n", 33)
	good := string(marshal(t, atHome().Entries()))
	filled := func(n int) string {
		own := settings.OfNumber(settings.SequenceName, 8)
		n -= len(marshal(t, settings.Entries{own, settings.OfBytes("a", nil)})) + len(good)
		return string(marshal(t, append(atHome().Entries(), settings.OfBytes("a", make([]byte,
			n)))))
	}
	for what, change := range map[string]func(c *crafted){
		"no keys": key(0), "four keys": key(4),
		"no signature":    func(c *crafted) { c.Signers = nil },
		"four signatures": func(c *crafted) { c.Signers = slices.Repeat(c.Signers, 4) },
		"no entries":      entries(""),
		"another magic":   header(0, 'e'), "another format": header(4, 2),
		"no type": header(8, 0, 0, 0, 0, 0, 0), "a type without an end": header(8,
			bytes.Repeat([]byte{'s'}, 32)...),
		"something behind the type": header(39, 1), "a chip without an end": header(40,
			[]byte("00c0de00")...),
		"65,535 bytes of entries": header(52, 0xFF, 0xFF), "65,535 keys": header(54, 0xFF, 0xFF),
		"an entry without a name": entries("\x03\x00\x01\x00v"),
		"a long name":             entries("\x03\x21\x01\x00" + long + "v"),
		"a name in upper case":    entries("\x03\x01\x01\x00Av"),
		"a name with a 0":         entries("\x03\x02\x01\x00a\x00v"),
		"type 0":                  entries("\x00\x01\x01\x00av"), "type 4": entries("\x04\x01\x01\x00av"),
		"a number of 3 bytes":            entries("\x02\x01\x03\x00a123"),
		"a text without an end":          entries("\x01\x01\x01\x00av"),
		"an entry longer than the rest":  entries("\x03\x01\x02\x00av"),
		"one of 65,535 bytes":            entries("\x03\x01\xff\xffav"),
		"half a header":                  entries("\x03\x01\x01"),
		"something behind the entries":   entries(good + "x"),
		"a name that occurs twice":       entries("\x03\x01\x01\x00av\x03\x01\x01\x00aw"),
		"one byte too much for a record": entries(filled(settings.MaxEntries + 1)),
	} {
		s.refusesSettings(what, s.craft(change), "malformed-settings")
	}
	whole := s.craft(func(*crafted) {})
	refused := 0
	refuse := func(what string, file []byte) {
		s.refusesSettings(what, file, "malformed-settings")
		refused++
	}
	for _, n := range some(upTo(len(whole)), 20) {
		refuse(fmt.Sprintf("%d bytes", n), whole[:n])
	}
	for _, n := range []int{1, 32, 63, 65, 192, settings.MaxRelease - len(whole)} {
		refuse(fmt.Sprintf("%d bytes more", n), append(bytes.Clone(whole), make([]byte, n)...))
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range some(upTo(40), 10) {
		random := make([]byte, r.IntN(settings.MaxRelease))
		for i := range random {
			random[i] = byte(r.Uint32())
		}
		refuse("random bytes", random)
		if copy(random, whole[:8]); len(random) > 96 {
			refuse("random bytes behind the magic", random)
		}
	}
	refuse("HTML", []byte("<html><body>Sign in to use this network</body></html>"))
	t.Logf("%d files truncated, prolonged or random, all refused", refused)
	s.takesSettings()
	// All room that there is may be used.
	s.file = s.craft(func(c *crafted) {
		c.Sequence, c.Plain = 10, []byte(filled(settings.MaxEntries))
	})
	s.notify()
	s.became(2*time.Minute, "confirmed", 10, "")
	if got := marshal(t, s.record().Entries); len(got) != settings.MaxEntries {
		t.Errorf("a record with %d bytes of entries", len(got))
	}
	s.restarts()
}

func upTo(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

// No bit of a settings release can be changed.
func TestBitFlipsInSettings(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	whole := s.craft(func(c *crafted) { c.Type = "*" })
	regions := []struct {
		name string
		from int
	}{{"magic and format", 0}, {"type", 8}, {"chip", 40}, {"sequence", 48}, {"sizes", 52}, {"nonce",
		56}, {"MAC", 80},
		{"key", 96}, {"entries", 168}, {"signature", len(whole) - 64}, {"", len(whole)}}
	reasons := map[string]int{}
	for i, region := range regions[:len(regions)-1] {
		bits := upTo(8 * (regions[i+1].from - region.from))
		for _, bit := range some(bits, 3) {
			flipped := bytes.Clone(whole)
			flipped[region.from+bit/8] ^= 1 << (bit % 8)
			got := s.looksAt(flipped)
			reasons[got.Error]++
			ignored := region.name == "sequence" && got.State == "idle" // it is 7 now
			if got.State != "failed" && !ignored || got.Sequence != 7 {
				t.Fatalf("bit %d of the %s: %+v", bit, region.name, got)
			}
		}
	}
	t.Logf("refused for these reasons: %v", reasons)
	for _, reason := range []string{"malformed-settings", "wrong-device", "bad-signature",
		"sequence-jump"} {
		if reasons[reason] == 0 {
			t.Errorf("none is refused as %s", reason)
		}
	}
	s.takesSettings()
}

// Sequences in the entries of a release count for nothing: or one for the whole fleet could keep
// each device from ever taking one of its own.
func TestSequencesInSettingsAreIgnored(t *testing.T) {
	t.Parallel()
	s := newStoredOf(t, inSettings, append(atHome().Entries(),
		settings.OfNumber(settings.SequenceName, 7), settings.OfNumber(settings.DeviceSequenceName,
			3)))
	s.settle()
	for i, own := range []settings.Entry{
		settings.OfNumber(settings.DeviceSequenceName, 1<<31-1),
		settings.Removal(settings.DeviceSequenceName),
	} {
		sequence := uint32(8 + i)
		s.file = s.craft(func(c *crafted) {
			c.Sequence = sequence
			c.Plain = marshal(t, append(atHome().Entries(), settings.OfNumber(settings.SequenceName,
				99), own))
		})
		s.notify()
		s.became(2*time.Minute, "confirmed", sequence, "")
	}
	if got := s.record().Sequences(); got != (settings.Sequences{Fleet: 9, Device: 3}) {
		t.Errorf("%+v", got)
	}
}

// A server that answers with something else than a file, or not at all.
func TestServersOfSettingsThatMisbehave(t *testing.T) {
	const fast = 5 * time.Millisecond
	kilobyte := strings.Repeat("esper ", 200)
	for name, a := range map[string]struct {
		reason string
		server dripping
	}{
		"no answer": {"unreachable", dripping{}},
		"a body of one byte a second": {"unreachable", dripping{start: body(300), piece: "v",
			every: time.Second}},
		"a body that stops": {"unreachable", dripping{start: body(300) + "ESPS"}},
		"a body without a length": {"malformed-response",
			dripping{start: "HTTP/1.1 200 OK\r\n\r\n", piece: kilobyte, every: fast}},
		"2,561 bytes": {"malformed-settings", dripping{start: body(2561),
			piece: kilobyte, every: fast}},
		"900 megabytes": {"malformed-settings", dripping{start: body(900 << 20),
			piece: kilobyte, every: fast}},
		"a body longer than told": {"malformed-settings", dripping{start: body(2560),
			piece: kilobyte, every: fast}},
		"nothing": {"malformed-settings", dripping{start: body(0)}},
		"500": {"http-status",
			dripping{start: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"}},
		"401": {"http-status",
			dripping{start: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"}},
		"a redirection": {"http-status",
			dripping{start: "HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n"}},
		"404": {"",
			dripping{start: "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withSequence(t)
			heap, flash := s.free(), bytes.Clone(s.device.Chip.Flash.Bytes())
			a.server.resource, a.server.Web, a.server.net, a.server.open = ".settings", s.web,
				s.Net, map[int]bool{}
			s.webHost.Replace(80, &a.server)
			got := s.looksAt(nil)
			if (got.State == "failed") != (a.reason != "") || got.Error != a.reason ||
				got.Candidate != 0 {
				t.Errorf("%+v, not %s", got, a.reason)
			}
			s.RunFor(time.Minute)
			if now := s.free(); now < heap || s.device.Resets() != 0 || !s.runs(s.device, "v1") {
				t.Errorf("%d bytes of the heap are free, before %d; %d resets", now, heap,
					s.device.Resets())
			}
			if !bytes.Equal(flash, s.device.Chip.Flash.Bytes()) {
				t.Error("something was written")
			}
			s.webHost.Replace(80, s.web)
			s.takesSettings()
		})
	}
}

// What does not work is rolled back, whatever it is: a device keeps its way to the network.
func TestSettingsThatLeadNowhereAreRolledBack(t *testing.T) {
	long := strings.Repeat("long", 450)
	for name, a := range map[string]struct {
		reason  string
		entries settings.Entries
	}{
		"no networks any more": {"no-wifi", settings.Entries{settings.Removal("wifi.1")}},
		"no broker":            {"no-broker", settings.Entries{settings.Removal(settings.MQTTName)}},
		"no update server": {"no-update-server",
			settings.Entries{settings.Removal(settings.UpdateName)}},
		"a long SSID": {"no-wifi", settings.Entries{settings.OfTexts("wifi.1", long,
			"kryptonite1")}},
		"a long password": {"no-wifi", settings.Entries{settings.OfTexts("wifi.1", "net", long)}},
		"a long broker": {"no-broker", settings.Entries{settings.OfTexts("mqtt", long,
			"1883", "devices", "swordfish1")}},
		"a long user": {"no-broker", settings.Entries{settings.OfTexts("mqtt", "broker",
			"1883", long, "swordfish1")}},
		"a long host": {"no-update-server", settings.Entries{settings.OfTexts("update",
			long, "80", "/firmware")}},
		"a long path": {"no-update-server", settings.Entries{settings.OfTexts("update",
			"web", "80", "/"+long)}},
		"a broker of bytes": {"no-broker", settings.Entries{settings.OfBytes("mqtt",
			[]byte("broker"))}},
		"a broker of one text":  {"no-broker", settings.Entries{settings.OfTexts("mqtt", "broker")}},
		"a network of a number": {"no-wifi", settings.Entries{settings.OfNumber("wifi.1", 1)}},
		"port 0": {"no-broker", settings.Entries{settings.OfTexts("mqtt", "broker",
			"0", "devices", "swordfish1")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withSequence(t)
			before := s.record()
			s.file = s.craft(func(c *crafted) { c.Plain = marshal(t, a.entries) })
			s.notify()
			s.became(8*time.Minute, "rolled-back", 7, a.reason)
			if got := s.record(); got.Generation != before.Generation || s.device.Resets() != 0 {
				t.Errorf("generation %d, %d resets", got.Generation, s.device.Resets())
			}
			// The reason stays when the server has nothing new.
			if s.looksAt(nil); s.status().State != "rolled-back" || s.status().Error != a.reason ||
				s.status().Candidate != 8 {
				t.Errorf("afterwards %+v", s.status())
			}
			s.takesSettings()
		})
	}
}

// Networks may be numbered with gaps.
func TestNetworksMayHaveGaps(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	s.file = s.craft(func(c *crafted) {
		c.Plain = marshal(t, settings.Entries{settings.OfTexts("wifi.2", "away", ""),
			settings.OfTexts("wifi.4", "net", "kryptonite1")})
	})
	s.notify()
	s.became(3*time.Minute, "confirmed", 8, "")
}

// With little memory a release is refused, or taken; the device goes on in either case.
func TestSettingsWithLittleMemory(t *testing.T) {
	t.Parallel()
	ends := map[string]int{}
	free := []int{3000, 6000, 9000, 12000}
	if full {
		free = []int{1500, 3000, 4500, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 10000, 12000}
	}
	for _, n := range free {
		source := fmt.Sprintf(`
#include <esper/Timer.h>
#include <user_interface.h>
using namespace esper;
static void eat(void*) {
    while (system_get_free_heap_size() > %d) { pvPortMalloc(64, "", 0, false); }
}
static Timer eats(eat, nullptr);
static struct Start { Start() { eats.once(30000); } } start;
`, n)
		eating := variant{name: fmt.Sprint("leaves ", n), source: source, config: inSettings.config}
		s := newStoredOf(t, eating, append(atHome().Entries(),
			settings.OfNumber(settings.SequenceName, 7), settings.OfBytes("a", make([]byte, 1700))))
		s.settle()
		s.RunFor(35 * time.Second)
		s.release(8, atHome().Entries())
		s.expect("an end", 25*time.Minute, func() bool {
			got := s.status()
			return got.State == "failed" || got.State == "confirmed" ||
				got.State == "rolled-back" ||
				s.lastUpdate(s.device).State == "failed" // not even a check for firmware ends well
		})
		got := s.status()
		ends[got.State+" "+got.Error]++
		if got.State == "failed" && got.Error != "no-memory" || s.device.Resets() != 0 {
			t.Errorf("%d bytes free: %+v, %d resets", n, got, s.device.Resets())
		}
		// A restart brings the memory back.
		s.broker.Publish(realm+"/reboot", s.device.ID(), false)
		s.became(3*time.Minute, "confirmed", 8, "")
	}
	t.Logf("%v", ends)
	if ends["failed no-memory"] == 0 || ends["confirmed "] == 0 {
		t.Error("this has not tried what it should")
	}
}

// Settings on trial and firmware keep out of each other's way.
func TestSettingsAndFirmwareComeTogether(t *testing.T) {
	t.Run("settings during a download", func(t *testing.T) {
		t.Parallel()
		s := withSequence(t)
		s.offer(s.firmwares.downloaded(t, s.firmwareRelease("v2", 2)))
		s.notify()
		s.expect("the download", time.Minute,
			func() bool { return s.lastUpdate(s.device).State == "downloading" })
		s.release(8, atHome().Entries())
		s.expect("v2", 3*time.Minute, func() bool {
			return s.runs(s.device, "v2") &&
				s.status().Sequence == 8
		})
		if strings.Contains(s.serial.String(), "rolled-back") {
			t.Error("something was rolled back")
		}
	})
	t.Run("firmware during a trial", func(t *testing.T) {
		t.Parallel()
		s := withSequence(t)
		s.release(8, atHome().Entries())
		s.expect("the trial", time.Minute, func() bool {
			return s.status().State == "trial" &&
				s.device.Resets() == 0
		})
		s.offer(s.firmwareRelease("v2", 2))
		for range 4 {
			s.notify()
			s.RunFor(time.Second)
		}
		s.became(time.Minute, "confirmed", 8, "")
		s.expect("v2", 3*time.Minute, func() bool {
			return s.runs(s.device, "v2") &&
				s.status().Sequence == 8
		})
	})
	t.Run("both at once, and the firmware is bad", func(t *testing.T) {
		t.Parallel()
		s := withSequence(t)
		bad := failures["crashes at once"].variant
		bad.name, bad.config = "crashes at once, settings", inSettings.config
		s.publishVariant("socket", "v2", 2, bad)
		s.release(8, atHome().Entries())
		s.became(8*time.Minute, "confirmed", 8, "")
		s.expect("a roll-back", 8*time.Minute,
			func() bool { return s.lastUpdate(s.device).State == "rolled-back" })
	})
	t.Run("a trial of firmware, with a candidate in flash", func(t *testing.T) {
		t.Parallel()
		s := withSequence(t)
		s.release(8, atHomeBut(func(c *settings.Connection) { c.Broker.Host = "nowhere" }))
		s.became(8*time.Minute, "rolled-back", 7, "no-broker")
		s.offer(s.firmwareRelease("v2", 2))
		s.notify()
		s.expect("v2", 3*time.Minute, func() bool { return s.runs(s.device, "v2") })
		s.expect("the reason", time.Minute, func() bool {
			return s.status().State == "rolled-back" &&
				s.status().Error == "no-broker"
		})
		s.takesSettingsWith("v2")
	})
}

// firmwareRelease is a release of a socket that has its settings in flash.
func (s *stored) firmwareRelease(version string, sequence uint32) *release.Release {
	s.t.Helper()
	r, err := release.Sign(s.firmwares.variant(s.t, "socket", version, sequence, inSettings),
		s.firmwares.key)
	must(s.t, err)
	return r
}

func (s *stored) takesSettingsWith(version string) {
	s.t.Helper()
	s.release(9, atHome().Entries())
	s.expect("confirmed", 2*time.Minute, func() bool {
		return s.runs(s.device, version) && s.status().State == "confirmed" &&
			s.status().Sequence == 9
	})
}

// A trial that is cut off by resets begins again, four times at most.
func TestATrialOfSettingsThatIsCutOff(t *testing.T) {
	toNowhere := func(s *stored) (trials func() int) {
		s.release(8, atHomeBut(func(c *settings.Connection) { c.Broker.Host = "nowhere" }))
		return func() int { return strings.Count(s.serial.String(), "trial: of settings") }
	}
	t.Run("power cuts", func(t *testing.T) {
		t.Parallel()
		s := withSequence(t)
		trials := toNowhere(s)
		for n := 1; n <= 4; n++ {
			s.expect(fmt.Sprint("trial ", n), 2*time.Minute, func() bool { return trials() == n })
			s.RunFor(5 * time.Second)
			s.device.PowerCycle()
		}
		s.became(2*time.Minute, "rolled-back", 7, "not-confirmed")
		s.RunFor(10 * time.Minute)
		if trials() != 4 {
			t.Errorf("%d trials", trials())
		}
		s.takesSettings()
	})
	t.Run("crashes", func(t *testing.T) {
		t.Parallel()
		s := newStoredOf(t, variant{name: "crashes on trial", config: inSettings.config, source: `
#include <esper/Settings.h>
#include <esper/Timer.h>
using namespace esper;
static void crash(void*) { if (Settings::trying()) asm volatile("ill"); }
static Timer crashes(crash, nullptr);
static struct Start { Start() { crashes.repeat(5000); } } start;
`}, append(atHome().Entries(), settings.OfNumber(settings.SequenceName, 7)))
		s.settle()
		trials := toNowhere(s)
		s.became(10*time.Minute, "rolled-back", 7, "not-confirmed")
		if trials() != 4 || s.device.Resets() != 4 {
			t.Errorf("%d trials, %d resets", trials(), s.device.Resets())
		}
	})
}

// A device in safe mode takes settings, too.
func TestSettingsInSafeMode(t *testing.T) {
	t.Parallel()
	v := crashing
	v.name, v.config = "confirms and crashes, settings", inSettings.config
	s := newStoredOf(t, v, append(atHome().Entries(), settings.OfNumber(settings.SequenceName, 7)))
	s.expect("safe mode", 5*time.Minute, func() bool {
		return s.runs(s.device, "v1") &&
			s.world.device(s.device).Info.Boot.Safe
	})
	s.release(8, atHome().Entries())
	s.became(2*time.Minute, "confirmed", 8, "")
}

// The SDK's clock of microseconds begins again after 71.6 minutes.
func TestATrialOfSettingsAcrossTheClocksEnd(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	const wraps = (1 << 32) * time.Microsecond
	for sequence := uint32(8); sequence < 10; sequence++ {
		s.RunFor((wraps - s.Now()%wraps - 6*time.Second))
		since := s.Now()
		s.release(sequence, atHome().Entries())
		s.became(time.Minute, "confirmed", sequence, "")
		if s.Now()/wraps == since/wraps {
			t.Error("the clock did not begin again meanwhile")
		}
	}
	s.RunFor(wraps - s.Now()%wraps - 2*time.Minute)
	s.release(10, atHomeBut(func(c *settings.Connection) { c.Broker.Host = "nowhere" }))
	s.became(8*time.Minute, "rolled-back", 9, "no-broker")
}

// Triggers cannot make a device ask for settings more often than for firmware, and retained ones
// make it do nothing at all.
func TestFloodsOfTriggersForSettings(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	s.file = s.craft(func(c *crafted) { c.Signers = strangers(t, 3) })
	s.RunFor(10 * time.Second)
	before := s.requests(".settings")
	for range 600 {
		s.notify()
		s.notifyOne(s.device)
		s.RunFor(100 * time.Millisecond)
	}
	if n := s.requests(".settings") - before; n < 5 || n > 13 {
		t.Errorf("asked %d times in a minute", n)
	}
	s.RunFor(10 * time.Second)
	s.file = s.craft(func(*crafted) {})
	before = s.requests(".settings")
	s.broker.Publish(realm+"/update", "", true)
	s.broker.Publish(realm+"/"+s.device.ID()+"/update", "", true)
	s.expect("the trial", time.Minute, func() bool { return s.status().State == "trial" })
	s.became(time.Minute, "confirmed", 8, "")
	s.RunFor(time.Minute)
	if n := s.requests(".settings") - before; n < 1 || n > 4 {
		t.Errorf("asked %d times", n)
	}
	// A rejected one is not tried again for a trigger that is retained.
	s.file = s.seal(9, atHomeBut(func(c *settings.Connection) { c.Broker.Host = "nowhere" }))
	s.notify()
	s.became(8*time.Minute, "rolled-back", 8, "no-broker")
	trials := strings.Count(s.serial.String(), "trial: of settings")
	s.device.PowerCycle()
	s.RunFor(5 * time.Minute)
	if n := strings.Count(s.serial.String(), "trial: of settings"); n != trials {
		t.Errorf("%d trials, %d before", n, trials)
	}
}

// A moving image does not take back what a release for one device changed.
func TestAMovingImageKeepsSettingsForOneDevice(t *testing.T) {
	t.Parallel()
	s := newStoredOf(t, variant{name: "move at home", config: func(c *site.Config) {
		moving.config(c)
		c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
	}}, atHome().Entries())
	s.settle()
	s.file = s.craft(func(c *crafted) {
		c.Chip, c.Sequence = s.device.ID(), 1
		c.Plain = marshal(t, settings.Entries{settings.OfTexts("wifi.1", "new", "kryptonite2")})
	})
	s.Net.SetNetworks(map[string]string{"net": "kryptonite1", "new": "kryptonite2"})
	s.notify()
	s.became(2*time.Minute, "confirmed", 0, "")
	s.Net.SetNetworks(map[string]string{"new": "kryptonite2"})
	s.restarts()
	if got := s.status(); got.Own != 1 {
		t.Errorf("%+v", got)
	}
}

// Firmware that has its settings from the flash, where there are none, cannot reach anything: the
// firmware with settings of its own comes back.
func TestFirmwareThatFindsNoSettingsIsRolledBack(t *testing.T) {
	t.Parallel()
	s := newStoredOf(t, variant{name: "image at home", config: func(c *site.Config) {
		c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
	}}, nil)
	s.settle()
	s.offer(s.firmwareRelease("v2", 2))
	s.notify()
	s.expect("v2 on trial", time.Minute, func() bool {
		return strings.Contains(s.serial.String(),
			"settings: none: flash them with 'esper flash --settings'")
	})
	s.expect("v1 again", 8*time.Minute, func() bool {
		return s.runs(s.device, "v1") && s.lastUpdate(s.device).State == "rolled-back"
	})
}

// A device that has lost both copies of its record goes on with a candidate, even a rejected one.
func TestACandidateReplacesALostRecord(t *testing.T) {
	t.Parallel()
	s := withSequence(t)
	s.Net.SetNetworks(map[string]string{"net": "kryptonite1"})
	s.release(8, atHomeBut(func(c *settings.Connection) {
		c.WiFi = append(c.WiFi, settings.Network{SSID: "new", Password: "kryptonite2"})
		c.Update.Host = "10.0.0.99"
	}))
	s.became(8*time.Minute, "rolled-back", 7, "no-update-server")
	must(t, s.device.Chip.Flash.Put(image.SettingsAddress, make([]byte, image.StoreSize)))
	host := s.Net.AddHost("10.0.0.99")
	host.IP = [4]byte{10, 0, 0, 99}
	host.Listen(80, s.web)
	s.device.PowerCycle()
	s.became(8*time.Minute, "confirmed", 8, "")
}
