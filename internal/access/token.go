package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// prefix makes a token recognisable, to people and to what looks for secrets in places
// where they should not be.
const prefix = "esper_"

// secretSize is the size in bytes of what is random in a token.
const secretSize = 32

// Token is what is kept of a token: all but the token itself.
type Token struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Hash    Hash      `json:"-"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Used    time.Time `json:"used,omitzero"`    // to about a minute; zero: never
}

// Hash is the SHA-256 of a token. A token has 256 random bits, so that it cannot be found
// by trying what a person would choose, and a slow hash would only help a flood.
type Hash [sha256.Size]byte

// String is the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash is the reverse of String.
func ParseHash(text string) (h Hash, err error) {
	if len(text) != 2*len(h) {
		return h, errors.New("not a hash")
	}
	_, err = hex.Decode(h[:], []byte(text))
	return h, err
}

// Errors that are wrapped.
var (
	ErrToken   = errors.New("not a token") // of a name or role that is none
	ErrExists  = errors.New("there is such a token already")
	ErrNoToken = errors.New("no such token")
)

// MaxName is the longest name of a token in characters.
const MaxName = 32

// NewToken makes a token, which is told once, and what is kept of it.
func NewToken(name string, role Role, now, expires time.Time) (text string, t Token, err error) {
	if name == "" || len(name) > MaxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", t, fmt.Errorf("%w: %q; a name is 1 to %d of a-z, 0-9, - and _", ErrToken, name, MaxName)
	}
	if !slices.Contains(Roles, role) {
		return "", t, fmt.Errorf("%w: role %q", ErrToken, role)
	}
	secret := make([]byte, secretSize)
	rand.Read(secret) // never fails
	text = prefix + base64.RawURLEncoding.EncodeToString(secret)
	return text, Token{Name: name, Role: role, Hash: sha256.Sum256([]byte(text)), Created: now, Expires: expires}, nil
}

// Sum is the hash of what may be a token, and false if it cannot be one.
func Sum(text string) (Hash, bool) {
	secret, found := strings.CutPrefix(text, prefix)
	if !found || len(secret) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return Hash{}, false
	}
	return sha256.Sum256([]byte(text)), true
}

// Expired says whether a token is not good any more.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

var looksLikeToken = regexp.MustCompile(prefix + `[A-Za-z0-9_-]{20,}`)

// Redact replaces what looks like a token in a text.
func Redact(text string) string { return looksLikeToken.ReplaceAllString(text, prefix+"…") }
