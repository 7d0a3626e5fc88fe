package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// Settings of a connection to SQLite. FULL: what is committed outlives a power cut, too. A writer
// waits for another.
const (
	pragmas = "_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_txlock=immediate"
	together = pragmas + "&_pragma=journal_mode(WAL)"
	alone    = "_pragma=locking_mode(EXCLUSIVE)&" + pragmas
)

// How many connections there are to a file, and how long one lasts that has the file to itself,
// before it is seen whether others can be made again.
const (
	connections = 4
	aloneFor    = 10 * time.Second
)

// file makes connections to a SQLite database in a file.
//
// Connections share an index of the write-ahead log in a file beside it, 32 KB that are made with
// the first connection. Where the disk is full that cannot be done, and nothing can be read. A
// connection that has the file to itself keeps the index in memory
// (https://sqlite.org/wal.html#noshm), so that is what there is until there is room: the database
// can be read, by this process.
type file struct {
	together, alone driver.Connector
	handle          *sql.DB

	mu     sync.Mutex
	unable error // why there is only one connection, nil if there are many
}

// openFile returns a handle that has not connected yet.
func openFile(where string) (*sql.DB, *file, error) {
	path, err := filepath.Abs(where)
	if err != nil {
		return nil, nil, err
	}
	f := &file{}
	name := func(query string) string {
		return (&url.URL{Scheme: "file", Path: path, RawQuery: query}).String()
	}
	if f.together, err = sqlite.NewConnector(name(together)); err != nil {
		return nil, nil, err
	}
	if f.alone, err = sqlite.NewConnector(name(alone)); err != nil {
		return nil, nil, err
	}
	f.handle = sql.OpenDB(f)
	f.handle.SetMaxOpenConns(connections)
	return f.handle, f, nil
}

// Connect implements driver.Connector.
func (f *file) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := f.together.Connect(ctx)
	if err == nil {
		f.became(nil)
		return c, nil
	}
	if !is(err, sqliteIO, sqliteFull, sqliteCannotOpen, sqliteReadOnly) {
		return nil, err
	}
	if c, onlyErr := f.alone.Connect(ctx); onlyErr == nil {
		f.became(err)
		return c, nil
	}
	return nil, err
}

// Driver implements driver.Connector.
func (f *file) Driver() driver.Driver { return f.together.Driver() }

// became notes how a connection was made.
func (f *file) became(unable error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case unable != nil && f.unable == nil:
		f.handle.SetMaxOpenConns(1)
		f.handle.SetConnMaxLifetime(aloneFor)
	case unable == nil && f.unable != nil:
		f.handle.SetMaxOpenConns(connections)
		f.handle.SetConnMaxLifetime(0)
	}
	f.unable = unable
}

// Unwritable returns why a database was opened that cannot be written now, or nil. It is written
// again by itself when that is over.
func Unwritable(s Store) error {
	d, ok := s.(*database)
	if !ok || d.file == nil {
		return nil
	}
	d.file.mu.Lock()
	defer d.file.mu.Unlock()
	return d.file.unable
}

// create makes the file of a database, with the schema of a version, unless it is there. Only its
// owner may read it: it names networks and addresses. It gets its name when all is in it, so that
// no crash leaves a file without tables, which would look as if there were no tokens.
func create(ctx context.Context, where string, version int64) error {
	if where == InMemory || isURL(where) {
		return nil
	}
	switch info, err := os.Stat(where); {
	case err == nil && info.Size() == 0:
		return fmt.Errorf("%w: it is empty", ErrDamaged)
	case err == nil:
		f, err := os.OpenFile(where, os.O_RDWR, 0) // else SQLite says only that it cannot
		if err != nil {
			return err
		}
		return f.Close()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if info, err := os.Stat(where + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%w: %s-wal is there without it", ErrDamaged, where)
	}
	making := where + ".new"
	for _, old := range []string{making, making + "-wal", making + "-shm", making + "-journal"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(making, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	handle, _, err := openFile(making)
	if err != nil {
		return err
	}
	err = migrate(ctx, handle, goose.DialectSQLite3, version)
	if err = errors.Join(err, handle.Close()); err != nil {
		return err
	}
	// The last connection takes it in.
	if info, err := os.Stat(making + "-wal"); err == nil && info.Size() > 0 {
		return errors.New("its write-ahead log could not be taken in")
	}
	if err := os.Rename(making, where); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(where))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// diagnose returns ErrDamaged for an error that comes of a file that is damaged, which has many
// forms: a table that cannot be read may be made again, and found to be there.
func diagnose(ctx context.Context, handle *sql.DB, err error) error {
	if err == nil || errors.Is(err, ErrDamaged) {
		return err
	}
	damaged := IsDamaged(err)
	if !damaged {
		var result string
		checked := handle.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result)
		damaged = IsDamaged(checked) || is(checked, sqliteError) || checked == nil && result != "ok"
	}
	if damaged {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
