package server_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/store/storetest"
)

// stoppable stands between a server and PostgreSQL, and can be stopped as a process can (kill -STOP):
// connections stay and new ones are accepted, but nothing is passed on.
type stoppable struct {
	flow sync.RWMutex // written to while it is stopped
}

// to returns a URL that leads to a database through it.
func (p *stoppable) to(t *testing.T, database string) string {
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	behind := filepath.Join(u.Query().Get("host"), socket)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", behind)
			if err != nil {
				client.Close()
				continue
			}
			go p.pass(client, server)
			go p.pass(server, client)
		}
	}()
	u.Host = l.Addr().String()
	u.RawQuery = "sslmode=disable"
	return u.String()
}

func (p *stoppable) pass(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		p.flow.RLock()
		_, failed := to.Write(buffer[:n])
		p.flow.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}

// Devices get their firmware and reach the broker, whatever the database does; those who watch over
// the server learn of it.
func TestADatabaseThatHangsStopsNoDevice(t *testing.T) {
	newDatabase := storetest.PostgreSQL(t)
	var postgres stoppable
	c := config(t)
	c.Database = postgres.to(t, newDatabase(t))
	c.Plan = func(string) rollout.Plan {
		return rollout.Plan{Stages: []rollout.Stage{{Percent: 100, Watch: time.Hour}}, ReportWithin: time.Hour, Patience: time.Hour}
	}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	for sequence, version := range []string{"v1", "v2"} {
		if err := s.Repository().Publish(repositorytest.Release(t, "socket", version, uint32(sequence+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
		get(t, s, "/firmware/socket.version")
	}
	device := dial(t, s.MQTTAddr(), nil)
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1}}`)
	says(t, device, "status", "ONLINE")
	waitForDevice(t, s, "00c0de", "ONLINE")

	postgres.flow.Lock()
	stopped := true
	defer func() {
		if stopped {
			postgres.flow.Unlock()
		}
	}()
	if got := offered(t, s, "00c0de"); got != "v1" { // it would be at risk, and that cannot be saved
		t.Errorf("it is told of %s", got)
	}
	if status, _ := get(t, s, "/firmware/socket.rom0?version=v2"); status != 200 {
		t.Errorf("an image: %d", status)
	}
	says(t, device, "status", "OFFLINE")
	waitForDevice(t, s, "00c0de", "OFFLINE")
	waitForHealth(t, s, 503)
	if _, body := get(t, s, "/healthz"); !strings.Contains(body, "roll-outs") {
		t.Errorf("/healthz says %q", body)
	}
	if why, err := s.Conductor().Why("00c0de"); err != nil || why.Reason != rollout.InProgress {
		t.Errorf("%+v, %v", why, err)
	}

	postgres.flow.Unlock()
	stopped = false
	waitForHealth(t, s, 200)
	for deadline := time.Now().Add(10 * time.Second); offered(t, s, "00c0de") != "v2"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is never told of v2")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if found, err := s.Store().Find(t.Context(), store.Query{Presence: "OFFLINE"}); err == nil && len(found) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("what happened meanwhile is not stored")
		}
	}
}
