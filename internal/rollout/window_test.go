package rollout

import (
	"testing"
	"time"
)

func TestAWindow(t *testing.T) {
	const h = Clock(60)
	saturday, sunday := Days(1<<time.Saturday), Days(1<<time.Sunday)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	for _, c := range []struct {
		name   string
		window Window
		at     string // in Berlin
		open   bool
	}{
		{"none", Window{}, "2026-03-02T12:00:00+01:00", true},
		{"before it", Window{From: 2 * h, To: 5 * h}, "2026-03-02T01:59:59+01:00", false},
		{"its first minute", Window{From: 2 * h, To: 5 * h}, "2026-03-02T02:00:00+01:00", true},
		{"its last second", Window{From: 2 * h, To: 5 * h}, "2026-03-02T04:59:59+01:00", true},
		{"its end", Window{From: 2 * h, To: 5 * h}, "2026-03-02T05:00:00+01:00", false},
		{"in another time zone", Window{From: 2 * h, To: 5 * h}, "2026-03-02T01:30:00Z", true},
		{"over midnight, evening", Window{From: 22 * h, To: 4 * h}, "2026-03-02T23:00:00+01:00", true},
		{"over midnight, morning", Window{From: 22 * h, To: 4 * h}, "2026-03-02T03:59:00+01:00", true},
		{"over midnight, noon", Window{From: 22 * h, To: 4 * h}, "2026-03-02T12:00:00+01:00", false},
		{"Saturday's evening", Window{From: 22 * h, To: 4 * h, Days: saturday}, "2026-03-07T22:00:00+01:00", true},
		{"Saturday's, on Sunday morning", Window{From: 22 * h, To: 4 * h, Days: saturday}, "2026-03-08T03:00:00+01:00", true},
		{"Friday's, on Saturday morning", Window{From: 22 * h, To: 4 * h, Days: saturday}, "2026-03-07T03:00:00+01:00", false},
		{"Sunday's, on Monday morning", Window{From: 22 * h, To: 4 * h, Days: sunday}, "2026-03-09T03:00:00+01:00", true},
		{"all Sunday", Window{Days: sunday}, "2026-03-08T23:59:00+01:00", true},
		{"all Sunday, on Monday", Window{Days: sunday}, "2026-03-09T00:00:00+01:00", false},
		// 29 March 2026: the hour from 02:00 is left out. 25 October: it comes twice.
		{"after the hour that is left out", Window{From: 2 * h, To: 3 * h}, "2026-03-29T03:00:00+02:00", false},
		{"before it", Window{From: 2 * h, To: 3 * h}, "2026-03-29T01:59:59+01:00", false},
		{"that begins in it", Window{From: 2*h + 30, To: 4 * h}, "2026-03-29T03:00:00+02:00", true},
		{"the hour the first time", Window{From: 2 * h, To: 3 * h}, "2026-10-25T02:30:00+02:00", true},
		{"the hour the second time", Window{From: 2 * h, To: 3 * h}, "2026-10-25T02:30:00+01:00", true},
		{"the hour before, in winter time", Window{From: 1 * h, To: 2 * h}, "2026-10-25T02:00:00+02:00", false},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if open := c.window.Open(at.In(berlin)); open != c.open {
			t.Errorf("%s: %s at %s: open %v", c.name, c.window.From, c.at, open)
		}
	}
}

func TestOutsideItsWindowNobodyIsTold(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Window: Window{From: 120, To: 300}}}})
	night := start.Add(15 * time.Hour)
	want(t, s, device("000001"), start, "v1", OutsideWindow)
	want(t, s, device("000001"), night, "v2", StageReached)
	// Whoever was told in it may end what it began.
	s, d := Offer(s, device("000001"), Decide(s, device("000001"), night), night.Add(119*time.Minute))
	want(t, s, d, night.Add(125*time.Minute), "v2", InProgress)
}
