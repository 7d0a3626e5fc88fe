package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// InMemory is a database that is gone when it is closed.
const InMemory = ""

// database implements Store. One SQL serves both: what it is written in is common to
// SQLite and PostgreSQL.
type database struct {
	sql  *sql.DB
	lock lock // nil: it was opened as it is

	devices, events, rollouts, rolloutDevices, targets, rolloutEvents prepared
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
	handle, err := Migrate(ctx, where, Schema)
	if err == nil {
		var opened *database
		if opened, err = prepare(ctx, where, handle); err == nil {
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
	handle, dialect, err := connect(where)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	if err := checkSchema(ctx, handle, dialect); err != nil {
		handle.Close()
		return nil, fmt.Errorf("open database %s: %w", Redact(where), err)
	}
	opened, err := prepare(ctx, where, handle)
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

// connect returns a handle that has not connected yet.
func connect(where string) (*sql.DB, goose.Dialect, error) {
	if isURL(where) {
		handle, err := sql.Open("pgx", where)
		if err != nil {
			return nil, "", errors.New("the URL is not right") // the driver's error may hold the password
		}
		handle.SetMaxOpenConns(8)
		return handle, goose.DialectPostgres, nil
	}
	// FULL: what is committed outlives a power cut, too. A writer waits for another.
	const settings = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_txlock=immediate"
	if where == InMemory {
		handle, err := sql.Open("sqlite", "file::memory:"+settings)
		if err == nil {
			handle.SetMaxOpenConns(1) // each connection would be a database of its own
		}
		return handle, goose.DialectSQLite3, err
	}
	path, err := filepath.Abs(where)
	if err != nil {
		return nil, "", err
	}
	handle, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+settings)
	if err == nil {
		handle.SetMaxOpenConns(4)
	}
	return handle, goose.DialectSQLite3, err
}

// create makes the file of a database, which only its owner may read: it names
// networks and addresses.
func create(where string) error {
	if where == InMemory || isURL(where) {
		return nil
	}
	f, err := os.OpenFile(where, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func prepare(ctx context.Context, where string, handle *sql.DB) (*database, error) {
	d := &database{sql: handle}
	rows := rowsAtOnceSQLite
	if isURL(where) {
		rows = rowsAtOncePostgres
	}
	for _, p := range []struct {
		to   *prepared
		from insert
	}{
		{&d.devices, upsertDevices}, {&d.events, insertEvents}, {&d.rollouts, upsertRollouts},
		{&d.rolloutDevices, upsertRolloutDevices}, {&d.targets, upsertTargets}, {&d.rolloutEvents, insertRolloutEvents},
	} {
		var err error
		if *p.to, err = p.from.prepare(ctx, handle, rows); err != nil {
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
