package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
)

// InMemory is a database that is gone when it is closed.
const InMemory = ""

// database implements Store. One SQL serves both: what it is written in is common to
// SQLite and PostgreSQL.
type database struct {
	sql  *sql.DB
	file *file // nil if it is in none
	lock lock  // nil: it was opened as it is

	devices, events, rollouts, rolloutEvents prepared
	firmware, settings                       rolloutTables
}

// Open opens a database for a server, makes it if it is a file that is not there, and brings
// its schema up to date. Where is a file, postgres://…, or [InMemory]. If another server has
// it, and does not end within a few seconds: [ErrInUse].
func Open(ctx context.Context, where string) (Store, error) {
	if err := checkPlace(where); err != nil {
		return nil, err
	}
	held, err := lockDatabase(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	handle, of, err := open(ctx, where, Schema)
	if err == nil {
		var opened *database
		if opened, err = prepare(ctx, where, handle, of); err == nil {
			opened.lock = held
			return opened, nil
		}
	}
	if held != nil {
		held.release()
	}
	return nil, err
}

// OpenExisting opens a database as it is, which may be in use by a server: one that
// is not there is [ErrNoDatabase], one of another schema [ErrSchema].
func OpenExisting(ctx context.Context, where string) (Store, error) {
	if err := checkPlace(where); err != nil {
		return nil, err
	}
	if !isURL(where) {
		if _, err := os.Stat(where); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open %s: %w", where, ErrNoDatabase)
		}
	}
	handle, of, dialect, err := connect(where)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	if err := checkSchema(ctx, handle, dialect); err != nil {
		if of != nil {
			err = diagnose(ctx, handle, err)
		}
		handle.Close()
		return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	opened, err := prepare(ctx, where, handle, of)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// checkPlace refuses URLs of other databases, which would be taken for files. They may hold a
// password, so it does not say more.
func checkPlace(where string) error {
	if scheme, _, found := strings.Cut(where, "://"); found && !isURL(where) {
		return fmt.Errorf("open database %s://…: it is a file, or postgres://user:password@host/database", scheme)
	}
	return nil
}

// IsFile reports whether the place of a database is a file.
func IsFile(where string) bool { return where != InMemory && !isURL(where) }

func isURL(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// Redact returns the place of a database without the password in it.
func Redact(where string) string {
	switch u, err := url.Parse(where); {
	case where == InMemory:
		return "in memory"
	case !isURL(where):
		return where
	case err != nil:
		return "postgres://…"
	default:
		return u.Redacted()
	}
}

// connect returns a handle that has not connected yet, and how it does if it is to a file.
func connect(where string) (*sql.DB, *file, goose.Dialect, error) {
	switch {
	case isURL(where):
		handle, err := sql.Open("pgx", where)
		if err != nil {
			return nil, nil, "", errors.New("the URL is not right") // the driver's error may hold the password
		}
		handle.SetMaxOpenConns(8)
		return handle, nil, goose.DialectPostgres, nil
	case where == InMemory:
		handle, err := sql.Open("sqlite", "file::memory:?"+pragmas)
		if err == nil {
			handle.SetMaxOpenConns(1) // each connection would be a database of its own
		}
		return handle, nil, goose.DialectSQLite3, err
	}
	handle, of, err := openFile(where)
	return handle, of, goose.DialectSQLite3, err
}

func prepare(ctx context.Context, where string, handle *sql.DB, of *file) (*database, error) {
	d := &database{sql: handle, file: of, firmware: firmwareTables, settings: settingsTables}
	rows := rowsAtOnceSQLite
	if isURL(where) {
		rows = rowsAtOncePostgres
	}
	for _, p := range []struct {
		to   *prepared
		from insert
	}{
		{&d.devices, upsertDevices}, {&d.events, insertEvents}, {&d.rollouts, upsertRollouts},
		{&d.rolloutEvents, insertRolloutEvents},
		{&d.firmware.devices, d.firmware.upsertDevices()}, {&d.firmware.targets, d.firmware.upsertTargets()},
		{&d.settings.devices, d.settings.upsertDevices()}, {&d.settings.targets, d.settings.upsertTargets()},
	} {
		var err error
		if *p.to, err = p.from.prepare(ctx, handle, rows); err != nil {
			if of != nil {
				err = diagnose(ctx, handle, err)
			}
			handle.Close()
			return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
		}
	}
	return d, nil
}

// Close implements Store.
func (d *database) Close() error {
	if d.lock != nil {
		defer d.lock.release()
	}
	return d.sql.Close()
}
