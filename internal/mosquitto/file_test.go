package mosquitto

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// file is a password file with a text in a new folder.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// updates brings a file up to date and returns what is in it then.
func updates(t *testing.T, path string, a Accounts, wantChanged bool) string {
	t.Helper()
	changed, err := Update(path, a)
	if err != nil || changed != wantChanged {
		t.Fatalf("changed %v, %v", changed, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files beside it: %v, %v", left, err)
	}
	return string(text)
}

func TestAPasswordFileIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwords")
	devices := map[string]string{"00c0df": written, "00c0de": written}
	a := Accounts{Devices: devices, Shared: "devices", Password: "x"}
	text := updates(t, path, a, true)
	lines := strings.Split(text, "\n")
	hash, found := strings.CutPrefix(lines[0], "devices:")
	rest := strings.Join(lines[1:], "\n")
	if !found || !Matches(hash, "x") || rest != "00c0de:"+written+"\n00c0df:"+written+"\n" {
		t.Errorf("written:\n%s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again := updates(t, path, a, false); again != text {
		t.Errorf("the second time:\n%s", again)
	}
}

// Other people's users stay, in their order and as they are; devices and the shared user do not.
func TestAPasswordFileKeepsOtherUsers(t *testing.T) {
	others := "# ours\n\nesper:" + written + "\noperator:" + Hash("y") + "\nplain:text:with:colons"
	path := file(t, "00c0de:old\nbeef00:"+written+"\ndevices:"+Hash("old")+"\n"+others)
	a := Accounts{Devices: map[string]string{"00c0de": written}, Shared: "devices", Password: "new"}
	text := updates(t, path, a, true)
	rest, found := strings.CutPrefix(text, others+"\ndevices:")
	hash, rest, _ := strings.Cut(rest, "\n")
	if !found || !Matches(hash, "new") || rest != "00c0de:"+written+"\n" {
		t.Errorf("written:\n%s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	a.Without = true
	if text := updates(t, path, a, true); text != others+"\n00c0de:"+written+"\n" {
		t.Errorf("without the shared user:\n%s", text)
	}
	if text := updates(t, path, Accounts{}, true); text != others+"\n" {
		t.Errorf("without devices:\n%s", text)
	}
}

// The shared user that nobody names is another user.
func TestWithoutASiteTheSharedUserStays(t *testing.T) {
	path := file(t, "devices:"+written+"\n")
	if text := updates(t, path, Accounts{}, false); text != "devices:"+written+"\n" {
		t.Errorf("written:\n%s", text)
	}
}

func TestAFileThatIsNoPasswordFileIsLeftAlone(t *testing.T) {
	one := map[string]string{"00c0de": written}
	for name, c := range map[string]struct {
		text string
		a    Accounts
	}{
		"another file":         {"port 1883\n", Accounts{}},
		"a long line":          {"x:" + strings.Repeat("x", 2000), Accounts{}},
		"a user with a colon":  {"", Accounts{Shared: "a:b", Password: "x"}},
		"a user of two lines":  {"", Accounts{Shared: "a\nb", Password: "x"}},
		"a device that is not": {"", Accounts{Devices: map[string]string{"00c0de\nad": written}}},
		"a hash that is none":  {"", Accounts{Devices: map[string]string{"00c0de": "x\nadmin:x"}}},
	} {
		path := file(t, c.text)
		if changed, err := Update(path, c.a); err == nil || changed {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
			t.Errorf("%s: afterwards %q, %v", name, text, err)
		}
	}
	dir := t.TempDir()
	if _, err := Update(dir, Accounts{Devices: one}); err == nil {
		t.Error("a folder is replaced")
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { _, err := Update(pipe, Accounts{Devices: one}); done <- err }()
	if err := <-done; err == nil {
		t.Error("a pipe is replaced")
	}
	large := file(t, "")
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	_, err := Update(large, Accounts{})
	if err == nil || !strings.Contains(err.Error(), "larger than 32 MB") {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := Update(filepath.Join(dir, "none", "passwords"), Accounts{}); err == nil {
		t.Error("written where there is no folder")
	}
}

// A link leads to where the file is; it is not replaced by a file.
func TestALinkToAPasswordFileStays(t *testing.T) {
	path := file(t, "esper:"+written+"\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(link, Accounts{Devices: map[string]string{"00c0de": written}}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "00c0de:") {
		t.Errorf("%s, %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// The broker runs as another user than whoever keeps its passwords.
func TestAPasswordFileKeepsItsOwner(t *testing.T) {
	path := file(t, "")
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skip("only root can give files away")
	}
	if _, err := Update(path, Accounts{Devices: map[string]string{"00c0de": written}}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	is := info.Sys().(*syscall.Stat_t)
	if is.Uid != 65534 || is.Gid != 65534 || info.Mode() != 0o640 {
		t.Errorf("%d:%d %v", is.Uid, is.Gid, info.Mode())
	}
}

// A file that cannot be written is there as before, not half of a new one.
func TestAFullDiskLeavesThePasswordFile(t *testing.T) {
	path := file(t, "esper:"+written+"\n")
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	devices := map[string]string{}
	for i := range 9 {
		devices[fmt.Sprintf("%06x", i)] = written
	}
	signal.Ignore(syscall.SIGXFSZ)
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) })
	small := syscall.Rlimit{Cur: 500, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err := Update(path, Accounts{Devices: devices})
	if restored := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); restored != nil {
		t.Fatal(restored)
	}
	if err == nil {
		t.Fatal("it was written")
	}
	text, err := os.ReadFile(path)
	left, _ := os.ReadDir(filepath.Dir(path))
	if err != nil || string(text) != "esper:"+written+"\n" || len(left) != 1 {
		t.Errorf("afterwards %q, %v, and %v", text, err, left)
	}
}

// What a file holds of other people's users is kept, whatever that is, and it does not change twice.
func FuzzMerge(f *testing.F) {
	f.Add("# ours\n\nesper:x\n00c0de:x\ndevices:x")
	f.Add("esper:x\r\n00c0de:x\r\n")
	a := Accounts{Devices: map[string]string{"00c0df": written}, Shared: "devices", Password: "secret"}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := a.merge([]byte(text))
		if err != nil {
			return
		}
		twice, err := a.merge(once)
		// The shared user's hash has a salt, which stays.
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q becomes %q and then %q, %v", text, once, twice, err)
		}
		users := map[string]int{}
		for line := range strings.Lines(string(once)) {
			user, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
			users[user]++
		}
		if users["00c0df"] != 1 || users["devices"] != 1 || users["00c0de"] != 0 {
			t.Errorf("%q becomes %q", text, once)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			other := !strings.HasPrefix(line, "devices:") && !(len(line) > 6 && line[6] == ':')
			if other && !strings.Contains(string(once), line) {
				t.Errorf("%q is lost in %q", line, once)
			}
		}
	})
}
