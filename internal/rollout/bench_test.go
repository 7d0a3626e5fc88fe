package rollout

import (
	"fmt"
	"testing"
	"time"
)

// A fleet in the middle of a roll-out: the canaries run the release, a tenth is at it.
func benchmarkFleet(n int) (State, []Device) {
	s := staged(Plan{Stages: []Stage{
		{Group: "canary", Watch: time.Hour},
		{Percent: 50, Watch: time.Hour, Rate: Rate{1000, time.Hour}, Window: Window{From: 600, To: 900}},
		{Percent: 100},
	}})
	s, _ = s.enter(1, start)
	fleet := make([]Device, n)
	for i := range fleet {
		fleet[i] = device(fmt.Sprintf("%06x", i))
		if i%10 == 0 {
			s, fleet[i] = Offer(s, fleet[i], Decision{"v2", StageReached}, start)
		}
		if i%100 == 0 {
			fleet[i].Group = "canary"
			s, fleet[i] = Confirmed(s, fleet[i], next, start)
		}
	}
	return s, fleet
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n, " devices"), func(b *testing.B) {
			s, fleet := benchmarkFleet(n)
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range fleet {
					Decide(s, d, start)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/decision")
		})
	}
}

func BenchmarkAdvance(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n, " devices"), func(b *testing.B) {
			s, fleet := benchmarkFleet(n)
			for b.Loop() {
				Advance(s, fleet, start.Add(time.Minute))
			}
		})
	}
}
