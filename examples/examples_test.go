// Package examples checks the examples.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The units, with a program that exists in the place of esper.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("%v, %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), filepath.Base(unit))
		changed := strings.Replace(string(text), "/usr/local/bin/esper", "/bin/true", 1)
		if err := os.WriteFile(copied, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if output, err := exec.Command("systemd-analyze", "verify", copied).CombinedOutput(); err != nil || len(output) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, output)
		}
	}
}
