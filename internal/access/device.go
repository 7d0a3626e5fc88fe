package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"esper/internal/mosquitto"
)

// devicePrefix makes a device's own password recognisable. It begins as a token does, so [Redact]
// replaces it, too; none is taken for the other, since their lengths differ.
const devicePrefix = prefix + "device_"

// DeviceHash is what is kept of a device's own password, which has 256 random bits as a token has.
// It does not lead back to the password.
type DeviceHash struct {
	SHA256    Hash
	Mosquitto string // as Mosquitto keeps it, which cannot be made of the SHA-256
}

// NewDevicePassword makes a password for a device, and what is kept of it. The password goes to the
// device and nowhere else.
func NewDevicePassword() (text string, kept DeviceHash) {
	secret := make([]byte, secretSize)
	rand.Read(secret) // never fails
	text = devicePrefix + base64.RawURLEncoding.EncodeToString(secret)
	return text, DeviceHash{SHA256: sha256.Sum256([]byte(text)), Mosquitto: mosquitto.Hash(text)}
}

// SumDevice returns the hash of what may be a device's own password, and false if it cannot be one.
func SumDevice(text string) (Hash, bool) {
	secret, found := strings.CutPrefix(text, devicePrefix)
	if !found || len(secret) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return Hash{}, false
	}
	return sha256.Sum256([]byte(text)), true
}

// Limits on devices' own passwords.
const (
	// maxUnused is how many passwords of a device are kept with which it has not logged in.
	maxUnused = 3
	// maxDevices is how many devices can have passwords of their own.
	maxDevices = 100_000
)

// Why a device is not let in, or its password is not changed.
var (
	ErrRevoked        = errors.New("the device is revoked")
	ErrOwnPassword    = errors.New("the device has logged in with a password of its own")
	ErrTooManyDevices = errors.New("too many devices have passwords of their own")
)

// DevicePassword is one password of a device's own.
type DevicePassword struct {
	DeviceHash
	Made time.Time
	Used time.Time // when the device first logged in with it; zero: not yet
}

// DeviceLogin says how one device may log in, beyond the password that all share.
type DeviceLogin struct {
	ID        string           // chip id
	Passwords []DevicePassword // valid ones, the oldest first
	Revoked   time.Time        // since when it is not let in; zero: it is
}

// Newest returns the password that was registered last, if there is one.
func (l DeviceLogin) Newest() (DevicePassword, bool) {
	if len(l.Passwords) == 0 {
		return DevicePassword{}, false
	}
	return l.Passwords[len(l.Passwords)-1], true
}

// Used returns since when the device logs in with the password that it has, zero if with none of
// its own.
func (l DeviceLogin) Used() time.Time {
	if len(l.Passwords) == 0 {
		return time.Time{}
	}
	return l.Passwords[0].Used
}

// Empty reports whether a device logs in as any other, so that there is nothing to keep.
func (l DeviceLogin) Empty() bool { return len(l.Passwords) == 0 && l.Revoked.IsZero() }

func (l DeviceLogin) equal(other DeviceLogin) bool {
	return l.ID == other.ID && l.Revoked.Equal(other.Revoked) &&
		slices.Equal(l.Passwords, other.Passwords)
}

// add returns the login with one more password. Those before stay valid until the device has logged
// in with the new one: whoever registers it may fail to bring it onto the device. Of a revoked
// device they do not, since somebody else may have them. One that is there already changes nothing.
func (l DeviceLogin) add(hash DeviceHash, now time.Time) DeviceLogin {
	before := slices.Clone(l.Passwords)
	if !l.Revoked.IsZero() {
		before = nil
	}
	if slices.ContainsFunc(before, func(p DevicePassword) bool { return p.SHA256 == hash.SHA256 }) {
		return l
	}
	unused := len(before)
	if !l.Used().IsZero() && unused > 0 {
		unused--
	}
	if unused >= maxUnused {
		oldest := len(before) - unused
		before = slices.Delete(before, oldest, oldest+unused-maxUnused+1)
	}
	l.Passwords = append(before, DevicePassword{DeviceHash: hash, Made: now})
	return l
}

// use returns the login after the device has logged in with the password at an index, which ends
// those before.
func (l DeviceLogin) use(at int, now time.Time) DeviceLogin {
	l.Passwords = slices.Clone(l.Passwords[at:])
	l.Passwords[0].Used = now
	return l
}
