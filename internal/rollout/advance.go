package rollout

import "time"

// Advance lets time pass for a roll-out. The fleet must be all devices of the type; those
// that it changes are returned.
//
// A device that took the release and was not heard of in time has failed; one that was told
// of it and did not ask for the image can be told again. Then, as long as it can, the
// roll-out goes on to the next stage: when no device of the stage is at risk, or is online
// and has yet to be told of the release, and the stage was watched for its time after that.
// So devices that are offline hold up nothing. A stage in which devices failed, however few,
// and none succeeded stops the roll-out.
func Advance(s State, fleet []Device, now time.Time) (State, []Device, []Event) {
	given := fleet
	s, fleet = s.reset(fleet, now)
	var changed []Device
	var events []Event
	s.AtRisk, s.Confirmed = 0, 0 // counted anew, so that no lost message skews them for long
	for _, d := range fleet {
		switch {
		case d.Last.open() && d.Last.of(s):
			s.AtRisk++
		case d.confirmed(s.Release.Version):
			s.Confirmed++
		}
	}
	for i, d := range fleet {
		if !d.Last.open() || !overdue(s.Plan, d, now) {
			if given[i].ahead(now) {
				changed = append(changed, d)
			}
			continue
		}
		if d.Last.State == TryTaken {
			var more []Event
			s, d, more = Failed(s, d, d.Last.Release, NotReported, now)
			events = append(events, more...)
		} else {
			s, d = Lapsed(s, d, d.Last.Release, now)
		}
		changed = append(changed, d)
	}
	s.Waiting = s.waiting(fleet, now)
	for s.Status == Running && !s.Opened.IsZero() {
		if s.Stage >= len(s.Plan.Stages) { // the plan is shorter than it was
			s = s.complete(now)
			events = append(events, s.Event(ReleaseGeneral, now))
			break
		}
		if s.Settled.IsZero() {
			if s.unsettled(fleet, now) {
				break
			}
			s.Settled = now
		}
		if now.Before(s.Settled.Add(s.Plan.Stages[s.Stage].Watch)) {
			break
		}
		if !s.Proven && s.Failed > 0 { // tolerated, but not even one success stands against it
			s.Status = Stopped
			events = append(events, s.Event(RolloutStopped, now))
			break
		}
		over := StagePassed
		if !s.Proven {
			over = StageUnproven
		}
		events = append(events, s.Event(over, now))
		var more []Event
		s, more = s.enter(s.Stage+1, now)
		events = append(events, more...)
	}
	return s, changed, events
}

// unsettled says whether the stage waits for a device: to be told of the release, or to
// report what came of it. One that was told before and did not get it is not waited for: it
// may be long in coming.
func (s State) unsettled(fleet []Device, now time.Time) bool {
	for _, d := range fleet {
		if d.Last.of(s) && d.Last.open() && d.Last.Times == 1 {
			return true
		}
	}
	return s.waiting(fleet, now) > 0
}

// waiting counts the devices of the open stages that are online and have yet to be told of
// the release.
func (s State) waiting(fleet []Device, now time.Time) int {
	n := 0
	if s.Status != Running || s.Opened.IsZero() {
		return 0
	}
	for _, d := range fleet {
		if !d.Online || d.Held || d.Pin != "" || d.Running == s.Release.Version || d.AheadOf(s.Release) || d.Last.of(s) {
			continue
		}
		since := s.Opened
		if d.Asked.After(since) {
			since = d.Asked
		}
		if now.Before(since.Add(s.Plan.Patience+d.Slack)) && !d.Last.failed(s.Release.Version) && s.Plan.stageOf(d) <= s.Stage {
			n++
		}
	}
	return n
}

// enter begins a stage, or waits for approval of it; behind the last one the release is
// generally available.
func (s State) enter(stage int, now time.Time) (State, []Event) {
	s.Stage, s.Opened, s.Settled = stage, time.Time{}, time.Time{}
	switch {
	case stage >= len(s.Plan.Stages):
		s = s.complete(now)
		return s, []Event{s.Event(ReleaseGeneral, now)}
	case s.Plan.Stages[stage].Approve:
		return s, []Event{s.Event(ApprovalNeeded, now)}
	}
	return s.begun(now)
}

// begun opens the present stage.
func (s State) begun(now time.Time) (State, []Event) {
	s.Opened, s.Failed, s.Proven = now, 0, false
	return s, []Event{s.Event(StageBegun, now)}
}

// complete makes the release generally available.
func (s State) complete(now time.Time) State {
	s.Status, s.Stage, s.Opened, s.Settled = Complete, len(s.Plan.Stages), now, now
	s.General, s.Recent = s.Release, nil
	return s
}
