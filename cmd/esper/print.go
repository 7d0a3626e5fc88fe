package main

import (
	"encoding/json"
	"time"
)

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
