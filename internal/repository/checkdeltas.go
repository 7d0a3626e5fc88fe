package repository

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
)

// maxDelta is the largest size of a delta that is read, in bytes.
const maxDelta = image.SlotSize

// DeltaCheck is the result of checking a delta.
type DeltaCheck struct {
	File    string `json:"file"`
	From    string `json:"from"` // the version of the release that it is from
	Slot    int    `json:"slot"` // of the image that it makes
	Size    int    `json:"size"`
	Applied bool   `json:"applied"` // it makes the image; false also if the release that it is from is not there
	Error   string `json:"error,omitempty"`
}

// CheckDeltas checks the deltas of a release that lie beside it in a folder, which may be the top of a
// repository or the folder of the release there. It reads their headers, and applies those whose source
// is stored in the same repository. The release must have been verified.
func CheckDeltas(dir string, rel *release.Release) ([]DeltaCheck, error) {
	// Through the links at the top, to where the other releases lie beside this one.
	version, err := filepath.EvalSymlinks(filepath.Join(dir, release.VersionFileName(rel.Type)))
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(version)
	names, err := deltasIn(folder, rel.Type)
	if err != nil {
		return nil, err
	}
	var checks []DeltaCheck
	for _, name := range names {
		check := DeltaCheck{File: name.String(), From: name.from, Slot: name.slot}
		if err := check.run(folder, rel, name); err != nil {
			check.Error = err.Error()
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// run checks a delta of a release in a folder.
func (d *DeltaCheck) run(folder string, rel *release.Release, name deltaName) error {
	path := filepath.Join(folder, name.String())
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxDelta {
		return fmt.Errorf("%w: %d bytes", delta.ErrMalformed, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d.Size = len(content)
	header, err := delta.ParseHeader(content)
	if err != nil {
		return err
	}
	target := rel.Images[name.slot]
	if header.Size != len(target) || header.Sequence != rel.Sequence {
		return fmt.Errorf("it says that it makes %d bytes of sequence %d, not %d of %d",
			header.Size, header.Sequence, len(target), rel.Sequence)
	}
	from, err := release.Read(filepath.Join(filepath.Dir(folder), name.from), rel.Type)
	if found, err := exists(err); err != nil {
		return err
	} else if !found || from.Version != name.from {
		return nil // it is no longer kept, or the folder is not in a repository
	}
	source, err := intact(from, 1-name.slot)
	if err != nil {
		return err
	}
	err = makes(source, content, target)
	if errors.Is(err, delta.ErrSource) {
		err = fmt.Errorf("it is from the image %s, which is not that of %s", hex.EncodeToString(header.Source[:]), name.from)
	}
	d.Applied = err == nil
	return err
}
