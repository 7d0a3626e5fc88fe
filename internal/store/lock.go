package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"time"

	"esper/internal/filelock"
)

// How long a server waits for one before it to end.
const (
	lockPatience = 3 * time.Second
	lockRetry    = 50 * time.Millisecond
)

// lock keeps a database for one server. Whoever only reads does without.
type lock interface {
	// try takes the lock, or finds out whether it is still held. It does not wait. In use by
	// another server: [ErrInUse].
	try(context.Context) error
	release()
}

// lockDatabase takes the lock of a database; nil for one in memory, which nobody else sees.
func lockDatabase(ctx context.Context, where string) (lock, error) {
	var l lock
	switch {
	case where == InMemory:
		return nil, nil
	case isURL(where):
		handle, _, _, err := connect(where)
		if err != nil {
			return nil, err
		}
		handle.SetMaxOpenConns(1)
		l = &advisoryLock{sql: handle}
	default:
		l = &fileLock{path: where + ".lock"}
	}
	if err := acquire(ctx, l); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// acquire takes a lock.
func acquire(ctx context.Context, l lock) error {
	for deadline := time.Now().Add(lockPatience); ; {
		err := l.try(ctx)
		if !errors.Is(err, ErrInUse) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return err
		}
	}
}

// fileLock is the lock of a file, in a file beside it: closing one that SQLite has open would
// end SQLite's own locks.
type fileLock struct {
	path   string
	unlock func() error // nil: it is not held
}

func (l *fileLock) try(context.Context) error {
	if l.unlock != nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if l.unlock, err = filelock.Take(f); errors.Is(err, filelock.ErrHeld) {
		return ErrInUse
	}
	return err
}

func (l *fileLock) release() {
	if l.unlock != nil {
		_ = l.unlock()
	}
}

// advisoryKey is the key of PostgreSQL's advisory lock: "esper".
const advisoryKey = 0x6573706572

// advisoryLock is the lock of a PostgreSQL database. It lasts as long as the connection that
// took it.
type advisoryLock struct {
	sql *sql.DB // for this only: one connection

	mu   sync.Mutex
	held *sql.Conn
}

func (l *advisoryLock) try(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		if l.held.PingContext(ctx) == nil {
			return nil
		}
		l.held.Close()
		l.held = nil
	}
	c, err := l.sql.Conn(ctx)
	if err != nil {
		return err
	}
	var mine bool
	if err := c.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(advisoryKey)).Scan(&mine); err != nil || !mine {
		c.Close()
		if err == nil {
			err = ErrInUse
		}
		return err
	}
	l.held = c
	return nil
}

func (l *advisoryLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		l.held.Close()
		l.held = nil
	}
	l.sql.Close() // with the connection, which ends the lock
}

// KeepLock implements Store.
func (d *database) KeepLock(ctx context.Context) error {
	if d.lock == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return acquire(ctx, d.lock) // a connection of our own that broke may hold it a moment longer
}
