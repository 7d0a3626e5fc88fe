package store

import (
	"context"
	"database/sql"
	"fmt"

	"esper/internal/devicesetting"
)

// WantedSettings implements Store.
func (d *database) WantedSettings(ctx context.Context) ([]devicesetting.Wanted, error) {
	all := []devicesetting.Wanted{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var w devicesetting.Wanted
		err := rows.Scan(&w.Scope, &w.Of, &w.Name, &w.Value)
		all = append(all, w)
		return err
	}, `SELECT scope, target, name, value FROM wanted_settings ORDER BY scope, target, name`)
	if err != nil {
		return nil, fmt.Errorf("read the wanted settings: %w", err)
	}
	return all, nil
}

// SetWantedSetting implements Store.
func (d *database) SetWantedSetting(ctx context.Context, w devicesetting.Wanted) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if w.Scope == devicesetting.OfDevice {
			var n int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM devices WHERE id = $1`, w.Of).Scan(&n); err != nil || n == 0 {
				return orError(err, ErrNoDevice)
			}
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO wanted_settings (scope, target, name, value) VALUES ($1, $2, $3, $4)
			ON CONFLICT (scope, target, name) DO UPDATE SET value = excluded.value`,
			string(w.Scope), w.Of, w.Name, w.Value)
		if err != nil {
			return err
		}
		var n int
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM wanted_settings WHERE scope = $1 AND target = $2`,
			string(w.Scope), w.Of).Scan(&n)
		if err == nil && n > devicesetting.MaxWanted {
			err = fmt.Errorf("%w: more than %d of one %s; unset those that are needed no more",
				ErrSetting, devicesetting.MaxWanted, w.Scope)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set %s of %s %s: %w", w.Name, w.Scope, w.Of, err)
	}
	return nil
}

// UnsetWantedSetting implements Store.
func (d *database) UnsetWantedSetting(ctx context.Context, scope devicesetting.Scope, of, name string) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM wanted_settings WHERE scope = $1 AND target = $2 AND name = $3`,
			string(scope), of, name)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 0 {
			return orError(err, ErrNoSetting)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("unset %s of %s %s: %w", name, scope, of, err)
	}
	return nil
}
