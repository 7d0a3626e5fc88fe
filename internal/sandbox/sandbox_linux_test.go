package sandbox

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"esper/internal/sandbox/sandboxtest"
)

// The test program is a program to confine, too.
func TestMain(m *testing.M) {
	if network, address, dial := strings.Cut(os.Getenv("SANDBOX_DIAL"), " "); dial {
		c, err := net.Dial(network, address)
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		c.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// system is what programs of the system need.
var system = []string{"/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"}

// run runs a program with rules, and returns what it said.
func run(r Rules, program string, args ...string) (string, error) {
	if r.Memory == 0 {
		r.Memory, r.FileSize = 1<<30, 1<<30
	}
	if r.CPU == 0 {
		r.CPU = time.Minute
	}
	r.Run = append(r.Run, system...)
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	err := Run(cmd, r)
	return said.String(), err
}

func needLandlock(t *testing.T, since int) {
	t.Helper()
	if v, err := version(); err != nil || v < since {
		t.Skipf("needs version %d of Landlock, and there is %d: %v", since, v, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files makes a folder with a file that may be read and one that may not, and a link from
// the one to the other.
func files(t *testing.T) (open, secret string) {
	t.Helper()
	open, secret = t.TempDir(), filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(filepath.Join(open, "plain"), []byte("plain text"), 0o666))
	must(t, os.WriteFile(secret, []byte("secret text"), 0o666))
	must(t, os.Symlink(secret, filepath.Join(open, "link")))
	return open, secret
}

func TestAProgramReadsWhatItMayAndNothingElse(t *testing.T) {
	needLandlock(t, 1)
	open, secret := files(t)
	rules := Rules{Read: []string{open}, Children: true}
	if said, err := run(rules, "cat", filepath.Join(open, "plain")); err != nil || said != "plain text" {
		t.Errorf("what may be read: %v: %q", err, said)
	}
	for _, path := range []string{secret, filepath.Join(open, "link"), open + "/../" + filepath.Base(filepath.Dir(secret)) + "/secret"} {
		said, err := run(rules, "cat", path)
		if err == nil || !strings.Contains(said, "Permission denied") || strings.Contains(said, "secret text") {
			t.Errorf("%s: %v: %q", path, err, said)
		}
	}
	// Nor does what it starts.
	if said, err := run(rules, "sh", "-c", "sh -c 'cat "+secret+"'"); err == nil || strings.Contains(said, "secret text") {
		t.Errorf("a child reads: %v: %q", err, said)
	}
	if said, err := run(Rules{Read: []string{filepath.Join(open, "plain")}}, "cat", filepath.Join(open, "plain")); err != nil || said != "plain text" {
		t.Errorf("one file: %v: %q", err, said)
	}
}

func TestAProgramWritesWhereItMayAndNowhereElse(t *testing.T) {
	needLandlock(t, 1)
	read, write := t.TempDir(), t.TempDir()
	rules := Rules{Read: []string{read}, Write: []string{write}, Children: true}
	if said, err := run(rules, "sh", "-c", "cd "+write+" && echo a >file && echo b >file && cat file && rm file && echo >/dev/null"); err != nil || said != "b\n" {
		t.Errorf("where it may: %v: %q", err, said)
	}
	for _, script := range []string{"echo >" + read + "/file", "ln -s / " + write + "/link", "mkdir " + write + "/folder"} {
		if said, err := run(rules, "sh", "-c", script); err == nil || !strings.Contains(said, "Permission denied") {
			t.Errorf("%s: %v: %q", script, err, said)
		}
	}
}

func TestAProgramExecutesNothingThatItWrote(t *testing.T) {
	needLandlock(t, 1)
	write := t.TempDir()
	if said, err := run(Rules{Write: []string{write}, Children: true}, "sh", "-c", "cat /bin/true >"+write+"/x; chmod +x "+write+"/x; "+write+"/x"); err == nil {
		t.Errorf("it ran: %q", said)
	}
}

func TestAProgramHasNoSockets(t *testing.T) {
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer stream.Close()
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer datagrams.Close()
	path := filepath.Join(t.TempDir(), "socket")
	local, err := net.Listen("unix", path)
	must(t, err)
	defer local.Close()
	self, err := os.Executable()
	must(t, err)
	for _, address := range []string{"tcp " + stream.Addr().String(), "udp " + datagrams.LocalAddr().String(), "unix " + path} {
		t.Setenv("SANDBOX_DIAL", address)
		if output, err := exec.Command(self).CombinedOutput(); err != nil {
			t.Fatalf("%s unconfined: %v: %s", address, err, output)
		}
		said, err := run(Rules{Run: []string{self}, Write: []string{path}, Children: true}, self)
		if err == nil || !strings.Contains(said, "operation not permitted") {
			t.Errorf("%s: %v: %q", address, err, said)
		}
	}
}

func TestAProgramCannotSignalOthers(t *testing.T) {
	needLandlock(t, 6)
	other := exec.Command("sleep", "60")
	must(t, other.Start())
	defer func() { other.Process.Kill(); other.Wait() }()
	if said, err := run(Rules{}, "sh", "-c", `kill -0 "$0"`, strconv.Itoa(other.Process.Pid)); err == nil {
		t.Errorf("a signal: %q", said)
	}
}

func TestAProgramStartsNoOthersUnlessItMay(t *testing.T) {
	script := "echo one; /bin/echo two; echo three"
	if said, err := run(Rules{Children: true}, "sh", "-c", script); err != nil || said != "one\ntwo\nthree\n" {
		t.Errorf("it may: %v: %q", err, said)
	}
	if said, err := run(Rules{}, "sh", "-c", script); err == nil || !strings.HasPrefix(said, "one\n") || strings.Contains(said, "two") {
		t.Errorf("it may not: %v: %q", err, said)
	}
	// It can become another.
	if said, err := run(Rules{}, "sh", "-c", "exec /bin/echo two"); err != nil || said != "two\n" {
		t.Errorf("it executes: %v: %q", err, said)
	}
}

func TestNoChildOutlivesItsProgram(t *testing.T) {
	for _, leave := range []string{"sleep 600 &", "setsid sleep 600 &", "setsid -f sleep 600;", "(sleep 600 & setsid sleep 600 &) &"} {
		read, write, err := os.Pipe()
		must(t, err)
		defer read.Close()
		cmd := exec.Command("sh", "-c", leave+" exit 3")
		cmd.ExtraFiles = []*os.File{write} // which whatever it starts has, too
		err = Run(cmd, Rules{Run: system, Children: true, Memory: 1 << 30, FileSize: 1 << 20, CPU: time.Minute})
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 3 {
			t.Errorf("%s: %v", leave, err)
		}
		must(t, write.Close())
		must(t, read.SetReadDeadline(time.Now().Add(20*time.Second)))
		if _, err := io.ReadAll(read); err != nil {
			t.Errorf("%s: it is still there: %v", leave, err)
		}
	}
}

func TestAProgramThatComputesWithoutEndIsEnded(t *testing.T) {
	_, err := run(Rules{CPU: time.Second}, "sh", "-c", "while :; do :; done")
	var ended *exec.ExitError
	if !errors.As(err, &ended) || !ended.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("%v", err)
	}
}

func TestAProgramHasSoMuchMemoryAndLongFilesAndNoMore(t *testing.T) {
	write := t.TempDir()
	rules := Rules{Read: []string{"/dev/zero"}, Write: []string{write}, Memory: 64 << 20, FileSize: 1 << 20, Children: true}
	line := "head -c 30000000 /dev/zero | tail -n 1 | wc -c" // tail keeps the line
	if said, err := run(rules, "sh", "-c", line); err != nil || strings.TrimSpace(said) != "30000000" {
		t.Errorf("within the limit: %v: %q", err, said)
	}
	if said, _ := run(rules, "sh", "-c", strings.Replace(line, "3", "9", 1)); !strings.Contains(said, "memory exhausted") {
		t.Errorf("beyond the limit: %q", said)
	}
	file := filepath.Join(write, "file")
	run(rules, "sh", "-c", "head -c 2000000 /dev/zero >"+file)
	if info, err := os.Stat(file); err != nil || info.Size() != 1<<20 {
		t.Errorf("a file: %v, %v", info, err)
	}
}

func TestAProgramThatIsNotThereIsSaidToBe(t *testing.T) {
	if _, err := run(Rules{}, "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
}

func TestWhereTheKernelCannotConfineProgramsStartAllTheSame(t *testing.T) {
	if !sandboxtest.Again(t) {
		return
	}
	open, _ := files(t)
	if err := Check(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Check: %v", err)
	}
	if said, err := run(Rules{}, "cat", filepath.Join(open, "link")); err != nil || said != "secret text" {
		t.Errorf("%v: %q", err, said)
	}
}
