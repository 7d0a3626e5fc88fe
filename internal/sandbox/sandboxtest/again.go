// Package sandboxtest makes a kernel that cannot confine programs, for tests.
package sandboxtest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

const variable = "TEST_WITHOUT_LANDLOCK"

// Again runs a test again, in a process of its own for which the kernel has no Landlock. In
// that process it returns true.
func Again(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=1")
	var output []byte
	done := make(chan error)
	go func() {
		err := WithoutLandlock()
		if err == nil {
			output, err = cmd.CombinedOutput()
		}
		done <- err
	}()
	if err := <-done; err != nil || !bytes.Contains(output, []byte("PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, output)
	}
	return false
}
