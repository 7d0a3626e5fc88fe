package release

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"esper/internal/image"
)

const vectorFile = "testdata/signatures.txt"

var update = flag.Bool("update", false, "write "+vectorFile+" anew, but for what is of RFC 8032")

// vector is a line of the file that Go, the firmware on the host and the firmware
// in the emulator all judge: "valid" or "invalid", key, message, signature, what it is.
type vector struct {
	valid                   bool
	key, message, signature []byte
	what                    string
}

const ofRFC = "RFC 8032"

func (v vector) String() string {
	text := func(b []byte) string {
		if len(b) == 0 {
			return "-"
		}
		return hex.EncodeToString(b)
	}
	verdict := map[bool]string{true: "valid", false: "invalid"}[v.valid]
	return fmt.Sprintf("%s %s %s %s %s\n", verdict, text(v.key), text(v.message), text(v.signature), v.what)
}

func readVectors(t testing.TB) (vectors []vector) {
	t.Helper()
	content, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.SplitN(lines.Text(), " ", 5)
		if len(f) != 5 || f[0] != "valid" && f[0] != "invalid" {
			t.Fatalf("not a vector: %s", lines.Text())
		}
		v := vector{valid: f[0] == "valid", what: f[4]}
		for i, to := range []*[]byte{&v.key, &v.message, &v.signature} {
			if f[1+i] == "-" {
				continue
			}
			if *to, err = hex.DecodeString(f[1+i]); err != nil {
				t.Fatalf("%s: %v", v.what, err)
			}
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func TestSignatureVectors(t *testing.T) {
	kept := slices.DeleteFunc(readVectors(t), func(v vector) bool { return !strings.HasPrefix(v.what, ofRFC) })
	var want bytes.Buffer
	want.WriteString("# Ed25519 signatures, for all verifiers of this repository (SPEC 5):\n" +
		"# verdict, key, message, signature (hex, - is empty), what it is.\n" +
		"# All but the first five are written by go test ./internal/release -update.\n")
	for _, v := range append(kept, makeVectors()...) {
		want.WriteString(v.String())
	}
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(vectorFile); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what -update writes (%v)", vectorFile, err)
	}

	invalid := 0
	for _, v := range readVectors(t) {
		if got := verifySignature(v.key, v.message, v.signature); got != v.valid {
			t.Errorf("%v, not %v: %s", got, v.valid, v.what)
		}
		if !v.valid {
			invalid++
		}
		if strings.HasPrefix(v.what, ofRFC) && !ed25519.Verify(v.key, v.message, v.signature) {
			t.Errorf("crypto/ed25519 does not agree: %s", v.what)
		}
	}
	if len(kept) != 5 || invalid < 100 {
		t.Errorf("%d of the RFC, %d invalid ones", len(kept), invalid)
	}
}

func TestAKeyThatAnyoneCanSignForIsNotLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pub")
	tried := 0
	for _, v := range readVectors(t) {
		if v.valid || !strings.HasPrefix(v.what, "key ") || len(v.key) != ed25519.PublicKeySize {
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(v.key))
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}))
		if _, err := LoadPublicKey(path); !errors.Is(err, errPoint) {
			t.Errorf("%s: %v", v.what, err)
		}
		tried++
	}
	if tried < 14 {
		t.Errorf("only %d keys", tried)
	}
}

// order is L, that of the base point.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// number is a little endian integer of 32 bytes.
func number(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

func value(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func scalar(n *big.Int) *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetCanonicalBytes(number(new(big.Int).Mod(n, order)))
	if err != nil {
		panic(err)
	}
	return s
}

func multiple(n *big.Int) *edwards25519.Point {
	return new(edwards25519.Point).ScalarBaseMult(scalar(n))
}

// challenge is k of RFC 8032, 5.1.7.
func challenge(r, a, message []byte) *big.Int {
	sum := sha512.Sum512(slices.Concat(r, a, message))
	return new(big.Int).Mod(value(sum[:]), order)
}

// signAs signs with the secret numbers a and r, in the name of any key, and R
// written in any way.
func signAs(r, a *big.Int, writtenR, writtenA, message []byte) []byte {
	s := new(big.Int).Mul(challenge(writtenR, writtenA, message), a)
	return slices.Concat(writtenR, number(s.Mod(s.Add(s, r), order)))
}

// smallOrder are the eight points of small order as they are written, and the six
// ways to write some of them that are not canonical.
func smallOrder() (canonical, other [][]byte) {
	// One of order 8 is what is left of a point of the curve times L.
	var eighth *edwards25519.Point
	for y := int64(2); eighth == nil; y++ {
		point, err := new(edwards25519.Point).SetBytes(number(big.NewInt(y)))
		if err != nil {
			continue
		}
		// L as a scalar is 0, so L - 1 times and once more.
		left := new(edwards25519.Point).ScalarMult(scalar(new(big.Int).Sub(order, big.NewInt(1))), point)
		left.Add(left, point)
		four := new(edwards25519.Point).Double(new(edwards25519.Point).Double(left))
		if four.Equal(edwards25519.NewIdentityPoint()) == 0 {
			eighth = left
		}
	}
	for point := edwards25519.NewIdentityPoint(); len(canonical) < 8; point = new(edwards25519.Point).Add(point, eighth) {
		canonical = append(canonical, point.Bytes())
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	one := big.NewInt(1)
	for _, y := range []*big.Int{one, new(big.Int).Sub(p, one)} { // x is 0, which has no sign
		other = append(other, negated(number(y)))
	}
	for _, y := range []*big.Int{p, new(big.Int).Add(p, one)} { // 0 and 1
		other = append(other, number(y), negated(number(y)))
	}
	return canonical, other
}

// negated flips the sign of a point's x.
func negated(point []byte) []byte {
	point = slices.Clone(point)
	point[31] ^= 0x80
	return point
}

// makeVectors makes all vectors that are not of the RFC. Each verdict follows from
// how the vector is made.
func makeVectors() (vectors []vector) {
	add := func(valid bool, key, message, signature []byte, format string, args ...any) {
		vectors = append(vectors, vector{valid, key, message, signature, fmt.Sprintf(format, args...)})
	}
	text := SignedText(image.Descriptor{DeviceType: "socket", Version: "8a1b2c3d", Sequence: 42}, [32]byte{0xAB})
	private, public := key(1), public(1)
	good := ed25519.Sign(private, text)
	for slot := range image.Slots {
		message := SignedText(image.Descriptor{DeviceType: "s", Version: "v", Sequence: 1<<32 - 1, Slot: slot}, [32]byte{})
		for n := byte(1); n <= 3; n++ {
			add(true, key(n).Public().(ed25519.PublicKey), message, ed25519.Sign(key(n), message), "key %d signs an image for slot %d", n, slot)
		}
	}
	add(true, public, text, good, "the text that is changed below")
	// With R and the key before it, the text ends anywhere near the end of a block of SHA-512.
	for n := 128 - 64 - 20; n <= 128-64; n++ {
		ending := bytes.Repeat([]byte{byte(n)}, n)
		add(true, public, ending, ed25519.Sign(private, ending), "a text of %d bytes", n)
	}

	// What needs the secret number a, and one for R.
	a := value(func() []byte { // RFC 8032, 5.1.5
		h := sha512.Sum512(private.Seed())
		h[0] &= 248
		h[31] = h[31]&127 | 64
		return h[:32]
	}())
	r := new(big.Int).Mod(value(bytes.Repeat([]byte{0x5E}, 32)), order)
	pointR := multiple(r).Bytes()
	add(true, public, text, signAs(r, a, pointR, public, text), "R chosen by hand")
	canonical, other := smallOrder()
	for i, small := range canonical[1:] {
		torsion, _ := new(edwards25519.Point).SetBytes(small)
		mixed := new(edwards25519.Point).Add(multiple(a), torsion).Bytes()
		add(true, mixed, text, signAs(r, a, pointR, mixed, text), "a key with a part of small order, %d/8: the equation has the cofactor", i+1)
		mixed = new(edwards25519.Point).Add(multiple(r), torsion).Bytes()
		add(true, public, text, signAs(r, a, mixed, public, text), "R with a part of small order, %d/8: the equation has the cofactor", i+1)
	}

	// S that is not canonical, but right modulo L.
	for n := int64(1); n <= 15; n++ {
		s := new(big.Int).Add(value(good[32:]), new(big.Int).Mul(order, big.NewInt(n)))
		if s.BitLen() <= 256 {
			add(false, public, text, slices.Concat(good[:32], number(s)), "S + %d L", n)
		}
	}
	for bit := 253; bit < 256; bit++ {
		add(false, public, text, slices.Concat(good[:32], number(new(big.Int).SetBit(value(good[32:]), bit, 1))), "bit %d of S", bit)
	}
	zero, ones := make([]byte, 32), bytes.Repeat([]byte{0xFF}, 32)
	add(false, public, text, slices.Concat(good[:32], zero), "S is 0")
	add(false, public, text, slices.Concat(good[:32], number(order)), "S is L")
	add(false, public, text, slices.Concat(good[:32], ones), "S is 2^256 - 1")
	add(false, public, text, slices.Concat(good[:32], number(new(big.Int).Sub(order, value(good[32:])))), "S is negated")

	// Keys that anyone can sign for: [k]A is nothing or near to it, so S is r. The
	// messages are such that the equation holds without the cofactor, too.
	for i, small := range slices.Concat(canonical, other) {
		what := "of small order"
		if i >= len(canonical) {
			what = "of small order and not canonical"
		}
		point, err := new(edwards25519.Point).SetBytes(small)
		if err != nil {
			panic(err)
		}
		for n := 0; ; n++ {
			message := fmt.Appendf(nil, "anyone %d", n)
			k := scalar(challenge(pointR, small, message))
			if new(edwards25519.Point).ScalarMult(k, point).Equal(edwards25519.NewIdentityPoint()) == 1 {
				add(false, small, message, slices.Concat(pointR, number(r)), "key %s", what)
				break
			}
		}
		add(false, small, text, slices.Concat(pointR, number(r)), "key %s, right only with the cofactor", what)
		add(false, public, text, signAs(new(big.Int), a, small, public, text), "R %s", what)
	}

	// Points that are not canonical, some of the curve, some not; and not of the curve.
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	for n := int64(2); n < 19; n += 2 {
		y := number(new(big.Int).Add(p, big.NewInt(n)))
		add(false, y, text, slices.Concat(pointR, number(r)), "key not canonical, y = p + %d", n)
		add(false, public, text, signAs(r, a, negated(y), public, text), "R not canonical, y = p + %d", n)
	}
	for y, left := int64(2), 6; left > 0; y++ {
		point := number(big.NewInt(y))
		if _, err := new(edwards25519.Point).SetBytes(point); err != nil {
			add(false, point, text, slices.Concat(pointR, number(r)), "key not of the curve, y = %d", y)
			add(false, public, text, signAs(r, a, point, public, text), "R not of the curve, y = %d", y)
			left--
		}
	}
	add(false, zero, nil, make([]byte, 64), "all is 0")
	add(false, public, text, make([]byte, 64), "the signature is 0")
	add(false, ones, text, bytes.Repeat(ones, 2), "key and signature are all ones")

	// Lengths.
	for _, n := range []int{0, 1, 32, 63} {
		add(false, public, text, good[:n], "signature of %d bytes", n)
	}
	add(false, public, text, append(slices.Clone(good), 0), "signature of 65 bytes")
	add(false, public, text, slices.Concat(good, good), "signature of 128 bytes")
	for _, n := range []int{0, 1, 31} {
		add(false, public[:n], text, good, "key of %d bytes", n)
	}
	add(false, append(slices.Clone(public), 0), text, good, "key of 33 bytes")

	// Another key, text or scheme.
	add(false, key(2).Public().(ed25519.PublicKey), text, good, "another key")
	add(false, negated(public), text, good, "the negative key")
	add(false, public, text, slices.Concat(negated(good[:32]), good[32:]), "R is negated")
	add(false, public, text, slices.Concat(good[32:], good[:32]), "R and S are swapped")
	add(false, public, nil, good, "no text")
	add(false, public, text[:len(text)-1], good, "without the last line end")
	add(false, public, append(slices.Clone(text), '\n'), good, "a line end more")
	add(false, public, bytes.Replace(text, []byte("slot 0"), []byte("slot 1"), 1), good, "the other slot's text")
	digest := sha512.Sum512(text)
	hashed, _ := private.Sign(nil, digest[:], &ed25519.Options{Hash: crypto.SHA512})
	add(false, public, text, hashed, "Ed25519ph")
	context, _ := private.Sign(nil, text, &ed25519.Options{Context: "esper"})
	add(false, public, text, context, "Ed25519ctx")

	// One flipped bit.
	flip := func(b []byte, bit int) []byte {
		b = slices.Clone(b)
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
	for n := range 12 {
		add(false, flip(public, n*23), text, good, "bit %d of the key flipped", n*23)
		add(false, public, text, flip(good, n*23), "bit %d of R flipped", n*23)
		add(false, public, text, flip(good, 256+n*23), "bit %d of S flipped", n*23)
		bit := n * (8*len(text) - 1) / 11
		add(false, public, flip(text, bit), good, "bit %d of the text flipped", bit)
	}
	return vectors
}
