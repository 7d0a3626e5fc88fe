package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Limits on labels.
const (
	maxName  = 64 // bytes
	maxLabel = 32 // characters of a group or tag
	maxTags  = 32
)

// LabelChange is what to change of a device's labels; what is nil or empty stays.
type LabelChange struct {
	Name, Group *string // empty text: none
	Tag, Untag  []string
}

// Label implements Store.
func (d *database) Label(ctx context.Context, id string, c LabelChange) error {
	err := c.check()
	if err == nil {
		err = d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error { return c.apply(ctx, tx, id) })
	}
	if err != nil {
		return fmt.Errorf("label device %s: %w", id, err)
	}
	return nil
}

func (c LabelChange) apply(ctx context.Context, tx *sql.Tx, id string) error {
	result, err := tx.ExecContext(ctx,
		`UPDATE devices SET name = COALESCE($2, name), group_name = COALESCE($3, group_name) WHERE id = $1`, id, c.Name, c.Group)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 {
		return orError(err, ErrNoDevice)
	}
	for _, tag := range c.Tag {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tags (device, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, tag); err != nil {
			return err
		}
	}
	for _, tag := range c.Untag {
		if _, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE device = $1 AND tag = $2`, id, tag); err != nil {
			return err
		}
	}
	var tags int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM tags WHERE device = $1`, id).Scan(&tags); err != nil {
		return err
	}
	if tags > maxTags {
		return fmt.Errorf("%w: more than %d tags", ErrLabel, maxTags)
	}
	return nil
}

func orError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// check says what is wrong with the labels.
func (c LabelChange) check() error {
	if c.Name != nil && (len(*c.Name) > maxName || strings.ContainsFunc(*c.Name, func(r rune) bool { return !unicode.IsPrint(r) })) {
		return fmt.Errorf("%w: a name is at most %d bytes of printable text", ErrLabel, maxName)
	}
	if c.Group != nil && *c.Group != "" && !isLabel(*c.Group) {
		return fmt.Errorf("%w: %.40q; a group is 1 to %d of a-z, 0-9, - and _", ErrLabel, *c.Group, maxLabel)
	}
	for _, tag := range slices.Concat(c.Tag, c.Untag) {
		if !isLabel(tag) {
			return fmt.Errorf("%w: %.40q; a tag is 1 to %d of a-z, 0-9, - and _", ErrLabel, tag, maxLabel)
		}
	}
	return nil
}

func isLabel(s string) bool {
	return s != "" && len(s) <= maxLabel && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
