package store

import (
	"errors"
	"slices"

	"modernc.org/sqlite"
)

// SQLite's result codes (https://sqlite.org/rescode.html).
const (
	sqliteCorrupt     = 11
	sqliteFull        = 13
	sqliteNotDatabase = 26
)

// IsFull says whether an error is that the disk with a database in a file is full.
func IsFull(err error) bool { return is(err, sqliteFull) }

// IsDamaged says whether an error is that the file of a database is none, or not whole.
func IsDamaged(err error) bool { return is(err, sqliteCorrupt, sqliteNotDatabase) }

func is(err error, codes ...int) bool {
	var of *sqlite.Error
	return errors.As(err, &of) && slices.Contains(codes, of.Code()&0xFF) // the other bits say more about the same
}
