package store

import (
	"errors"
	"slices"

	"modernc.org/sqlite"
)

// SQLite's result codes (https://sqlite.org/rescode.html).
const (
	sqliteError       = 1
	sqliteReadOnly    = 8
	sqliteIO          = 10
	sqliteCorrupt     = 11
	sqliteFull        = 13
	sqliteCannotOpen  = 14
	sqliteNotDatabase = 26
	// sqliteNoShared is of 10: the index of the write-ahead log cannot be made as large as it must be.
	sqliteNoShared = 4874
)

// ErrDamaged is the error of a file that is no database, or is not intact.
var ErrDamaged = errors.New("the file is damaged, or is no database")

// IsFull reports whether an error is that the disk with a database in a file is full.
func IsFull(err error) bool {
	var of *sqlite.Error
	return is(err, sqliteFull) || errors.As(err, &of) && of.Code() == sqliteNoShared
}

// IsDamaged reports whether an error is that the file of a database is none, or not intact.
func IsDamaged(err error) bool {
	return errors.Is(err, ErrDamaged) || is(err, sqliteCorrupt, sqliteNotDatabase)
}

func is(err error, codes ...int) bool {
	var of *sqlite.Error
	return errors.As(err, &of) && slices.Contains(codes, of.Code()&0xFF) // the other bits say more about the same
}
