// Package certificate gets the certificates of a server that speaks TLS: from files that
// something else renews, or from a certificate authority that speaks ACME (RFC 8555).
package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Files takes the certificate chain and its key from two files in PEM. When they change they
// are read again; as long as they do not fit together, the ones before stay.
func Files(certificate, key string, log *slog.Logger) (*tls.Config, error) {
	f := &files{certificate: certificate, key: key, log: log, now: time.Now}
	if err := f.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.get}, nil
}

// lookEvery is how often it is looked whether the files have changed.
const lookEvery = time.Second

type files struct {
	certificate, key string
	log              *slog.Logger
	now              func() time.Time

	mu     sync.Mutex
	looked time.Time
	stamp  string // of the files that were tried last
	loaded *tls.Certificate
}

// get returns what the files hold.
func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now().Sub(f.looked).Abs() < lookEvery {
		return f.loaded, nil
	}
	if f.stamp == f.stamps() {
		f.looked = f.now()
		return f.loaded, nil
	}
	if err := f.load(); err != nil {
		f.log.Error("the certificate stays as it was", "error", err)
	} else {
		f.log.Info("the certificate was read again", "file", f.certificate, "until", f.loaded.Leaf.NotAfter)
	}
	return f.loaded, nil
}

// load reads the files.
func (f *files) load() error {
	f.looked, f.stamp = f.now(), f.stamps()
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("read the certificate %s with the key %s: %w", f.certificate, f.key, err)
	}
	f.loaded = &pair
	return nil
}

// stamps tells versions of the files apart.
func (f *files) stamps() (stamp string) {
	for _, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return stamp
}

// ACME gets certificates for host names when they are first asked for, and renews them. It
// proves that the names are this server's by TLS-ALPN (RFC 8737), so that the authority must
// reach it at port 443 of each. The folder is for account and certificates. The directory is
// the authority's URL; empty: Let's Encrypt.
func ACME(names []string, folder, directory string, log *slog.Logger) *tls.Config {
	if directory == "" {
		directory = autocert.DefaultACMEDirectory
	}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(names...), Cache: autocert.DirCache(folder),
		Client: &acme.Client{DirectoryURL: directory},
	}
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	get := config.GetCertificate
	var mu sync.Mutex
	var said time.Time
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		got, err := get(hello)
		if err != nil && m.HostPolicy(hello.Context(), hello.ServerName) == nil {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(said) > time.Minute {
				said = time.Now()
				log.Error("there is no certificate", "name", hello.ServerName, "from", directory, "error", err)
			}
		}
		return got, err
	}
	return config
}
