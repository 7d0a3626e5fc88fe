package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/delta"
	"esper/internal/delta/deltatest"
	"esper/internal/image"
	"esper/internal/release"
)

// servedDeltas checks that each delta that a static web server would serve at the top of the folder
// makes an image of the current release out of that which its name says. It returns how many there are.
func servedDeltas(t testing.TB, r *Repository) (n int) {
	t.Helper()
	target, err := r.Current("socket")
	if err != nil {
		t.Fatal(err)
	}
	names, err := deltasIn(r.Dir(), "socket")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(r.Dir(), name.String()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a name that leads nowhere: not found
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		source, err := r.Release("socket", name.from)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is no longer kept, but devices may still run it
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := makes(source.Images[1-name.slot], content, target.Images[name.slot]); err != nil {
			t.Errorf("%s of %s: %v", name, target.Version, err)
		}
	}
	return n
}

// topDeltas returns the names at the top of a repository that are deltas, with where they lead.
func topDeltas(t testing.TB, r *Repository) string {
	t.Helper()
	names, err := deltasIn(r.Dir(), "socket")
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, name := range names {
		state := ""
		if _, err := os.Stat(filepath.Join(r.Dir(), name.String())); err != nil {
			state = " (dangling)"
		}
		text = append(text, strings.TrimPrefix(name.String(), "socket.")+state)
	}
	return strings.Join(text, ", ")
}

// damage changes the byte in the middle of a file.
func damage(t testing.TB, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAReleaseComesWithDeltasFromThoseThatAreStored(t *testing.T) {
	r := open(t, t.TempDir())
	if err := r.Keep("socket", []string{"v0"}); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(kept + 3) {
		mustPublish(t, r, relocatable(t, fmt.Sprint("v", i), i+1))
	}
	// v7 is published when v0 (to be kept) and v2 to v6 are there.
	want := "v0.delta0, v0.delta1, v2.delta0, v2.delta1, v3.delta0, v3.delta1, v4.delta0, v4.delta1, v5.delta0, v5.delta1, v6.delta0, v6.delta1"
	if got := topDeltas(t, r); got != want {
		t.Errorf("deltas %s,\nwant %s", got, want)
	}
	if n := servedDeltas(t, r); n != 12 {
		t.Errorf("%d deltas are served", n)
	}
	sum, err := r.DeltaSizes("socket", "v7")
	if err != nil || sum.Releases != 6 || sum.Smallest < 20 || sum.Largest < sum.Smallest || sum.Largest > 200 {
		t.Errorf("%+v, %v", sum, err)
	}
	if sum, err := r.DeltaSizes("socket", "gone"); err != nil || sum != (DeltaSizes{}) {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestDeltasAreFromWhatDevicesComeFromOnly(t *testing.T) {
	other := deltatest.Firmware("socket", "a", 1)
	other.For = image.LinkEmulator
	for _, test := range []struct {
		name            string
		source, release *release.Release
		want            string
	}{
		{"an older one", relocatable(t, "a", 4), relocatable(t, "b", 5), "a.delta0, a.delta1"},
		{"a development build", relocatable(t, "a", 0), relocatable(t, "b", 5), "a.delta0, a.delta1"},
		{"both development builds", relocatable(t, "a", 0), relocatable(t, "b", 0), "a.delta0, a.delta1"},
		{"to a development build", relocatable(t, "a", 1), relocatable(t, "b", 0), ""},
		{"a newer one", relocatable(t, "a", 6), relocatable(t, "b", 5), ""},
		{"a jump", relocatable(t, "a", 1), relocatable(t, "b", maxJump+2), ""},
		{"another link", signed(t, other), relocatable(t, "b", 2), ""},
		{"dots", relocatable(t, "1.2.3", 1), relocatable(t, "1.2.4+x", 2), "1.2.3.delta0, 1.2.3.delta1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, t.TempDir())
			mustPublish(t, r, test.source)
			if err := r.Publish(test.release, Allow{NotNewer: true, OtherLink: true}); err != nil {
				t.Fatal(err)
			}
			servedDeltas(t, r)
			if got := topDeltas(t, r); got != test.want {
				t.Errorf("deltas %s, want %s", got, test.want)
			}
		})
	}
}

func TestAReleaseIsPublishedWithoutADeltaThatIsNotRight(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(source, target []byte) ([]byte, error)
		want string // what is logged of each
	}{
		{"an error", func(_, _ []byte) ([]byte, error) { return nil, errors.New("too complicated") }, "too complicated"},
		{"a crash", func(_, _ []byte) ([]byte, error) { panic("out of range") }, "the encoder panicked: out of range"},
		{"another image", func(source, _ []byte) ([]byte, error) {
			other, err := image.Relocated(source)
			if err != nil {
				return nil, err
			}
			return delta.Make(source, other)
		}, "it makes another image than the published one"},
		{"nothing", func(_, _ []byte) ([]byte, error) { return nil, nil }, "malformed delta"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, t.TempDir())
			var logged []string
			r.SetLog(func(err error) { logged = append(logged, err.Error()) })
			r.make = test.make
			mustPublish(t, r, relocatable(t, "a", 1))
			mustPublish(t, r, relocatable(t, "b", 2))
			if got, err := served(r.Dir()); got != "b" || err != nil {
				t.Errorf("served %q, %v", got, err)
			}
			if got := topDeltas(t, r); got != "" {
				t.Errorf("deltas %s", got)
			}
			for i, line := range logged {
				if want := fmt.Sprintf("socket.a.delta%d of b is left out, so devices fetch the whole image: ", i); !strings.HasPrefix(line, want) ||
					!strings.Contains(line, test.want) {
					t.Errorf("logged %q", line)
				}
			}
			if len(logged) != 2 {
				t.Errorf("logged %q", logged)
			}
		})
	}
}

// Devices of a release whose images have no relocation lists know no deltas.
func TestAReleaseWithoutRelocationListsIsNoSource(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, testRelease(t, "a", 1, ""))
	mustPublish(t, r, relocatable(t, "b", 2))
	mustPublish(t, r, relocatable(t, "c", 3))
	if got := topDeltas(t, r); got != "b.delta0, b.delta1" {
		t.Errorf("deltas %s", got)
	}
}

// Deltas of images that have little in common are not worth their place.
func TestALargeDeltaIsLeftOut(t *testing.T) {
	r := open(t, t.TempDir())
	for i := range uint32(2) {
		p := deltatest.New(rand.New(rand.NewPCG(uint64(i), 0)), 20)
		p.Version, p.Sequence = fmt.Sprint("v", i), i+1
		mustPublish(t, r, signed(t, p))
	}
	if got := topDeltas(t, r); got != "" {
		t.Errorf("deltas %s", got)
	}
}

// A damaged release that is stored is no source: its deltas would not fit what devices run.
func TestADamagedReleaseIsNoSource(t *testing.T) {
	r := open(t, t.TempDir())
	var logged []string
	r.SetLog(func(err error) { logged = append(logged, err.Error()) })
	mustPublish(t, r, relocatable(t, "a", 1))
	path := filepath.Join(r.Dir(), "socket.rom0")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[120] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, relocatable(t, "b", 2))
	if got := topDeltas(t, r); got != "" && got != "a.delta0" {
		t.Errorf("deltas %s", got)
	}
	if len(logged) == 0 || !strings.Contains(logged[len(logged)-1], "socket.rom0 of a: ") {
		t.Errorf("logged %q", logged)
	}
}

func TestMissingAndDamagedDeltasAreMadeWhenTheReleaseIsPublishedAgain(t *testing.T) {
	r := open(t, t.TempDir())
	for i, version := range []string{"a", "b", "c"} {
		mustPublish(t, r, relocatable(t, version, uint32(i+1)))
	}
	folder := filepath.Join(r.Dir(), "releases/socket/c")
	read := func() map[string]string {
		files := map[string]string{}
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			content, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = string(content)
		}
		return files
	}
	tag := func(name string) string { // as a static web server makes it
		info, err := os.Stat(filepath.Join(r.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(info.ModTime().Unix(), "-", info.Size())
	}
	before := read()
	untouched, replaced := tag("socket.a.delta0"), tag("socket.b.delta0")
	if err := os.Remove(filepath.Join(folder, "socket.a.delta1")); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(folder, "socket.b.delta0"))
	current, err := r.Current("socket")
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, current)
	if after := read(); len(after) != 7 || !maps.Equal(before, after) {
		t.Errorf("%d files, before %d", len(after), len(before))
	}
	if got := topDeltas(t, r); got != "a.delta0, a.delta1, b.delta0, b.delta1" {
		t.Errorf("deltas %s", got)
	}
	if tag("socket.a.delta0") != untouched || tag("socket.b.delta0") == replaced {
		t.Errorf("the right one was changed, or the damaged one has its old entity tag")
	}

	// What is wrong and cannot be made again is removed, with its name at the top.
	damage(t, filepath.Join(folder, "socket.b.delta0"))
	r.make = func(_, _ []byte) ([]byte, error) { return nil, errors.New("none") }
	r.SetLog(func(error) {})
	mustPublish(t, r, current)
	if got := topDeltas(t, r); got != "a.delta0, a.delta1, b.delta1" {
		t.Errorf("deltas %s", got)
	}
}

func TestNamesOfDeltasThatAreGoneAreRemoved(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "a", 1))
	mustPublish(t, r, relocatable(t, "b", 2))
	if got := topDeltas(t, r); got != "a.delta0, a.delta1" {
		t.Fatalf("deltas %s", got)
	}
	for i := range uint32(kept - 1) {
		mustPublish(t, r, relocatable(t, fmt.Sprint("c", i), i+3))
	}
	if r.Has("socket", "a") {
		t.Fatal("a is still there")
	}
	// The last release was published when a was still there; the next one has no delta from it.
	mustPublish(t, r, relocatable(t, "d", 100))
	if got := topDeltas(t, r); strings.Contains(got, "dangling") || strings.Contains(got, "a.delta") || !strings.HasPrefix(got, "b.delta0, ") {
		t.Errorf("deltas %s", got)
	}
	// Another type's, and other files, stay.
	mine := filepath.Join(r.Dir(), "socket-2.x.delta0")
	if err := os.Symlink("nowhere", mine); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, relocatable(t, "e", 101))
	if _, err := os.Lstat(mine); err != nil {
		t.Error(err)
	}
}

// Releases that are published in the same second have deltas with entity tags of their own at a static
// web server: the name stays the same.
func TestDeltasOfReleasesHaveTimesOfTheirOwn(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "a", 1))
	seen := map[int64]bool{}
	for i := range uint32(4) {
		mustPublish(t, r, relocatable(t, fmt.Sprint("b", i), i+2))
		for _, name := range []string{"socket.a.delta0", "socket.a.delta1", "socket.version"} {
			info, err := os.Stat(filepath.Join(r.Dir(), name))
			if err != nil {
				t.Fatal(err)
			}
			if seen[info.ModTime().Unix()] {
				t.Errorf("%s of b%d has the time of another release", name, i)
			}
		}
		info, err := os.Stat(filepath.Join(r.Dir(), "socket.a.delta0"))
		if err != nil {
			t.Fatal(err)
		}
		seen[info.ModTime().Unix()] = true
	}
}

// What another publisher publishes while the deltas are made is a source, too.
func TestADeltaIsMadeFromWhatIsPublishedMeanwhile(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "a", 1))
	meanwhile := relocatable(t, "b", 2)
	r.make = func(source, target []byte) ([]byte, error) {
		if err := open(t, r.Dir()).Publish(meanwhile, Allow{}); err != nil && !errors.Is(err, ErrLocked) {
			return nil, err
		}
		return delta.Make(source, target)
	}
	mustPublish(t, r, relocatable(t, "c", 3))
	if got := topDeltas(t, r); got != "a.delta0, a.delta1, b.delta0, b.delta1" {
		t.Errorf("deltas %s", got)
	}
	servedDeltas(t, r)
}

func TestManySourcesAreLimited(t *testing.T) {
	r := open(t, t.TempDir())
	r.make = func(_, _ []byte) ([]byte, error) { return nil, errors.New("none") }
	r.SetLog(func(error) {})
	var all []string
	for i := range maxSources + 3 {
		all = append(all, fmt.Sprintf("v%02d", i))
		if err := r.Keep("socket", all); err != nil {
			t.Fatal(err)
		}
		mustPublish(t, r, relocatable(t, all[i], uint32(i+1)))
	}
	r.make = delta.Make
	mustPublish(t, r, relocatable(t, "last", 1000))
	names, err := deltasIn(r.Dir(), "socket")
	if err != nil || len(names) != 2*maxSources {
		t.Errorf("%d deltas, %v", len(names), err)
	}
	if names[0].from != "v03" {
		t.Errorf("the oldest is %s: the newest are to be taken", names[0])
	}
}

func TestNamesOfDeltas(t *testing.T) {
	for name, want := range map[string]deltaName{
		"socket.v1.delta0":            {"socket", "v1", 0},
		"socket.v1.delta1":            {"socket", "v1", 1},
		"socket.1.2.3.delta1":         {"socket", "1.2.3", 1},
		"socket.version.delta0":       {"socket", "version", 0},
		"socket.v1.delta0.delta1":     {"socket", "v1.delta0", 1},
		"socket.8a1b2c3d+x_y-.delta0": {"socket", "8a1b2c3d+x_y-", 0},
	} {
		if got, ok := parseDeltaName(name); !ok || got != want || got.String() != name {
			t.Errorf("%q: %+v, %v", name, got, ok)
		}
	}
	for _, name := range []string{
		"", "socket", "socket.delta0", "socket..delta0", "socket...delta0", "socket....delta0", "socket.v1.delta2", "socket.v1.delta",
		"socket.v1.delta00", ".v1.delta0", "Socket.v1.delta0", "socket.v 1.delta0", "socket.../v1.delta0", "socket.v1/.delta0",
		"../socket.v1.delta0", "socket.v1.rom0", "socket.v1.DELTA0", "socket.\xff.delta0", ".new-socket.v1.delta0",
		"socket." + strings.Repeat("v", 33) + ".delta0",
	} {
		if got, ok := parseDeltaName(name); ok {
			t.Errorf("%q is read as %+v", name, got)
		}
	}
}

func TestDeltaSizesInWords(t *testing.T) {
	for want, d := range map[string]DeltaSizes{
		"deltas from 5 releases, 1.2 KB to 3.4 KB": {5, 1229, 3482},
		"deltas from 1 release, 1.2 KB":            {1, 1229, 1230},
	} {
		if got := d.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDeltasAreChecked(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "a", 1))
	mustPublish(t, r, relocatable(t, "b", 2))
	rel := relocatable(t, "c", 3)
	mustPublish(t, r, rel)
	check := func(dir string) string {
		t.Helper()
		checks, err := CheckDeltas(dir, rel)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, c := range checks {
			if c.Size < 20 || c.Slot != int(c.File[len(c.File)-1]-'0') {
				t.Errorf("%+v", c)
			}
			text = append(text, fmt.Sprintf("%s from %s: %v %s", c.File, c.From, c.Applied, c.Error))
		}
		return strings.Join(text, "; ")
	}
	folder := filepath.Join(r.Dir(), "releases/socket/c")
	want := "socket.a.delta0 from a: true ; socket.a.delta1 from a: true ; socket.b.delta0 from b: true ; socket.b.delta1 from b: true "
	for _, dir := range []string{r.Dir(), folder} {
		if got := check(dir); got != want {
			t.Errorf("%s: %s", dir, got)
		}
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if got := check(copied); got != strings.ReplaceAll(want, "true", "false") {
		t.Errorf("without the sources: %s", got)
	}

	path := func(name string) string { return filepath.Join(folder, name) }
	write := func(name string, content []byte) {
		if err := os.WriteFile(path(name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	right, err := os.ReadFile(path("socket.b.delta0"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Release("socket", "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := delta.Make(a.Images[1], rel.Images[0])
	if err != nil {
		t.Fatal(err)
	}
	size, body := bytes.Clone(right), bytes.Clone(right)
	size[12] += 16
	body[25] ^= 0xFF
	for _, damaged := range []struct {
		content []byte
		want    string
	}{
		{make([]byte, 30), "malformed delta"},
		{other, "it is from the image "},
		{size, "it says that it makes "},
		{body, ""},
	} {
		write("socket.b.delta0", damaged.content)
		checks, err := CheckDeltas(r.Dir(), rel)
		if err != nil || len(checks) != 4 || checks[2].Applied || checks[2].Error == "" || !strings.HasPrefix(checks[2].Error, damaged.want) {
			t.Errorf("%s: %+v, %v", damaged.want, checks, err)
		}
	}
	if err := os.Truncate(path("socket.b.delta0"), maxDelta+1); err != nil {
		t.Fatal(err)
	}
	if checks, err := CheckDeltas(r.Dir(), rel); err != nil || checks[2].Error == "" {
		t.Errorf("%+v, %v", checks, err)
	}

	// Of a damaged source nobody knows what its deltas make.
	write("socket.b.delta0", right)
	damage(t, filepath.Join(r.Dir(), "releases/socket/a/socket.rom1"))
	checks, err := CheckDeltas(r.Dir(), rel)
	if err != nil || !strings.HasPrefix(checks[0].Error, "socket.rom1 of a: ") || !checks[1].Applied {
		t.Errorf("%+v, %v", checks, err)
	}
}
