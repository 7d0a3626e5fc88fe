package rollout

import "time"

// Meant says which release the roll-out means a device to run by now, from what it said
// before. A device that runs another one lags behind.
//
// A release that a device is kept from for a while (by a limit, a window, a pause) stays its
// target if it was that before: the device could have had it. While a stage limits how many
// devices may have the release, it is meant for those that were told of it.
func Meant(s State, d Device, before string, now time.Time) string {
	told := Decide(s, d, now)
	switch told.Reason {
	case OutsideWindow, RateLimited, TooManyAtOnce, OthersFirst, IsPaused:
		if before == s.Release.Version {
			return before
		}
	case StageReached:
		if stage, _ := s.stage(); stage.limited() && before != told.Release && !d.Last.of(s) {
			return s.fallback(d)
		}
	}
	return told.Release
}
