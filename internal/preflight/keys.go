package preflight

import (
	"bytes"
	"crypto/ed25519"

	"esper/internal/release"
	"esper/internal/site"
)

// keys returns what is wrong with the keys of a release, where no device can tell: without a refresh
// it never verifies itself.
func (s Subject) keys(u site.Update) string {
	if u.URL == "" || u.Refresh {
		return ""
	}
	signers := signersOf(s.Release, u.Keys)
	switch {
	case len(signers) == 0:
		return "none of the site's keys signed it, so devices that run it could not be updated"
	case !carries(s.Release, signers):
		return "its images do not carry the key that signed it, so devices that run it could not be updated"
	}
	return ""
}

// signersOf are the keys that signed both images.
func signersOf(r *release.Release, keys []ed25519.PublicKey) []ed25519.PublicKey {
	var signers []ed25519.PublicKey
	for _, key := range keys {
		if r.Verify([]ed25519.PublicKey{key}) == nil {
			signers = append(signers, key)
		}
	}
	return signers
}

// carries says whether both images hold one of the keys, which lie in them as they are.
func carries(r *release.Release, keys []ed25519.PublicKey) bool {
	for _, key := range keys {
		if bytes.Contains(r.Images[0], key) && bytes.Contains(r.Images[1], key) {
			return true
		}
	}
	return false
}
