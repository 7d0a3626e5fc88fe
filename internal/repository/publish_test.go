package repository

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"esper/internal/delta"
	"esper/internal/delta/deltatest"
	"esper/internal/image"
	"esper/internal/release"
)

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// testRelease returns a release with a content, which may be empty. There are no deltas from it.
func testRelease(t testing.TB, version string, sequence uint32, content string) *release.Release {
	t.Helper()
	return linkedRelease(t, version, sequence, content, image.LinkChip)
}

// linkedRelease is testRelease with the mark of a link.
func linkedRelease(t testing.TB, version string, sequence uint32, content string, link image.Link) *release.Release {
	t.Helper()
	var images [image.Slots][]byte
	for slot := range images {
		descriptor, err := image.Descriptor{DeviceType: "socket", Version: version, Sequence: sequence, Slot: slot, Size: 4096}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		images[slot], err = image.Pack(image.Input{
			Entry:    image.IRAMStart,
			IROM:     append(descriptor, content...),
			Segments: []image.Segment{{Addr: image.IRAMStart, Data: make([]byte, 16)}},
			Slot:     slot,
			Link:     link,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := release.Sign(images, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// relocatable returns a release whose images have relocation lists, so that there are deltas from it to
// others of its kind.
func relocatable(t testing.TB, version string, sequence uint32) *release.Release {
	t.Helper()
	return signed(t, deltatest.Firmware("socket", version, sequence))
}

// signed returns the release of a program.
func signed(t testing.TB, p *deltatest.Program) *release.Release {
	t.Helper()
	r, err := release.Sign(p.Link(t), key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, dir string) *Repository {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.SetLog(func(err error) { t.Errorf("logged: %v", err) })
	return r
}

func mustPublish(t testing.TB, r *Repository, rel *release.Release) {
	t.Helper()
	if err := r.Publish(rel, Allow{}); err != nil {
		t.Fatal(err)
	}
}

// served reads what a static web server would serve at the top of the folder, and
// returns the version if it is a release that verifies.
func served(dir string) (string, error) {
	rel, err := release.Read(dir, "socket")
	if err != nil {
		return "", err
	}
	return rel.Version, rel.Verify([]ed25519.PublicKey{key.Public().(ed25519.PublicKey)})
}

func TestSequenceMustRise(t *testing.T) {
	for _, test := range []struct {
		name             string
		published, next  uint32
		force            bool
		want             error
		wantVersionAfter string
	}{
		{"greater", 4, 5, false, nil, "next"},
		{"equal", 4, 4, false, ErrNotNewer, "first"},
		{"lower", 4, 3, false, ErrNotNewer, "first"},
		{"lower with force", 4, 3, true, nil, "next"},
		{"development build after development build", 0, 0, false, nil, "next"},
		{"development build after release", 4, 0, false, nil, "next"},
		{"release after development build", 0, 1, false, nil, "next"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, t.TempDir())
			mustPublish(t, r, testRelease(t, "first", test.published, ""))
			err := r.Publish(testRelease(t, "next", test.next, ""), Allow{NotNewer: test.force})
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got, err := served(r.Dir()); got != test.wantVersionAfter || err != nil {
				t.Errorf("then served: %q, %v; want %q", got, err, test.wantVersionAfter)
			}
		})
	}
}

func TestAnotherLinkIsPublishedOnlyIfAskedFor(t *testing.T) {
	for _, test := range []struct {
		name     string
		was, is  image.Link
		allow    Allow
		want     error
		contains string
	}{
		{"the same", image.LinkChip, image.LinkChip, Allow{}, nil, ""},
		{"the emulator's over the chip's", image.LinkChip, image.LinkEmulator, Allow{}, ErrLink, "it is linked for the emulator, published is first for the chip"},
		{"the chip's over the emulator's", image.LinkEmulator, image.LinkChip, Allow{}, ErrLink, "it is linked for the chip, published is first for the emulator"},
		{"force is for something else", image.LinkEmulator, image.LinkChip, Allow{NotNewer: true}, ErrLink, ""},
		{"asked for", image.LinkEmulator, image.LinkChip, Allow{OtherLink: true}, nil, ""},
		{"the mark is new", image.LinkUnmarked, image.LinkChip, Allow{}, nil, ""}, // the image is none of the emulator's
		{"the mark is new, and wrong", image.LinkUnmarked, image.LinkEmulator, Allow{}, ErrLink, "for the chip"},
		{"a site goes back to an older ESPer", image.LinkChip, image.LinkUnmarked, Allow{}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, t.TempDir())
			mustPublish(t, r, linkedRelease(t, "first", 1, "", test.was))
			next := linkedRelease(t, "next", 2, "", test.is)
			for _, err := range []error{r.Check(next, test.allow), r.Publish(next, test.allow)} {
				if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.contains) {
					t.Errorf("error %v, want %v %s", err, test.want, test.contains)
				}
			}
			want := "next"
			if test.want != nil {
				want = "first"
			}
			if got, err := served(r.Dir()); got != want || err != nil {
				t.Errorf("then served: %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestAVersionIsPublishedWithOneContentOnly(t *testing.T) {
	r := open(t, t.TempDir())
	first := testRelease(t, "v1", 1, "content")
	mustPublish(t, r, first)
	mustPublish(t, r, first) // once more, with the same content
	for _, force := range []bool{false, true} {
		if err := r.Publish(testRelease(t, "v1", 2, "other"), Allow{NotNewer: force}); !errors.Is(err, ErrConflict) {
			t.Errorf("other content, force %v: error %v, want %v", force, err, ErrConflict)
		}
	}
	mustPublish(t, r, testRelease(t, "v2", 2, ""))
	if err := r.Publish(testRelease(t, "v1", 3, "other"), Allow{}); !errors.Is(err, ErrConflict) {
		t.Errorf("other content of an older version: error %v, want %v", err, ErrConflict)
	}
	if err := r.Publish(first, Allow{NotNewer: true}); err != nil {
		t.Errorf("back to the first by force: %v", err)
	}
	if got, err := served(r.Dir()); got != "v1" || err != nil {
		t.Errorf("served: %q, %v; want v1", got, err)
	}
}

func TestNamesThatAreNoFolderNamesAreRefused(t *testing.T) {
	r := open(t, t.TempDir())
	for _, version := range []string{".", "..", ".hidden"} {
		if err := r.Publish(testRelease(t, version, 1, ""), Allow{NotNewer: true}); err == nil {
			t.Errorf("version %q is published", version)
		}
	}
	rel := testRelease(t, "v1", 1, "")
	rel.Type = "../socket"
	if err := r.Publish(rel, Allow{NotNewer: true}); err == nil {
		t.Error("a type with a path is published")
	}
}

func TestTheLastReleasesAreKept(t *testing.T) {
	r := open(t, t.TempDir())
	for i := range uint32(kept + 2) {
		mustPublish(t, r, testRelease(t, fmt.Sprint("v", i), i+1, ""))
	}
	var have []string
	for i := range kept + 2 {
		version := fmt.Sprint("v", i)
		if _, err := r.folder("socket", version); err == nil {
			have = append(have, version)
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if want := []string{"v2", "v3", "v4", "v5", "v6"}; !slices.Equal(have, want) {
		t.Errorf("kept %v, want %v", have, want)
	}
}

func TestTwoPublishersKeepOutOfEachOthersWay(t *testing.T) {
	r := open(t, t.TempDir())
	r.step = func(string) error {
		if err := open(t, r.Dir()).Publish(testRelease(t, "v2", 2, ""), Allow{}); !errors.Is(err, ErrLocked) {
			t.Errorf("second publisher: error %v, want %v", err, ErrLocked)
		}
		return nil
	}
	mustPublish(t, r, testRelease(t, "v1", 1, ""))
	mustPublish(t, open(t, r.Dir()), testRelease(t, "v2", 2, ""))
}

func TestTypesAndCurrent(t *testing.T) {
	r := open(t, t.TempDir())
	if types, err := r.Types(); len(types) != 0 || err != nil {
		t.Errorf("an empty repository has types %v, %v", types, err)
	}
	if _, err := r.Current("socket"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("current release of an empty repository: %v, want fs.ErrNotExist", err)
	}
	want := testRelease(t, "v1", 1, "x")
	mustPublish(t, r, want)
	if types, err := r.Types(); !slices.Equal(types, []string{"socket"}) || err != nil {
		t.Errorf("types %v, %v", types, err)
	}
	got, err := r.Current("socket")
	if err != nil || !bytes.Equal(got.VersionFile.Marshal(), want.VersionFile.Marshal()) || !bytes.Equal(got.Images[1], want.Images[1]) {
		t.Errorf("current release: %+v, %v", got, err)
	}
}

// The publisher is killed before each of its steps in turn. What is served is the old release or the
// new one, whole, with deltas that make it, and the next try to publish succeeds.
func TestAKilledPublisherLeavesAWholeRelease(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, r *Repository) (old string){
		"first release": func(*testing.T, *Repository) string { return "" },
		"next release": func(t *testing.T, r *Repository) (old string) {
			for i := range uint32(kept) {
				old = fmt.Sprint("old", i)
				mustPublish(t, r, relocatable(t, old, i+1))
			}
			return old
		},
		"the same release, without its deltas": func(t *testing.T, r *Repository) string {
			r.make = func(_, _ []byte) ([]byte, error) { return nil, errors.New("none") }
			r.SetLog(func(error) {})
			mustPublish(t, r, relocatable(t, "old0", 1))
			mustPublish(t, r, relocatable(t, "new", 100))
			r.make = delta.Make
			return "new"
		},
		"the same release, with a damaged delta": func(t *testing.T, r *Repository) string {
			mustPublish(t, r, relocatable(t, "old0", 1))
			mustPublish(t, r, relocatable(t, "new", 100))
			damage(t, filepath.Join(r.Dir(), "socket.old0.delta1"))
			return "new"
		},
	} {
		first := name == "first release"
		t.Run(name, func(t *testing.T) {
			steps := 0
			for ; ; steps++ {
				dir := t.TempDir()
				r := open(t, dir)
				old := prepare(t, r)
				damaged := strings.HasSuffix(name, "damaged delta")
				child := exec.Command(os.Args[0], "-test.run=^TestPublisherThatIsKilled$")
				child.Env = append(os.Environ(), "REPOSITORY="+dir, fmt.Sprint("KILL_AT=", steps))
				output, err := child.CombinedOutput()
				if err == nil {
					break // there are no more steps
				}
				if child.ProcessState.ExitCode() != killed {
					t.Fatalf("child: %v\n%s", err, output)
				}
				got, err := served(dir)
				switch {
				case got == old && err == nil, got == "new" && err == nil:
				case first && errors.Is(err, fs.ErrNotExist):
				default:
					t.Errorf("killed before step %d: served %q, %v", steps, got, err)
				}
				if !first && !damaged {
					servedDeltas(t, r)
				}
				if err := r.Publish(relocatable(t, "new", 100), Allow{}); err != nil {
					t.Errorf("killed before step %d, then published again: %v", steps, err)
				}
				if got, err := served(dir); got != "new" || err != nil {
					t.Errorf("killed before step %d, then published again: served %q, %v", steps, got, err)
				}
				if n := servedDeltas(t, r); n == 0 && !first {
					t.Errorf("killed before step %d, then published again: there are no deltas", steps)
				}
				filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
					if strings.Contains(path, temporary) && name != "next release" {
						t.Errorf("killed before step %d, then published again: %s is left", steps, path)
					}
					return nil
				})
			}
			least := map[string]int{"first release": 8, "next release": 8, "the same release, without its deltas": 4}
			if steps < max(least[name], 1) {
				t.Errorf("the publisher has %d steps only: nothing was tested", steps)
			}
		})
	}
}

const killed = 9

// TestPublisherThatIsKilled is the child process of the test above.
func TestPublisherThatIsKilled(t *testing.T) {
	dir := os.Getenv("REPOSITORY")
	if dir == "" {
		t.Skip("runs as a child of TestAKilledPublisherLeavesAWholeRelease")
	}
	r := open(t, dir)
	at := 0
	r.step = func(string) error {
		if fmt.Sprint(at) == os.Getenv("KILL_AT") {
			os.Exit(killed)
		}
		at++
		return nil
	}
	mustPublish(t, r, relocatable(t, "new", 100))
}

// An error at a step is reported, and the old release goes on being served.
func TestAFailedPublicationLeavesTheOldRelease(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, relocatable(t, "old", 1))
	full := errors.New("no space left on device")
	for _, at := range []string{"write the release", "write the deltas", "store the release", "link socket.old.delta0", "link " + filepath.Join(currentDir, "socket")} {
		r.step = func(what string) error {
			if what == at {
				return full
			}
			return nil
		}
		if err := r.Publish(relocatable(t, "new", 2), Allow{}); !errors.Is(err, full) {
			t.Errorf("%s: error %v, want %v", at, err, full)
		}
		if got, err := served(r.Dir()); got != "old" || err != nil {
			t.Errorf("%s: served %q, %v", at, got, err)
		}
		servedDeltas(t, r)
	}
}
