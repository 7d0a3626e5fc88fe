package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"esper/internal/image"
	"esper/internal/site"
)

// imageCommand says what a file is.
type imageCommand struct {
	Files    []string `arg:"" name:"file" help:"Image, delta, bootloader, version file, settings release or flash dump."`
	FleetKey string   `placeholder:"FILE" help:"File with the fleet's keys, to name what is in a settings release."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// Help is the command's description.
func (c *imageCommand) Help() string {
	return `Says what each file is, from its content: a slot's image (.rom0, .rom1), a delta (.delta0,
.delta1), a bootloader, a version file, a settings release (.settings), or the dump of a whole flash
(1 MB); and whether it is whole. A flash is whole if it boots and nothing in it is damaged. Of a delta
only the header is read: 'esper verify' applies it. Whether someone signed an image or settings is
what 'esper verify' tells, too. Of settings it names the entries, and never what is in them; those of a
release are sealed, so that takes --fleet-key.

'esper dump FILE' reads a device's flash.

Exit codes: 0 every file is whole; 3 one is not; 1 one could not be read.`
}

// Run looks at the files.
func (c *imageCommand) Run(s *streams) error {
	var keys [][]byte
	if c.FleetKey != "" {
		var err error
		if keys, err = site.ReadFleetKeys(c.FleetKey); err != nil {
			return err
		}
	}
	findings, bad := []finding{}, 0
	var unreadable []error
	for _, path := range c.Files {
		content, err := readAtMost(path, image.MaxFlashSize)
		if err != nil {
			unreadable = append(unreadable, err)
			continue
		}
		f := inspect(content, keys...)
		f.File = path
		if !f.Whole {
			bad++
		}
		findings = append(findings, f)
	}
	if c.JSON {
		if err := printJSON(s, findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			f.print(s.out)
		}
	}
	if len(unreadable) > 0 {
		return errors.Join(unreadable...)
	}
	if bad > 0 {
		return &invalidError{fmt.Errorf("%d of %d files not whole", bad, len(findings))}
	}
	return nil
}

// readAtMost reads a file, of a larger one only enough to tell that it is.
func readAtMost(path string, max int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(max)+1))
}
