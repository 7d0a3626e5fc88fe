package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"esper/internal/release"
	"esper/internal/secret"
	"esper/internal/site"
)

// signingKeys returns the private keys in files, or else that of the site, and sees to
// it that devices will trust one.
func signingKeys(s *streams, opened *site.Site, paths []string) ([]ed25519.PrivateKey, error) {
	var keys []ed25519.PrivateKey
	if len(paths) > 0 {
		var err error
		if keys, err = loadKeys(s, paths); err != nil {
			return nil, err
		}
	} else {
		key, from, err := siteKey(s, opened)
		if err != nil {
			return nil, err
		}
		keys, paths = append(keys, key), append(paths, from)
	}
	trusted := opened.Config.Update.URL == "" || slices.ContainsFunc(keys, func(key ed25519.PrivateKey) bool {
		return slices.ContainsFunc(opened.Config.Update.Keys, func(k ed25519.PublicKey) bool {
			return k.Equal(key.Public())
		})
	})
	if !trusted {
		return nil, hint(fmt.Errorf("%s is not the key of any of update.keys in esper.toml: devices with this firmware would trust no release that it signs", strings.Join(paths, ", ")),
			"add its public key to update.keys, or sign with a key that is there, too")
	}
	return keys, nil
}

// loadKeys loads the private keys in files.
func loadKeys(s *streams, paths []string) ([]ed25519.PrivateKey, error) {
	var keys []ed25519.PrivateKey
	for _, path := range paths {
		key, err := release.LoadPrivateKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hint(fmt.Errorf("no private key to sign with: %w", err), "--key FILE names it; 'esper keygen' makes one")
		}
		if err != nil {
			return nil, err
		}
		warnReadable(s, path)
		keys = append(keys, key)
	}
	return keys, nil
}

// siteKey returns the site's own private key, and where it is from.
func siteKey(s *streams, opened *site.Site) (key ed25519.PrivateKey, from string, err error) {
	key, from, err = opened.SigningKey()
	if errors.Is(err, secret.ErrNone) {
		return nil, "", hint(fmt.Errorf("no private key to sign with in %s", opened.Dir),
			"--key FILE names it; 'esper secrets set signing.key' puts it among the site's secrets; 'esper keygen' makes one")
	}
	if err != nil {
		return nil, "", secretHint(err)
	}
	warnReadable(s, from)
	return key, from, nil
}

// warnReadable warns of a private key that others can read.
func warnReadable(s *streams, path string) {
	if release.ReadableByOthers(path) {
		s.note("warning: others can read %s: chmod 600 %s", path, path)
	}
}
