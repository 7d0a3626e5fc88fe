// Package release holds releases: the keys, the version file, signing and
// verifying, and a release in a folder. docs/SPEC.md, section 5, says what the
// bits mean.
package release

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"esper/internal/textfile"
)

// MaxKeys is the largest number of public keys that a firmware carries.
const MaxKeys = 4

// maxKeyFile is the largest key file that is read, in bytes.
const maxKeyFile = 4096

// The types of the PEM blocks.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// GenerateKey makes a new private key; its Public method gives the public one.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(nil)
	return private, err
}

// WriteKeyPair writes a private key to path.key, for its owner's eyes only, and
// its public key to path.pub. Existing files are never overwritten: the error then
// is an [fs.ErrExist], and nothing has been written.
func WriteKeyPair(path string, private ed25519.PrivateKey) error {
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path + ".pub"); err == nil {
		return &fs.PathError{Op: "create", Path: path + ".pub", Err: fs.ErrExist}
	}
	err = createFile(path+".key", 0o600, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: privateDER}))
	if err != nil {
		return err
	}
	err = createFile(path+".pub", 0o644, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: publicDER}))
	if err != nil {
		os.Remove(path + ".key")
	}
	return err
}

// LoadPrivateKey reads a private key, PKCS#8 PEM.
func LoadPrivateKey(path string) (ed25519.PrivateKey, error) {
	content, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return ParsePrivateKey(path, content)
}

// ParsePrivateKey reads the text of a private key, PKCS#8 PEM. Messages call it name.
func ParsePrivateKey(name string, text []byte) (ed25519.PrivateKey, error) {
	der, err := parsePEM(name, text, privateBlock)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: not a private key: %w", name, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", name)
	}
	return private, nil
}

// LoadPublicKey reads a public key, SubjectPublicKeyInfo PEM.
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	content, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	der, err := parsePEM(path, content, publicBlock)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: not a public key: %w", path, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", path)
	}
	if _, err := decodePoint(public); err != nil {
		return nil, fmt.Errorf("%s: not a key that a signature can be trusted by: %w", path, err)
	}
	return public, nil
}

// ReadableByOthers tells whether others than its owner may read a file, which a
// private key must not be.
func ReadableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o077 != 0
}

// parsePEM returns the content of the one block in a PEM text, which must be of the
// type wanted.
func parsePEM(name string, content []byte, want string) ([]byte, error) {
	block, rest := pem.Decode(textfile.WithoutMark(content))
	switch {
	case block == nil:
		return nil, fmt.Errorf("%s: not a PEM file", name)
	case block.Type != want && block.Type == privateBlock:
		return nil, fmt.Errorf("%s: a private key where the public key is needed", name)
	case block.Type != want:
		return nil, fmt.Errorf("%s: %q where %q is needed", name, block.Type, want)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("%s: more than one key", name)
	}
	return block.Bytes, nil
}

// readFile reads a file of at most max bytes; a larger one is an [ErrTooLarge].
func readFile(path string, max int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > max {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, ErrTooLarge, max)
	}
	return content, nil
}

// createFile writes a file that must not exist yet, or leaves nothing behind.
func createFile(path string, mode fs.FileMode, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
