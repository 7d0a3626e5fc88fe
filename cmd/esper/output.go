package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// output is the standard output of a command. It keeps the first error of writing, so that no
// command ends well whose answer was lost, however the command writes.
type output struct {
	to io.Writer

	mu  sync.Mutex
	err error // guarded by mu
}

// Write writes, unless a write has failed before: what follows a gap would be misread.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	o.err = err
	return n, err
}

// failure returns why something could not be written, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// printJSON prints what a script would want.
func printJSON(s *streams, v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// localTime is a time as a person reads it.
func localTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
