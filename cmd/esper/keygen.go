package main

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"

	"esper/internal/release"
	"esper/internal/site"
)

// keygenCommand makes a signing key pair.
type keygenCommand struct {
	Path  string `arg:"" optional:"" help:"Where to put it: PATH.key and PATH.pub (default: release; with --fleet: fleet)."`
	Fleet bool   `help:"Make a key of the fleet, PATH.key: devices open their settings with it."`
}

// Help is the command's description.
func (c *keygenCommand) Help() string {
	return `Makes an Ed25519 key pair. PATH.key signs releases and stays with you: not in git, not
on the server. PATH.pub is built into the firmware, which then installs only what that
key signed. Neither file is ever overwritten.

To replace a key, and when one leaks: docs/keys.md. In short, name the new .pub file in
esper.toml (update.keys), and release with both keys until every device runs such a release:
esper release --key new.key --key old.key

Both are PEM files that openssl reads: PKCS#8 and SubjectPublicKeyInfo.

With --fleet it makes the key that settings are sealed with on their way to the devices, 64 hex digits.
Each device has it, so it keeps settings from everybody else, and signs nothing. A file with
up to three keys, a line each, replaces one: the first is the one that devices are to have.`
}

// Run makes the key or the key pair.
func (c *keygenCommand) Run(s *streams) error {
	if c.Fleet {
		return c.fleetKey(s)
	}
	c.Path = cmp.Or(c.Path, site.KeyName)
	private, err := release.GenerateKey()
	if err != nil {
		return err
	}
	err = release.WriteKeyPair(c.Path, private)
	if errors.Is(err, fs.ErrExist) {
		return hint(err, "a key is never overwritten; give another name: esper keygen PATH")
	}
	if err != nil {
		return err
	}
	s.note("%s.key: the private key; keep it secret, keep a copy, keep it out of git", c.Path)
	s.note("%s.pub: the public key; name it in esper.toml, update.keys", c.Path)
	return nil
}

// fleetKey makes a key of the fleet.
func (c *keygenCommand) fleetKey(s *streams) error {
	path := cmp.Or(c.Path, strings.TrimSuffix(site.FleetKeyFile, ".key")) + ".key"
	err := site.WriteKey(path)
	if errors.Is(err, fs.ErrExist) {
		return hint(err, "a key is never overwritten; give another name: esper keygen --fleet PATH")
	}
	if err != nil {
		return err
	}
	s.note("%s: a key of the fleet; keep it secret, keep a copy, keep it out of git", path)
	return nil
}
