package rollout

import "time"

// Event is something that happened in a roll-out and that a person may want to know.
type Event struct {
	Kind    Kind      `json:"kind"`
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Release string    `json:"release"`
	Stage   int       `json:"stage"`
	Device  string    `json:"device,omitempty"`  // with DeviceFailed
	Failure Failure   `json:"failure,omitempty"` // with DeviceFailed
}

// Kind is what happened.
type Kind string

const (
	RolloutStarted Kind = "rollout-started"
	StageBegun     Kind = "stage-begun"
	StageUnproven  Kind = "stage-unproven" // it ended without any device that confirmed the release
	ApprovalNeeded Kind = "approval-needed"
	DeviceFailed   Kind = "device-failed"
	RolloutStopped Kind = "rollout-stopped"
	ReleaseGeneral Kind = "release-general"
)

func (s State) event(kind Kind, now time.Time) Event {
	return Event{Kind: kind, At: now, Type: s.Type, Release: s.Release.Version, Stage: s.Stage}
}
