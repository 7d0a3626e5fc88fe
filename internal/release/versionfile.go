package release

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"esper/internal/image"
)

// MaxVersionFile is the largest size of a version file in bytes.
const MaxVersionFile = 1024

// ErrVersionFile says that a version file is malformed.
var ErrVersionFile = errors.New("malformed version file")

// Signature is an Ed25519 signature.
type Signature [ed25519.SignatureSize]byte

// VersionFile is what a device reads first: which release there is, and the
// signatures of its images for slots 0 and 1.
type VersionFile struct {
	Version    string
	Signatures [image.Slots]Signature
	Sequence   uint32
}

// Marshal returns the version file's text.
func (v VersionFile) Marshal() []byte {
	return fmt.Appendf(nil, "%s\n%x\n%x\nsequence %d\n",
		v.Version, v.Signatures[0][:], v.Signatures[1][:], v.Sequence)
}

// ParseVersionFile reads a version file. Every error is an [ErrVersionFile].
func ParseVersionFile(text []byte) (VersionFile, error) {
	var v VersionFile
	if len(text) > MaxVersionFile {
		return v, malformed("%d bytes, but at most %d are allowed", len(text), MaxVersionFile)
	}
	if i := bytes.IndexFunc(text, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
		return v, malformed("a byte at %d is not printable ASCII", i)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < 4 {
		return v, malformed("%d lines, but at least 4 are needed", len(lines))
	}
	v.Version = lines[0]
	if err := image.CheckVersion(v.Version); err != nil {
		return v, malformed("line 1: %v", err)
	}
	for slot := range v.Signatures {
		line := lines[1+slot]
		if len(line) != hex.EncodedLen(ed25519.SignatureSize) {
			return v, malformed("line %d: %d characters, but a signature has 128", 2+slot, len(line))
		}
		if _, err := hex.Decode(v.Signatures[slot][:], []byte(line)); err != nil || line != strings.ToLower(line) {
			return v, malformed("line %d: not hex digits in lower case", 2+slot)
		}
	}
	found := false
	for i, line := range lines[3:] {
		key, value, ok := strings.Cut(line, " ")
		if !ok || key == "" || value == "" {
			return v, malformed("line %d: not \"key value\"", 4+i)
		}
		if key != "sequence" {
			continue
		}
		if found {
			return v, malformed("line %d: a second sequence", 4+i)
		}
		found = true
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != value {
			return v, malformed("line %d: %q is not a number from 0 to 4294967295", 4+i, value)
		}
		v.Sequence = uint32(n)
	}
	if !found {
		return v, malformed("no sequence")
	}
	return v, nil
}

// malformed returns an [ErrVersionFile] with its details.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrVersionFile, fmt.Sprintf(format, args...))
}
