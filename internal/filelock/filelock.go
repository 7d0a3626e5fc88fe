// Package filelock keeps other processes out while this one is at work: flock(2) on a file
// or a folder, which the system frees when the process ends, however it ends.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrHeld says that another process, or another part of this one, has the lock.
var ErrHeld = errors.New("it is locked")

// Take locks an open file, or returns [ErrHeld] at once. The lock has the file from then on, also
// if it fails: it closes it, then or when it is released.
func Take(f *os.File) (release func() error, err error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrHeld
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() error {
		// A child that another goroutine starts just now has the file, too, until it runs its
		// program: to close it here would not be enough.
		return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
	}, nil
}
