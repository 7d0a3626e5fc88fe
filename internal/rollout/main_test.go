package rollout

import (
	"flag"
	"os"
	"testing"
)

// The generated fleets are the same each time, so that a change fails by what it changes;
// -rapid.seed N tries others. They are many: one in 2,500 was what once stalled.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.seed": "1", "rapid.checks": "3000"} {
		if f := flag.Lookup(name); f != nil {
			f.Value.Set(value)
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}
