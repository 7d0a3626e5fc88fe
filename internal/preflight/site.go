package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// Dir is the folder for the logs, in the build folder.
const Dir = "preflight"

// Published finds what devices run now: a repository.
type Published interface {
	// Current is the release of a device type that devices find; none: an fs.ErrNotExist.
	Current(deviceType string) (*release.Release, error)
}

// Try tries releases as [ForSite] and [Check] do, with the chip's mask ROM if there is one, and says
// in the log how it went, a line for each fact, and what devices that failed sent on their serial
// lines.
func Try(ctx context.Context, s *site.Site, dir string, from Published, releases []*release.Release, rom []byte, log io.Writer) error {
	began := time.Now()
	o, err := ForSite(s, dir, from, releases)
	o.ROM = rom
	if err != nil || len(o.Subjects) == 0 {
		return err
	}
	var types []string
	for _, subject := range o.Subjects {
		types = append(types, subject.Release.Type)
	}
	r, err := Check(ctx, o)
	for _, w := range r.Warnings {
		fmt.Fprintf(log, "warning: %s\n", w)
	}
	for _, f := range Failures(err) {
		fmt.Fprintf(log, "preflight: %v\n", f)
		for line := range strings.Lines(f.Serial) {
			fmt.Fprintf(log, "  %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if err == nil {
		fmt.Fprintf(log, "preflight: all %d cases of %s are good, in %.1f s\n", len(r.Cases), strings.Join(types, ", "), time.Since(began).Seconds())
	}
	return err
}

// ForSite says what is to be tried of releases that were built from a site into its folder
// dir and signed: each that is not the published release already.
func ForSite(s *site.Site, dir string, from Published, releases []*release.Release) (Options, error) {
	o := Options{Config: s.Config, LogDir: filepath.Join(dir, Dir)}
	var err error
	if o.Bootloader, err = os.ReadFile(filepath.Join(dir, build.BootloaderFile)); err != nil {
		return o, err
	}
	for _, r := range releases {
		subject := Subject{Release: r}
		current, err := from.Current(r.Type)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return o, fmt.Errorf("the published release of %s: %w", r.Type, err)
		case current.Version == r.Version: // publishing it again does nothing, or is refused
			continue
		default:
			subject.Published = current
		}
		for slot := range image.Slots {
			path := filepath.Join(dir, fmt.Sprintf("%s.elf%d", r.Type, slot))
			if _, err := os.Stat(path); err == nil {
				subject.ELF = append(subject.ELF, path)
			}
		}
		o.Subjects = append(o.Subjects, subject)
	}
	return o, nil
}
