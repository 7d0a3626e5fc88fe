package release

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"

	"filippo.io/edwards25519"
)

// verifySignature tells whether a key signed a message, by the rules of SPEC 5,
// which are those of the device. They leave no room where RFC 8032 does, as
// crypto/ed25519 has made other choices than the device's arithmetic.
func verifySignature(key ed25519.PublicKey, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize {
		return false
	}
	a, err := decodePoint(key)
	if err != nil {
		return false
	}
	r, err := decodePoint(signature[:32])
	if err != nil {
		return false
	}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	hash := sha512.New()
	hash.Write(signature[:32])
	hash.Write(key)
	hash.Write(message)
	k, err := edwards25519.NewScalar().SetUniformBytes(hash.Sum(nil))
	if err != nil {
		return false
	}
	// [8]([S]B - [k]A - R) is the neutral element.
	minusA := new(edwards25519.Point).Negate(a)
	rest := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, minusA, s)
	rest.MultByCofactor(rest.Subtract(rest, r))
	return rest.Equal(edwards25519.NewIdentityPoint()) == 1
}

// errPoint says that 32 bytes are not the one way to write a point that a key or
// a signature may have.
var errPoint = errors.New("not a point of the curve, not canonical, or of small order")

// decodePoint reads a point that is canonical and not of small order.
func decodePoint(text []byte) (*edwards25519.Point, error) {
	point, err := new(edwards25519.Point).SetBytes(text)
	if err != nil || !bytes.Equal(point.Bytes(), text) {
		return nil, errPoint
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, errPoint
	}
	return point, nil
}
