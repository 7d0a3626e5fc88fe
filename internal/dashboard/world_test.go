package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/server"
	"esper/internal/store"
)

var discard = slog.New(slog.DiscardHandler)

// world is a server with devices that say what a test has them say.
type world struct {
	t       testing.TB
	config  server.Config
	server  *server.Server
	devices *broker.Connection
	stop    func() // the server; devices stay
}

// newWorld starts a server of nothing yet.
func newWorld(t testing.TB, change func(*server.Config)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, config: server.Config{
		Realm: "home", RepositoryDir: filepath.Join(dir, "firmware"), Database: filepath.Join(dir, "esper.db"),
		HTTPListen: "127.0.0.1:0", MQTTListen: "127.0.0.1:0", Log: discard,
	}}
	if change != nil {
		change(&w.config)
	}
	w.start()
	return w
}

// start starts the server, at the same addresses as before.
func (w *world) start() {
	w.t.Helper()
	s, err := server.Open(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.run(s)
}

func (w *world) run(s *server.Server) {
	w.t.Helper()
	w.server = s
	w.config.HTTPListen, w.config.MQTTListen = s.HTTPAddr().String(), s.MQTTAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		done <- nil
	}
	w.t.Cleanup(w.stop)
	w.until("the server is there", func() bool {
		a, err := http.Get(w.url() + "/healthz")
		if err == nil {
			a.Body.Close()
		}
		return err == nil && a.StatusCode == 200
	})
	var err error
	w.devices, err = broker.Dial(w.t.Context(), &url.URL{Scheme: "mqtt", Host: s.MQTTAddr().String()}, discard)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.devices.Close() })
}

func (w *world) url() string { return "http://" + w.server.HTTPAddr().String() }

// until waits until something is so.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	w.untilEvery(10*time.Millisecond, what, is)
}

// untilEvery is until for what cannot be looked at as often as one likes.
func (w *world) untilEvery(wait time.Duration, what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(wait) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not become so that %s", what)
		}
	}
}

// says has a device say something.
func (w *world) says(id, topic, payload string) {
	w.t.Helper()
	if err := w.devices.Publish("home/"+id+"/"+topic, []byte(payload), true); err != nil {
		w.t.Fatal(err)
	}
}

// info is what a device with a relay publishes of itself.
func info(id, deviceType, version string, rssi int) string {
	return fmt.Sprintf(`{"device":%q,"chip_id":%q,"flash_id":"1640ef","version":{"esper":%q,"sequence":%d,"sdk":"3.0.6","boot":2,"link":"chip"},
		"boot":{"rom":0,"default":0,"trial":false,"reset":"power-on","slots":[{"version":%q,"sequence":%d},null]},
		"network":{"mac":"5c:cf:7f:00:c0:de","ip":"192.168.1.23","mask":"255.255.255.0","gateway":"192.168.1.1"},
		"wifi":{"ssid":"home","bssid":"02:00:00:00:00:01","rssi":%d,"channel":6},
		"features":{"relay":"switch","motion":"binary_sensor","power":"sensor"},"heap":31000,"uptime":100}`,
		deviceType, id, version, sequences[version], version, sequences[version], rssi)
}

var sequences = map[string]uint32{"v1": 1, "v2": 2, "v3": 3}

// joins has a device come online. Who needs the server to know waits until all of them are
// known.
func (w *world) joins(id, deviceType, version string, rssi int) {
	w.t.Helper()
	w.says(id, "status", "ONLINE")
	w.says(id, "info", info(id, deviceType, version, rssi))
}

// knows waits until the server has stored so many devices.
func (w *world) knows(n int, like store.Query) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d devices are known", n), func() bool {
		known, err := w.server.Store().Count(w.t.Context(), like)
		return err == nil && known == n
	})
}

func (w *world) publish(deviceType, version string) {
	w.t.Helper()
	if err := w.server.Repository().Publish(repositorytest.Release(w.t, deviceType, version, sequences[version]), repository.Allow{}); err != nil {
		w.t.Fatal(err)
	}
}

// lookAtTokens is how often it is looked whether the server knows what became of a token: it
// looks itself once a second, and who is refused ten times is not told any more why.
const lookAtTokens = 250 * time.Millisecond

// token makes a token, as another process would, and waits until the server knows of it.
func (w *world) token(name string, role access.Role) string {
	w.t.Helper()
	text, token, err := access.NewToken(name, role, time.Now(), time.Time{})
	if err == nil {
		err = w.server.Store().AddToken(w.t.Context(), token, "test")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.untilEvery(lookAtTokens, "the token is known", func() bool {
		q, _ := http.NewRequest("GET", w.url()+"/session", nil)
		q.Header.Set("Authorization", "Bearer "+text)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			return false
		}
		defer a.Body.Close()
		said, err := io.ReadAll(a.Body)
		return err == nil && strings.Contains(string(said), `"name":"`+name+`"`)
	})
	return text
}

// staged is a plan whose stages wait for approval.
func staged(string) rollout.Plan {
	plan := rollout.AllAtOnce
	plan.Stages = []rollout.Stage{{Group: "canary", Approve: true}, {Percent: 100, Approve: true}}
	return plan
}

// many has a number of devices come online.
func (w *world) many(n int) {
	w.t.Helper()
	for i := range n {
		w.joins(fmt.Sprintf("%06x", 0xa000+i), "socket", "v1", -60)
	}
	w.knows(n, store.Query{Type: "socket", Presence: "ONLINE"})
}

// label gives a device a name.
func (w *world) label(id, name string) error {
	return w.server.Store().Label(w.t.Context(), id, store.LabelChange{Name: &name})
}
