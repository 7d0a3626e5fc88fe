package preflight

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// chipWorkshop builds with the vendor's SDK.
func chipWorkshop(t testing.TB) *workshop {
	t.Helper()
	sdk := os.Getenv("SDK_DIR")
	if sdk == "" {
		t.Skip("SDK_DIR does not name a copy of the vendor's SDK")
	}
	w := theWorkshop(t)
	chip := *w.site
	chip.Config.SDK = sdk
	return &workshop{site: &chip, key: w.key}
}

// roms are the mask ROMs that a chip's image is tried with.
func roms(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"emulated ROM": nil}
	if path := os.Getenv("ESPER_ROM"); path != "" {
		rom, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all["the chip's ROM"] = rom
	}
	return all
}

// What is tried of a release for the chip is what is published, byte for byte: each slot's image,
// and the update from what is published, of which nothing but its images is there any more.
func TestAChipReleaseIsTriedAsItIs(t *testing.T) {
	w := chipWorkshop(t)
	v1, v2 := w.release(t, "v1", 1, variant{}), w.release(t, "v2", 2, variant{})
	for name, rom := range roms(t) {
		begin := time.Now()
		o := w.options(Subject{Release: v2, Published: v1})
		o.ROM = rom
		r, err := Check(t.Context(), o)
		t.Logf("%s: %v", name, time.Since(begin))
		if err != nil || len(r.Cases) != 4 || len(r.Warnings) > 0 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}

func TestABadChipReleaseIsRefused(t *testing.T) {
	w := chipWorkshop(t)
	good := w.release(t, "v1", 1, variant{})
	for name, bad := range map[string]struct {
		source, reason string
		port           site.LogPort
	}{
		"crashes in a timer": {in("10", `*reinterpret_cast<volatile int*>(4) = 1;`),
			`^it crashed: exception 29 \(StoreProhibitedCause\) at 0x402[0-9a-f]{5} in .*_FUN.*\+0x[0-9a-f]+, 1\d\.\d s after its start$`, ""},
		"crashes, and prints nothing": {in("10", `*reinterpret_cast<volatile int*>(4) = 1;`),
			`^it crashed: exception 29 \(StoreProhibitedCause\) at 0x402.*, 1\d\.\d s after its start$`, "none"},
		"crashes in a constructor": {"\nstatic struct Crash { Crash() { asm volatile(\"ill\"); } } crash;\n",
			`^it crashed: exception 0 \(IllegalInstructionCause\) at 0x402[0-9a-f]{5} in _GLOBAL__sub_I_.*, 0\.\d s after its start$`, ""},
		"needs too much stack in a constructor": {deep,
			`^it crashed: the 2144 bytes of stack that constructors have, and user_init, have overflowed at 0x402.*, 0\.\d s after its start$`, ""},
		"hangs":              {in("5", `for (;;) asm volatile("");`), `^it hung, and the software watchdog reset it, \d+\.\d s after`, ""},
		"restarts by itself": {"#include <user_interface.h>\n" + in("20", `system_restart();`), `^it restarted by itself, 2\d\.\d s after`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.release(t, "v2", 2, variant{source: bad.source, log: site.Log{Port: bad.port}})
			s := Subject{Release: r, Published: good}
			for _, n := range []string{"socket.elf0", "socket.elf1"} {
				s.ELF = append(s.ELF, filepath.Join(w.site.BuildPath(), n))
			}
			for rom, dump := range roms(t) {
				o := w.options(s)
				o.ROM = dump
				_, err := Check(t.Context(), o)
				failures := Failures(err)
				if len(failures) != 1 || !regexp.MustCompile(bad.reason).MatchString(failures[0].Reason) {
					t.Errorf("%s: %v", rom, err)
				}
			}
		})
	}
}

// BenchmarkChipPreflight is the four cases of a device type.
func BenchmarkChipPreflight(b *testing.B) {
	w := chipWorkshop(b)
	var releases [image.Slots]*release.Release
	for i, version := range []string{"v1", "v2"} {
		releases[i] = w.release(b, version, uint32(i+1), variant{})
	}
	for name, rom := range roms(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				o := w.options(Subject{Release: releases[1], Published: releases[0]})
				o.ROM = rom
				if _, err := Check(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/type")
		})
	}
}
