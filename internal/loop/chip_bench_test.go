package loop

import (
	"debug/elf"
	"encoding/binary"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/release"
)

// freeHeap returns a function that reads what the vendor's heap has free: the variable that
// xPortGetFreeHeapSize loads.
func freeHeap(t testing.TB, d *emulator.Device, path string) func() uint32 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	read := func(addr uint32) uint32 {
		v, err := d.Chip.Load32(addr)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, s := range symbols {
		if s.Name != "xPortGetFreeHeapSize" {
			continue
		}
		// l32r a2, literal; l32i.n a2, a2, offset
		pc := uint32(s.Value)
		code, err := d.Chip.Read(pc, 5)
		if err != nil || code[0] != 0x21 || code[3] != 0x28 || code[4]&0x0F != 2 {
			t.Fatalf("xPortGetFreeHeapSize is % x, %v", code, err)
		}
		literal := (pc+3)&^3 + (0xFFFC0000 | uint32(binary.LittleEndian.Uint16(code[1:]))<<2)
		variable := read(literal) + uint32(code[4]>>4)*4
		return func() uint32 { return read(variable) }
	}
	t.Fatal("the image has no xPortGetFreeHeapSize")
	return nil
}

// BenchmarkUpdateOfAChipImage is BenchmarkUpdate with the vendor's own software in the images: its
// times, heap and stack.
func BenchmarkUpdateOfAChipImage(b *testing.B) {
	f := chipFirmwares(b)
	next := len(f.elves)
	f.images(b, "socket", "v1", 1)
	elf := f.elves[next]
	b.Run("image", func(b *testing.B) {
		benchmarkChipUpdate(b, f, elf, variant{}, func(r *release.Release) *release.Release { return f.downloaded(b, r) })
	})
	b.Run("delta", func(b *testing.B) {
		benchmarkChipUpdate(b, f, elf, withAnotherFeature, func(r *release.Release) *release.Release { return r })
	})
}

func benchmarkChipUpdate(b *testing.B, f *firmwares, elf string, v variant, change func(*release.Release) *release.Release) {
	const stackTop, stackLimit = 0x3FFFFFB0, 0x3FFFEB30
	for b.Loop() {
		w := newWorldOf(b, f)
		large := func(images [image.Slots][]byte) *release.Release {
			r, err := release.Sign(padded(b, images), f.key)
			if err != nil {
				b.Fatal(err)
			}
			return change(r)
		}
		v2 := large(f.variant(b, "socket", "v2", 2, v))
		v1 := large(f.images(b, "socket", "v1", 1))
		d := w.addImage(f.bootloader, 1, v1.Images[0])
		w.offer(v1)
		w.settle()
		w.RunFor(20 * time.Second)
		free := freeHeap(b, d, elf)
		connected, least, lowest := free(), free(), uint32(stackTop)
		w.offer(v2)
		d.Chip.CPU.Trace = func(uint32) {
			if sp := d.Chip.CPU.A[1]; sp > stackLimit && sp < lowest {
				lowest = sp
			}
		}
		begin, reset := w.Now(), time.Duration(0)
		d.OnReset = func(esp8266.ResetReason) {
			d.Chip.CPU.Trace = nil
			if reset == 0 {
				reset = d.Now()
			}
		}
		w.notify()
		w.expect("v2 on trial", 2*time.Minute, func() bool {
			if reset == 0 {
				least = min(least, free())
			}
			return w.starts(d, "v2")
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric((reset - begin).Seconds(), "s-until-reboot")
		b.ReportMetric((w.Now() - reset).Seconds(), "s-rebooting")
		b.ReportMetric(float64(connected), "B-heap-connected")
		b.ReportMetric(float64(least), "B-heap-least")
		b.ReportMetric(float64(stackTop-lowest), "B-stack")
	}
}
