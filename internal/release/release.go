package release

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"esper/internal/image"
)

// The reasons why a release does not verify. Errors wrap one of them, or
// [ErrVersionFile], with the details in the text. A device has the same reasons
// (SPEC 7.2).
var (
	ErrMalformedImage = errors.New("malformed image")
	ErrTooLarge       = errors.New("too large")
	ErrWrongDevice    = errors.New("wrong device type")
	ErrWrongVersion   = errors.New("wrong version")
	ErrWrongSequence  = errors.New("wrong sequence")
	ErrWrongSlot      = errors.New("wrong slot")
	ErrWrongLink      = errors.New("wrong link")
	ErrBadSignature   = errors.New("bad signature: none of the keys signed it")
)

// Release is one version of a device type's firmware, signed.
type Release struct {
	Type string
	VersionFile
	Images [image.Slots][]byte // the files for slots 0 and 1
}

// SignedText returns the bytes that the signature of an image holds for.
func SignedText(d image.Descriptor, digest [sha256.Size]byte) []byte {
	return fmt.Appendf(nil, "esper firmware 1\ndevice %s\nversion %s\nsequence %d\nslot %d\nsha256 %x\n",
		d.DeviceType, d.Version, d.Sequence, d.Slot, digest[:])
}

// Sign makes a release of the images for slots 0 and 1, signed by one to
// [MaxSigners] keys. The images must be whole, and of the same type, version and
// sequence.
func Sign(images [image.Slots][]byte, private ...ed25519.PrivateKey) (*Release, error) {
	if len(private) < 1 || len(private) > MaxSigners {
		return nil, fmt.Errorf("%d keys to sign with, not 1 to %d", len(private), MaxSigners)
	}
	r, texts, err := unsigned(images)
	if err != nil {
		return nil, err
	}
	for slot, text := range texts {
		for _, key := range private {
			r.Signatures[slot] = append(r.Signatures[slot], Signature(ed25519.Sign(key, text)))
		}
	}
	return r, nil
}

// unsigned returns the release that images make, without signatures, and the texts to
// be signed.
func unsigned(images [image.Slots][]byte) (*Release, [image.Slots][]byte, error) {
	var texts [image.Slots][]byte
	first, err := image.Parse(images[0])
	if err != nil {
		return nil, texts, fmt.Errorf("image for slot 0: %w: %w", ErrMalformedImage, err)
	}
	r := &Release{Type: first.Descriptor.DeviceType, Images: images}
	r.Version, r.Sequence = first.Descriptor.Version, first.Descriptor.Sequence
	texts, err = r.texts()
	return r, texts, err
}

// Verify checks a release as a device does before it installs one: that version
// file and images are well-formed and whole, belong together and to the device
// type, and that each image is signed by one of the keys.
func Verify(versionFile, rom0, rom1 []byte, deviceType string, keys []ed25519.PublicKey) error {
	v, err := ParseVersionFile(versionFile)
	if err != nil {
		return err
	}
	r := &Release{deviceType, v, [image.Slots][]byte{rom0, rom1}}
	return r.Verify(keys)
}

// Verify is the function of the same name, for a release that has been read.
func (r *Release) Verify(keys []ed25519.PublicKey) error {
	texts, err := r.texts()
	if err != nil {
		return err
	}
	for slot, text := range texts {
		if !SignedBy(text, r.Signatures[slot], keys) {
			return fmt.Errorf("image for slot %d: %w", slot, ErrBadSignature)
		}
	}
	return nil
}

// Link returns what the release is linked for; [image.LinkUnmarked] if its image for slot 0 cannot
// be read. In a release that verifies both images have the same link.
func (r *Release) Link() image.Link {
	parsed, err := image.Parse(r.Images[0])
	if err != nil {
		return image.LinkUnmarked
	}
	return parsed.Link()
}

// texts returns the texts to be signed, if each image is whole and belongs to the release, and both
// have the same link.
func (r *Release) texts() (texts [image.Slots][]byte, err error) {
	var links [image.Slots]image.Link
	for slot := range r.Images {
		parsed, err := r.checkImage(slot)
		if err != nil {
			return texts, err
		}
		texts[slot] = SignedText(parsed.Descriptor, sha256.Sum256(r.Images[slot]))
		links[slot] = parsed.Link()
	}
	if links[0] != links[1] {
		err = fmt.Errorf("image for slot 1: %w: it is linked for the %s, that for slot 0 for the %s", ErrWrongLink, links[1], links[0])
	}
	return texts, err
}

// checkImage returns the image for a slot if it is whole and belongs to the release.
func (r *Release) checkImage(slot int) (*image.Image, error) {
	wrong := func(reason error, format string, args ...any) (*image.Image, error) {
		return nil, fmt.Errorf("image for slot %d: %w: %s", slot, reason, fmt.Sprintf(format, args...))
	}
	if n := len(r.Images[slot]); n > image.SlotSize {
		return wrong(ErrTooLarge, "%d bytes, %d more than a slot has", n, n-image.SlotSize)
	}
	parsed, err := image.Parse(r.Images[slot])
	if err != nil {
		return nil, fmt.Errorf("image for slot %d: %w: %w", slot, ErrMalformedImage, err)
	}
	d := parsed.Descriptor
	switch {
	case d.DeviceType != r.Type:
		return wrong(ErrWrongDevice, "%s, not %s", d.DeviceType, r.Type)
	case d.Version != r.Version:
		return wrong(ErrWrongVersion, "%s, not %s", d.Version, r.Version)
	case d.Sequence != r.Sequence:
		return wrong(ErrWrongSequence, "%d, not %d", d.Sequence, r.Sequence)
	case d.Slot != slot:
		return wrong(ErrWrongSlot, "it is for slot %d", d.Slot)
	}
	return parsed, nil
}

// SignedBy reports whether one of the keys made one of the signatures of a text, by the rules of
// SPEC 5.
func SignedBy(text []byte, signatures []Signature, keys []ed25519.PublicKey) bool {
	for _, signature := range signatures {
		for _, key := range keys {
			if verifySignature(key, text, signature[:]) {
				return true
			}
		}
	}
	return false
}
