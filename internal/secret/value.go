// Package secret holds secrets: text that is printed only on purpose, and a file of a
// site's repository that keeps such texts encrypted with age
// (https://age-encryption.org/v1). docs/SPEC.md, section 8, describes the file.
package secret

import (
	"log/slog"
	"strconv"
)

// Value is text that is printed only on purpose, by its Reveal method.
type Value string

// Reveal returns the secret itself.
func (v Value) Reveal() string { return string(v) }

// String hides the secret.
func (v Value) String() string {
	if v == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (v Value) GoString() string { return strconv.Quote(v.String()) }

// MarshalText hides the secret from JSON and the like.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue hides the secret from logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }
