package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"esper/internal/textfile"
)

// The environment variables that give the age key (the identity): its text, or the
// name of its file.
const (
	KeyVariable     = "ESPER_AGE_KEY"
	KeyFileVariable = "ESPER_AGE_KEY_FILE"
)

// Recipient is somebody whom secrets are encrypted for.
type Recipient = age.Recipient

const (
	maxKeyFile    = 64 << 10 // bytes
	maxRecipients = 32
)

// KeyFile returns the file where the age key is looked for if no variable says
// otherwise.
func KeyFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "esper", "age.key"), nil
}

// Identities returns the age keys to read secrets with: those in the variable
// ESPER_AGE_KEY, or in the file that ESPER_AGE_KEY_FILE names, or in [KeyFile]. There
// being none is an [ErrNoIdentity].
func Identities() ([]age.Identity, error) {
	if text := os.Getenv(KeyVariable); text != "" {
		return parseIdentities(KeyVariable, []byte(text))
	}
	path := os.Getenv(KeyFileVariable)
	if path == "" {
		var err error
		if path, err = KeyFile(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoIdentity, err)
		}
	}
	text, err := textfile.Read(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoIdentity, err)
	}
	return parseIdentities(path, text)
}

// parseIdentities reads age keys. The library's errors are left out, as they may quote.
func parseIdentities(from string, text []byte) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	switch {
	case err == nil:
		return identities, nil
	case bytes.HasPrefix(text, []byte("age-encryption.org/")), bytes.HasPrefix(text, []byte("-----BEGIN AGE")):
		return nil, fmt.Errorf("%w: the one in %s is itself encrypted", ErrNoIdentity, from)
	}
	return nil, fmt.Errorf("%w: %s has no line that begins with AGE-SECRET-KEY-1", ErrNoIdentity, from)
}

// WriteIdentity makes an age key and writes it to a file for its owner's eyes only,
// which must not exist yet, and returns the recipient that goes into esper.toml.
func WriteIdentity(path string) (recipient string, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	recipient = identity.Recipient().String()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "# public key: %s\n%s\n", recipient, identity)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return recipient, err
}

// ParseRecipients reads whom secrets are encrypted for: age's own public keys, age1...
func ParseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) > maxRecipients {
		return nil, fmt.Errorf("%d recipients, but at most %d are allowed", len(texts), maxRecipients)
	}
	var recipients []age.Recipient
	for i, text := range texts {
		if strings.HasPrefix(text, "AGE-SECRET-KEY-") {
			return nil, fmt.Errorf("recipient %d is a private key: take it out, and do not use it any more", i+1)
		}
		one, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil || len(one) != 1 {
			return nil, fmt.Errorf("recipient %d is not an age public key (age1...)", i+1)
		}
		recipients = append(recipients, one[0])
	}
	return recipients, nil
}
