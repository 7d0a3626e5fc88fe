//go:build !linux

package sandboxtest

// WithoutLandlock has nothing to do.
func WithoutLandlock() error { return nil }
