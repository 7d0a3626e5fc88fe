package site

import (
	"strings"
	"testing"
	"time"
)

// withTrial is the good configuration with further lines about updates.
func withTrial(lines string) string {
	return strings.Replace(good, `interval = "90s"`, lines, 1)
}

func TestTrialsAreConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		lines          string
		after, timeout time.Duration
		refresh        bool
	}{
		"by default": {"", 30 * time.Second, 5 * time.Minute, true},
		"in the file": {"confirm_after = \"1s\"\ntrial_timeout = \"1h\"\nrefresh = false",
			time.Second, time.Hour, false},
	} {
		s, err := Open(newSite(t, withTrial(c.lines)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if u := s.Config.Update; u.ConfirmAfter != c.after || u.TrialTimeout != c.timeout || u.Refresh != c.refresh {
			t.Errorf("%s: trial %v of %v, refresh %v", name, u.ConfirmAfter, u.TrialTimeout, u.Refresh)
		}
	}
}

func TestTrialsThatCannotWorkAreRefused(t *testing.T) {
	for lines, want := range map[string]string{
		`confirm_after = "0s"`:   "update.confirm_after: 0s is not between 1s and",
		`confirm_after = "soon"`: `update.confirm_after: "soon" is not a duration`,
		`confirm_after = "1.5s"`: "update.confirm_after: 1.5s is not a whole number",
		`trial_timeout = "61m"`:  "update.trial_timeout: 61m is not between",
		`trial_timeout = "30s"`:  "update.trial_timeout: 30s is not longer than confirm_after, 30s",
		`refresh = "no"`:         "line 12",
	} {
		_, err := Open(newSite(t, withTrial(lines)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}
