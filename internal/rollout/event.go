package rollout

import "time"

// Event is something that happened in a roll-out and that a person may want to know.
type Event struct {
	Kind    Kind      `json:"kind"`
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Release string    `json:"release"`
	Stage   int       `json:"stage"`             // an index of Plan.Stages; behind them when complete
	Device  string    `json:"device,omitempty"`  // with DeviceOffered and DeviceFailed
	Failure Failure   `json:"failure,omitempty"` // with DeviceFailed
	By      string    `json:"by,omitempty"`      // the person who did it, if it was one and is known
}

// Kind is what happened.
type Kind string

const (
	RolloutStarted Kind = "rollout-started"
	StageBegun     Kind = "stage-begun"
	StagePassed    Kind = "stage-passed"
	StageUnproven  Kind = "stage-unproven" // it ended without any device that confirmed the release
	ApprovalNeeded Kind = "approval-needed"
	DeviceOffered  Kind = "device-offered" // told of the release for the first time
	DeviceFailed   Kind = "device-failed"
	RolloutStopped Kind = "rollout-stopped"
	ReleaseGeneral Kind = "release-general"

	// What persons did.
	RolloutPaused  Kind = "paused"
	RolloutResumed Kind = "resumed"
	RolloutAborted Kind = "aborted"
	StageApproved  Kind = "approved"
	SentEverywhere Kind = "everywhere"
)

// Kinds are all kinds of events.
var Kinds = []Kind{
	RolloutStarted, StageBegun, StagePassed, StageUnproven, ApprovalNeeded, DeviceOffered, DeviceFailed, RolloutStopped,
	ReleaseGeneral, RolloutPaused, RolloutResumed, RolloutAborted, StageApproved, SentEverywhere,
}

// OfStage says whether what happened is about a stage as such.
func (k Kind) OfStage() bool {
	switch k {
	case StageBegun, StagePassed, StageUnproven, ApprovalNeeded, StageApproved:
		return true
	}
	return false
}

// Event is what happened to a roll-out now.
func (s State) Event(kind Kind, now time.Time) Event {
	return Event{Kind: kind, At: now, Type: s.Type, Release: s.Release.Version, Stage: s.Stage}
}
