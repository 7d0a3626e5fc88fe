package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"esper/internal/image"
)

// A file is a key or it is refused; and a key that was read is written as one that
// is the same.
func FuzzKeyFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	key, err := GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	if err := WriteKeyPair(path, key); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{path + ".key", path + ".pub"} {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(content)
		f.Add(content)
		f.Add(append(content, content...))
		f.Add(append([]byte("text in front\n"), content...))
		f.Add(bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n")))
		f.Add(pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: block.Bytes}))
		f.Add(pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: block.Bytes[:len(block.Bytes)-1]}))
		f.Add(pem.EncodeToMemory(&pem.Block{Type: block.Type, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: block.Bytes}))
	}
	f.Add(bytes.Repeat([]byte("-----BEGIN PUBLIC KEY-----\n"), 200))
	path = filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, content []byte) {
		write(t, path, content)
		private, err := LoadPrivateKey(path)
		public, publicErr := LoadPublicKey(path)
		if err == nil && publicErr == nil {
			t.Fatal("both a private and a public key")
		}
		if len(content) > maxKeyFile && (err == nil || publicErr == nil) {
			t.Errorf("a key file of %d bytes", len(content))
		}
		if publicErr == nil && len(public) != 32 {
			t.Errorf("a public key of %d bytes", len(public))
		}
		if err == nil {
			defer os.Remove(path + "2.key")
			defer os.Remove(path + "2.pub")
			if err := WriteKeyPair(path+"2", private); err != nil {
				t.Fatal(err)
			}
			if again, err := LoadPrivateKey(path + "2.key"); err != nil || !again.Equal(private) {
				t.Errorf("written and read again: %v", err)
			}
			if again, err := LoadPublicKey(path + "2.pub"); err != nil || !again.Equal(private.Public()) {
				t.Errorf("its public key, written and read again: %v", err)
			}
		}
	})
}

// No two images have the same signed text: what a release says of itself cannot
// pass for something else.
func FuzzSignedText(f *testing.F) {
	f.Add("socket", "8a1b2c3d", uint32(42), 0, "content")
	f.Add("socket", "v\nsequence 1", uint32(42), 1, "")
	f.Add("socket\nversion v", "v", uint32(0), 0, "")
	f.Fuzz(func(t *testing.T, deviceType, version string, sequence uint32, slot int, content string) {
		d := image.Descriptor{DeviceType: deviceType, Version: version, Sequence: sequence, Slot: slot, Size: 4096}
		if d.Check() != nil {
			return
		}
		digest := sha256.Sum256([]byte(content))
		lines := strings.Split(string(SignedText(d, digest)), "\n")
		if len(lines) != 7 || lines[0] != "esper firmware 1" || lines[6] != "" {
			t.Fatalf("%q", lines)
		}
		for i, want := range []string{"device", "version", "sequence", "slot", "sha256"} {
			if key, value, _ := strings.Cut(lines[1+i], " "); key != want || value == "" || strings.Contains(value, " ") {
				t.Errorf("line %d: %q", 2+i, lines[1+i])
			}
		}
		if lines[1] != "device "+deviceType || lines[2] != "version "+version {
			t.Errorf("%q", lines)
		}
	})
}

func FuzzBundle(f *testing.F) {
	var r Release
	r.Version = "8a1b2c3d"
	for slot := range r.Images {
		r.Signatures[slot], r.Images[slot] = []Signature{{}}, []byte("image")
	}
	content, contentType, err := r.Bundle()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content, contentType)
	f.Add(content[:len(content)-10], contentType)
	f.Add(bytes.Replace(content, []byte("rom1"), []byte("rom0"), 1), contentType)
	f.Add([]byte("--x--"), "multipart/form-data; boundary=x")
	f.Fuzz(func(t *testing.T, content []byte, contentType string) {
		parsed, err := ParseBundle(content, contentType, "socket")
		if err != nil {
			return
		}
		content, contentType, err = parsed.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseBundle(content, contentType, "socket"); err != nil || !reflect.DeepEqual(again, parsed) {
			t.Errorf("%v: %+v, not %+v", err, again, parsed)
		}
	})
}
