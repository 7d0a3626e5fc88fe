package rollout

import "time"

// Release is a release of a device type.
type Release struct {
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
}

// State is how far the releases of one device type have come.
type State struct {
	Type    string  `json:"type"`
	General Release `json:"general,omitzero"` // what is generally available
	Release Release `json:"release,omitzero"` // what was published last; it is being rolled out, or was
	Number  int     `json:"number"`           // of this roll-out, from 1
	Plan    Plan    `json:"plan"`

	// Watched is until when the roll-out has been watched: until then the server ran and heard
	// the devices. See [Skip].
	Watched time.Time `json:"watched,omitzero"`

	Status  Status    `json:"status"`
	Stage   int       `json:"stage"`            // the present one, an index of Plan.Stages; behind them when complete
	Opened  time.Time `json:"opened,omitzero"`  // when it began; zero while it waits for approval
	Settled time.Time `json:"settled,omitzero"` // when nobody was left to wait for, and the watch began

	AtRisk    int         `json:"at_risk"`          // devices that were told of the release and are not heard of since
	Waiting   int         `json:"waiting"`          // devices online that have yet to be told of it, when time passed last
	Confirmed int         `json:"confirmed"`        // devices that run it, when time passed last; not those on trial
	Failed    int         `json:"failed"`           // failures since the stage began
	Proven    bool        `json:"proven"`           // a device has confirmed since the stage began
	Recent    []time.Time `json:"recent,omitempty"` // of the offers that count for the rate
}

// Status is what a roll-out does.
type Status string

const (
	Running  Status = "running"
	Paused   Status = "paused"   // begins nothing new until it is resumed
	Aborted  Status = "aborted"  // by a person, for good
	Stopped  Status = "stopped"  // by too many failures, for good
	Complete Status = "complete" // the release is generally available
)

// Words returns the status in words for people: that a release is generally available does not say
// how many devices run it.
func (s Status) Words() string {
	if s == Complete {
		return "generally available"
	}
	return string(s)
}

// Device is what a decision depends on.
type Device struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Group    string    `json:"group,omitempty"`
	Tags     []string  `json:"tags,omitempty"`
	Online   bool      `json:"online"`
	Running  string    `json:"running"`  // version, or empty if it is not known
	Sequence uint32    `json:"sequence"` // of that, 0 if it is not known
	Asked    time.Time `json:"asked,omitzero"`
	// Slack is how much later than one that is always connected it may ask or report, as it sleeps.
	Slack time.Duration `json:"slack,omitzero"`

	Pin  string `json:"pin,omitempty"` // the version that a person has pinned it to
	Held bool   `json:"held,omitzero"` // a person wants it to stay as it is
	Last Try    `json:"last,omitzero"` // the last release that it was offered
}

// Try is what became of a release that a device was offered.
type Try struct {
	Release string    `json:"release"`
	Number  int       `json:"number"` // of the roll-out; 0 if the offer was not part of one
	Times   int       `json:"times"`  // that it was offered it, this one included
	State   TryState  `json:"state"`
	Since   time.Time `json:"since"` // of the state
	Failure Failure   `json:"failure,omitempty"`
}

// TryState is how far a try has come.
type TryState string

const (
	TryOffered   TryState = "offered"   // told of the release
	TryTaken     TryState = "taken"     // has asked for the image
	TryConfirmed TryState = "confirmed" // has reported to run it
	TryFailed    TryState = "failed"
	TryLapsed    TryState = "lapsed" // did not take it, or could not fetch it: may be offered it again
	TryAgain     TryState = "again"  // failed, and a person lets it be offered the release again
)

// open says whether the device may be about to change its firmware.
func (t Try) open() bool { return t.State == TryOffered || t.State == TryTaken }

// of says whether the try belongs to the present roll-out.
func (t Try) of(s State) bool { return t.Number == s.Number && t.Release == s.Release.Version }

// failed says whether the device failed with a release.
func (t Try) failed(version string) bool { return t.State == TryFailed && t.Release == version }

// confirmed says whether the device runs a release, by whatever way it came to it, and neither
// tries it out nor has failed with it.
func (d Device) confirmed(version string) bool {
	return version != "" && d.Running == version && (d.Last.Release != version || d.Last.State == TryConfirmed)
}

// AheadOf reports whether the device runs something that is not older than a release, and not that
// release: it would refuse it (docs/SPEC.md section 5).
func (d Device) AheadOf(r Release) bool {
	return d.Running != "" && d.Running != r.Version && d.Sequence > 0 && d.Sequence >= r.Sequence
}

// Failure is why a try failed.
type Failure string

const (
	RolledBack  Failure = "rolled-back"  // the trial failed, and the device is back on its old firmware
	Refused     Failure = "refused"      // the device did not accept the image
	CrashLoop   Failure = "crash-loop"   // it runs the release, and restarts again and again
	NotReported Failure = "not-reported" // it took the release and did not report it in time
)

// stage is the last stage that is open, whose limits hold; false if none is yet.
func (s State) stage() (Stage, bool) {
	i := s.open()
	if i < 0 || i >= len(s.Plan.Stages) {
		return Stage{}, false
	}
	return s.Plan.Stages[i], true
}

// open is the index of the last stage that is open, -1 if none is yet.
func (s State) open() int {
	if s.Opened.IsZero() {
		return s.Stage - 1
	}
	return s.Stage
}
