package firmware_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/internal/site"
)

// zones are rules of each kind: no change, both hemispheres, negative daylight saving time, changes
// before midnight and days after their date, fractions of hours.
var zones = []string{
	"UTC0", "<+0545>-5:45", "HST10", "<+14>-14", "<-12>12",
	"CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3",
	"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
	"EET-2EEST,M3.4.4/50,M10.4.4/50", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01",
	"IST-2IDT,M3.4.4/26,M10.5.0", "XXX-5YYY-7,M2.5.1/-10:15:30,M8.3.2/100",
}

// allZones are the rules of all places that Go knows, besides those above.
func allZones(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Logf("without the zones of the world: %v", err)
		return zones
	}
	defer archive.Close()
	known, all := map[string]bool{}, zones
	for _, rule := range zones {
		known[rule] = true
	}
	for _, file := range archive.File {
		in, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if rule := lines[len(lines)-1]; bytes.HasPrefix(text, []byte("TZif")) && !known[rule] {
			known[rule] = true
			all = append(all, rule)
		}
	}
	if len(all) < 50 {
		t.Errorf("%d rules in all the world", len(all))
	}
	return all
}

// location returns Go's idea of a rule: a file of RFC 8536 that has nothing but its footer.
func location(t *testing.T, rule string) *time.Location {
	t.Helper()
	part := func(version byte) []byte {
		b := append([]byte("TZif"), version)
		b = append(b, make([]byte, 15)...)
		for _, count := range []uint32{0, 0, 0, 0, 1, 4} { // of types, and of characters of names
			b = binary.BigEndian.AppendUint32(b, count)
		}
		return append(b, 0, 0, 0, 0, 0, 0, 'U', 'T', 'C', 0)
	}
	l, err := time.LoadLocationFromTZData(rule, append(append(part('2'), part('2')...), "\n"+rule+"\n"...))
	if err != nil {
		t.Fatalf("%s: %v", rule, err)
	}
	return l
}

// ofDevice returns a zone as words.
func ofDevice(z site.Zone) []byte {
	words := []int{z.Standard, z.Daylight}
	for _, c := range []site.Change{z.ToDaylight, z.ToStandard} {
		words = append(words, c.Month, c.Week, c.Weekday, c.Seconds)
	}
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(w)))
	}
	return b
}

// Devices have the same dates and times as Go, in each zone of the world, from 1970 to 2106.
func TestDatesAsOnTheDevice(t *testing.T) {
	needCompiler(t)
	program := filepath.Join(folder, "calendar_oracle")
	if _, err := compileTarget(program, "fuzz/calendar_oracle.cpp", "fuzz/answer.cpp", "framework/esper/Calendar.cpp"); err != nil {
		t.Fatal(err)
	}
	o := startOracle(t, program)
	random := rand.New(rand.NewPCG(1, 2))
	const first, last = 2 * 86400, 1<<32 - 3*86400
	for _, rule := range allZones(t) {
		zone, err := site.ParseZone(rule)
		if err != nil {
			t.Error(err)
			continue
		}
		l := location(t, rule)
		var moments []uint32
		for range 500 {
			moments = append(moments, first+uint32(random.Int64N(last-first)))
		}
		for year := 1971; year < 2106; year++ {
			for _, from := range []time.Month{1, 7} { // a change in each half of the year
				at := time.Date(year, from, 1, 0, 0, 0, 0, time.UTC)
				for _, change := range changes(l, at, at.AddDate(0, 6, 0)) {
					moments = append(moments, uint32(change.Unix()-1), uint32(change.Unix()))
				}
			}
			newYear := uint32(time.Date(year, 1, 1, 0, 0, 0, 0, l).Unix())
			moments = append(moments, newYear-1, newYear)
		}
		input := ofDevice(zone)
		var want strings.Builder
		for _, m := range moments {
			input = binary.LittleEndian.AppendUint32(input, m)
			at := time.Unix(int64(m), 0).In(l)
			daylight := 0
			if at.IsDST() {
				daylight = 1
			}
			fmt.Fprintf(&want, "%s %d %d,", at.Format(time.DateTime), at.Weekday(), daylight)
		}
		got := strings.Split(o.ask(t, 'z', input), ",")
		for i, w := range strings.Split(want.String(), ",") {
			if got[i] != w {
				t.Errorf("%s, %d: the device says %s, Go %s", rule, moments[i], got[i], w)
				break
			}
		}
	}
}

// changes returns the first moments of each offset from one moment to another, by bisection of days.
func changes(l *time.Location, from, to time.Time) (all []time.Time) {
	offset := func(at time.Time) int {
		_, seconds := at.In(l).Zone()
		return seconds
	}
	for ; from.Before(to); from = from.AddDate(0, 0, 1) {
		low, high := from, from.AddDate(0, 0, 1)
		if offset(low) == offset(high) {
			continue
		}
		for high.Sub(low) > time.Second {
			if middle := low.Add(high.Sub(low) / 2).Truncate(time.Second); offset(middle) == offset(low) {
				low = middle
			} else {
				high = middle
			}
		}
		all = append(all, high)
	}
	return all
}
