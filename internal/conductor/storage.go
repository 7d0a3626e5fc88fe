package conductor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"esper/internal/rollout"
)

// Snapshot is states and devices, each of which replaces the one of the same type or id.
type Snapshot struct {
	States  []rollout.State  `json:"states"`
	Devices []rollout.Device `json:"devices"`
}

// Storage is where roll-outs are kept between runs.
type Storage interface {
	// Load returns all that was saved.
	Load() (Snapshot, error)
	// Save saves what has changed, all of it or nothing. When it returns, it is kept
	// whatever happens to the process.
	Save(changed Snapshot) error
}

// File is a storage of one file, which is written anew each time. It suits fleets of some
// hundred devices.
type File struct {
	path    string
	states  map[string]rollout.State
	devices map[string]rollout.Device
}

// NewFile returns the storage in a file, which need not be there yet.
func NewFile(path string) *File {
	return &File{path: path, states: map[string]rollout.State{}, devices: map[string]rollout.Device{}}
}

// Load implements Storage.
func (f *File) Load() (Snapshot, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, nil
	}
	if err != nil {
		return Snapshot{}, err
	}
	var s Snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", f.path, err)
	}
	f.take(s)
	return s, nil
}

// Save implements Storage.
func (f *File) Save(changed Snapshot) error {
	f.take(changed)
	var all Snapshot
	for _, s := range f.states {
		all.States = append(all.States, s)
	}
	for _, d := range f.devices {
		all.Devices = append(all.Devices, d)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return renameio.WriteFile(f.path, text, 0o600)
}

func (f *File) take(s Snapshot) {
	for _, state := range s.States {
		f.states[state.Type] = state
	}
	for _, d := range s.Devices {
		f.devices[d.ID] = d
	}
}
