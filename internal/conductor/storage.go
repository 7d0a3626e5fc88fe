package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"esper/internal/rollout"
)

// Storage is where roll-outs are kept between runs. A store.Store is one.
type Storage interface {
	// LoadRollouts returns all that was saved, but for the events.
	LoadRollouts(context.Context) (rollout.Snapshot, error)
	// SaveRollouts saves what has changed, all of it or nothing: it replaces what is of the
	// same type or device, and adds the events. When it returns, it is kept whatever happens
	// to the process.
	SaveRollouts(context.Context, rollout.Snapshot) error
}

// TakeOver moves roll-outs from the file that earlier versions kept them in to a storage that
// holds none yet. The file is kept under another name, and not read again.
func TakeOver(ctx context.Context, file string, to Storage) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take over roll-outs: %w", err)
	}
	var old rollout.Snapshot
	if err := json.Unmarshal(text, &old); err != nil {
		return fmt.Errorf("take over roll-outs: %s: %w", file, err)
	}
	has, err := to.LoadRollouts(ctx)
	if err != nil {
		return err
	}
	if len(has.States)+len(has.Devices) == 0 {
		if err := to.SaveRollouts(ctx, old); err != nil {
			return err
		}
	}
	return os.Rename(file, file+".old")
}
