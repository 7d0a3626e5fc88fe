package fleet

import "time"

// connecting is how long a device may take to report all that it has, before it is online.
const connecting = time.Minute

// hearing is since when messages come that were not retained. By it what former firmware reported is
// told from what this one did: all firmware reports everything before it is online.
type hearing struct {
	since time.Time
}

// at takes in the time of a message, which is zero if it was retained.
func (h *hearing) at(received time.Time) {
	if h.since.IsZero() {
		h.since = received
	}
}

// former reports whether what a device reported last is of former firmware, when it comes online. It
// is not if messages of the last minute may have been missed.
func (h *hearing) former(reported, online time.Time) bool {
	return online.Sub(h.since) >= connecting && online.Sub(reported) >= connecting
}
