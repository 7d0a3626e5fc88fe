package rollout

import (
	"flag"
	"os"
	"testing"
)

// The generated fleets are the same each time, so that a change fails by what it changes;
// -rapid.seed N tries others.
func TestMain(m *testing.M) {
	seed := flag.Lookup("rapid.seed")
	flag.Parse()
	if seed != nil && seed.Value.String() == "0" {
		seed.Value.Set("1")
	}
	os.Exit(m.Run())
}
