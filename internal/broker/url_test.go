package broker

import (
	"strings"
	"testing"
)

// A URL that is accepted names a host and a port, and is the same when it is read
// again; the error about one that is not never tells a password.
func FuzzParseURL(f *testing.F) {
	for _, text := range []string{
		"mqtt://host", "mqtts://user:password@host:8884/", "mqtt://[::1]:1883", "mqtt://host:0", "mqtt://host:99999", "mqtt://host:",
		"mqtt://:1883", "http://host", "mqtt:host", "mqtt://host/path", "mqtt://host?query", "mqtt://host#fragment", "mqtt://%zz", "",
		"mqtt://user:hunter2:secret@host:x", "mqtt://user:hunter2#secret@host", "://user:pass",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil {
			scheme, rest, _ := strings.Cut(text, "://")
			const form = "mqtt://[user:password@]host[:port]" // which errors give as an example
			said := strings.ReplaceAll(err.Error(), form, "")
			if len(rest) > 8 && !strings.Contains(scheme, rest) && strings.Contains(said, rest) {
				t.Errorf("%q: the error quotes it: %v", text, err)
			}
			return
		}
		if u.Hostname() == "" || u.Port() == "" || u.Path != "" {
			t.Errorf("%q is accepted as %q", text, u)
		}
		again, err := ParseURL(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q, %q, read again: %v, %v", text, u, again, err)
		}
	})
}
