package rollout

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotNow says that what the operator wants does not fit what the roll-out does.
var ErrNotNow = errors.New("the roll-out cannot do that now")

// Start begins the roll-out of a release that was published. The one before ends where it
// is. Started again with the release of the present roll-out, it takes over the plan and
// leaves the rest. The first release of a type has none before it to fall back to, so it is
// generally available at once.
func Start(s State, deviceType string, release Release, plan Plan, now time.Time) (State, []Event) {
	if s.Release.Version == release.Version {
		s.Plan = plan
		return s, nil
	}
	s = State{Type: deviceType, General: s.General, Release: release, Number: s.Number + 1, Plan: plan, Watched: now, Status: Running}
	if s.General.Version == "" {
		s = s.complete(now)
		return s, []Event{s.Event(ReleaseGeneral, now)}
	}
	events := []Event{s.Event(RolloutStarted, now)}
	s, more := s.enter(0, now)
	return s, append(events, more...)
}

// Pause lets a roll-out begin nothing new. Devices that took the release go on.
func Pause(s State) (State, error) { return s.turn(Running, Paused) }

// Resume ends a pause.
func Resume(s State) (State, error) { return s.turn(Paused, Running) }

func (s State) turn(from, to Status) (State, error) {
	if s.Status != from {
		return s, fmt.Errorf("%w: it is %s, not %s", ErrNotNow, s.Status.Words(), from)
	}
	s.Status = to
	return s, nil
}

// Abort ends a roll-out for good: no device is told of the release any more. Devices that
// run it stay on it until the next.
func Abort(s State) (State, error) {
	switch s.Status {
	case Running, Paused, Stopped:
		s.Status = Aborted
		return s, nil
	case Complete:
		return s, fmt.Errorf("%w: the release is generally available; publish a better one", ErrNotNow)
	}
	return s, fmt.Errorf("%w: it is %s", ErrNotNow, s.Status.Words())
}

// Approve lets the stage begin that waits for it.
func Approve(s State, now time.Time) (State, []Event, error) {
	if s.Status != Running && s.Status != Paused || !s.Opened.IsZero() {
		return s, nil, fmt.Errorf("%w: no stage waits for approval", ErrNotNow)
	}
	s, events := s.begun(now)
	return s, events, nil
}

// Everywhere makes the release generally available now, whatever the plan says.
func Everywhere(s State, now time.Time) (State, []Event, error) {
	if s.Release.Version == "" || s.Status == Complete || s.Status == Aborted {
		return s, nil, fmt.Errorf("%w: it is %s", ErrNotNow, s.Status.Words())
	}
	s = s.complete(now)
	return s, []Event{s.Event(ReleaseGeneral, now)}, nil
}

// Retry lets a device that failed be offered the release again. The device itself must be
// told, too, on its own update topic: it refuses a release that it rolled back.
func Retry(s State, d Device, now time.Time) (State, Device, error) {
	if d.Last.State != TryFailed {
		return s, d, fmt.Errorf("%w: %s has not failed", ErrNotNow, d.ID)
	}
	s, d = s.end(d, TryAgain, now)
	return s, d, nil
}
