package logging

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Digest counts what there is too much of to be logged one by one, and logs the numbers: one line
// a minute at most, and none when there was nothing.
type Digest struct {
	log     *slog.Logger
	message string
	after   func(time.Duration, func()) *time.Timer

	mu sync.Mutex
	of map[string]int
}

// NewDigest returns a digest whose line has a message.
func NewDigest(log *slog.Logger, message string) *Digest {
	return &Digest{log: log, message: message, after: time.AfterFunc, of: map[string]int{}}
}

// Count counts something by a name, of which there should be few.
func (d *Digest) Count(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.of) == 0 {
		d.after(period, d.tell)
	}
	d.of[name]++
}

func (d *Digest) tell() {
	d.mu.Lock()
	counted := d.of
	d.of = map[string]int{}
	d.mu.Unlock()
	var numbers []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		numbers = append(numbers, slog.Int(name, counted[name]))
	}
	d.log.LogAttrs(context.Background(), slog.LevelInfo, d.message, numbers...)
}
