// Package logging makes a server's log one that a person can read, however many devices there are.
//
// What happens to each device, and each request, is for the debug level; a [Digest] tells once a
// minute how much of it there was. Whatever else comes in any number, refusals for instance, is
// shown as long as there is little of it.
package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// How much of the same is shown: so many records with one message in so long a time. Then one
// record says how many more there were.
const (
	period = time.Minute
	most   = 10
)

// maxMessages is how many messages are told apart. Programs have no more, but for those that quote.
const maxMessages = 1000

// New returns a log of text with what is at least of a level. At the debug level nothing is left
// out.
func New(w io.Writer, level slog.Level) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	if level > slog.LevelDebug {
		h = limited{h, &counts{of: map[message]int{}, base: h, after: time.AfterFunc}}
	}
	return slog.New(h)
}

// limited passes on records as long as there are few with the same message.
type limited struct {
	slog.Handler
	counts *counts
}

func (l limited) Handle(ctx context.Context, r slog.Record) error {
	if !l.counts.shows(message{r.Level, r.Message}) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l limited) WithAttrs(a []slog.Attr) slog.Handler {
	return limited{l.Handler.WithAttrs(a), l.counts}
}

func (l limited) WithGroup(name string) slog.Handler {
	return limited{l.Handler.WithGroup(name), l.counts}
}

type message struct {
	level slog.Level
	text  string
}

// counts counts the records of each message since its first one in a period.
type counts struct {
	base  slog.Handler
	after func(time.Duration, func()) *time.Timer

	mu sync.Mutex
	of map[message]int
}

// shows counts a record, and reports whether it is shown.
func (c *counts) shows(m message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.of[m]
	if !known {
		if len(c.of) >= maxMessages {
			return true
		}
		c.after(period, func() { c.end(m) })
	}
	c.of[m] = n + 1
	return n < most
}

// end ends the period of a message.
func (c *counts) end(m message) {
	c.mu.Lock()
	more := c.of[m] - most
	delete(c.of, m)
	c.mu.Unlock()
	if more > 0 {
		r := slog.NewRecord(time.Now(), m.level, m.text, 0)
		r.AddAttrs(slog.Int("not_shown", more), slog.Duration("in", period))
		_ = c.base.Handle(context.Background(), r)
	}
}
