package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/broker"
)

// logins keeps how devices log in, unless it fails.
type logins struct {
	mu   sync.Mutex
	err  error
	hang chan struct{} // closed when it answers again; nil: it does
}

func (s *logins) DeviceLogins(context.Context) ([]access.DeviceLogin, error) { return nil, nil }

func (s *logins) SaveDeviceLogin(ctx context.Context, l access.DeviceLogin) error {
	s.mu.Lock()
	hang, err := s.hang, s.err
	s.mu.Unlock()
	if hang != nil { // whatever the context says
		<-hang
	}
	return err
}

// fleetOf returns devices with own passwords, and these by the devices' ids.
func fleetOf(
	t *testing.T, from access.DeviceStorage, ids ...string,
) (*access.Devices, map[string]string) {
	t.Helper()
	d, err := access.OpenDevices(t.Context(), from, discard)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	for _, id := range ids {
		text, hash := access.NewDevicePassword()
		if _, err := d.SetPassword(t.Context(), id, hash); err != nil {
			t.Fatal(err)
		}
		made[id] = text
	}
	return d, made
}

// startWithDevices runs a broker that knows devices' own passwords besides the shared one.
func startWithDevices(t *testing.T, d *access.Devices, change func(*broker.Options)) string {
	t.Helper()
	o := broker.Options{
		Realm: "home", Discovery: "homeassistant", User: "devices", Password: devicePassword,
		Devices: d,
		Token:   tokens(access.Identity{Name: "facade", Role: access.Operator}), // as a chip id
	}
	if change != nil {
		change(&o)
	}
	return serve(t, o).Addr().String()
}

// revoked revokes a device.
func revoked(t *testing.T, d *access.Devices, id string) {
	t.Helper()
	if _, err := d.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func TestAPasswordIsForItsDeviceOnly(t *testing.T) {
	d, own := fleetOf(t, &logins{}, "00c0de", "00c0df", "0ff000")
	revoked(t, d, "0ff000")
	revoked(t, d, "0ff001") // which has the shared password only
	b := serve(t, broker.Options{
		Realm: "home", Discovery: "homeassistant", User: "devices", Password: devicePassword,
		Devices: d, Token: tokens(access.Identity{Name: "operator", Role: access.Operator}),
	})
	try := func(user, secret, id string) *paho.ClientOptions {
		return options(b.Addr().String(), user, secret, id)
	}
	good := func(id string) *paho.ClientOptions { return try(id, own[id], id) }
	shared := func(id string) *paho.ClientOptions { return try("devices", devicePassword, id) }
	in := func(o *paho.ClientOptions) {
		t.Helper()
		if _, err := connect(t, o); err != nil {
			t.Fatal(err)
		}
	}
	will := func(topic string) *paho.ClientOptions {
		return good("00c0df").SetWill(topic, "x", 0, true)
	}
	l, _ := d.Find("00c0df")
	kept, _ := l.Newest()
	mine, others := own["00c0df"], own["00c0de"]
	in(shared("00c0de")) // it has not shown its own yet
	in(good("00c0de").SetWill("home/00c0de/status", "OFFLINE", 0, true))
	for name, o := range map[string]*paho.ClientOptions{
		"the shared password as a device with its own":  shared("00c0de"),
		"its id with the shared password":               try("00c0df", devicePassword, "00c0df"),
		"the shared user with its password":             try("devices", mine, "00c0df"),
		"its password with another's client id":         try("00c0df", mine, "00c0de"),
		"another's user name with its password":         try("00c0de", mine, "00c0de"),
		"another's password":                            try("00c0df", others, "00c0df"),
		"its password with upper case":                  try("00C0DF", mine, "00C0DF"),
		"its password with a name that is none":         try("operator", mine, "x"),
		"its password with no client id":                try("00c0df", mine, ""),
		"a password of a device that has none":          try("00c0d0", mine, "00c0d0"),
		"its password, almost":                          try("00c0df", mine+"x", "00c0df"),
		"what is kept of its password":                  try("00c0df", kept.SHA256.String(), "00c0df"),
		"a session that goes on":                        good("00c0df").SetCleanSession(false),
		"a revoked device with its own password":        good("0ff000"),
		"a revoked device with the shared password":     shared("0ff000"),
		"a revoked device that has no other":            shared("0ff001"),
		"a last will that tells all devices to check":   will("home/update"),
		"a last will in the name of a different device": will("home/00c0de/status"),
	} {
		if _, err := connect(t, o); err == nil {
			t.Errorf("%s is let in", name)
		}
	}
	r := b.Stats().Refused
	if r["revoked"] != 3 || r["will"] != 2 || r["client-id"] != 6 || r["password"] != 7 {
		t.Errorf("counted %v", r)
	}
	in(good("00c0df"))
	in(shared("00c0d0")) // others as before
}

// A token can have a name that could be a chip id.
func TestATokenIsNotTakenForADevice(t *testing.T) {
	d, own := fleetOf(t, &logins{}, "facade")
	address := startWithDevices(t, d, nil)
	client(t, address, "facade", password, "ha")
	client(t, address, "facade", own["facade"], "facade")
	if _, err := connect(t, options(address, "facade", password, "facade")); err == nil {
		t.Error("a token takes a device's place")
	}
}

// A site can have devices use their own passwords only.
func TestTheSharedPasswordCanBeSwitchedOff(t *testing.T) {
	d, own := fleetOf(t, &logins{}, "00c0de")
	address := startWithDevices(t, d, func(o *broker.Options) { o.OwnOnly = true })
	for _, id := range []string{"00c0de", "00c0df"} {
		if _, err := connect(t, options(address, "devices", devicePassword, id)); err == nil {
			t.Errorf("%s is let in with the shared password", id)
		}
	}
	client(t, address, "00c0de", own["00c0de"], "00c0de")
	client(t, address, "facade", password, "ha")
}

// An open broker asks nobody, so there is nobody whom it could keep out.
func TestAnOpenBrokerAsksForNoDevicesPassword(t *testing.T) {
	d, own := fleetOf(t, &logins{}, "00c0de")
	revoked(t, d, "00c0de")
	address := startWithDevices(t, d, func(o *broker.Options) {
		o.User, o.Password, o.OwnOnly = "", "", true
	})
	client(t, address, "00c0de", own["00c0de"], "00c0de").Disconnect(0)
	client(t, address, "", "", "00c0de")
}

// Devices that are revoked lose the connection that they have, whatever they showed. The others
// keep theirs.
func TestARevokedDeviceIsThrownOut(t *testing.T) {
	t.Parallel()
	d, own := fleetOf(t, &logins{}, "00c0de", "00c0df")
	address := startWithDevices(t, d, nil)
	watching := client(t, address, "facade", password, "ha")
	said := make(chan string, 10)
	watching.Subscribe("home/+/status", 0, func(_ paho.Client, m paho.Message) {
		said <- m.Topic() + " " + string(m.Payload())
	}).Wait()
	lost := make(chan string, 10)
	join := func(user, secret, id string) paho.Client {
		t.Helper()
		o := options(address, user, secret, id).SetWill("home/"+id+"/status", "OFFLINE", 0, true)
		c, err := connect(t, o.SetConnectionLostHandler(func(paho.Client, error) { lost <- id }))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	join("00c0de", own["00c0de"], "00c0de")
	join("devices", devicePassword, "beef00")
	others := []paho.Client{
		join("00c0df", own["00c0df"], "00c0df"),
		join("devices", devicePassword, "beef01"), watching,
	}
	began := time.Now()
	revoked(t, d, "00c0de")
	revoked(t, d, "beef00")
	ended := map[string]bool{}
	for range 4 {
		select {
		case id := <-lost:
			ended[id] = true
		case will := <-said:
			ended[will] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("after 10 s: %v", ended)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, want := range []string{
		"00c0de", "beef00", "home/00c0de/status OFFLINE", "home/beef00/status OFFLINE",
	} {
		if !ended[want] {
			t.Errorf("no %s: %v", want, ended)
		}
	}
	time.Sleep(2500 * time.Millisecond) // it is looked every 2 s
	for i, c := range others {
		if !c.IsConnectionOpen() {
			t.Errorf("connection %d of the others has ended", i)
		}
	}
	if _, err := d.Restore(t.Context(), "00c0de"); err != nil {
		t.Fatal(err)
	}
	client(t, address, "00c0de", own["00c0de"], "00c0de")
}

// Whoever has the shared password cannot keep a device from coming to its own.
func TestADeviceTakesItsPlaceFromWhoPosesAsIt(t *testing.T) {
	d, own := fleetOf(t, &logins{}, "00c0de")
	address := startWithDevices(t, d, nil)
	lost := make(chan error, 1)
	thief := options(address, "devices", devicePassword, "00c0de").
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if _, err := connect(t, thief); err != nil {
		t.Fatal(err)
	}
	device := client(t, address, "00c0de", own["00c0de"], "00c0de")
	<-lost
	if _, err := connect(t, thief); err == nil {
		t.Error("the shared password takes the device's place")
	}
	if !device.IsConnectionOpen() {
		t.Error("the device has lost its connection")
	}
}

// While the database hangs, devices log in as before, and at once, in a flood, too.
func TestADatabaseThatHangsKeepsNoDeviceOut(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]*logins{
		"away": {err: errors.New("away")}, "hangs": {hang: make(chan struct{})},
	} {
		t.Run(name, func(t *testing.T) {
			from := &logins{}
			d, own := fleetOf(t, from, "00c0de", "0ff000")
			revoked(t, d, "0ff000")
			address := startWithDevices(t, d, nil)
			from.mu.Lock()
			from.err, from.hang = broken.err, broken.hang
			from.mu.Unlock()
			changed := make(chan error, 1)
			go func() {
				_, hash := access.NewDevicePassword()
				_, err := d.SetPassword(context.WithoutCancel(t.Context()), "00c0df", hash)
				changed <- err
			}()
			began := time.Now()
			for range 50 {
				client(t, address, "00c0de", own["00c0de"], "00c0de").Disconnect(0)
				client(t, address, "devices", devicePassword, "00c0df").Disconnect(0)
			}
			for _, o := range []*paho.ClientOptions{
				options(address, "0ff000", own["0ff000"], "0ff000"),
				options(address, "devices", devicePassword, "0ff000"),
				options(address, "devices", devicePassword, "00c0de"),
			} {
				if _, err := connect(t, o); err == nil {
					t.Errorf("%s is let in with the password of %s", o.ClientID, o.Username)
				}
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("logins took %v", took)
			}
			if broken.hang != nil {
				close(broken.hang)
			}
			if err := <-changed; (err == nil) != (broken.err == nil) {
				t.Errorf("registered meanwhile: %v", err)
			}
		})
	}
}

// Guessing a device's own password, or trying with that of a revoked device, is as slow as guessing
// the shared one; the device itself does not wait.
func TestGuessingADevicesOwnPasswordIsSlow(t *testing.T) {
	t.Parallel()
	d, own := fleetOf(t, &logins{}, "00c0de", "0ff000")
	revoked(t, d, "0ff000")
	address := startWithDevices(t, d, nil)
	began := time.Now()
	for i := range 12 {
		guess, _ := access.NewDevicePassword()
		id := "00c0de"
		if i%2 == 1 {
			id, guess = "0ff000", own["0ff000"]
		}
		if _, err := connect(t, options(address, id, guess, id)); err == nil {
			t.Fatalf("%s is let in", id)
		}
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("12 failed logins took %v", took)
	}
	began = time.Now()
	client(t, address, "00c0de", own["00c0de"], "00c0de")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the device waits %v", took)
	}
}

// However logins, revocations and new passwords fall together, in the end a revoked device is out,
// and every other can log in.
func TestLoginsWhileDevicesAreRevoked(t *testing.T) {
	t.Parallel()
	ids := make([]string, 8)
	for i := range ids {
		ids[i] = fmt.Sprintf("%06x", i)
	}
	d, own := fleetOf(t, &logins{}, ids...)
	address := startWithDevices(t, d, nil)
	var wait sync.WaitGroup
	var in atomic.Int64
	for i, id := range ids {
		wait.Go(func() {
			for round := range 20 {
				c := paho.NewClient(options(address, id, own[id], id))
				if token := c.Connect(); token.Wait() && token.Error() == nil {
					in.Add(1)
				}
				if round == 18 && i%2 == 0 {
					d.Revoke(t.Context(), id)
				}
				c.Disconnect(0)
			}
		})
		wait.Go(func() {
			for range 20 {
				d.Restore(t.Context(), "fffff0")
				d.Flush(t.Context())
				d.All()
			}
		})
	}
	wait.Wait()
	if n := in.Load(); n != int64(len(ids)/2*20+len(ids)/2*19) {
		t.Errorf("%d logins", n)
	}
	for i, id := range ids {
		_, err := connect(t, options(address, id, own[id], id))
		if (err == nil) != (i%2 == 1) {
			t.Errorf("%s in the end: %v", id, err)
		}
	}
}
