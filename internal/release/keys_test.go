package release

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAKeyPairIsWrittenAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release")
	generated, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteKeyPair(path, generated); err != nil {
		t.Fatal(err)
	}
	private, err := LoadPrivateKey(path + ".key")
	if err != nil || !private.Equal(generated) {
		t.Errorf("private key: %v", err)
	}
	trusted, err := LoadPublicKey(path + ".pub")
	if err != nil || !trusted.Equal(generated.Public()) {
		t.Errorf("public key: %v", err)
	}
	if ReadableByOthers(path + ".key") {
		t.Error("others may read the private key")
	}
	if err := os.Chmod(path+".key", 0o640); err != nil {
		t.Fatal(err)
	}
	if !ReadableByOthers(path + ".key") {
		t.Error("a private key that the group may read is not noticed")
	}
}

func TestAKeyIsNeverOverwritten(t *testing.T) {
	for _, there := range []string{"release.key", "release.pub"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, there), []byte("precious"))
		if err := WriteKeyPair(filepath.Join(dir, "release"), key(1)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s is there: error %v, want %v", there, err, fs.ErrExist)
		}
		content, err := os.ReadFile(filepath.Join(dir, there))
		if err != nil || string(content) != "precious" {
			t.Errorf("%s is now %q, %v", there, content, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s is there: left behind %v", there, entries)
		}
	}
}

func TestAKeyFileThatIsNotOneSaysSo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	if err := WriteKeyPair(path, key(1)); err != nil {
		t.Fatal(err)
	}
	private, _ := os.ReadFile(path + ".key")
	trusted, _ := os.ReadFile(path + ".pub")
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, _ := x509.MarshalPKCS8PrivateKey(elliptic)
	publicDER, _ := x509.MarshalPKIXPublicKey(elliptic.Public())
	block := func(name string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: name, Bytes: content})
	}
	loadPrivate := func(path string) error { _, err := LoadPrivateKey(path); return err }
	loadPublic := func(path string) error { _, err := LoadPublicKey(path); return err }
	tests := []struct {
		name    string
		load    func(string) error
		content []byte
		want    string
	}{
		{"empty", loadPublic, nil, "not a PEM file"},
		{"something else", loadPrivate, []byte("hello"), "not a PEM file"},
		{"private for public", loadPublic, private, "a private key where the public key is needed"},
		{"public for private", loadPrivate, trusted, `"PUBLIC KEY" where "PRIVATE KEY" is needed`},
		{"two keys", loadPublic, append(bytes.Clone(trusted), trusted...), "more than one key"},
		{"too large", loadPublic, bytes.Repeat([]byte(" "), 5000), "too large: more than 4096 bytes"},
		{"damaged private key", loadPrivate, block("PRIVATE KEY", []byte("x")), "not a private key"},
		{"damaged public key", loadPublic, block("PUBLIC KEY", []byte("x")), "not a public key"},
		{"another algorithm's private key", loadPrivate, block("PRIVATE KEY", privateDER), "not an Ed25519 key"},
		{"another algorithm's public key", loadPublic, block("PUBLIC KEY", publicDER), "not an Ed25519 key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, "file")
			write(t, path, test.content)
			err := test.load(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want the file and %q", err, test.want)
			}
		})
	}
}
