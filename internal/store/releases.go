package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SetReleases implements Store.
func (d *database) SetReleases(ctx context.Context, releases []Release) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE releases SET served = FALSE WHERE served`); err != nil {
			return err
		}
		now := micros(time.Now())
		for _, r := range releases {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO releases (type, version, sequence, first_seen, served) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (type, version) DO UPDATE SET sequence = excluded.sequence, served = excluded.served`,
				r.Type, r.Version, r.Sequence, now, r.Served); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store what is published: %w", err)
	}
	return nil
}
