package store

import (
	"context"
	"database/sql"
	"time"
)

// A database that hangs answers nothing and refuses nothing, so each call has a time-out.
const (
	callTimeout  = 10 * time.Second
	pruneTimeout = 10 * time.Minute
)

// transaction runs steps that are stored together or not at all.
func (d *database) transaction(ctx context.Context, steps func(context.Context, *sql.Tx) error) error {
	return d.transactionWithin(ctx, callTimeout, steps)
}

func (d *database) transactionWithin(ctx context.Context, timeout time.Duration, steps func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := steps(ctx, tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// read reads the rows of a query, one by one.
func (d *database) read(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := d.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readOne reads the only row of a query, whose columns go to the destinations.
func (d *database) readOne(ctx context.Context, to []any, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return d.sql.QueryRowContext(ctx, query, args...).Scan(to...)
}
