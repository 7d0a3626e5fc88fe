package settings

import (
	"bytes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"golang.org/x/crypto/chacha20poly1305"

	"esper/internal/image"
	"esper/internal/release"
)

// Limits of a settings release.
const (
	MaxRelease = 2560 // bytes
	MaxKeys    = 3    // that open it
)

// AllTypes is the device type of settings that are for all of them.
const AllTypes = "*"

// The fields of a settings release (SPEC 12.4).
const (
	releaseMagic  = 0x53505345 // "ESPS"
	releaseFormat = 1

	offsetType     = 8
	offsetChip     = 40
	offsetSequence = 48
	offsetEntries  = 52 // their number of bytes
	offsetKeys     = 54 // their number
	offsetNonce    = 56
	offsetMAC      = 80
	offsetSealed   = 96 // the keys, then the entries

	nonceSize = chacha20poly1305.NonceSizeX
	macSize   = chacha20poly1305.Overhead
	keySize   = nonceSize + macSize + KeySize // of a sealed content key
)

// Header is what a settings release says to everybody.
type Header struct {
	Type     string // the device type; [AllTypes] for all
	Chip     string // the chip id of the only device that it is for; empty: for all devices
	Sequence uint32
}

// Check returns an [ErrMalformed] if a field breaks a rule.
func (h Header) Check() error {
	if h.Type != AllTypes {
		if err := image.CheckDeviceType(h.Type); err != nil {
			return malformed("%v", err)
		}
	}
	if h.Chip != "" && !isChip(h.Chip) {
		return malformed("the chip id %q is not 6 lower-case hex digits", h.Chip)
	}
	if h.Sequence > math.MaxInt32 { // it is stored as a number, which is signed
		return malformed("the sequence %d is more than %d", h.Sequence, math.MaxInt32)
	}
	return nil
}

// isChip reports whether a text is a chip id.
func isChip(text string) bool {
	for _, c := range []byte(text) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return len(text) == 6
}

// SignedText returns the bytes that the signatures of a settings release hold for; digest is that
// of all bytes before the signatures.
func (h Header) SignedText(digest [sha256.Size]byte) []byte {
	chip := h.Chip
	if chip == "" {
		chip = "*"
	}
	return fmt.Appendf(nil, "esper settings 1\ndevice %s\nchip %s\nsequence %d\nsha256 %x\n",
		h.Type, chip, h.Sequence, digest[:])
}

// Release is a settings release that has been read: well-formed, but neither verified nor opened.
type Release struct {
	Header
	Signatures []release.Signature

	signed  []byte // all bytes before the signatures
	keys    int
	content []byte // sealed entries
}

// Seal returns a settings release: the entries, sealed so that each of 1 to [MaxKeys] keys opens
// them, and signed by 1 to [release.MaxSigners] keys. random provides the content key and nonces.
// It returns an [ErrMalformed] if the entries or the header break a rule.
func Seal(
	h Header, entries Entries, keys [][]byte, signers []ed25519.PrivateKey, random io.Reader,
) ([]byte, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	if h.Sequence == 0 {
		return nil, malformed("the sequence is 0, which means no release")
	}
	if n := len(keys); n < 1 || n > MaxKeys {
		return nil, fmt.Errorf("%d keys to open the settings with, not 1 to %d", n, MaxKeys)
	}
	if n := len(signers); n < 1 || n > release.MaxSigners {
		return nil, fmt.Errorf("%d keys to sign with, not 1 to %d", n, release.MaxSigners)
	}
	if err := entries.CheckKnown(); err != nil {
		return nil, err
	}
	plain, err := entries.Marshal()
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		return nil, malformed("no entries")
	}
	b := make([]byte, offsetNonce, MaxRelease)
	binary.LittleEndian.PutUint32(b, releaseMagic)
	binary.LittleEndian.PutUint32(b[4:], releaseFormat)
	copy(b[offsetType:offsetChip], h.Type)
	copy(b[offsetChip:offsetSequence], h.Chip)
	binary.LittleEndian.PutUint32(b[offsetSequence:], h.Sequence)
	binary.LittleEndian.PutUint16(b[offsetEntries:], uint16(len(plain)))
	binary.LittleEndian.PutUint16(b[offsetKeys:], uint16(len(keys)))
	data := bytes.Clone(b)
	contentKey := make([]byte, KeySize)
	if _, err := io.ReadFull(random, contentKey); err != nil {
		return nil, err
	}
	content, head, err := seal(contentKey, plain, data, random)
	if err != nil {
		return nil, err
	}
	b = append(b, head...)
	for _, key := range keys {
		sealed, head, err := seal(key, contentKey, data, random)
		if err != nil {
			return nil, err
		}
		b = append(append(b, head...), sealed...)
	}
	b = append(b, content...)
	text := h.SignedText(sha256.Sum256(b))
	for _, signer := range signers {
		b = append(b, ed25519.Sign(signer, text)...)
	}
	return b, nil
}

// seal returns what a key seals, and the nonce and MAC that belong in front of it.
func seal(key, plain, data []byte, random io.Reader) (sealed, head []byte, err error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, nil, err
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, nil, err
	}
	sealed = aead.Seal(nil, nonce, plain, data)
	sealed, mac := sealed[:len(plain)], sealed[len(plain):]
	return sealed, append(nonce, mac...), nil
}

// unseal returns what a key sealed; head is nonce and MAC.
func unseal(key, head, sealed, data []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce, mac := head[:nonceSize], head[nonceSize:][:macSize]
	return aead.Open(nil, nonce, append(bytes.Clone(sealed), mac...), data)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a key of %d bytes, not %d", len(key), KeySize)
	}
	return chacha20poly1305.NewX(key)
}

// ParseRelease reads a settings release. Every error is an [ErrMalformed].
func ParseRelease(file []byte) (*Release, error) {
	if len(file) > MaxRelease {
		return nil, malformed("%d bytes, but a settings release has at most %d", len(file), MaxRelease)
	}
	if len(file) < offsetSealed {
		return nil, malformed("%d bytes are too few for a settings release", len(file))
	}
	if magic := binary.LittleEndian.Uint32(file); magic != releaseMagic {
		return nil, malformed("%#08x where a settings release begins with %#08x", magic,
			uint32(releaseMagic))
	}
	if format := binary.LittleEndian.Uint32(file[4:]); format != releaseFormat {
		return nil, malformed("a settings release of the unknown format %d", format)
	}
	var h Header
	var ok bool
	if h.Type, ok = unpad(file[offsetType:offsetChip]); !ok {
		return nil, malformed("the device type is not padded with zeros")
	}
	if h.Chip, ok = unpad(file[offsetChip:offsetSequence]); !ok {
		return nil, malformed("the chip id is not padded with zeros")
	}
	h.Sequence = binary.LittleEndian.Uint32(file[offsetSequence:])
	if err := h.Check(); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint16(file[offsetEntries:]))
	keys := int(binary.LittleEndian.Uint16(file[offsetKeys:]))
	if n < 1 || n > MaxEntries {
		return nil, malformed("%d bytes of entries, not 1 to %d", n, MaxEntries)
	}
	if keys < 1 || keys > MaxKeys {
		return nil, malformed("%d keys that open it, not 1 to %d", keys, MaxKeys)
	}
	end := offsetSealed + keys*keySize + n
	signatures := len(file) - end
	if signatures < ed25519.SignatureSize || signatures%ed25519.SignatureSize != 0 ||
		signatures > release.MaxSigners*ed25519.SignatureSize {
		return nil, malformed("%d bytes, but it has %d and 1 to %d signatures of %d", len(file), end,
			release.MaxSigners, ed25519.SignatureSize)
	}
	file = bytes.Clone(file)
	r := &Release{Header: h, signed: file[:end:end], keys: keys, content: file[end-n : end : end]}
	for s := file[end:]; len(s) > 0; s = s[ed25519.SignatureSize:] {
		r.Signatures = append(r.Signatures, release.Signature(s[:ed25519.SignatureSize]))
	}
	return r, nil
}

// unpad returns the characters before the zeros that fill a field, at least one zero.
func unpad(field []byte) (string, bool) {
	text, padding, found := bytes.Cut(field, []byte{0})
	return string(text), found && len(bytes.Trim(padding, "\x00")) == 0
}

// Keys returns the number of keys that open the release.
func (r *Release) Keys() int {
	return r.keys
}

// Verify returns an [ErrBadSignature] if none of the keys signed the release.
func (r *Release) Verify(keys []ed25519.PublicKey) error {
	if !release.SignedBy(r.SignedText(sha256.Sum256(r.signed)), r.Signatures, keys) {
		return ErrBadSignature
	}
	return nil
}

// Open returns the entries of the release. It returns an [ErrWrongFleetKey] if none of the keys
// opens the content key and with that the entries, and an [ErrMalformed] if what they open is no entries.
func (r *Release) Open(keys ...[]byte) (Entries, error) {
	data, head := r.signed[:offsetNonce], r.signed[offsetNonce:offsetSealed]
	for i := range r.keys {
		sealed := r.signed[offsetSealed+i*keySize:][:keySize]
		for _, key := range keys {
			contentKey, err := unseal(key, sealed, sealed[nonceSize+macSize:], data)
			if err != nil {
				continue
			}
			plain, err := unseal(contentKey, head, r.content, data)
			if err == nil {
				return Parse(plain)
			}
		}
	}
	return nil, ErrWrongFleetKey
}
