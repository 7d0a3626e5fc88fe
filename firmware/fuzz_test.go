package firmware_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// folder is for what is compiled for all tests.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "esper-firmware-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// needCompiler skips a test where there is no g++.
func needCompiler(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ here to compile the fuzz targets with")
	}
	dependOnSources(t)
}

// compileTarget compiles a program of fuzz/ with the sanitizers, and returns its path.
func compileTarget(program string, sources ...string) (string, error) {
	common, err := commonObject()
	if err != nil {
		return "", err
	}
	return program, sanitized(program, append(sources, common)...)
}

// dependOnSources tells go test, which does not see what a compiler reads, that a result holds for just these
// sources: it notes the files that a test looks at.
func dependOnSources(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"bootloader", "framework", "fuzz", "sdk", "test"} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// commonObject is all that every program of fuzz/ is linked with, compiled once.
var commonObject = sync.OnceValues(func() (string, error) {
	list, err := os.ReadFile("fuzz/sources")
	if err != nil {
		return "", err
	}
	object := filepath.Join(folder, "common.o")
	return object, sanitized(object, append(strings.Fields(string(list)), "-r", "-nostdlib")...)
})

// sanitized compiles and links with g++ and its sanitizers.
func sanitized(output string, args ...string) error {
	args = append([]string{
		"-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-int-to-pointer-cast",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I.", "-Iframework", "-Isdk", "-o", output,
	}, args...)
	if out, err := exec.Command("g++", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("g++: %w\n%s", err, out)
	}
	return nil
}

// What the fuzz targets begin with, and what they once stumbled over, holds. A
// target is a folder in fuzz/corpus and a source of the same name.
func TestFuzzCorpora(t *testing.T) {
	corpora, err := filepath.Glob("fuzz/corpus/*")
	if err != nil || len(corpora) == 0 {
		t.Fatalf("no corpora: %v", err)
	}
	for _, corpus := range corpora {
		name := filepath.Base(corpus)
		t.Run(name, func(t *testing.T) {
			inputs, err := filepath.Glob(filepath.Join(corpus, "*"))
			if err != nil || len(inputs) == 0 {
				t.Fatalf("no inputs: %v", err)
			}
			needCompiler(t)
			program, err := compileTarget(filepath.Join(t.TempDir(), name), "fuzz/"+name+".cpp", "fuzz/replay.cpp")
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, inputs...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, bytes.TrimSpace(out))
			}
		})
	}
}
