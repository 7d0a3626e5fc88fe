package fleet

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Memory for each device that has said all it can say.
func BenchmarkMemory(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const devices = 20_000
	for b.Loop() {
		before := heap()
		f := newFleet()
		for i := range devices {
			id := fmt.Sprintf("%06x", i)
			f.Handle("home/"+id+"/status", []byte(Online), now)
			f.Handle("home/"+id+"/info", []byte(strings.Replace(specInfo, "00c0de", id, 1)), now)
			f.Handle("home/"+id+"/update/status", []byte(specUpdate), now)
		}
		b.ReportMetric(float64(heap()-before)/devices, "bytes/device")
		runtime.KeepAlive(f)
	}
}

func BenchmarkHandle(b *testing.B) {
	f := newFleet()
	payload := []byte(specInfo)
	for b.Loop() {
		f.Handle("home/00c0de/info", payload, now)
	}
}
