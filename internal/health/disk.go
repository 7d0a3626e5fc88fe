package health

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// leastFree is how much room there is to be on a disk: for a release of each of some types, and for what
// a database writes ahead.
const leastFree = 32 << 20 // bytes

// CheckDisks returns an error if a disk that holds one of the folders is nearly full.
func CheckDisks(folders ...string) error {
	var problems []error
	for _, folder := range folders {
		var fs unix.Statfs_t
		err := unix.Statfs(folder, &fs)
		if free := uint64(fs.Bavail) * uint64(fs.Bsize); err == nil && free < leastFree {
			err = fmt.Errorf("%d MB are free, at least %d are needed", free>>20, leastFree>>20)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", folder, err))
		}
	}
	return errors.Join(problems...)
}
