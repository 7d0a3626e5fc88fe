package mosquitto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esper/internal/fleet"
)

// Limits on a password file, in bytes.
const (
	maxFile = 32 << 20
	maxLine = 1 << 10
)

// Accounts are the users of a password file that are the devices'. Others in it are other people's
// and stay as they are.
type Accounts struct {
	// Devices are hashes by chip id. A chip id in the file that is not here is removed.
	Devices map[string]string
	// Shared and Password are the user that all devices share, "" if that is not known. Without
	// keeps it out.
	Shared, Password string
	Without          bool
}

// Update brings a password file up to date, or makes one, and reports whether it has changed. It is
// replaced as a whole, so a broker that reads it meanwhile gets the old or the new one. A new file
// belongs to its maker alone (mode 0600); one that is there keeps owner and mode, since the broker
// reads it by these.
func Update(path string, a Accounts) (changed bool, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays
	}
	old, info, err := read(path)
	if err != nil {
		return false, err
	}
	text, err := a.merge(old)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if info != nil && bytes.Equal(text, old) {
		return false, nil
	}
	return true, replace(path, text, info)
}

// read returns what is in a password file, and no info if there is none.
func read(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular(): // to open a pipe could take for ever
		return nil, nil, fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: larger than %d MB", path, maxFile>>20)
	}
	return text, info, err
}

// merge returns the text of a password file with these accounts: first what is other people's, in
// its order, then the shared user, then the devices.
func (a Accounts) merge(old []byte) ([]byte, error) {
	if strings.ContainsAny(a.Shared, ":\r\n") {
		return nil, errors.New("the user in mqtt.url has a colon, which no user of Mosquitto can have")
	}
	var text bytes.Buffer
	shared := ""
	for i, line := range strings.SplitAfter(string(old), "\n") {
		user, hash, found := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		isLine := user != "" && !strings.HasPrefix(user, "#")
		switch {
		case len(line) > maxLine, isLine && !found:
			return nil, fmt.Errorf("line %d is not USER:PASSWORD: this is no password file", i+1)
		case fleet.IsID(user):
		case a.Shared != "" && user == a.Shared:
			if Matches(hash, a.Password) {
				shared = hash // or the file would change each time
			}
		default:
			text.WriteString(line)
		}
	}
	if n := text.Len(); n > 0 && text.Bytes()[n-1] != '\n' {
		text.WriteByte('\n')
	}
	if a.Shared != "" && !a.Without {
		if shared == "" {
			shared = Hash(a.Password)
		}
		fmt.Fprintf(&text, "%s:%s\n", a.Shared, shared)
	}
	for _, id := range slices.Sorted(maps.Keys(a.Devices)) {
		if err := CheckHash(a.Devices[id]); err != nil || !fleet.IsID(id) {
			return nil, fmt.Errorf("device %q cannot be written: %w", id, err)
		}
		fmt.Fprintf(&text, "%s:%s\n", id, a.Devices[id])
	}
	return text.Bytes(), nil
}

// replace writes a file, in the place of another one if there is info about that.
func replace(path string, text []byte, before fs.FileInfo) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if before != nil {
		if err := keepOwner(f, before); err != nil {
			return fmt.Errorf("%s cannot keep its owner, by which Mosquitto reads it: %w", path, err)
		}
		if err := f.Chmod(before.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
