package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Remove implements Store.
func (d *database) Remove(ctx context.Context, id string) error {
	err := d.transaction(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM devices WHERE id = $1`, id) // and its tags
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 0 {
			return orError(err, ErrNoDevice)
		}
		for _, table := range []string{"events", "targets", "rollout_devices"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE device = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove device %s: %w", id, err)
	}
	return nil
}
