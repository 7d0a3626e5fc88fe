// Package brokertest runs real brokers for tests.
package brokertest

import (
	"fmt"
	"net"
	"net/url"
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
	return MosquittoWith(t, "", url.UserPassword(user, password))
}

// MosquittoWith is Mosquitto with several users, and with an access list if it is not empty.
func MosquittoWith(t testing.TB, acl string, users ...*url.Userinfo) string {
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
	write := func(file, content string) {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(passwords, "")
	for _, u := range users {
		password, _ := u.Password()
		if output, err := exec.Command("mosquitto_passwd", "-b", passwords, u.Username(), password).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
		}
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
	if acl != "" {
		list := filepath.Join(dir, "acl")
		write(list, acl)
		configuration += "acl_file " + list + "\n"
	}
	write(file, configuration)
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
