package settings

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"esper/internal/release"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := release.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(keys ...ed25519.PrivateKey) (public []ed25519.PublicKey) {
	for _, key := range keys {
		public = append(public, key.Public().(ed25519.PublicKey))
	}
	return public
}

func fleetKey(n byte) []byte {
	return bytes.Repeat([]byte{n}, KeySize)
}

// sealed returns a release for all sockets, sequence 42.
func sealed(t testing.TB, signer ed25519.PrivateKey, keys ...[]byte) []byte {
	t.Helper()
	return sealedFor(t, Header{"socket", "", 42}, signer, keys...)
}

func sealedFor(t testing.TB, h Header, signer ed25519.PrivateKey, keys ...[]byte) []byte {
	t.Helper()
	file, err := Seal(h, connection.Entries(), keys, []ed25519.PrivateKey{signer}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReleaseIsReadAsSealed(t *testing.T) {
	first, second := newKey(t), newKey(t)
	for _, h := range []Header{
		{"socket", "", 1}, {AllTypes, "", 1<<31 - 1}, {"socket", "00c0de", 7}, {AllTypes, "00c0de", 7},
		{"a-very-long-device-type-name-31", "", 2},
	} {
		for n := 1; n <= MaxKeys; n++ {
			keys := [][]byte{fleetKey(1), fleetKey(2), fleetKey(3)}[:n]
			file, err := Seal(h, connection.Entries(), keys, []ed25519.PrivateKey{first, second}, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(file, []byte("correct horse")) {
				t.Error("the password is readable")
			}
			r, err := ParseRelease(file)
			if err != nil || r.Header != h || r.Keys() != n || len(r.Signatures) != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := r.Verify(public(second)); err != nil {
				t.Error(err)
			}
			for _, key := range keys {
				if got, err := r.Open(key); err != nil || !reflect.DeepEqual(got, connection.Entries()) {
					t.Errorf("%+v, %v", got, err)
				}
			}
		}
	}
}

// The largest release there can be is no larger than what a device reads.
func TestLargestRelease(t *testing.T) {
	signer := newKey(t)
	entries := Entries{OfBytes("a", make([]byte, MaxEntries-entryHeader-1))}
	file, err := Seal(Header{"socket", "", 1}, entries, [][]byte{fleetKey(1), fleetKey(2), fleetKey(3)},
		[]ed25519.PrivateKey{signer, signer, signer}, rand.Reader)
	if err != nil || len(file) > MaxRelease {
		t.Fatalf("%d bytes, %v", len(file), err)
	}
	if _, err := ParseRelease(file); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotSealed(t *testing.T) {
	signer, keys := []ed25519.PrivateKey{newKey(t)}, [][]byte{fleetKey(1)}
	h, entries := Header{"socket", "", 1}, connection.Entries()
	four := func() [][]byte { return [][]byte{fleetKey(1), fleetKey(2), fleetKey(3), fleetKey(4)} }
	for what, c := range map[string]struct {
		h       Header
		entries Entries
		keys    [][]byte
		signers []ed25519.PrivateKey
	}{
		"upper case type":   {Header{"Socket", "", 1}, entries, keys, signer},
		"no type":           {Header{"", "", 1}, entries, keys, signer},
		"type of 32":        {Header{"a-very-long-device-type-name-of-32", "", 1}, entries, keys, signer},
		"upper case chip":   {Header{"socket", "00C0DE", 1}, entries, keys, signer},
		"short chip":        {Header{"socket", "c0de", 1}, entries, keys, signer},
		"sequence 0":        {Header{"socket", "", 0}, entries, keys, signer},
		"sequence of 2^31":  {Header{"socket", "", 1 << 31}, entries, keys, signer},
		"no entries":        {h, nil, keys, signer},
		"unusable entries":  {h, Entries{OfTexts("wifi.1", "barn")}, keys, signer},
		"too large entries": {h, Entries{OfBytes("a", make([]byte, MaxEntries))}, keys, signer},
		"no key":            {h, entries, nil, signer},
		"four keys":         {h, entries, four(), signer},
		"key of 31 bytes":   {h, entries, [][]byte{make([]byte, 31)}, signer},
		"no signer":         {h, entries, keys, nil},
		"four signers":      {h, entries, keys, []ed25519.PrivateKey{signer[0], signer[0], signer[0], signer[0]}},
	} {
		if file, err := Seal(c.h, c.entries, c.keys, c.signers, rand.Reader); err == nil {
			t.Errorf("%s: %d bytes", what, len(file))
		}
	}
	if _, err := Seal(h, entries, keys, signer, bytes.NewReader(make([]byte, 40))); err == nil {
		t.Error("sealed without enough randomness")
	}
}

func TestMalformedRelease(t *testing.T) {
	whole := sealed(t, newKey(t), fleetKey(1))
	put16 := func(at, n int) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint16(b[at:], uint16(n)); return b }
	}
	set := func(at int, text string) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], text); return b }
	}
	n := int(binary.LittleEndian.Uint16(whole[offsetEntries:]))
	for what, change := range map[string]func([]byte) []byte{
		"magic":              set(0, "ESPs"),
		"format":             set(4, "\x02"),
		"format's last byte": set(7, "\x01"),
		"type in upper case": set(offsetType, "S"),
		"no type":            set(offsetType, "\x00\x00\x00\x00\x00\x00"),
		"two stars":          set(offsetType, "**\x00\x00\x00\x00"),
		"no zero after type": func(b []byte) []byte { return set(offsetType, string(bytes.Repeat([]byte("a"), 32)))(b) },
		"rest after type":    set(offsetType+31, "x"),
		"short chip":         set(offsetChip, "c0de"),
		"chip in upper case": set(offsetChip, "00C0DE"),
		"chip of 7":          set(offsetChip, "00c0de0"),
		"negative sequence":  set(offsetSequence+3, "\x80"),
		"rest after chip":    set(offsetChip+7, "x"),
		"no entries":         put16(offsetEntries, 0),
		"one byte fewer":     put16(offsetEntries, n-1),
		"one byte more":      put16(offsetEntries, n+1),
		"too many entries":   put16(offsetEntries, MaxEntries+1),
		"no keys":            put16(offsetKeys, 0),
		"two keys":           put16(offsetKeys, 2),
		"four keys":          put16(offsetKeys, 4),
		"no signature":       func(b []byte) []byte { return b[:len(b)-64] },
		"cut signature":      func(b []byte) []byte { return b[:len(b)-1] },
		"four signatures": func(b []byte) []byte {
			return append(b, bytes.Repeat(b[len(b)-64:], 3)...)
		},
		"rest":      func(b []byte) []byte { return append(b, 0) },
		"too large": func(b []byte) []byte { return append(b, make([]byte, MaxRelease)...) },
		"empty":     func([]byte) []byte { return nil },
		"a header":  func(b []byte) []byte { return b[:offsetSealed] },
	} {
		if r, err := ParseRelease(change(bytes.Clone(whole))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

// Every bit is covered by the signature, by the fleet key, or is a signature.
func TestChangedRelease(t *testing.T) {
	signer := newKey(t)
	whole := sealed(t, signer, fleetKey(1))
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		r, err := ParseRelease(changed)
		if err != nil {
			continue
		}
		if err := r.Verify(public(signer)); !errors.Is(err, ErrBadSignature) {
			t.Errorf("byte %d: verified, %v", i, err)
		}
		if _, err := r.Open(fleetKey(1)); err == nil && i < len(whole)-64 {
			t.Errorf("byte %d: opened", i)
		}
	}
	r, err := ParseRelease(whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(fleetKey(2), nil, []byte("short")); !errors.Is(err, ErrWrongFleetKey) {
		t.Error(err)
	}
	if _, err := r.Open(); !errors.Is(err, ErrWrongFleetKey) {
		t.Error(err)
	}
	if err := r.Verify(public(newKey(t))); !errors.Is(err, ErrBadSignature) {
		t.Error(err)
	}
	if err := r.Verify(nil); !errors.Is(err, ErrBadSignature) {
		t.Error(err)
	}
}

func TestSignedText(t *testing.T) {
	digest := sha256.Sum256(nil)
	const rest = "sequence 42\nsha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
	for want, h := range map[string]Header{
		"esper settings 1\ndevice socket\nchip 00c0de\n" + rest: {"socket", "00c0de", 42},
		"esper settings 1\ndevice *\nchip *\n" + rest:           {AllTypes, "", 42},
	} {
		if got := string(h.SignedText(digest)); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestDecide(t *testing.T) {
	for what, c := range map[string]struct {
		h     Header
		have  Sequences
		newer bool
		err   error
	}{
		"newer":                     {Header{"socket", "", 8}, Sequences{7, 100}, true, nil},
		"first":                     {Header{"socket", "", 1}, Sequences{}, true, nil},
		"for all types":             {Header{"*", "", 8}, Sequences{7, 0}, true, nil},
		"for this device":           {Header{"socket", "00c0de", 8}, Sequences{100, 7}, true, nil},
		"the same":                  {Header{"socket", "", 7}, Sequences{7, 1}, false, nil},
		"the same, of this device":  {Header{"socket", "00c0de", 7}, Sequences{9, 7}, false, nil},
		"older":                     {Header{"socket", "", 6}, Sequences{7, 0}, false, ErrNotNewer},
		"older, of this device":     {Header{"*", "00c0de", 6}, Sequences{0, 7}, false, ErrNotNewer},
		"furthest":                  {Header{"socket", "", 1_000_007}, Sequences{7, 0}, true, nil},
		"too far":                   {Header{"socket", "", 1_000_008}, Sequences{7, 0}, false, ErrSequenceJump},
		"another type":              {Header{"sensor", "", 8}, Sequences{}, false, ErrWrongDevice},
		"another chip":              {Header{"socket", "00c0df", 8}, Sequences{}, false, ErrWrongDevice},
		"another chip of all types": {Header{"*", "00c0df", 8}, Sequences{}, false, ErrWrongDevice},
	} {
		newer, err := c.h.Decide("socket", "00c0de", c.have)
		if newer != c.newer || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", what, newer, err)
		}
	}
}

// A release that several reasons speak against is refused for the first one.
func TestWhatADeviceAccepts(t *testing.T) {
	signer, stranger := newKey(t), newKey(t)
	device := Device{"socket", "00c0de", public(newKey(t), signer), Entries{
		OfBytes("fleet", fleetKey(1)), OfBytes("device.key", fleetKey(9)), OfTexts("device.name", "lamp"),
		OfTexts("wifi.1", "old", ""), OfTexts("wifi.4", "oldest", ""), OfNumber("sequence", 41), OfNumber("unknown", 5),
	}}
	for want, file := range map[string][]byte{
		"malformed-settings": append(sealedFor(t, Header{"sensor", "", 1}, stranger, fleetKey(2)), 0),
		"wrong-device":       sealedFor(t, Header{"sensor", "", 1}, stranger, fleetKey(2)),
		"not-newer":          sealedFor(t, Header{"socket", "", 40}, stranger, fleetKey(2)),
		"sequence-jump":      sealedFor(t, Header{"socket", "", 1_000_042}, stranger, fleetKey(2)),
		"bad-signature":      sealedFor(t, Header{"socket", "", 42}, stranger, fleetKey(2)),
		"wrong-fleet-key":    sealedFor(t, Header{"socket", "", 42}, signer, fleetKey(2), fleetKey(3)),
	} {
		if entries, err := device.Accept(file); ErrorName(err) != want || entries != nil {
			t.Errorf("%s: %v, %v", want, entries, err)
		}
	}
	if entries, err := device.Accept(sealedFor(t, Header{"socket", "", 41}, stranger, fleetKey(2))); entries != nil || err != nil {
		t.Errorf("what it has: %v, %v", entries, err)
	}
	entries, err := device.Accept(sealed(t, signer, fleetKey(3), fleetKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := (Record{Entries: entries}).Sequences(); got != (Sequences{42, 0}) {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]bool{"wifi.1": true, "wifi.2": true, "wifi.4": false, "unknown": true, "device.name": true} {
		if _, ok := entries.Find(name); ok != want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	// One for this device alone is opened with the fleet's key or its own, and has a sequence of its own.
	if _, err := device.Accept(sealedFor(t, Header{"socket", "00c0de", 1}, signer, fleetKey(2))); !errors.Is(err, ErrWrongFleetKey) {
		t.Error(err)
	}
	for _, key := range []byte{1, 9} {
		entries, err = device.Accept(sealedFor(t, Header{"socket", "00c0de", 1}, signer, fleetKey(key)))
		if got := (Record{Entries: entries}).Sequences(); err != nil || got != (Sequences{41, 1}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	device.Record = device.Record.Merge(Entries{OfBytes("large", make([]byte, 1800))})
	if entries, err := device.Accept(sealed(t, signer, fleetKey(1))); !errors.Is(err, ErrMalformed) {
		t.Errorf("no room in the record: %v, %v", entries.Names(), err)
	}
}

// Sequences in the entries of a release count for nothing.
func TestSequencesInAReleaseAreLeftOut(t *testing.T) {
	signer := newKey(t)
	entries := Entries{OfNumber("sequence", 99), OfNumber("device.sequence", 98), OfTexts("device.name", "lamp")}
	file, err := Seal(Header{"socket", "", 42}, entries, [][]byte{fleetKey(1)}, []ed25519.PrivateKey{signer}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	device := Device{"socket", "00c0de", public(signer), Entries{OfBytes("fleet", fleetKey(1)), OfNumber("device.sequence", 3)}}
	got, err := device.Accept(file)
	if s := (Record{Entries: got}).Sequences(); err != nil || s != (Sequences{42, 3}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzParseRelease(f *testing.F) {
	signer := newKey(f)
	whole := sealed(f, signer, fleetKey(1), fleetKey(2))
	f.Add(whole)
	f.Add(whole[:len(whole)-64])
	f.Add(whole[:offsetSealed])
	f.Add(sealedFor(f, Header{AllTypes, "00c0de", 3}, signer, fleetKey(1)))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := ParseRelease(file)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if err := r.Header.Check(); err != nil {
			t.Error(err)
		}
		size := len(r.signed) + 64*len(r.Signatures)
		if size != len(file) || size > MaxRelease || r.Keys() < 1 || r.Keys() > MaxKeys {
			t.Errorf("%d of %d bytes, %d keys", size, len(file), r.Keys())
		}
		if r.Verify(public(signer)) != nil {
			return
		}
		if _, err := r.Open(fleetKey(1)); err != nil {
			t.Errorf("signed, but cannot be opened: %v", err)
		}
	})
}
