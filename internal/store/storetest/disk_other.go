//go:build !linux

package storetest

import "testing"

// SmallDisk skips the test: how to make a small file system is known for Linux only.
func SmallDisk(t testing.TB) (dir string, fill func() string) {
	t.Skip("a small file system is made on Linux only")
	return "", nil
}
