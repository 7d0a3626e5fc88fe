package settings_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"os/exec"
	"path/filepath"
	"testing"

	"esper/internal/build"
	"esper/internal/settings"
)

// Monocypher, which devices open releases with, opens what was sealed here.
func TestMonocypherOpensWhatWasSealed(t *testing.T) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc here to compile Monocypher with")
	}
	source, err := build.Monocypher(t.Context())
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "open")
	out, err := exec.Command(compiler, "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-I", source, "-o", program,
		"testdata/open.c", filepath.Join(source, "monocypher.c")).CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	_, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	entries := settings.Entries{settings.OfTexts("wifi.1", "barn", "correct horse"), settings.OfNumber("a", 1)}
	keys := [][]byte{make([]byte, settings.KeySize), bytes.Repeat([]byte{2}, settings.KeySize)}
	file, err := settings.Seal(settings.Header{Type: "socket", Sequence: 42}, entries, keys,
		[]ed25519.PrivateKey{signer}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open := func(key, file []byte) ([]byte, error) {
		command := exec.Command(program)
		command.Stdin = bytes.NewReader(append(bytes.Clone(key), file...))
		return command.Output()
	}
	want, err := entries.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if got, err := open(key, file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %v, not %q", got, err, want)
		}
	}
	if got, err := open(bytes.Repeat([]byte{3}, settings.KeySize), file); err == nil {
		t.Errorf("another key opens it: %q", got)
	}
	file[48] ^= 1 // the sequence, which is additional data
	if got, err := open(keys[0], file); err == nil {
		t.Errorf("a changed header: %q", got)
	}
}
