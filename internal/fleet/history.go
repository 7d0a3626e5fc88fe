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
}

// Took is how long an update took from the download to its end, zero if it has no end
// or no beginning.
func (u Update) Took() time.Duration {
	if u.Began.IsZero() || u.Ended.IsZero() {
		return 0
	}
	return u.Ended.Sub(u.Began)
}

// Updates tells from events, those of each device in their order, how each update
// went. A device that restarts in the middle goes on with the same update.
func Updates(events []Event) []Update {
	updates := []Update{}
	open := map[string]int{}       // by device: which of updates goes on
	running := map[string]string{} // by device: the version
	for _, e := range events {
		if e.Kind == VersionEvent {
			running[e.Device] = e.After
		}
		if e.Kind != UpdateEvent {
			continue
		}
		i, going := open[e.Device]
		if going && updates[i].Version != e.Version {
			if e.After == "idle" || e.After == "checking" {
				continue // it is about what runs
			}
			delete(open, e.Device) // given up for another release
			going = false
		}
		ends := e.After == "confirmed" || e.After == "failed" || e.After == "rolled-back"
		switch {
		case going && e.After != "idle" && e.After != "checking":
		case !going && (e.After == "downloading" || e.After == "failed"):
			u := Update{Device: e.Device, From: running[e.Device], Version: e.Version}
			if e.After == "downloading" {
				u.Began = e.At
			}
			i = len(updates)
			updates = append(updates, u)
			open[e.Device] = i
		default:
			continue
		}
		updates[i].State, updates[i].Error = e.After, e.Error
		if ends {
			updates[i].Ended = e.At
			delete(open, e.Device)
		}
	}
	return updates
}
