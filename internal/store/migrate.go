package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// The migrations are numbered and never changed once released: a change of the
// schema is a new one.
//
//go:embed migrations/*.sql
var files embed.FS

// Schema is the schema that this program works with.
const Schema = 14

// Migrate opens a database, making it if need be, and brings its schema up to a
// version: the number of a migration. A newer schema is [ErrSchema].
func Migrate(ctx context.Context, where string, version int64) (*sql.DB, error) {
	handle, _, err := open(ctx, where, version)
	return handle, err
}

func open(ctx context.Context, where string, version int64) (*sql.DB, *file, error) {
	if err := create(ctx, where, version); err != nil {
		return nil, nil, fmt.Errorf("make database %s: %w", Redact(where), err)
	}
	handle, of, dialect, err := connect(where)
	if err == nil {
		if err = migrate(ctx, handle, dialect, version); err != nil {
			if of != nil {
				err = diagnose(ctx, handle, err)
			}
			handle.Close()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	return handle, of, nil
}

func migrate(ctx context.Context, handle *sql.DB, dialect goose.Dialect, version int64) error {
	p, err := provider(handle, dialect)
	if err != nil {
		return err
	}
	is, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if is > version {
		return fmt.Errorf("%w: its schema is %d, newer than %d", ErrSchema, is, version)
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// checkSchema checks that a database needs no migration.
func checkSchema(ctx context.Context, handle *sql.DB, dialect goose.Dialect) error {
	p, err := provider(handle, dialect)
	if err != nil {
		return err
	}
	is, err := p.GetDBVersion(ctx)
	if err == nil && is != Schema {
		err = fmt.Errorf("%w: its schema is %d, not %d", ErrSchema, is, Schema)
	}
	return err
}

func provider(handle *sql.DB, dialect goose.Dialect) (*goose.Provider, error) {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, handle, migrations)
}
