// Package settingstest makes settings releases that settings.Seal would not make.
package settingstest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"esper/internal/settings"
)

// Release is a settings release (SPEC 12.4). Nothing of it is checked.
type Release struct {
	settings.Header
	Plain   []byte   // entries, or what is in their place
	Keys    [][]byte // that it is sealed with
	Signers []ed25519.PrivateKey

	// Change, if set, changes the file before it is signed.
	Change func(file []byte) []byte
	// Text, if set, returns what is signed.
	Text func(digest [sha256.Size]byte) []byte
}

// File returns the release's bytes. The content key and the nonces are always the same.
func (r Release) File() []byte {
	head := binary.LittleEndian.AppendUint32(nil, 0x53505345)
	head = binary.LittleEndian.AppendUint32(head, 1)
	head = append(head, make([]byte, 48)...)
	copy(head[8:40], r.Type)
	copy(head[40:48], r.Chip)
	binary.LittleEndian.PutUint32(head[48:], r.Sequence)
	binary.LittleEndian.PutUint16(head[52:], uint16(len(r.Plain)))
	binary.LittleEndian.PutUint16(head[54:], uint16(len(r.Keys)))
	seal := func(key, plain []byte) (front, sealed []byte) {
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			panic(err)
		}
		nonce := bytes.Repeat([]byte{byte(len(plain)), 3}, chacha20poly1305.NonceSizeX/2)
		sealed = aead.Seal(nil, nonce, plain, head)
		return append(nonce, sealed[len(plain):]...), sealed[:len(plain)]
	}
	content := bytes.Repeat([]byte{0xC0}, settings.KeySize)
	front, entries := seal(content, r.Plain)
	file := append(bytes.Clone(head), front...)
	for _, key := range r.Keys {
		front, sealed := seal(key, content)
		file = append(append(file, front...), sealed...)
	}
	file = append(file, entries...)
	if r.Change != nil {
		file = r.Change(file)
	}
	text := r.SignedText
	if r.Text != nil {
		text = r.Text
	}
	signed := text(sha256.Sum256(file))
	for _, signer := range r.Signers {
		file = append(file, ed25519.Sign(signer, signed)...)
	}
	return file
}
