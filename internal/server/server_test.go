package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/server"
)

var discard = slog.New(slog.DiscardHandler)

func config(t *testing.T) server.Config {
	return server.Config{
		Realm: "home", RepositoryDir: t.TempDir(), HTTPListen: "127.0.0.1:0", MQTTListen: "127.0.0.1:0", Log: discard,
	}
}

// start runs a server until the end of the test, or until stop, which returns what
// Run does.
func start(t *testing.T, c server.Config) (s *server.Server, stop func() error) {
	t.Helper()
	s, err := server.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { stop() })
	return s, stop
}

func dial(t *testing.T, address net.Addr, who *url.Userinfo) *broker.Connection {
	t.Helper()
	c, err := broker.Dial(t.Context(), &url.URL{Scheme: "mqtt", Host: address.String(), User: who}, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t *testing.T, s *server.Server, path string) (int, string) {
	t.Helper()
	answer, err := http.Get("http://" + s.HTTPAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// offered returns the version that a device which runs v1 is told of.
func offered(t *testing.T, s *server.Server, id string) string {
	t.Helper()
	q, _ := http.NewRequest("GET", "http://"+s.HTTPAddr().String()+"/firmware/socket.version", nil)
	q.Header.Set("X-Esper-Device", id)
	q.Header.Set("X-Esper-Version", "v1")
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	version, _, _ := strings.Cut(string(body), "\n")
	return version
}

// waitForDevice waits until the server knows of a device's status.
func waitForDevice(t *testing.T, s *server.Server, id, status string) {
	t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		changed := s.Fleet().Changed()
		for _, d := range s.Fleet().Devices() {
			if d.ID == id && d.Status == status {
				return
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("device %s does not become %s", id, status)
		}
	}
}

func waitForHealth(t *testing.T, s *server.Server, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, body := get(t, s, "/healthz")
		if status == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/healthz: %d %q, want %d", status, body, want)
		}
	}
}

func TestEverythingInOneProcess(t *testing.T) {
	s, stop := start(t, config(t))
	waitForHealth(t, s, 200)
	rel := repositorytest.Release(t, "socket", "v1", 1)
	if status, _ := get(t, s, "/firmware/socket.version"); status != 404 {
		t.Errorf("nothing is published yet: status %d", status)
	}
	if err := s.Repository().Publish(rel, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, s, "/firmware/socket.version"); status != 200 || body != string(rel.VersionFile.Marshal()) {
		t.Errorf("version file: status %d, %q", status, body)
	}
	if status, body := get(t, s, "/firmware/socket.rom1?version=v1"); status != 200 || body != string(rel.Images[1]) {
		t.Errorf("image: status %d, %d bytes", status, len(body))
	}
	for _, path := range []string{"/other", "/firmware", "/firmware/", "/socket.version", "/firmware/../healthz/x"} {
		if status, _ := get(t, s, path); status != 404 {
			t.Errorf("%s: status %d, want 404", path, status)
		}
	}

	c := dial(t, s.MQTTAddr(), nil)
	if err := c.Publish("home/00c0de/status", []byte("ONLINE"), true); err != nil {
		t.Fatal(err)
	}
	waitForDevice(t, s, "00c0de", "ONLINE")

	if err := stop(); err != nil {
		t.Errorf("stopped: %v", err)
	}
	for _, address := range []net.Addr{s.HTTPAddr(), s.MQTTAddr()} {
		if c, err := net.Dial("tcp", address.String()); err == nil {
			c.Close()
			t.Errorf("%v still listens", address)
		}
	}
}

// One device in nine is first; 00c0de is one of them, 00c0df is not.
func TestReleasesAreRolledOut(t *testing.T) {
	c := config(t)
	c.Plan = func(string) rollout.Plan {
		plan := rollout.AllAtOnce
		plan.Stages = []rollout.Stage{{Percent: 11}, {Percent: 100, Approve: true}}
		return plan
	}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	for sequence, version := range []string{"v1", "v2"} {
		if err := s.Repository().Publish(repositorytest.Release(t, "socket", version, uint32(sequence+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
		get(t, s, "/firmware/socket.version")
	}
	if first, other := offered(t, s, "00c0de"), offered(t, s, "00c0df"); first != "v2" || other != "v1" {
		t.Errorf("told of %s and %s, want v2 and v1", first, other)
	}

	device := dial(t, s.MQTTAddr(), nil)
	for topic, payload := range map[string]string{
		"status": "ONLINE",
		"info":   `{"device":"socket","chip_id":"00c0de","version":{"esper":"v2","sequence":2}}`,
	} {
		if err := device.Publish("home/00c0de/"+topic, []byte(payload), true); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); s.Conductor().Approve(t.Context(), "socket", "") != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the next stage does not wait for approval: %+v", s.Conductor().Rollouts())
		}
	}
	if other := offered(t, s, "00c0df"); other != "v2" {
		t.Errorf("told of %s, want v2", other)
	}
}

// The external broker here is another server's embedded one. It comes late, and
// firmware is served meanwhile.
func TestAnExternalBroker(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr()
	reserved.Close()

	c := config(t)
	c.ExternalMQTT = &url.URL{Scheme: "mqtt", Host: address.String()}
	s, stop := start(t, c)
	if s.MQTTAddr() != nil {
		t.Errorf("it listens for MQTT at %v", s.MQTTAddr())
	}
	waitForHealth(t, s, 503)

	other := config(t)
	other.MQTTListen = address.String()
	external, stopExternal := start(t, other)
	device := dial(t, external.MQTTAddr(), c.ExternalMQTT.User)
	if err := device.Publish("home/00c0de/status", []byte("ONLINE"), true); err != nil {
		t.Fatal(err)
	}
	waitForDevice(t, s, "00c0de", "ONLINE")
	waitForHealth(t, s, 200)
	stopExternal()
	waitForHealth(t, s, 503)
	if err := stop(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestAnAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, which := range []string{"HTTP", "MQTT"} {
		c := config(t)
		if which == "HTTP" {
			c.HTTPListen = taken.Addr().String()
		} else {
			c.MQTTListen = taken.Addr().String()
		}
		if s, err := server.Open(c); err == nil {
			s.Close()
			t.Errorf("%s: opened an address in use", which)
		}
	}
}

func TestItStopsWhileAClientDawdles(t *testing.T) {
	s, stop := start(t, config(t))
	waitForHealth(t, s, 200)
	slow, err := net.Dial("tcp", s.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "GET /firmware/socket.version HTTP/1.1\r\nHost: x\r\n") // and no more
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stopped: %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}
