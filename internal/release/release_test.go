package release

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"esper/internal/image"
)

// pack returns an image.
func pack(t testing.TB, deviceType, version string, sequence uint32, slot int) []byte {
	t.Helper()
	irom, err := image.Descriptor{
		DeviceType: deviceType, Version: version, Sequence: sequence, Size: 0x1000,
	}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err := image.Pack(image.Input{
		Entry: 0x40100004, IROM: irom, Slot: slot,
		Segments: []image.Segment{{Addr: 0x40100000, Data: []byte("code")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// marked returns an image with the mark of a link.
func marked(content []byte, link image.Link) []byte {
	b := bytes.Clone(content)
	b[16+88] = byte(link)
	trailer := sha256.Sum256(b[:len(b)-32])
	return append(b[:len(b)-32], trailer[:]...)
}

// pair returns the images of a release.
func pair(t testing.TB, deviceType, version string, sequence uint32) [2][]byte {
	return [2][]byte{pack(t, deviceType, version, sequence, 0), pack(t, deviceType, version, sequence, 1)}
}

// key returns a private key, always the same for the same number.
func key(number byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{number}, ed25519.SeedSize))
}

func public(number byte) ed25519.PublicKey { return key(number).Public().(ed25519.PublicKey) }

// signed1 returns a release signed by key 1.
func signed1(t testing.TB) *Release {
	t.Helper()
	r, err := Sign(pair(t, "socket", "8a1b2c3d", 42), key(1))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheSignedTextIsAsSpecified(t *testing.T) {
	got := SignedText(image.Descriptor{DeviceType: "socket", Version: "8a1b2c3d", Sequence: 42, Slot: 1}, [32]byte{0xAB, 31: 0x01})
	want := "esper firmware 1\ndevice socket\nversion 8a1b2c3d\nsequence 42\nslot 1\n" +
		"sha256 ab00000000000000000000000000000000000000000000000000000000000001\n"
	if string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestASignedReleaseVerifies(t *testing.T) {
	r := signed1(t)
	if r.Type != "socket" || r.Version != "8a1b2c3d" || r.Sequence != 42 {
		t.Errorf("signed as %s %s %d", r.Type, r.Version, r.Sequence)
	}
	text := r.VersionFile.Marshal()
	for _, keys := range [][]ed25519.PublicKey{
		{public(1)}, {public(2), public(1)}, {public(1), public(2), public(3), public(4)},
	} {
		if err := Verify(text, r.Images[0], r.Images[1], "socket", keys); err != nil {
			t.Error(err)
		}
	}
}

func TestARefusedReleaseSaysWhy(t *testing.T) {
	good := signed1(t)
	other := pair(t, "lamp", "8a1b2c3d", 42)
	tests := []struct {
		name   string
		change func(r *Release)
		want   error
	}{
		{"another type's image", func(r *Release) { r.Images = other }, ErrWrongDevice},
		{"another type was asked for", func(r *Release) { r.Type = "lamp" }, ErrWrongDevice},
		{"another version", func(r *Release) { r.Version = "8a1b2c3e" }, ErrWrongVersion},
		{"another sequence", func(r *Release) { r.Sequence = 43 }, ErrWrongSequence},
		{"the slots' images swapped", func(r *Release) { slices.Reverse(r.Images[:]) }, ErrWrongSlot},
		{"the same image twice", func(r *Release) { r.Images[1] = r.Images[0] }, ErrWrongSlot},
		{"images of two links", func(r *Release) { r.Images[1] = marked(r.Images[1], image.LinkEmulator) }, ErrWrongLink},
		{"the signatures swapped", func(r *Release) { slices.Reverse(r.Signatures[:]) }, ErrBadSignature},
		{"the images of another build", func(r *Release) {
			r.Images[1] = pack(t, "socket", "8a1b2c3d", 42, 1)
			b, _ := image.Pack(image.Input{Entry: 1, IROM: r.Images[1][16:112], Slot: 1,
				Segments: []image.Segment{{Addr: 0x40100000, Data: []byte("evil")}}})
			r.Images[1] = b
		}, ErrBadSignature},
		{"empty image", func(r *Release) { r.Images[0] = nil }, ErrMalformedImage},
		{"truncated image", func(r *Release) { r.Images[0] = r.Images[0][:100] }, ErrMalformedImage},
		{"image with something behind", func(r *Release) { r.Images[1] = append(bytes.Clone(r.Images[1]), 0) }, ErrMalformedImage},
		{"image too large", func(r *Release) { r.Images[1] = make([]byte, image.SlotSize+1) }, ErrTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := *good
			test.change(&r)
			err := Verify(r.VersionFile.Marshal(), r.Images[0], r.Images[1], r.Type, []ed25519.PublicKey{public(1)})
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	for name, keys := range map[string][]ed25519.PublicKey{
		"no key": nil, "another key": {public(2)}, "a key that is none": {nil},
	} {
		if err := good.Verify(keys); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: error %v, want %v", name, err, ErrBadSignature)
		}
	}
	if err := Verify([]byte("8a1b2c3d\n"), good.Images[0], good.Images[1], "socket", []ed25519.PublicKey{public(1)}); !errors.Is(err, ErrVersionFile) {
		t.Errorf("malformed version file: %v", err)
	}
}

func TestAnyChangedByteOfAReleaseIsNoticed(t *testing.T) {
	r := signed1(t)
	text, keys := r.VersionFile.Marshal(), []ed25519.PublicKey{public(1)}
	parts := [][]byte{text, r.Images[0], r.Images[1]}
	for i, part := range parts {
		for at := range part {
			if i == 0 && at == len(text)-1 {
				continue // the last line may end with a line feed or not
			}
			changed := slices.Clone(parts)
			changed[i] = bytes.Clone(part)
			changed[i][at] ^= 0x04
			if err := Verify(changed[0], changed[1], changed[2], "socket", keys); err == nil {
				t.Errorf("part %d, byte %d: still verifies", i, at)
			}
		}
	}
}

func TestWhatBelongsTogetherOnlyIsSigned(t *testing.T) {
	good := pair(t, "socket", "8a1b2c3d", 42)
	tests := []struct {
		name   string
		images [2][]byte
		want   error
	}{
		{"types differ", [2][]byte{good[0], pack(t, "lamp", "8a1b2c3d", 42, 1)}, ErrWrongDevice},
		{"versions differ", [2][]byte{good[0], pack(t, "socket", "9", 42, 1)}, ErrWrongVersion},
		{"sequences differ", [2][]byte{good[0], pack(t, "socket", "8a1b2c3d", 43, 1)}, ErrWrongSequence},
		{"links differ", [2][]byte{good[0], marked(good[1], image.LinkEmulator)}, ErrWrongLink},
		{"swapped", [2][]byte{good[1], good[0]}, ErrWrongSlot},
		{"first damaged", [2][]byte{good[0][1:], good[1]}, ErrMalformedImage},
		{"second damaged", [2][]byte{good[0], good[1][1:]}, ErrMalformedImage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Sign(test.images, key(1)); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestOpenSSLVerifiesASignature(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	if err := WriteKeyPair(filepath.Join(dir, "release"), key(1)); err != nil {
		t.Fatal(err)
	}
	r := signed1(t)
	for slot, content := range r.Images {
		parsed, err := image.Parse(content)
		if err != nil {
			t.Fatal(err)
		}
		text := SignedText(parsed.Descriptor, sha256.Sum256(content))
		write(t, filepath.Join(dir, "text"), text)
		write(t, filepath.Join(dir, "changed"), append(text, '\n'))
		write(t, filepath.Join(dir, "signature"), r.Signatures[slot][0][:])
		verify := func(file string) error {
			cmd := exec.Command("openssl", "pkeyutl", "-verify", "-rawin",
				"-pubin", "-inkey", "release.pub", "-in", file, "-sigfile", "signature")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}
		if err := verify("text"); err != nil {
			t.Errorf("slot %d: %v", slot, err)
		}
		if verify("changed") == nil {
			t.Errorf("slot %d: another text verifies", slot)
		}
	}
}

func TestAKeyOfOpenSSLSigns(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	path := filepath.Join(t.TempDir(), "release")
	for _, args := range [][]string{
		{"genpkey", "-algorithm", "ed25519", "-out", path + ".key"},
		{"pkey", "-in", path + ".key", "-pubout", "-out", path + ".pub"},
	} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	private, err := LoadPrivateKey(path + ".key")
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := LoadPublicKey(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Sign(pair(t, "socket", "1", 1), private)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify([]ed25519.PublicKey{trusted}); err != nil {
		t.Error(err)
	}
}

func TestAReleaseInAFolder(t *testing.T) {
	dir := t.TempDir()
	r := signed1(t)
	lamp, err := Sign(pair(t, "lamp", "9c0d1e2f", 7), key(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range []*Release{r, r, lamp} { // writing again replaces
		if err := release.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "NOT-A-TYPE.version"), nil)
	write(t, filepath.Join(dir, "socket.1.0.version.delta0"), []byte("a delta, as in a repository"))
	if types, err := List(dir); err != nil || !slices.Equal(types, []string{"lamp", "socket"}) {
		t.Errorf("types %v, %v", types, err)
	}
	got, err := Read(dir, "socket")
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != r.Type || !reflect.DeepEqual(got.VersionFile, r.VersionFile) ||
		!bytes.Equal(got.Images[0], r.Images[0]) || !bytes.Equal(got.Images[1], r.Images[1]) {
		t.Error("what is read is not what was written")
	}
	if err := got.Verify([]ed25519.PublicKey{public(1)}); err != nil {
		t.Error(err)
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	want := []string{"NOT-A-TYPE.version", "lamp.rom0", "lamp.rom1", "lamp.version", "socket.1.0.version.delta0", "socket.rom0", "socket.rom1", "socket.version"}
	if !slices.Equal(names, want) {
		t.Errorf("the folder has %v, want %v", names, want)
	}
	for _, name := range []string{"../socket", "", "a/b"} {
		if _, err := Read(dir, name); !errors.Is(err, image.ErrDeviceType) {
			t.Errorf("Read of %q: %v", name, err)
		}
	}
	r.Type = "../evil"
	if err := r.Write(dir); !errors.Is(err, image.ErrDeviceType) {
		t.Errorf("Write of %q: %v", r.Type, err)
	}
}

// A version file as SPEC 5 has it.
var literal = "8a1b2c3d\n" + strings.Repeat("0a", 64) + "\n" + strings.Repeat("f1", 64) + "\nsequence 42\n"

func TestAVersionFileIsReadAndWrittenAsSpecified(t *testing.T) {
	want := VersionFile{Version: "8a1b2c3d", Sequence: 42, Signatures: [2][]Signature{make([]Signature, 1), make([]Signature, 1)}}
	for i := range 64 {
		want.Signatures[0][0][i], want.Signatures[1][0][i] = 0x0A, 0xF1
	}
	if got := string(want.Marshal()); got != literal {
		t.Errorf("%q, want %q", got, literal)
	}
	head := strings.TrimSuffix(literal, "sequence 42\n")
	for _, text := range []string{
		literal,
		strings.TrimSuffix(literal, "\n"),
		literal + "future something or other\n",
		head + "future 1\nsequence 42\nsequences 43\n",
	} {
		if got, err := ParseVersionFile([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for number, want := range map[string]uint32{"0": 0, "1": 1, "4294967295": 1<<32 - 1} {
		if got, err := ParseVersionFile([]byte(head + "sequence " + number)); err != nil || got.Sequence != want {
			t.Errorf("sequence %s: %d, %v", number, got.Sequence, err)
		}
	}
}

func TestAReleaseIsSignedByUpToThreeKeys(t *testing.T) {
	images := pair(t, "socket", "8a1b2c3d", 42)
	r, err := Sign(images, key(1), key(2), key(3))
	if err != nil {
		t.Fatal(err)
	}
	text := r.VersionFile.Marshal()
	if len(text) > MaxVersionFile {
		t.Errorf("%d bytes", len(text))
	}
	for seed := range byte(5) {
		err := Verify(text, images[0], images[1], "socket", []ed25519.PublicKey{public(seed)})
		if trusted := seed >= 1 && seed <= 3; (err == nil) != trusted {
			t.Errorf("key %d: %v", seed, err)
		}
	}
	for _, keys := range [][]ed25519.PrivateKey{nil, {key(1), key(2), key(3), key(4)}} {
		if _, err := Sign(images, keys...); err == nil {
			t.Errorf("signed with %d keys", len(keys))
		}
	}
}

func TestFurtherSignaturesAreForEachSlotAtMostTwo(t *testing.T) {
	zero, one := "signature0 "+strings.Repeat("0b", 64)+"\n", "signature1 "+strings.Repeat("f2", 64)+"\n"
	v, err := ParseVersionFile([]byte(literal + one + zero + one))
	if err != nil || len(v.Signatures[0]) != 2 || len(v.Signatures[1]) != 3 || v.Signatures[0][1][0] != 0x0B || v.Signatures[1][2][63] != 0xF2 {
		t.Errorf("%+v, %v", v, err)
	}
	for _, text := range []string{zero + zero + zero, "signature0 \n", "signature1 00\n", strings.ToUpper(one), "signature0 " + zero} {
		text = strings.Replace(text, "SIGNATURE", "signature", 1)
		if _, err := ParseVersionFile([]byte(literal + text)); !errors.Is(err, ErrVersionFile) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseVersionFile([]byte(literal + "signature2 x\nsignature x\nsignature00 x\n")); err != nil {
		t.Errorf("keys that are not known: %v", err)
	}
}

func TestAMalformedVersionFileIsRefused(t *testing.T) {
	a, b := strings.Repeat("0a", 64), strings.Repeat("f1", 64)
	head := "v\n" + a + "\n" + b + "\n"
	tests := map[string]string{
		"empty":                         "",
		"only line feeds":               "\n\n\n\n",
		"one line":                      "v",
		"no sequence":                   head,
		"no sequence, other keys":       head + "future 1\n",
		"two sequences":                 head + "sequence 1\nsequence 1\n",
		"sequence is no number":         head + "sequence x\n",
		"sequence without number":       head + "sequence\n",
		"sequence with empty number":    head + "sequence \n",
		"sequence too large":            head + "sequence 4294967296\n",
		"sequence negative":             head + "sequence -1\n",
		"sequence with a plus":          head + "sequence +1\n",
		"sequence with leading zeros":   head + "sequence 01\n",
		"sequence with two spaces":      head + "sequence  1\n",
		"sequence with a space behind":  head + "sequence 1 \n",
		"sequence in hex":               head + "sequence 0x1\n",
		"empty version":                 "\n" + a + "\n" + b + "\nsequence 1\n",
		"version with a space":          "v 1\n" + a + "\n" + b + "\nsequence 1\n",
		"version too long":              strings.Repeat("v", 33) + "\n" + a + "\n" + b + "\nsequence 1\n",
		"signature too short":           "v\n" + a[2:] + "\n" + b + "\nsequence 1\n",
		"signature too long":            "v\n" + a + "\n" + b + "00\nsequence 1\n",
		"signature in capitals":         "v\n" + strings.ToUpper(a) + "\n" + b + "\nsequence 1\n",
		"signature with other letters":  "v\n" + a[1:] + "g\n" + b + "\nsequence 1\n",
		"CR LF":                         strings.ReplaceAll(literal, "\n", "\r\n"),
		"a NUL":                         literal + "key \x00\n",
		"a tab":                         literal + "key\tvalue\n",
		"not ASCII":                     literal + "key ü\n",
		"not UTF-8":                     literal + "key \xFF\n",
		"an empty line":                 literal + "\n",
		"a line that is not key, value": literal + "word\n",
		"a line that begins with space": literal + " value\n",
		"too long":                      literal + "key " + strings.Repeat("x", 1024-len(literal)-4) + "\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseVersionFile([]byte(text)); !errors.Is(err, ErrVersionFile) {
				t.Errorf("%+v, %v; want %v", got, err, ErrVersionFile)
			}
		})
	}
	largest := VersionFile{Version: strings.Repeat("v", 32), Sequence: 1<<32 - 1, Toolchain: ToolchainText(strings.Repeat("x", 999))}
	for slot := range largest.Signatures {
		largest.Signatures[slot] = make([]Signature, MaxSigners)
	}
	if _, err := ParseVersionFile(largest.Marshal()); err != nil || len(largest.Toolchain) != MaxToolchain {
		t.Errorf("the largest that is written: %v", err)
	}
	longest := literal + "key " + strings.Repeat("x", 1024-len(literal)-5) + "\n"
	if _, err := ParseVersionFile([]byte(longest)); err != nil {
		t.Errorf("%d bytes: %v", len(longest), err)
	}
}

func TestAnyVersionFileWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := VersionFile{
			Version:   rapid.StringMatching(`[A-Za-z0-9._+-]{1,32}`).Draw(t, "version"),
			Sequence:  rapid.Uint32().Draw(t, "sequence"),
			Toolchain: ToolchainText(rapid.String().Draw(t, "toolchain")),
		}
		for slot := range v.Signatures {
			for _, s := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 64, 64), 1, MaxSigners).Draw(t, "signatures") {
				v.Signatures[slot] = append(v.Signatures[slot], Signature(s))
			}
		}
		if got, err := ParseVersionFile(v.Marshal()); err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzParseVersionFile(f *testing.F) {
	f.Add([]byte(literal))
	f.Add([]byte(literal + "future 1"))
	f.Add([]byte(literal + "toolchain g++ (Debian) 12.2.0\ntoolchain " + strings.Repeat("x", 200)))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVersionFile(text)
		if err != nil {
			return
		}
		again, err := ParseVersionFile(v.Marshal())
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%q: %+v, written and read again %+v, %v", text, v, again, err)
		}
	})
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}
