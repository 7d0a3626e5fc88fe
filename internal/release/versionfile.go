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

// MaxSigners is the largest number of keys that sign a release.
const MaxSigners = 3

// ErrVersionFile says that a version file is malformed.
var ErrVersionFile = errors.New("malformed version file")

// Signature is an Ed25519 signature.
type Signature [ed25519.SignatureSize]byte

// VersionFile is what a device reads first: which release there is, and the
// signatures of its images for slots 0 and 1.
type VersionFile struct {
	Version    string
	Signatures [image.Slots][]Signature // for each slot 1 to MaxSigners
	Sequence   uint32
	Toolchain  string // what the compiler called itself; empty: unknown. No signature covers it.
}

// MaxToolchain is how much of a compiler's name a release says, in bytes.
const MaxToolchain = 100

// ToolchainText is what a release says of a compiler that calls itself so.
func ToolchainText(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, name)
	return name[:min(len(name), MaxToolchain)]
}

// Marshal returns the version file's text. Each slot must have a signature.
func (v VersionFile) Marshal() []byte {
	text := fmt.Appendf(nil, "%s\n%x\n%x\nsequence %d\n", v.Version, v.Signatures[0][0], v.Signatures[1][0], v.Sequence)
	for slot, signatures := range v.Signatures {
		for _, further := range signatures[1:] {
			text = fmt.Appendf(text, "%s%d %x\n", furtherSignature, slot, further)
		}
	}
	if v.Toolchain != "" {
		text = fmt.Appendf(text, "%s %s\n", toolchainKey, v.Toolchain)
	}
	return text
}

// furtherSignature is the key of a further signature, before the slot.
const furtherSignature = "signature"

// toolchainKey is the key of the compiler's name.
const toolchainKey = "toolchain"

// add parses a signature for a slot.
func (v *VersionFile) add(slot int, text string) error {
	var s Signature
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("%d characters, but a signature has 128", len(text))
	}
	if _, err := hex.Decode(s[:], []byte(text)); err != nil || text != strings.ToLower(text) {
		return errors.New("not hex digits in lower case")
	}
	if len(v.Signatures[slot]) == MaxSigners {
		return fmt.Errorf("more than %d signatures for slot %d", MaxSigners, slot)
	}
	v.Signatures[slot] = append(v.Signatures[slot], s)
	return nil
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
		if err := v.add(slot, lines[1+slot]); err != nil {
			return v, malformed("line %d: %v", 2+slot, err)
		}
	}
	found := false
	for i, line := range lines[3:] {
		key, value, ok := strings.Cut(line, " ")
		if !ok || key == "" || value == "" {
			return v, malformed("line %d: not \"key value\"", 4+i)
		}
		switch key {
		case furtherSignature + "0", furtherSignature + "1":
			if err := v.add(int(key[len(furtherSignature)]-'0'), value); err != nil {
				return v, malformed("line %d: %v", 4+i, err)
			}
			continue
		case toolchainKey: // the first counts; nothing depends on it
			if v.Toolchain == "" {
				v.Toolchain = ToolchainText(value)
			}
			continue
		case "sequence":
		default:
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
