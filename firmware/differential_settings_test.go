package firmware_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"esper/internal/build"
	"esper/internal/settings"
	"esper/internal/settings/settingstest"
)

// settingsOracle asks fuzz/settings_oracle.cpp, which has Monocypher.
func settingsOracle(t testing.TB) *oracle {
	t.Helper()
	needCompiler(t)
	source, err := build.Monocypher(t.Context())
	if err != nil {
		t.Skip(err)
	}
	program, err := settingsOracleProgram(source)
	if err != nil {
		t.Fatal(err)
	}
	return startOracle(t, program)
}

var settingsOracleOnce sync.Once

// settingsOracleProgram is compiled once for all tests.
func settingsOracleProgram(monocypher string) (program string, err error) {
	program = filepath.Join(folder, "settings_oracle")
	settingsOracleOnce.Do(func() {
		_, err = compileTarget(program, "fuzz/settings_oracle.cpp", "fuzz/answer.cpp",
			"framework/esper/Ed25519.cpp",
			"framework/esper/Sealing.cpp", "framework/esper/Sha512.cpp",
			"framework/esper/Signature.cpp",
			"-isystem", monocypher)
	})
	if err == nil {
		_, err = os.Stat(program)
	}
	return program, err
}

// long is a text of entries with its length in front.
func long(entries []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(entries))), entries...)
}

// sameEntries compares what both sides make of entries.
func sameEntries(t *testing.T, o *oracle, b []byte) {
	t.Helper()
	want := "malformed"
	if entries, err := settings.Parse(b); err == nil {
		want = "complete"
		for _, e := range entries {
			if e.Removes() {
				want = "valid"
			}
		}
	}
	if got := o.ask(t, 'e', b); got != want {
		t.Errorf("%q: C++ %s, Go %s", b, got, want)
	}
}

// sameMerge compares the results of merging, of valid entries.
func sameMerge(t *testing.T, o *oracle, record, changes settings.Entries) {
	t.Helper()
	a, errA := record.Marshal()
	b, errB := changes.Marshal()
	if errA != nil || errB != nil {
		return
	}
	var merged settings.Entries
	for _, e := range changes {
		if e.Name != settings.SequenceName && e.Name != settings.DeviceSequenceName {
			merged = append(merged, e)
		}
	}
	want := "too large"
	if result, err := record.Merge(merged).Marshal(); err == nil {
		want = fmt.Sprintf("=%x", result)
	}
	if got := o.ask(t, 'm', append(long(a), long(b)...)); got != want {
		t.Errorf("%q and %q: C++ %s, Go %s", a, b, got, want)
	}
}

// sameVerdict compares what both sides make of a settings release, and returns it.
func sameVerdict(t *testing.T, o *oracle, key ed25519.PrivateKey, record settings.Entries,
	file []byte) string {
	t.Helper()
	public := key.Public().(ed25519.PublicKey)
	device := settings.Device{Type: "socket", Chip: "00c0de", Keys: []ed25519.PublicKey{public},
		Record: record}
	entries, err := device.Accept(file)
	want := settings.ErrorName(err)
	switch {
	case err == nil && entries == nil:
		want = "nothing new"
	case err == nil:
		b, err := entries.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		want = fmt.Sprintf("=%x", b)
	}
	b, err := record.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got := o.ask(t, 's', append(append(bytes.Clone(public), long(b)...), file...))
	// A device compares names, and has no use for the rules that they keep.
	if got != want && !(got == "wrong-device" && want == "malformed-settings") {
		t.Errorf("%x\nof %q: C++ %s, Go %s", file, b, got, want)
	}
	if got[0] == '=' {
		return "accepted"
	}
	return got
}

var (
	settingsKey    = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	settingsFleet  = bytes.Repeat([]byte{0x5E}, settings.KeySize)
	settingsOwn    = bytes.Repeat([]byte{0x99}, settings.KeySize)
	settingsRecord = settings.Entries{
		settings.OfTexts("wifi.1", "net", "kryptonite1"), settings.OfTexts("wifi.2", "yard", ""),
		settings.OfTexts("mqtt", "broker", "1883", "devices", "swordfish1"),
		settings.OfNumber("sequence", 41),
		settings.OfBytes("fleet", settingsFleet), settings.OfNumber("device.sequence", 2),
		settings.OfBytes("device.key", settingsOwn),
	}
)

func FuzzEntriesAsOnTheDevice(f *testing.F) {
	addCorpus(f, "entries", func(b []byte) { f.Add(b) })
	o := settingsOracle(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sameEntries(t, o, b)
		if entries, err := settings.Parse(b); err == nil {
			sameMerge(t, o, settingsRecord, entries)
		}
	})
}

func FuzzSettingsAsOnTheDevice(f *testing.F) {
	addCorpus(f, "settings_file", func(b []byte) { f.Add(b) })
	o := settingsOracle(f)
	f.Fuzz(func(t *testing.T, b []byte) { sameVerdict(t, o, settingsKey, settingsRecord, b) })
}

// generator makes entries and releases, most of which are nearly right.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) entries(n int) (all settings.Entries) {
	for range g.IntN(n) {
		name := g.one("wifi.1", "wifi.2", "wifi.4", "wifi.", "wifi", "mqtt", "update", "fleet",
			"sequence", "device.sequence",
			"device.key", "a", "a-_.9", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "device.name", "b", "c",
			"d", "e")
		var e settings.Entry
		switch g.IntN(5) {
		case 0:
			e = settings.OfNumber(name, int32(g.Uint32()))
		case 1:
			e = settings.OfBytes(name, make([]byte, []int{1, 31, 32, 700, 1200}[g.IntN(5)]))
		case 2:
			e = settings.Entry{Name: name, Type: settings.Type(1 + g.IntN(3))}
		default:
			e = settings.OfTexts(name, g.one("", "net", "broker"), g.one("", "1883"))
		}
		if _, found := all.Find(name); !found {
			all = append(all, e)
		}
	}
	return all
}

// mutated is b with a few bytes changed, left out or added, or as it is.
func (g generator) mutated(b []byte) []byte {
	b = bytes.Clone(b)
	for range g.IntN(3) {
		if len(b) == 0 {
			break
		}
		at := g.IntN(len(b))
		switch g.IntN(5) {
		case 0:
			b[at] = byte(g.Uint32())
		case 1:
			b[at] ^= 1 << g.IntN(8)
		case 2:
			b = append(b[:at], b[min(len(b), at+1+g.IntN(4)):]...)
		case 3:
			b = append(b[:at:at], append(bytes.Clone(b[at:min(len(b), at+g.IntN(40))]),
				b[at:]...)...)
		default:
			b = b[:at]
		}
	}
	return b
}

func (g generator) release() []byte {
	plain, _ := g.entries(6).Marshal()
	if g.IntN(4) == 0 {
		plain = g.mutated(plain)
	}
	if len(plain) > settings.MaxEntries {
		plain = plain[:settings.MaxEntries]
	}
	r := settingstest.Release{Plain: plain, Signers: []ed25519.PrivateKey{settingsKey}}
	r.Type, r.Chip = g.one("socket", "socket", "*", "sensor"), g.one("", "", "00c0de", "00c0df")
	r.Sequence = []uint32{0, 1, 2, 3, 40, 41, 42, 43, 44, 1_000_002, 1_000_041, 1_000_042,
		1<<31 - 1, 1 << 31}[g.IntN(14)]
	keys := [][]byte{settingsFleet, settingsFleet, settingsOwn, make([]byte, settings.KeySize)}
	for range 1 + g.IntN(3) {
		r.Keys = append(r.Keys, keys[g.IntN(len(keys))])
	}
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	switch g.IntN(8) {
	case 0:
		r.Signers = []ed25519.PrivateKey{stranger}
	case 1:
		r.Signers = []ed25519.PrivateKey{stranger, settingsKey}
	case 2:
		r.Change = g.mutated // before it is signed
	case 3:
		return g.mutated(r.File())
	}
	return r.File()
}

// Devices and server agree on entries, on what comes of merging them, and on settings releases:
// whether they are accepted, why not, and on each byte of the candidate.
func TestSettingsAsOnTheDevice(t *testing.T) {
	o := settingsOracle(t)
	n := 1500
	if os.Getenv("ESPER_FULL") != "" {
		n = 100_000
	}
	g := generator{rand.New(rand.NewPCG(1, 2))}
	verdicts := map[string]int{}
	for range n {
		record, changes := g.entries(12), g.entries(8)
		b, err := changes.Marshal()
		if err == nil {
			sameEntries(t, o, g.mutated(b))
		}
		complete := record.Merge(nil)
		sameMerge(t, o, complete, changes)
		verdicts[sameVerdict(t, o, settingsKey, settingsRecord, g.release())]++
		if t.Failed() {
			return
		}
	}
	t.Logf("%d entries, merges and releases each; of the releases: %v", n, verdicts)
	for _, want := range []string{"accepted", "nothing new", "malformed-settings", "wrong-device",
		"not-newer",
		"sequence-jump", "bad-signature", "wrong-fleet-key"} {
		if verdicts[want] == 0 {
			t.Errorf("no release is %s", want)
		}
	}
}
