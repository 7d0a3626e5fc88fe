package loop

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/firmware"
	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/broker/brokertest"
	"esper/internal/build"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/site"
)

// watcher is who may see all that devices say, and tell them what to do.
const watcher, watcherPassword = "operator", "token"

// The firmware itself, over real sockets, with each broker and each web server. Each device
// may use only its own topics, and does nothing for what the broker has kept.
func TestTheLoopOverRealSockets(t *testing.T) {
	embedded := func(t *testing.T, user, password string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b, err := broker.Serve(l, broker.Options{
			Realm: realm, User: user, Password: password, Log: slog.New(slog.DiscardHandler),
			Token: func(name, token string) (access.Identity, error) {
				if name != watcher || token != watcherPassword {
					return access.Identity{}, access.ErrUnknown
				}
				return access.Identity{Name: name, Role: access.Operator}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return l.Addr().String()
	}
	ours := func(t *testing.T, r *repository.Repository) string {
		s := httptest.NewServer(r.Handler(nil))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, c := range []struct {
		name   string
		broker func(t *testing.T, user, password string) string
		web    func(t *testing.T, r *repository.Repository) string
	}{
		{"embedded broker, our web server", embedded, ours},
		{"Mosquitto, nginx", func(t *testing.T, user, password string) string {
			acl, err := os.ReadFile("../../examples/mosquitto.acl")
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(string(acl), "home/", realm+"/")
			return brokertest.MosquittoWith(t, text, url.UserPassword(user, password), url.UserPassword(watcher, watcherPassword))
		}, func(t *testing.T, r *repository.Repository) string {
			return repositorytest.Nginx(t, r.Dir())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			repo, err := repository.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			const user, password = "devices", `pa"ss wörd`
			l := &live{t: t, repository: repo, broker: &url.URL{
				Scheme: "mqtt", User: url.UserPassword(user, password), Host: c.broker(t, user, password),
			}}
			l.makeSite(c.web(t, repo))
			l.followFleet()
			l.release("v1", 1)
			own := realm + "/00c0de"
			for topic, payload := range map[string]string{
				realm + "/reboot": "00c0de", own + "/reboot": "00c0de", own + "/update": "now", own + "/socket/set": "1",
			} {
				if err := l.client.Publish(topic, []byte(payload), true); err != nil {
					t.Fatal(err)
				}
			}
			stop := l.boot(0x00C0DE)
			l.expect("v1")
			l.release("v2", 2)
			if err := l.client.Publish(realm+"/update", nil, false); err != nil {
				t.Fatal(err)
			}
			l.expect("v2")
			if d := stop(); d.Resets() != 1 || d.Pin(12) {
				t.Errorf("%d resets, and the switch is %v: it obeyed a retained message", d.Resets(), d.Pin(12))
			}
		})
	}
}

// live is a site with real servers.
type live struct {
	t          *testing.T
	repository *repository.Repository
	broker     *url.URL
	site       *site.Site
	client     *broker.Connection
	fleet      *fleet.Fleet
}

func (l *live) makeSite(web string) {
	l.t.Helper()
	devices, err := fs.Sub(firmware.Files, "devices")
	if err != nil {
		l.t.Fatal(err)
	}
	home := filepath.Join(l.t.TempDir(), "site")
	err = site.Create(home, site.Template{
		Realm: realm, SSID: "net", MQTT: l.broker.String(), UpdateURL: web, Devices: devices, Types: []string{"socket"},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if l.site, err = site.Open(home); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) followFleet() {
	l.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	watch := *l.broker
	watch.User = url.UserPassword(watcher, watcherPassword)
	if l.client, err = broker.Dial(l.t.Context(), &watch, log); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.client.Close() })
	l.fleet = fleet.New(realm, log)
	for _, filter := range fleet.Topics(realm) {
		err := l.client.Subscribe(filter, func(m broker.Message) { l.fleet.Handle(m.Topic, m.Payload, time.Now()) })
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *live) release(version string, sequence uint32) {
	l.t.Helper()
	_, err := build.Build(l.t.Context(), l.site, build.Options{Version: &site.Version{Name: version, Sequence: sequence}})
	if err != nil {
		l.t.Fatal(err)
	}
	images, err := release.ReadImages(filepath.Join(l.site.Dir, site.BuildDir), "socket")
	if err != nil {
		l.t.Fatal(err)
	}
	key, err := release.LoadPrivateKey(filepath.Join(l.site.Dir, site.KeyName+".key"))
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := release.Sign(images, key)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.repository.Publish(r, repository.Allow{}); err != nil {
		l.t.Fatal(err)
	}
}

// boot runs a device until it is stopped, or the test ends.
func (l *live) boot(id uint32) (stop func() *emulator.Device) {
	l.t.Helper()
	dir := filepath.Join(l.site.Dir, site.BuildDir)
	var parts [2][]byte
	for i, name := range []string{build.BootloaderFile, "socket.rom0"} {
		var err error
		if parts[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			l.t.Fatal(err)
		}
	}
	content, err := image.NewFlash(parts[0], parts[1], nil)
	if err != nil {
		l.t.Fatal(err)
	}
	copy(content[image.SettingsAddress:], storeOf(l.t, l.site.Config.Settings()))
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, content); err != nil {
		l.t.Fatal(err)
	}
	var serial strings.Builder
	device, err := emulator.New(emulator.Config{ChipID: id, Flash: flash, Link: network.NewSockets(), Serial: &serial})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		device.Run(ctx)
	}()
	stop = func() *emulator.Device {
		cancel()
		<-done
		return device
	}
	l.t.Cleanup(func() {
		if stop(); l.t.Failed() {
			l.t.Log(serial.String())
		}
	})
	return stop
}

// expect waits until the device is online with the version.
func (l *live) expect(version string) {
	l.t.Helper()
	for deadline := time.After(time.Minute); ; {
		changed := l.fleet.Changed()
		devices := l.fleet.Devices()
		if len(devices) == 1 && devices[0].Status == fleet.Online && devices[0].Version() == version {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			l.t.Fatalf("not within a minute: %s; %s", version, fmt.Sprint(devices))
		}
	}
}
