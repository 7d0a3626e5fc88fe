package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// clock runs what is to happen after a while when the test says that it has passed.
type clock struct{ waiting []func() }

func (c *clock) after(_ time.Duration, do func()) *time.Timer {
	c.waiting = append(c.waiting, do)
	return nil
}

func (c *clock) pass() {
	now := c.waiting
	c.waiting = nil
	for _, do := range now {
		do()
	}
}

func lines(b *bytes.Buffer) (all []string) {
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		_, line, _ = strings.Cut(line, " ") // without the time
		all = append(all, line)
	}
	b.Reset()
	return all
}

func TestMuchOfTheSameIsCounted(t *testing.T) {
	var text bytes.Buffer
	log, passing := New(&text, slog.LevelInfo), &clock{}
	log.Handler().(limited).counts.after = passing.after
	log.Info("other")
	for i := range 1000 {
		log.With("part", "x").Warn("refused", "i", i)
		log.Debug("not at all")
	}
	got := lines(&text)
	if len(got) != 1+most || got[0] != "level=INFO msg=other" || got[most] != "level=WARN msg=refused part=x i=9" {
		t.Errorf("%d lines: %q", len(got), got)
	}
	passing.pass()
	if got := lines(&text); len(got) != 1 || got[0] != "level=WARN msg=refused not_shown=990 in=1m0s" {
		t.Errorf("afterwards %q", got)
	}
	log.Warn("refused")
	log.Info("refused")
	if got := lines(&text); len(got) != 2 {
		t.Errorf("in the next minute %q", got)
	}
	passing.pass()
	if text.Len() != 0 || len(log.Handler().(limited).counts.of) != 0 {
		t.Errorf("when there is no more %q", text.String())
	}
}

func TestWhoWantsAllSeesAll(t *testing.T) {
	var text bytes.Buffer
	log := New(&text, slog.LevelDebug)
	for range 1000 {
		log.Info("the same")
	}
	if n := len(lines(&text)); n != 1000 {
		t.Errorf("%d lines", n)
	}
}

// Messages that quote what others send take no memory without end.
func TestMessagesAreTooManyToCount(t *testing.T) {
	var text bytes.Buffer
	log, passing := New(&text, slog.LevelInfo), &clock{}
	log.Handler().(limited).counts.after = passing.after
	for i := range 2 * maxMessages {
		log.Info(fmt.Sprint("message ", i))
	}
	if n := len(log.Handler().(limited).counts.of); n != maxMessages {
		t.Errorf("%d are counted", n)
	}
	if n := len(lines(&text)); n != 2*maxMessages {
		t.Errorf("%d are shown", n)
	}
}

func TestADigest(t *testing.T) {
	var text bytes.Buffer
	passing := &clock{}
	d := NewDigest(slog.New(slog.NewTextHandler(&text, nil)), "devices")
	d.after = passing.after
	for range 100 {
		d.Count("online")
		d.Count("changed")
	}
	d.Count("offline")
	if text.Len() != 0 {
		t.Errorf("at once %q", text.String())
	}
	passing.pass()
	if got := lines(&text); len(got) != 1 || got[0] != "level=INFO msg=devices changed=100 offline=1 online=100" {
		t.Errorf("%q", got)
	}
	passing.pass()
	if text.Len() != 0 {
		t.Errorf("of nothing %q", text.String())
	}
}
