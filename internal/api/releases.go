package api

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"esper/internal/image"
)

// Release is a release that is kept.
type Release struct {
	Type     string `json:"type"`
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
	Newest   bool   `json:"newest" doc:"it was published last"`
	General  bool   `json:"general" doc:"it is generally available"`
	// What does not change.
	ReleaseContent
}

// ReleaseContent is what a release holds.
type ReleaseContent struct {
	Published  time.Time        `json:"published"`
	Sizes      [image.Slots]int `json:"sizes" doc:"of the image for each slot, in bytes"`
	Signatures int              `json:"signatures" doc:"of each image"`
	Keys       []string         `json:"keys" nullable:"false" doc:"the trusted keys that signed it, each as the first 16 hex digits of its SHA-256"`
}

// releaseName is what a release is found by. What is behind it never changes.
type releaseName struct {
	deviceType, version string
	published           time.Time
}

func (a *api) releases() ([]Release, error) {
	if err := a.Feed.Look(); err != nil {
		a.Log.Warn("not all releases can be read", "error", err)
	}
	entries := a.Feed.Published().Entries()
	general := map[string]string{}
	for _, s := range a.Conductor.Rollouts() {
		general[s.Type] = s.General.Version
	}
	kept := make([]Release, len(entries))
	for i, e := range entries {
		content, err := a.content(releaseName{e.Type, e.Version, e.Published})
		if err != nil {
			return nil, err
		}
		kept[i] = Release{e.Type, e.Version, e.Sequence, e.Current, e.Version == general[e.Type], content}
	}
	return kept, nil
}

// content is what a release holds. To check its signatures takes some milliseconds, so it is
// remembered.
func (a *api) content(name releaseName) (ReleaseContent, error) {
	if known, ok := a.contents.Load(name); ok {
		return known.(ReleaseContent), nil
	}
	r, err := a.Repository.Release(name.deviceType, name.version)
	if err != nil {
		return ReleaseContent{}, err
	}
	c := ReleaseContent{Published: name.published, Signatures: len(r.Signatures[0]), Keys: []string{}}
	for slot := range r.Images {
		c.Sizes[slot] = len(r.Images[slot])
	}
	for _, key := range a.Trusted {
		if r.Verify([]ed25519.PublicKey{key}) == nil {
			c.Keys = append(c.Keys, fingerprint(key))
		}
	}
	a.contents.Store(name, c)
	return c, nil
}

// fingerprint is a short name of a public key.
func fingerprint(key ed25519.PublicKey) string {
	hash := sha256.Sum256(key)
	return hex.EncodeToString(hash[:8])
}
