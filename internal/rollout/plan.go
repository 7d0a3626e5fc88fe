// Package rollout decides which release each device gets, and when.
//
// It is made of pure functions: from what is known (a [State] for each device type, a
// [Device] for each device) and the time, to a [Decision] or to what is known next.
// Nothing in it reads a clock, draws lots, or does input or output. All values are plain
// and can be written as JSON; a function never changes what it was given.
//
// # The life of a roll-out
//
// [Start] begins it when a release is published. [Decide] says what a device that asks
// gets, [Offer] notes that it was told so, [Taken], [Confirmed], [Failed] and [Lapsed] note
// what became of it. [Advance] lets time pass: it finds the devices that were not heard of
// again, and opens the next stage. [Pause], [Resume], [Abort], [Approve], [Everywhere] and
// [Retry] are the operator's.
package rollout

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

// Plan says how the releases of a device type reach its devices.
type Plan struct {
	// Stages are gone through in order; after the last, the release is generally
	// available. Without stages it is so at once.
	Stages []Stage `json:"stages,omitempty"`
	// ReportWithin is how long a device that took a release has to report that it
	// runs it. Longer is a failure. A device that sleeps has its Slack besides.
	ReportWithin time.Duration `json:"report_within"`
	// Patience is how long a stage waits for a device that is online but does not ask, besides
	// its Slack.
	Patience time.Duration `json:"patience"`
}

// AllAtOnce is the plan where there is none.
var AllAtOnce = Plan{ReportWithin: time.Hour, Patience: 2 * time.Hour}

// Stage is a part of the devices, and what holds while it is the last that is open. The
// devices are those of a group, those with a tag, or a percentage.
type Stage struct {
	Group   string `json:"group,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Percent int    `json:"percent,omitempty"` // 1 to 100

	Watch    time.Duration `json:"watch"`            // from when its devices are done to the next stage
	Failures int           `json:"failures"`         // so many are tolerated; one more stops the roll-out
	AtOnce   int           `json:"at_once,omitzero"` // most devices at risk at the same time; 0: any number
	Rate     Rate          `json:"rate,omitzero"`    // zero: no limit
	Window   Window        `json:"window,omitzero"`  // zero: always
	Approve  bool          `json:"approve,omitzero"` // a person must let it begin
}

// Rate is a number of devices in any period of a length.
type Rate struct {
	Devices int           `json:"devices"`
	Per     time.Duration `json:"per"`
}

// limited says whether only so many devices may have the release at a time.
func (s Stage) limited() bool { return s.AtOnce > 0 || s.Rate.Devices > 0 }

// Has says whether a device belongs to the stage.
func (s Stage) Has(d Device) bool {
	switch {
	case s.Group != "":
		return d.Group == s.Group
	case s.Tag != "":
		return slices.Contains(d.Tags, s.Tag)
	}
	return share(d.ID) < uint64(s.Percent)
}

// stageOf returns the first stage that a device belongs to; len(Stages) if there is none.
func (p Plan) stageOf(d Device) int {
	for i, stage := range p.Stages {
		if stage.Has(d) {
			return i
		}
	}
	return len(p.Stages)
}

// share maps an id to 0..99, evenly, and always to the same. So a percentage chooses the
// same devices every time, and a greater one chooses these and more.
func share(id string) uint64 {
	hash := sha256.Sum256([]byte(id))
	return uint64(binary.BigEndian.Uint32(hash[:])) * 100 >> 32
}
