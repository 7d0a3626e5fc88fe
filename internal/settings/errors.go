package settings

import (
	"errors"
	"fmt"
)

// The reasons why settings are not accepted. A device reports them by the names that [ErrorName]
// returns (SPEC 12.5).
var (
	ErrMalformed     = errors.New("malformed settings")
	ErrWrongDevice   = errors.New("settings for another device")
	ErrNotNewer      = errors.New("settings that are older than those of the device")
	ErrSequenceJump  = errors.New("settings whose sequence is too far ahead")
	ErrBadSignature  = errors.New("bad signature: none of the keys signed the settings")
	ErrWrongFleetKey = errors.New("none of the fleet keys opens the settings")
)

var errorNames = []struct {
	err  error
	name string
}{
	{ErrMalformed, "malformed-settings"},
	{ErrWrongDevice, "wrong-device"},
	{ErrNotNewer, "not-newer"},
	{ErrSequenceJump, "sequence-jump"},
	{ErrBadSignature, "bad-signature"},
	{ErrWrongFleetKey, "wrong-fleet-key"},
}

// ErrorName returns the name by which a device reports an error of this package; empty if it has
// none.
func ErrorName(err error) string {
	for _, e := range errorNames {
		if errors.Is(err, e.err) {
			return e.name
		}
	}
	return ""
}

// malformed returns an [ErrMalformed] with its details.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
