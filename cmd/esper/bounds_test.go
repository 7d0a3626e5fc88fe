package main

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
)

// within runs 'esper serve' as the last command of a shell that sets its bounds first, until its
// log has a line that matches; it returns what that names.
func within(t *testing.T, bounds, line string, more ...string) []string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "esper") // by its name, the program of the tests is this command
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err != nil {
		t.Fatal(err)
	}
	arguments := append([]string{"-c", bounds + "\nexec \"$0\" \"$@\"", program, "serve", "--data", filepath.Join(dir, "data"),
		"--http", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"}, more...)
	c := exec.Command("sh", arguments...)
	c.Dir = dir
	log, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	pattern := regexp.MustCompile(line)
	var seen []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		seen = append(seen, lines.Text())
		if found := pattern.FindStringSubmatch(strings.Join(seen, "\n")); found != nil {
			go func() {
				for lines.Scan() {
				}
			}()
			return found
		}
	}
	t.Fatalf("the log has no %s:\n%s", line, strings.Join(seen, "\n"))
	return nil
}

// Connections that do nothing, more than the server may have open files, keep neither HTTP nor
// MQTT from those who come after them.
func TestIdleConnectionsBlockNobody(t *testing.T) {
	t.Parallel()
	found := within(t, "ulimit -n 256", `(?s)url=http://([0-9.:]+)/firmware.*serving MQTT" address=(\S+)`)
	web, mqtt := found[1], found[2]
	open := func(address string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	for range 300 {
		open(mqtt)
	}
	for i := range 300 {
		c := open(web)
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: esper\r\n\r\n")
		if a, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("connection %d: %v", i, err)
		} // and then it waits
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // until the idle ones' time to log in is over
		c, err := broker.Dial(t.Context(), &url.URL{Scheme: "mqtt", Host: mqtt}, slog.New(slog.DiscardHandler))
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody gets to the broker: %v", err)
		}
	}
}

// The limit of a container is a limit for Go, too.
func TestTheMemoryLimitOfAContainer(t *testing.T) {
	const limit = 512 << 20
	group := ""
	for _, version := range []struct{ root, file string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir := filepath.Join(version.root, fmt.Sprint("esper-test-", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 { // until the process in it has ended
				if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
		if os.WriteFile(filepath.Join(dir, version.file), []byte(strconv.Itoa(limit)), 0o644) == nil {
			group = dir
			break
		}
	}
	if group == "" {
		t.Skip("no control group with a memory limit can be made here, which takes root")
	}
	t.Setenv("GROUP", group)
	found := within(t, `echo $$ >"$GROUP/cgroup.procs"`, `(?:memory is limited" bytes=(\d+)|serving MQTT)`)
	if found[1] != strconv.Itoa(limit/10*9) && found[1] != strconv.Itoa(limit*9/10) {
		t.Errorf("Go's limit is %q of %d", found[1], limit)
	}
}
