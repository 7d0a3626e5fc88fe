package filelock

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

func TestOnlyOneHasTheLock(t *testing.T) {
	dir := t.TempDir()
	open := func() *os.File {
		t.Helper()
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := open()
	release, err := Take(first)
	if err != nil {
		t.Fatal(err)
	}
	second := open()
	if _, err := Take(second); !errors.Is(err, ErrHeld) {
		t.Errorf("a second: %v", err)
	}
	if second.Close() == nil {
		t.Error("the file of who did not get the lock is left open")
	}

	child := exec.Command("cat") // has the file, as any child does until it runs its program
	child.ExtraFiles = []*os.File{first}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = child.Wait() }()
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = Take(open())
	if err != nil {
		t.Fatalf("after it was released, while a child has the file: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
