package rollout

import "time"

// Decide says what a device gets that asks at a time. The time's zone is the one that
// maintenance windows are meant in.
func Decide(s State, d Device, now time.Time) Decision {
	switch {
	case d.Type != s.Type:
		return Decision{d.Running, NotThisType}
	case d.Held:
		return Decision{d.Running, IsHeld}
	case d.Last.open() && !overdue(s.Plan, d, now) && (d.Last.Release == d.Running || !d.AheadOf(s.Release)):
		if d.Last.Release == d.Running { // it tries it out
			return Decision{d.Running, InProgress}
		}
		if s.mayContinue(d) {
			return Decision{d.Last.Release, InProgress}
		}
		if d.Last.State == TryTaken { // it may be restarting into that one: nothing else meanwhile
			return Decision{d.Running, InProgress}
		}
	}
	switch {
	case d.Pin != "":
		return Decision{d.Pin, IsPinned}
	case s.Release.Version == "":
		return Decision{d.Running, NoRelease}
	case d.Running == s.Release.Version && d.Last.failed(d.Running):
		return Decision{d.Running, HasFailed}
	case d.Running == s.Release.Version:
		return Decision{d.Running, UpToDate}
	case d.AheadOf(s.Release):
		return Decision{d.Running, IsAhead}
	}
	if reason := s.against(d, now); reason != "" {
		return Decision{s.fallback(d), reason}
	}
	if s.Status == Complete {
		return Decision{s.Release.Version, GenerallyAvailable}
	}
	return Decision{s.Release.Version, StageReached}
}

// General says what those get who do not tell who they are.
func General(s State) Decision {
	if s.General.Version == "" {
		return Decision{"", NoRelease}
	}
	return Decision{s.General.Version, GenerallyAvailable}
}

// mayContinue says whether a device that was told of a release may be told of it again.
func (s State) mayContinue(d Device) bool {
	switch {
	case d.Pin != "":
		return d.Last.Release == d.Pin
	case d.Last.of(s):
		return s.Status == Running || s.Status == Complete || s.Status == Paused && d.Last.State == TryTaken
	}
	return d.Last.State == TryTaken && d.Last.Release == s.General.Version
}

// against is the reason why a device does not get the release, or empty.
func (s State) against(d Device, now time.Time) Reason {
	if d.Last.failed(s.Release.Version) || d.Last.of(s) && d.Last.State == TryTaken && overdue(s.Plan, d, now) {
		return HasFailed
	}
	switch s.Status {
	case Complete:
		return ""
	case Aborted:
		return IsAborted
	case Stopped:
		return StoppedByFailures
	case Paused:
		return IsPaused
	}
	switch at := s.Plan.stageOf(d); {
	case at == s.Stage && s.Opened.IsZero():
		return WaitingForApproval
	case at > s.open() || at == len(s.Plan.Stages):
		return StageNotReached
	}
	stage, _ := s.stage()
	switch {
	case !stage.Window.Open(now):
		return OutsideWindow
	case stage.limited() && s.Waiting > 0 && d.Last.of(s) && (d.Last.State == TryLapsed || d.Last.State == TryOffered):
		return OthersFirst // an offer that gets here is overdue: it lapses when time passes
	case stage.AtOnce > 0 && s.AtRisk >= stage.AtOnce:
		return TooManyAtOnce
	case stage.Rate.Devices > 0 && len(within(s.Recent, stage.Rate.Per, now)) >= stage.Rate.Devices:
		return RateLimited
	}
	return ""
}

// fallback is what a device gets that does not get the release: what is generally
// available, unless it runs something newer or failed with that, too.
func (s State) fallback(d Device) string {
	if s.General.Version == "" || d.AheadOf(s.General) || d.Last.failed(s.General.Version) {
		return d.Running
	}
	return s.General.Version
}

// overdue reports whether a device should have been heard of since its last try.
func overdue(p Plan, d Device, now time.Time) bool {
	return !now.Before(d.Last.Since.Add(p.ReportWithin + d.Slack))
}

// within returns the times of the last period.
func within(times []time.Time, period time.Duration, now time.Time) []time.Time {
	for i, t := range times {
		if t.After(now.Add(-period)) {
			return times[i:]
		}
	}
	return nil
}
