package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"esper/internal/fleet"
)

const upsertDevice = `
INSERT INTO devices (id, type, version, sequence, slot, default_slot, boot_version, sdk, reset, info, status, silent,
    update_state, update_version, update_progress, update_error, first_seen, seen, malformed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO UPDATE SET
    type = excluded.type, version = excluded.version, sequence = excluded.sequence, slot = excluded.slot,
    default_slot = excluded.default_slot, boot_version = excluded.boot_version, sdk = excluded.sdk,
    reset = excluded.reset, info = excluded.info, status = excluded.status, silent = excluded.silent,
    update_state = excluded.update_state, update_version = excluded.update_version,
    update_progress = excluded.update_progress, update_error = excluded.update_error,
    seen = excluded.seen, malformed = excluded.malformed`

const insertEvent = `
INSERT INTO events (device, at, kind, late, before, after, version, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING`

// A device that is forgotten stays if people have named it.
const forgetDevice = `
DELETE FROM devices WHERE id = $1 AND status = '' AND info IS NULL AND update_state IS NULL
    AND name = '' AND group_name = '' AND NOT EXISTS (SELECT 1 FROM tags WHERE device = $1)`

// Apply implements Store.
func (d *database) Apply(ctx context.Context, changes []fleet.Change) error {
	err := d.transaction(ctx, func(tx *sql.Tx) error {
		upsert, event := tx.StmtContext(ctx, d.upsert), tx.StmtContext(ctx, d.event)
		now := micros(time.Now())
		last := map[string]int{} // by device: only its last state matters
		for i, c := range changes {
			last[c.Device.ID] = i
		}
		for i, c := range changes {
			for _, e := range c.Events {
				if _, err := event.ExecContext(ctx, e.Device, micros(e.At), e.Kind, e.Late, e.Before, e.After, e.Version, e.Error); err != nil {
					return err
				}
			}
			if last[c.Device.ID] != i {
				continue
			}
			row, err := deviceRow(c.Device, now)
			if err != nil {
				return err
			}
			if _, err := upsert.ExecContext(ctx, row...); err != nil {
				return err
			}
			if c.Device.Forgotten() {
				if _, err := tx.ExecContext(ctx, forgetDevice, c.Device.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store what devices reported: %w", err)
	}
	return nil
}

// deviceRow returns the values for upsertDevice.
func deviceRow(d fleet.Device, now int64) ([]any, error) {
	var sequence, boot uint32
	var slot, defaultSlot, info, state, version, progress, failure any
	var sdk, reset string
	if i := d.Info; i != nil {
		text, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		info, slot, defaultSlot = string(text), int64(i.Boot.ROM), int64(i.Boot.Default)
		sequence, boot, sdk, reset = i.Version.Sequence, i.Version.Boot, i.Version.SDK, i.Boot.Reset
	}
	if u := d.Update; u != nil {
		state, version, progress, failure = u.State, u.Version, u.Progress, u.Error
	}
	return []any{
		d.ID, d.Type(), d.Version(), sequence, slot, defaultSlot, boot, sdk, reset, info, d.Status, d.Silent,
		state, version, progress, failure, now, micros(d.Seen), d.Malformed,
	}, nil
}

// micros is a time as it is stored; 0 is no time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
