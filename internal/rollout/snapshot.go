package rollout

import "time"

// Snapshot is what is known of roll-outs, or what has changed of it since.
type Snapshot struct {
	States  []State  `json:"states"`
	Devices []Device `json:"devices"`
	Targets []Target `json:"targets,omitempty"`
	Events  []Event  `json:"events,omitempty"` // what has happened since
}

// Target is the release that a device is meant to run; see [Meant].
type Target struct {
	Device  string
	Release string
	Since   time.Time // when it could have begun to run it: a device that sleeps is asleep till then
}
