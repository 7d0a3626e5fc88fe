package rollout

import "strings"

// Decision is what a device gets when it asks.
type Decision struct {
	// Release is the version to tell the device of. It is the one that it runs if there
	// is nothing new for it; empty if that is not known.
	Release string `json:"release"`
	Reason  Reason `json:"reason"`
}

// Reason is why.
type Reason string

const (
	UpToDate           Reason = "up-to-date"
	IsAhead            Reason = "ahead"
	GenerallyAvailable Reason = "generally-available"
	StageReached       Reason = "stage-reached"
	InProgress         Reason = "in-progress"
	StageNotReached    Reason = "stage-not-reached"
	WaitingForApproval Reason = "waiting-for-approval"
	OutsideWindow      Reason = "outside-window"
	RateLimited        Reason = "rate-limited"
	OthersFirst        Reason = "others-first"
	TooManyAtOnce      Reason = "too-many-at-once"
	IsPaused           Reason = "paused"
	IsAborted          Reason = "aborted"
	StoppedByFailures  Reason = "stopped-by-failures"
	HasFailed          Reason = "has-failed"
	IsPinned           Reason = "pinned"
	IsHeld             Reason = "held"
	NotThisType        Reason = "not-this-type"
	NoRelease          Reason = "no-release"
)

var explanations = map[Reason]string{
	UpToDate:           "it runs the newest release",
	IsAhead:            "it runs something newer than %s, the newest release",
	GenerallyAvailable: "%s is for all devices of the type",
	StageReached:       "its stage of the roll-out of %s has begun",
	InProgress:         "it has been told of a release and has not reported yet what came of it",
	StageNotReached:    "its stage of the roll-out of %s has not begun",
	WaitingForApproval: "its stage of the roll-out of %s begins when a person approves it",
	OutsideWindow:      "the stage's maintenance window for %s is closed now",
	RateLimited:        "as many devices as the stage's rate allows have been told of %s lately",
	OthersFirst:        "it could not fetch %s before, and others wait for their first chance",
	TooManyAtOnce:      "as many devices as the stage allows at once have not reported %s yet",
	IsPaused:           "the roll-out of %s is paused",
	IsAborted:          "the roll-out of %s was aborted",
	StoppedByFailures:  "too many devices failed with %s, so its roll-out stopped",
	HasFailed:          "it failed with %s and is not offered that again unless a person says so",
	IsPinned:           "a person pinned it to this release",
	IsHeld:             "a person holds it back",
	NotThisType:        "it is of another device type",
	NoRelease:          "nothing is published for its device type",
}

// Explain returns the reason in words, as the end of a sentence about the device. Newest is the
// release that was published last: most reasons are about that one, whatever the device gets.
func (r Reason) Explain(newest string) string {
	return strings.ReplaceAll(explanations[r], "%s", newest)
}
