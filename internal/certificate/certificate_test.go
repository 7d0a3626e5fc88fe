package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair returns a certificate with a serial number, and its key, in PEM.
func pair(t *testing.T, serial int64) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"esper.example"}}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// A renewed certificate is used without a restart; in between, when only one of the two files
// is new, and when they are broken, it stays the old one.
func TestRenewedFilesAreReadAgain(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	f := &files{certificate: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key"), log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Now()
	f.now = func() time.Time { at = at.Add(lookEvery); return at }
	written := at
	write := func(file string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		written = written.Add(time.Minute)
		if err := os.Chtimes(file, written, written); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, serial int64) {
		t.Helper()
		if got, err := f.get(nil); err != nil || got.Leaf.SerialNumber.Int64() != serial {
			t.Errorf("%s: %v, want %d", what, err, serial)
		}
	}
	certificate, key := pair(t, 1)
	write(f.certificate, certificate)
	write(f.key, key)
	if err := f.load(); err != nil {
		t.Fatal(err)
	}
	expect("first", 1)
	certificate, key = pair(t, 2)
	write(f.certificate, certificate)
	expect("half", 1)
	write(f.key, key)
	expect("renewed", 2)
	write(f.key, []byte("broken"))
	for range 10 {
		expect("broken", 2)
	}
	os.Remove(f.certificate)
	expect("removed", 2)
	if n := strings.Count(log.String(), "stays as it was"); n != 3 {
		t.Errorf("logged %d times, want once for each change:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the key is in the log")
	}
}

func TestFilesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	certificate, _ := pair(t, 1)
	_, key := pair(t, 2)
	os.WriteFile(filepath.Join(dir, "cert"), certificate, 0o600)
	os.WriteFile(filepath.Join(dir, "key"), key, 0o600)
	for _, names := range [][2]string{{"cert", "key"}, {"cert", "none"}, {"none", "key"}} {
		if _, err := Files(filepath.Join(dir, names[0]), filepath.Join(dir, names[1]), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%v: no error", names)
		}
	}
}

// Names that are not the server's cost the authority nothing.
func TestACMEOnlyForItsNames(t *testing.T) {
	config := ACME([]string{"esper.example"}, t.TempDir(), "http://127.0.0.1:1/", slog.New(slog.DiscardHandler))
	for _, name := range []string{"", "other.example", "x.esper.example", "127.0.0.1"} {
		if _, err := config.GetCertificate(&tls.ClientHelloInfo{ServerName: name}); err == nil || strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
