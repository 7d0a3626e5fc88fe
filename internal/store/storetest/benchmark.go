package storetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/store"
)

// Benchmark measures how long a status message takes from its arrival until it is
// stored. Each round, every device of a fleet of 10,000 sends one info that differs from
// the one before, and the next round begins when all are stored: no message is spared
// because another follows it.
func Benchmark(b *testing.B, where string) {
	const devices = 10_000
	s, err := store.Open(b.Context(), where)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	recorder := store.NewRecorder(s, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { recorder.Run(ctx); close(done) }()
	f := fleet.New("home", slog.New(slog.DiscardHandler))
	topics := make([]string, devices)
	for i := range topics {
		topics[i] = fmt.Sprintf("home/%06x/info", i)
	}
	began := time.Now()
	for n := 0; n < b.N; n++ {
		device, round := n%devices, n/devices
		text := info(fmt.Sprintf("%06x", device), "socket", "8a1b2c3d", 42, 1, 60*round, "power-on")
		c, _ := f.Handle(topics[device], []byte(text), began.Add(time.Duration(round)*time.Minute))
		recorder.Add(c)
		if device == devices-1 || n == b.N-1 {
			if err := recorder.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	stop()
	<-done
}
