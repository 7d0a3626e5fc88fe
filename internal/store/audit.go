package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"esper/internal/access"
)

// Audit implements Store.
func (d *database) Audit(ctx context.Context, e access.Entry) error {
	if err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error { return audit(ctx, tx, e) }); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

func audit(ctx context.Context, tx *sql.Tx, e access.Entry) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit (at, who, role, remote, action, target, detail, status, refused)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		micros(e.At), e.Who, string(e.Role), e.Remote, e.Action, e.Target, e.Detail, e.Status, e.Refused())
	return err
}

// AuditLog implements Store.
func (d *database) AuditLog(ctx context.Context, q access.AuditQuery) ([]access.Entry, error) {
	entries, err := d.auditLog(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return entries, nil
}

func (d *database) auditLog(ctx context.Context, q access.AuditQuery) ([]access.Entry, error) {
	f := &filter{}
	if !q.Since.IsZero() {
		f.and("at >= " + f.arg(micros(q.Since)))
	}
	query := `SELECT at, who, role, remote, action, target, detail, status FROM audit` + f.String() + ` ORDER BY at DESC, action DESC` + f.limit(q.Limit)
	entries := []access.Entry{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var e access.Entry
		var at int64
		err := rows.Scan(&at, &e.Who, &e.Role, &e.Remote, &e.Action, &e.Target, &e.Detail, &e.Status)
		e.At = fromMicros(at)
		entries = append(entries, e)
		return err
	}, query, f.args...)
	slices.Reverse(entries)
	return entries, err
}
