// Package brokertest runs real brokers for tests.
package brokertest

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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
	return Start(t, Setup{ACL: acl, Users: users}).People
}

// Setup is how a Mosquitto is set up.
type Setup struct {
	ACL   string // the access list; empty: everybody may do everything
	Users []*url.Userinfo
	// UserIsClientID adds a listener on which the user's name takes the place of the client id.
	UserIsClientID bool
}

// Running is a Mosquitto that runs.
type Running struct {
	People    string // address of the first listener
	Devices   string // of the one where the user is the client id, if there is one
	Passwords string // the password file
	process   *os.Process
}

// Reload has it read its password file and access list again, which takes it a moment.
func (m *Running) Reload(t testing.TB) {
	t.Helper()
	if err := m.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Start runs a Mosquitto until the end of the test. The test is skipped where it is not installed.
func Start(t testing.TB, s Setup) *Running {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		t.Skip("mosquitto is not installed")
	}
	dir := t.TempDir()
	for path := dir; len(path) > len(os.TempDir()); path = filepath.Dir(path) {
		os.Chmod(path, 0o755) // Mosquitto becomes another user when we are root
	}
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	m := &Running{Passwords: write("passwords", ""), People: freeAddress(t)}
	for _, u := range s.Users {
		password, _ := u.Password()
		command := exec.Command("mosquitto_passwd", "-b", m.Passwords, u.Username(), password)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
		}
	}
	os.Chmod(m.Passwords, 0o644)
	configuration := "allow_anonymous false\nset_tcp_nodelay true\n" +
		"password_file " + m.Passwords + "\n"
	if s.ACL != "" {
		configuration += "acl_file " + write("acl", s.ACL) + "\n"
	}
	configuration += "listener " + port(m.People) + " 127.0.0.1\n"
	if s.UserIsClientID {
		m.Devices = freeAddress(t)
		configuration += "listener " + port(m.Devices) + " 127.0.0.1\n" +
			"use_username_as_clientid true\n"
	}
	child := exec.Command(program, "-c", write("mosquitto.conf", configuration))
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	m.process = child.Process
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	waitFor(t, m.People)
	if m.Devices != "" {
		waitFor(t, m.Devices)
	}
	return m
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitFor waits until somebody listens at an address.
func waitFor(t testing.TB, address string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("mosquitto does not listen: %v", err)
		}
	}
}
