package main

import (
	"errors"
	"io/fs"

	"esper/internal/release"
)

// keygenCommand makes a signing key pair.
type keygenCommand struct {
	Path string `arg:"" default:"release" help:"Where to put it: PATH.key and PATH.pub (default: release)."`
}

// Help is the command's description.
func (c *keygenCommand) Help() string {
	return `Makes an Ed25519 key pair. PATH.key signs releases and stays with you: not in git, not
on the server. PATH.pub is built into the firmware, which then installs only what that
key signed. Neither file is ever overwritten.

To replace a key, and when one leaks: docs/keys.md. In short, name the new .pub file in
esper.toml (update.keys), and release with both keys until every device runs such a release:
esper release --key new.key --key old.key

Both are PEM files that openssl reads: PKCS#8 and SubjectPublicKeyInfo.`
}

// Run makes the key pair.
func (c *keygenCommand) Run(s *streams) error {
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
