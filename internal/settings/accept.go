package settings

import (
	"crypto/ed25519"
	"fmt"
)

// MaxJump is how far the sequence of accepted settings may be ahead of that of the device.
const MaxJump = 1_000_000

// Sequences are those of the releases that a device's settings are from; 0: from none.
type Sequences struct {
	Fleet  uint32 // entry [SequenceName]
	Device uint32 // entry [DeviceSequenceName]: of the release for this device alone
}

// of returns the sequence that settings with this header replace.
func (s Sequences) of(h Header) uint32 {
	if h.Chip != "" {
		return s.Device
	}
	return s.Fleet
}

// Decide reports whether settings with this header are new to a device of a type and chip id that
// has settings of the given sequences. False without an error: the device has them. Errors are
// [ErrWrongDevice], [ErrNotNewer] and [ErrSequenceJump].
func (h Header) Decide(deviceType, chip string, have Sequences) (bool, error) {
	if h.Type != AllTypes && h.Type != deviceType {
		return false, fmt.Errorf("%w: they are for %s, not %s", ErrWrongDevice, h.Type, deviceType)
	}
	if h.Chip != "" && h.Chip != chip {
		return false, fmt.Errorf("%w: they are for %s, not %s", ErrWrongDevice, h.Chip, chip)
	}
	switch now := have.of(h); {
	case h.Sequence == now:
		return false, nil
	case h.Sequence < now:
		return false, fmt.Errorf("%w: sequence %d, not more than %d", ErrNotNewer, h.Sequence, now)
	case h.Sequence-now > MaxJump:
		return false, fmt.Errorf("%w: %d is more than %d after %d",
			ErrSequenceJump, h.Sequence, MaxJump, now)
	}
	return true, nil
}

// Device is what decides on the settings that a device accepts.
type Device struct {
	Type, Chip string
	Keys       []ed25519.PublicKey // that its firmware carries
	Record     Entries
}

// Accept returns the candidate that a device makes of a settings release, in the order of SPEC
// 12.4. It returns nil without an error if the device has these settings already.
func (d Device) Accept(file []byte) (Entries, error) {
	r, err := ParseRelease(file)
	if err != nil {
		return nil, err
	}
	newer, err := r.Decide(d.Type, d.Chip, Record{Entries: d.Record}.Sequences())
	if err != nil || !newer {
		return nil, err
	}
	if err := r.Verify(d.Keys); err != nil {
		return nil, err
	}
	fleet, _ := d.Record.Find(FleetName)
	keys := [][]byte{fleet.Bytes()}
	if r.Chip != "" {
		own, _ := d.Record.Find(DeviceKeyName)
		keys = append(keys, own.Bytes())
	}
	changes, err := r.Open(keys...)
	if err != nil {
		return nil, err
	}
	candidate := d.Record.Merge(r.Header.mark(changes))
	_, err = candidate.Marshal()
	return candidate, err
}

// mark returns the entries of a release with the sequence that belongs to its header, and without
// any other.
func (h Header) mark(entries Entries) Entries {
	name := SequenceName
	if h.Chip != "" {
		name = DeviceSequenceName
	}
	var marked Entries
	for _, e := range entries {
		if e.Name != SequenceName && e.Name != DeviceSequenceName {
			marked = append(marked, e)
		}
	}
	return append(marked, OfNumber(name, int32(h.Sequence)))
}
