package emulator

import (
	"context"
	"time"
)

// slice is how long a device works before it looks at the clock again, and the most
// that it gets ahead of it.
const slice = 2 * time.Millisecond

// Run lets the device work at the pace of the wall clock until the context ends.
// A device that cannot keep up falls behind while it computes, and catches up when
// it waits; its own time goes on evenly, so that no watchdog bites for it.
func (d *Device) Run(ctx context.Context) {
	begin := time.Now().Add(-d.Now())
	for ctx.Err() == nil {
		wall := time.Since(begin)
		d.input.deliver(d)
		d.RunTo(min(wall, d.Now()+slice))
		if d.Now() < wall {
			continue
		}
		// Nothing to do before the SDK's next event, or a packet.
		pause := min(d.Next()-d.Now(), maxPause)
		timer := time.NewTimer(max(pause, slice))
		select {
		case <-ctx.Done():
		case <-d.SDK.Link.Wake():
		case <-d.input.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// maxPause is how long a device sleeps at most, for what nobody announces.
const maxPause = 20 * time.Millisecond
