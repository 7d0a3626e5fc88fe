package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/google/renameio/v2"

	"esper/internal/pipeline"
)

// State is how far a build is.
type State string

// The states. Queued, running and interrupted builds are not at their end.
const (
	Queued      State = "queued"
	Running     State = "running"
	Published   State = "published"   // at least one device type has a new release
	Unchanged   State = "unchanged"   // the firmware is what is published already
	Failed      State = "failed"      // nothing is published, but see Types
	Refused     State = "refused"     // it could be built, but must not be published
	Skipped     State = "skipped"     // a newer commit came before its turn
	Interrupted State = "interrupted" // the server ended; it begins again at the next start
)

// Ended says whether a build in this state stays in it.
func (s State) Ended() bool { return s != Queued && s != Running && s != Interrupted }

// Build is what is known of the build of a commit.
type Build struct {
	Number int `json:"number"`
	Commit
	Branch    string             `json:"branch"`
	Requested bool               `json:"requested"`      // by a person, not by a new commit
	Back      string             `json:"back,omitempty"` // the commit that the branch went back from, if it did
	State     State              `json:"state"`
	Attempt   int                `json:"attempt"` // 1, or more after interruptions
	Queued    time.Time          `json:"queued"`
	Started   time.Time          `json:"started,omitzero"` // the last attempt
	Ended     time.Time          `json:"ended,omitzero"`
	Types     []pipeline.Outcome `json:"types"` // what became of the device types, sorted by name
	Error     string             `json:"error,omitempty"`
}

// Released are the device types that the build published. After an interruption the last
// attempt may have found some of them published by the first.
func (b *Build) Released() []string {
	var types []string
	for _, o := range b.Types {
		if o.Version == b.version().Name && (!o.Unchanged || b.Attempt > 1) {
			types = append(types, o.Type)
		}
	}
	return types
}

// ErrNoBuild says that there is no build of that number.
var ErrNoBuild = errors.New("there is no such build")

// The files of a build, in a folder that its number names.
const (
	buildFile = "build.json"
	logFile   = "log"
)

// folder is the folder with all builds.
type folder string

// BuildsDir is the folder with the builds in a server's data.
func BuildsDir(data string) string { return filepath.Join(data, "builds") }

// List reads the builds in a folder, the newest first. A folder that is not there has none.
func List(dir string) ([]Build, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	builds := []Build{}
	for _, entry := range entries {
		n, err := strconv.Atoi(entry.Name())
		if err != nil || n < 1 || strconv.Itoa(n) != entry.Name() {
			continue
		}
		b, err := Read(dir, n)
		if errors.Is(err, ErrNoBuild) { // being made or removed
			continue
		}
		if err != nil {
			return nil, err
		}
		builds = append(builds, b)
	}
	slices.SortFunc(builds, func(a, b Build) int { return b.Number - a.Number })
	return builds, nil
}

// Read reads one build in a folder; [ErrNoBuild].
func Read(dir string, number int) (Build, error) {
	path := filepath.Join(dir, strconv.Itoa(number), buildFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Build{}, fmt.Errorf("%w: %d", ErrNoBuild, number)
	}
	if err != nil {
		return Build{}, err
	}
	var b Build
	if err := json.Unmarshal(text, &b); err != nil || b.Number != number || len(b.Hash) < 8 {
		return Build{}, fmt.Errorf("%s: this is not what is known of build %d; remove the folder", path, number)
	}
	return b, nil
}

// maxPart is how much of a log is read at a time, in bytes.
const maxPart = 256 << 10

// LogPart is a part of a log.
type LogPart struct {
	Text  string `json:"text"`
	Next  int64  `json:"next"`  // where the next part begins, in bytes
	Ended bool   `json:"ended"` // nothing comes any more
}

// ReadLog reads the log of a build from an offset on, in bytes; [ErrNoBuild].
func ReadLog(dir string, number int, offset int64) (LogPart, error) {
	b, err := Read(dir, number) // before the log: what ends meanwhile is seen the next time
	if err != nil {
		return LogPart{}, err
	}
	part := LogPart{Next: offset}
	f, err := os.Open(filepath.Join(dir, strconv.Itoa(number), logFile))
	if errors.Is(err, fs.ErrNotExist) {
		part.Ended = b.State.Ended()
		return part, nil
	}
	if err != nil {
		return part, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return part, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxPart))
	if err != nil {
		return part, err
	}
	full := len(content) == maxPart
	if full { // the log is whole lines: do not cut one, nor a character in it
		content = content[:bytes.LastIndexByte(content, '\n')+1]
	}
	part.Text = string(content)
	part.Next += int64(len(content))
	part.Ended = b.State.Ended() && !full
	return part, nil
}

// save writes what is known of a build, whole or not at all.
func (f folder) save(b *Build) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	dir := f.of(b.Number)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, buildFile), append(text, '\n'), 0o600)
}

// of is the folder of one build.
func (f folder) of(number int) string { return filepath.Join(string(f), strconv.Itoa(number)) }
