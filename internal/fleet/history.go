package fleet

import "time"

// Run is a time that a device ran a version.
type Run struct {
	Device  string    `json:"device"`
	Version string    `json:"version"`
	Slot    string    `json:"slot"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: it still runs
}

// Runs tells from the events of one device, the oldest first, what ran when.
func Runs(events []Event) []Run {
	runs := []Run{}
	var now Run
	for _, e := range events {
		next := now
		switch e.Kind {
		case VersionEvent:
			next.Version = e.After
		case SlotEvent:
			next.Slot = e.After
		default:
			continue
		}
		if next.Version == now.Version && next.Slot == now.Slot {
			continue
		}
		if n := len(runs) - 1; n >= 0 && runs[n].Since.Equal(e.At) {
			runs = runs[:n] // version and slot came in one message
		} else if n >= 0 {
			runs[n].Until = e.At
		}
		next.Device, next.Since = e.Device, e.At
		runs = append(runs, next)
		now = next
	}
	return runs
}

// Update is one attempt of a device to install a release.
type Update struct {
	Device  string    `json:"device"`
	From    string    `json:"from,omitempty"` // what ran before, empty if that is not known
	Version string    `json:"version"`
	Began   time.Time `json:"began,omitzero"` // zero: it failed before there was a download
	Ended   time.Time `json:"ended,omitzero"` // zero: it goes on
	// State is the last that was reported (docs/SPEC.md section 7.2).
	State string `json:"state"`
	Error string `json:"error,omitempty"`
	// WithoutDelta is why the whole image was downloaded though there was a delta, one of the
	// errors of docs/SPEC.md section 7.2; empty if it was not.
	WithoutDelta string `json:"without_delta,omitempty" doc:"why a delta was not used; empty: it was, or there was none"`
	// Received is nil until all has come, and if it is not known.
	Received *uint64 `json:"received,omitempty" doc:"bytes that came over the air, once all has come; left out if not known"`
	// Seconds is zero until the restart, and if it is not known.
	Seconds float64 `json:"seconds,omitempty" doc:"from the beginning of the download to the restart into the release; left out if not known"`
}

// Took is how long an update took from the download to its end, zero if it has no end
// or no beginning.
func (u Update) Took() time.Duration {
	if u.Began.IsZero() || u.Ended.IsZero() {
		return 0
	}
	return u.Ended.Sub(u.Began)
}

// attempt is an update that goes on.
type attempt struct {
	*Update
	late          bool   // it had begun before Began
	before, since uint64 // bytes that came before the device last restarted in the middle, and since
	unknown       bool   // what came is not known
}

// Updates tells from events, those of each device in their order, how each update
// went. A device that restarts in the middle goes on with the same update.
func Updates(events []Event) []Update {
	var updates []*Update
	open := map[string]*attempt{}  // by device
	running := map[string]string{} // by device: the version
	for _, e := range events {
		a := open[e.Device]
		switch {
		case e.Kind == VersionEvent:
			running[e.Device] = e.After
		case e.Kind == PresenceEvent && e.After == Offline && a != nil && a.State == "verifying":
			a.restarts(e)
		}
		if e.Kind != UpdateEvent {
			continue
		}
		if a != nil && a.Version != e.Version {
			if e.After == "idle" || e.After == "checking" {
				continue // it is about what runs
			}
			delete(open, e.Device) // given up for another release
			a = nil
		}
		switch {
		case a != nil && e.After != "idle" && e.After != "checking":
		case a == nil && (e.After == "downloading" || e.After == "failed"):
			a = &attempt{Update: &Update{Device: e.Device, From: running[e.Device], Version: e.Version}}
			if e.After == "downloading" {
				a.Began, a.late = e.At, e.Late
			}
			updates = append(updates, a.Update)
			open[e.Device] = a
		default:
			continue
		}
		if a.take(e); !a.Ended.IsZero() {
			delete(open, e.Device)
		}
	}
	all := make([]Update, len(updates))
	for i, u := range updates {
		all[i] = *u
	}
	return all
}

// take takes in an event of the update.
func (a *attempt) take(e Event) {
	switch e.After {
	case "downloading":
		// A download that was cut off begins again without an error, one that does without a
		// delta has one.
		a.unknown = a.unknown || a.State == "downloading" && e.Error == ""
		a.count(e)
		a.Received, a.Seconds = nil, 0
		a.WithoutDelta = e.Error
	case "verifying":
		a.count(e)
		if a.Seconds = 0; !a.unknown {
			total := a.before + a.since
			a.Received = &total
		}
	case "trial":
		if a.Seconds == 0 {
			a.restarts(e)
		}
	case "confirmed", "failed", "rolled-back":
		a.Ended = e.At
	}
	if a.State, a.Error = e.After, e.Error; e.After == "downloading" {
		a.Error = ""
	}
}

// count counts the bytes that have come. A device that has restarted counts from 0 again.
func (a *attempt) count(e Event) {
	if e.Received == nil {
		a.unknown = true
		return
	}
	now := uint64(*e.Received)
	if now < a.since {
		a.before += a.since
	}
	a.since = now
}

// restarts takes in the event by which the device has restarted into the release.
func (a *attempt) restarts(e Event) {
	if !a.Began.IsZero() && !a.late && !e.Late {
		a.Seconds = e.At.Sub(a.Began).Seconds()
	}
}
