package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"esper/internal/secret"
)

// MonocypherVariable is the environment variable that names a folder with a copy
// of monocypher.c and monocypher.h, instead of fetching them.
const MonocypherVariable = "MONOCYPHER_DIR"

// Monocypher 4.0.3 as the Python source package ships it, pinned by SHA-256: the
// package and the files that are taken from it.
const (
	monocypherPackage = "pymonocypher==4.0.3.4"
	monocypherArchive = "5e56e3d3eb770a53e0b9f6274146663c11a11f3d0de5cd48e3be0428d1b07a4a"
	monocypherFolder  = "pymonocypher-4.0.3.4"
)

// monocypherDir is the folder in the cache with the files.
var monocypherDir = "monocypher-" + monocypherArchive[:16]

var monocypherFiles = map[string]string{
	"monocypher.c": "57eb914fc88136119bd41655cccb8c250048bf54d470540625186f8ab16f64be",
	"monocypher.h": "c494da712122da7ff679fdcf318a5317e84972b6c950fe9d896212947797facd",
}

const maxMonocypherFile = 1 << 20 // bytes

// ErrMonocypher says that Monocypher could not be had, or is not the one whose
// hash is known.
var ErrMonocypher = errors.New("no Monocypher")

// Monocypher returns a folder with the sources of Monocypher, for those who compile
// them for the computer.
func Monocypher(ctx context.Context) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	return (&builder{cache: cache, log: io.Discard}).findMonocypher(ctx)
}

// MonocypherHere returns the folder that builds take Monocypher from; it is empty if the next build
// fetches it. It returns an [ErrMonocypher] if the files there are others, or if there is nothing to
// fetch it with.
func MonocypherHere(ctx context.Context) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if os.Getenv(MonocypherVariable) == "" && !found(filepath.Join(cache, monocypherDir)) {
		pip := exec.CommandContext(ctx, "python3", "-m", "pip", "--version")
		pip.Env = secret.Environ()
		if err := pip.Run(); err != nil {
			return "", fmt.Errorf("%w here, nor pip to fetch it: %w", ErrMonocypher, err)
		}
		return "", nil
	}
	return Monocypher(ctx)
}

// findMonocypher returns a folder with the sources of Monocypher.
func (b *builder) findMonocypher(ctx context.Context) (string, error) {
	if dir := os.Getenv(MonocypherVariable); dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		return dir, checkMonocypher(dir)
	}
	dir, err := makeDir(b.cache, monocypherDir, func(dir string) error {
		b.note("fetch Monocypher (%s)", monocypherPackage)
		return fetchMonocypher(ctx, dir)
	})
	if err != nil {
		return "", err
	}
	return dir, checkMonocypher(dir)
}

// checkMonocypher returns an error unless the files in a folder are the known ones.
func checkMonocypher(dir string) error {
	for name, want := range monocypherFiles {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMonocypher, err)
		}
		if got := hash(content); got != want {
			return fmt.Errorf("%w: %s: SHA-256 %s, not %s", ErrMonocypher, filepath.Join(dir, name), got, want)
		}
	}
	return nil
}

// fetchMonocypher has pip fetch the package and puts the files of Monocypher into
// a folder. pip builds the package's metadata while it downloads: it must check the
// hash before it runs anything of it.
func fetchMonocypher(ctx context.Context, dir string) error {
	temp, err := os.MkdirTemp("", "esper-monocypher-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	requirements := filepath.Join(temp, "requirements.txt")
	line := fmt.Sprintf("%s --hash=sha256:%s\n", monocypherPackage, monocypherArchive)
	if err := os.WriteFile(requirements, []byte(line), 0o666); err != nil {
		return err
	}
	args := []string{"-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
		"--require-hashes", "--no-deps", "--no-binary=pymonocypher", "--dest", temp, "--requirement", requirements}
	pip := exec.CommandContext(ctx, "python3", args...)
	pip.Env = secret.Environ()
	output, err := pip.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: python3 -m pip download %s: %w: %s", ErrMonocypher, monocypherPackage, err, lastLine(output))
	}
	archives, err := filepath.Glob(filepath.Join(temp, monocypherFolder+"*.tar.gz"))
	if err != nil {
		return err
	}
	if len(archives) != 1 {
		return fmt.Errorf("%w: pip left no %s.tar.gz", ErrMonocypher, monocypherFolder)
	}
	archive, err := os.ReadFile(archives[0])
	if err != nil {
		return err
	}
	if got := hash(archive); got != monocypherArchive {
		return fmt.Errorf("%w: %s: SHA-256 %s, not %s", ErrMonocypher, filepath.Base(archives[0]), got, monocypherArchive)
	}
	return unpackMonocypher(archive, dir)
}

// unpackMonocypher writes the known files of the package into a folder.
func unpackMonocypher(archive []byte, dir string) error {
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if err == io.EOF {
			return checkMonocypher(dir)
		}
		if err != nil {
			return err
		}
		name := filepath.Base(header.Name)
		if _, known := monocypherFiles[name]; !known || header.Name != monocypherFolder+"/"+name {
			continue
		}
		content, err := io.ReadAll(io.LimitReader(files, maxMonocypherFile))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			return err
		}
	}
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// lastLine returns the last line of what a program said.
func lastLine(output []byte) string {
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return string(lines[len(lines)-1])
}
