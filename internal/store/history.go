package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"esper/internal/fleet"
)

// History implements Store.
func (d *database) History(ctx context.Context, q HistoryQuery) ([]fleet.Event, error) {
	events, err := d.history(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return events, nil
}

func (d *database) history(ctx context.Context, q HistoryQuery) ([]fleet.Event, error) {
	f := &filter{}
	if q.Device != "" {
		f.and("device = " + f.arg(q.Device))
	}
	if q.Kind != "" {
		f.and("kind = " + f.arg(string(q.Kind)))
	}
	if !q.Since.IsZero() {
		f.and("at >= " + f.arg(micros(q.Since)))
	}
	query := `SELECT device, at, kind, late, before, after, version, error, received FROM events` +
		f.String() + ` ORDER BY at DESC, device DESC, kind DESC` + f.limit(q.Limit)
	events := []fleet.Event{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var e fleet.Event
		var at int64
		var received sql.Null[uint32]
		err := rows.Scan(&e.Device, &at, &e.Kind, &e.Late, &e.Before, &e.After, &e.Version, &e.Error, &received)
		e.At, e.Received = fromMicros(at), known(received)
		events = append(events, e)
		return err
	}, query, f.args...)
	slices.Reverse(events)
	return events, err
}

// Prune implements Store.
func (d *database) Prune(ctx context.Context, r Retention) (int, error) {
	var removed int64
	err := d.transactionWithin(ctx, pruneTimeout, func(ctx context.Context, tx *sql.Tx) error {
		for _, step := range []struct {
			query string
			args  []any
		}{
			{`DELETE FROM events WHERE at < $1`, []any{micros(r.Since)}},
			{`DELETE FROM events WHERE at < $1 AND kind = 'update' AND after IN ('checking', 'idle')`, []any{micros(r.Routine)}},
			{`DELETE FROM events WHERE (device, at, kind) IN (
				SELECT device, at, kind FROM (
					SELECT device, at, kind, row_number() OVER (PARTITION BY device ORDER BY at DESC) AS place FROM events
					WHERE device IN (SELECT device FROM events GROUP BY device HAVING count(*) > $1)
				) AS numbered WHERE place > $1)`, []any{r.PerDevice}},
			{`DELETE FROM audit WHERE at < $1`, []any{micros(r.Since)}},
			{`DELETE FROM audit WHERE refused AND at <= (
				SELECT at FROM audit WHERE refused ORDER BY at DESC LIMIT 1 OFFSET $1)`, []any{r.Refused}},
			{`DELETE FROM rollout_events WHERE at < $1`, []any{micros(r.Since)}},
			{`DELETE FROM rollout_events WHERE (type, at, kind, device) IN (
				SELECT type, at, kind, device FROM (
					SELECT type, at, kind, device, row_number() OVER (PARTITION BY type ORDER BY at DESC) AS place FROM rollout_events
					WHERE type IN (SELECT type FROM rollout_events GROUP BY type HAVING count(*) > $1)
				) AS numbered WHERE place > $1)`, []any{r.PerType}},
		} {
			result, err := tx.ExecContext(ctx, step.query, step.args...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("prune the history: %w", err)
	}
	return int(removed), nil
}
