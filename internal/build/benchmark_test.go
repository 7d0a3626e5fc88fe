package build_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/internal/build"
	"esper/internal/site"
)

// manyTypes makes a site with n device types, no two of which have the same source.
func manyTypes(b *testing.B, n int) string {
	b.Helper()
	dir := newSite(b, true)
	source := string(read(b, filepath.Join(dir, "devices", "socket", "socket.cpp")))
	must(b, os.RemoveAll(filepath.Join(dir, "devices")))
	for i := range n {
		folder := filepath.Join(dir, "devices", fmt.Sprintf("type%d", i))
		must(b, os.MkdirAll(folder, 0o777))
		own := strings.Replace(source, "false, 1>", fmt.Sprintf("false, %d>", i+1), 1)
		must(b, os.WriteFile(filepath.Join(folder, "device.cpp"), []byte(own), 0o666))
	}
	return dir
}

// Building 1 and 50 device types: cold, with nothing compiled before; a new version of
// what was built before; and unchanged. Beside it the naive way, which compiles
// everything for each type and slot: for one type, that is two cold builds of it
// ("naive-ms/type"). "of-naive" is what each type beyond the first costs, as a part of that.
func BenchmarkBuild(b *testing.B) {
	needCompiler(b)
	compileAnew(b)
	timed := func(dir string, o build.Options) float64 {
		began := time.Now()
		mustBuild(b, dir, o)
		return float64(time.Since(began).Microseconds()) / 1000
	}
	one, many := manyTypes(b, 1), manyTypes(b, 50)
	version := func() *site.Version { return &site.Version{Name: fmt.Sprint(time.Now().UnixNano()), Sequence: 1} }
	cold := map[string]float64{}
	var naive float64
	for b.Loop() {
		naive = 0
		for range 2 {
			compileAnew(b)
			cold[one] = timed(one, build.Options{Version: version(), Dir: b.TempDir()})
			naive += cold[one]
		}
		compileAnew(b)
		cold[many] = timed(many, build.Options{Version: version(), Dir: b.TempDir()})
		for _, dir := range []string{one, many} {
			n := map[string]int{one: 1, many: 50}[dir]
			mustBuild(b, dir, build.Options{Version: version()})
			o := build.Options{Version: version()}
			b.ReportMetric(cold[dir], fmt.Sprintf("cold-%d-ms", n))
			b.ReportMetric(timed(dir, o), fmt.Sprintf("version-%d-ms", n))
			b.ReportMetric(timed(dir, o), fmt.Sprintf("unchanged-%d-ms", n))
		}
		b.ReportMetric(naive, "naive-ms/type")
		b.ReportMetric((cold[many]-cold[one])/49/naive, "of-naive")
	}
}
