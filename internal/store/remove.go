package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Remove implements Store.
func (d *database) Remove(ctx context.Context, id string) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		removed := int64(0)
		for _, from := range []string{"devices WHERE id", "events WHERE device", "targets WHERE device", "rollout_devices WHERE device",
			"settings_targets WHERE device", "settings_devices WHERE device",
			"wanted_settings WHERE scope = 'device' AND target"} { // tags go with the device
			result, err := tx.ExecContext(ctx, `DELETE FROM `+from+` = $1`, id)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			removed += n
		}
		if removed == 0 {
			return ErrNoDevice
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove device %s: %w", id, err)
	}
	return nil
}
