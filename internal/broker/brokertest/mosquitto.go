// Package brokertest runs real brokers for tests.
package brokertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Mosquitto runs one until the end of the test and returns its address. It asks for
// the user and password. The test is skipped where Mosquitto is not installed.
func Mosquitto(t testing.TB, user, password string) string {
	t.Helper()
	mosquitto, err := exec.LookPath("mosquitto")
	if err != nil {
		t.Skip("mosquitto is not installed")
	}
	dir := t.TempDir()
	for path := dir; len(path) > len(os.TempDir()); path = filepath.Dir(path) {
		os.Chmod(path, 0o755) // Mosquitto becomes another user when we are root
	}
	passwords := filepath.Join(dir, "passwords")
	if output, err := exec.Command("mosquitto_passwd", "-b", "-c", passwords, user, password).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
	os.Chmod(passwords, 0o644)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	file := filepath.Join(dir, "mosquitto.conf")
	configuration := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous false\npassword_file %s\nset_tcp_nodelay true\n", address.Port, passwords)
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(mosquitto, "-c", file)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address.String())
		if err == nil {
			c.Close()
			return address.String()
		}
		if time.Now().After(deadline) {
			t.Fatalf("mosquitto does not listen: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
