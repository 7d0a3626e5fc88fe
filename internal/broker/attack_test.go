package broker_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/broker"
)

// options are those of a client that does not come back when it is thrown out.
func options(address, user, secret, id string) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("tcp://" + address).SetClientID(id).SetUsername(user).SetPassword(secret).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
}

func connect(t *testing.T, o *paho.ClientOptions) (paho.Client, error) {
	t.Helper()
	c := paho.NewClient(o)
	t.Cleanup(func() { c.Disconnect(0) })
	token := c.Connect()
	token.Wait()
	return c, token.Error()
}

func client(t *testing.T, address, user, secret, id string) paho.Client {
	t.Helper()
	c, err := connect(t, options(address, user, secret, id))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhoIsNotLetIn(t *testing.T) {
	b := startWithAccounts(t)
	address := b.Addr().String()
	for name, o := range map[string]*paho.ClientOptions{
		"a device with a client id that is no chip id": options(address, "devices", devicePassword, "esper-00c0de"),
		"a device with upper case":                     options(address, "devices", devicePassword, "00C0DE"),
		"a device called update":                       options(address, "devices", devicePassword, "update"),
		"a device called #":                            options(address, "devices", devicePassword, "#"),
		"a device without an id":                       options(address, "devices", devicePassword, ""),
		"a device that resumes a session":              options(address, "devices", devicePassword, "00c0de").SetCleanSession(false),
		"a device with a wrong password":               options(address, "devices", password, "00c0de"),
		"a device without a password":                  options(address, "devices", "", "00c0de"),
		"nobody":                                       options(address, "", "", "00c0de"),
		"a token that is unknown":                      options(address, "mallory", password, "x"),
		"a token as a device":                          options(address, "operator", password, "00c0de"),
		"a token as the server itself":                 options(address, "operator", password, "inline"),
		"an endless client id":                         options(address, "operator", password, strings.Repeat("x", 200)),
		"a will in another device's name": options(address, "devices", devicePassword, "00c0de").
			SetWill("home/00c0df/status", "OFFLINE", 0, true),
		"a will that tells all devices to check": options(address, "devices", devicePassword, "00c0de").SetWill("home/update", "check", 0, false),
		"a will with a wildcard":                 options(address, "devices", devicePassword, "00c0de").SetWill("home/00c0de/#", "x", 0, true),
		"a will of a viewer":                     options(address, "viewer", password, "x").SetWill("home/update", "check", 0, false),
	} {
		if _, err := connect(t, o); err == nil {
			t.Errorf("%s is let in", name)
		}
	}
	refused := b.Stats().Refused
	if refused["password"] != 4 || refused["client-id"] != 9 || refused["will"] != 4 {
		t.Errorf("counted %v", refused)
	}
	device, err := connect(t, options(address, "devices", devicePassword, "00c0de").SetWill("home/00c0de/status", "OFFLINE", 0, true))
	if err != nil || !device.IsConnectionOpen() {
		t.Errorf("a device is not let in: %v", err)
	}
}

// The password is shared, so who has it can pose as another device; but not beside it.
func TestWhoPosesAsADeviceTakesItsPlace(t *testing.T) {
	b := startWithAccounts(t)
	lost := make(chan error, 1)
	o := options(b.Addr().String(), "devices", devicePassword, "00c0de").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if _, err := connect(t, o); err != nil {
		t.Fatal(err)
	}
	client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	<-lost
}

// Who comes back hears what is sent to it, and what it says comes after its old last will,
// however the old connection's end and its return fall together.
func TestADeviceThatComesBackIsHeardAndHears(t *testing.T) {
	b := startWithAccounts(t)
	got := subscribe(t, b, "home/00c0de/status")
	for round := range 100 {
		heard := make(chan string, 10)
		o := options(b.Addr().String(), "devices", devicePassword, "00c0de").SetWill("home/00c0de/status", "OFFLINE", 0, true)
		c, err := connect(t, o)
		if err != nil {
			t.Fatal(err)
		}
		c.Subscribe("home/00c0de/update", 0, func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) }).Wait()
		c.Publish("home/00c0de/status", 1, true, "ONLINE").Wait()
		publish(t, b, "home/00c0de/update", "check", false)
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatalf("round %d: it hears nothing", round)
		}
		if round > 0 {
			expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("OFFLINE")})
		}
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("ONLINE")})
	}
}

func TestADeviceKeepsItsConnectionWhenItsMessageIsDenied(t *testing.T) {
	b := startWithAccounts(t)
	got := subscribe(t, b, "#")
	device := client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	for qos := range byte(3) {
		device.Publish("home/00c0df/status", qos, true, "OFFLINE").Wait()
	}
	device.Publish("home/00c0de/status", 1, true, "ONLINE").Wait()
	expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("ONLINE")})
	if s := b.Stats(); s.DeniedPublish != 3 || s.Retained != 1 {
		t.Errorf("%d denied and %d retained, want 3 and 1", s.DeniedPublish, s.Retained)
	}
}

func TestATokenThatMayNotPublishIsToldSo(t *testing.T) {
	b := startWithAccounts(t)
	u := brokerURL(b.Addr().String())
	u.User = accounts[2]
	viewer := dial(t, u)
	subscribe(t, viewer, "home/#") // settles
	if err := viewer.Publish("home/update", nil, false); err == nil {
		t.Error("a viewer publishes")
	}
}

// errNone stands for nil, which atomic.Value cannot hold.
var errNone = errors.New("")

func TestATokenThatIsRemovedEndsItsConnections(t *testing.T) {
	t.Parallel()
	var now atomic.Value // error
	now.Store(access.ErrUnavailable)
	b := serve(t, broker.Options{User: "devices", Password: devicePassword, Realm: "home", Token: func(string, string) (access.Identity, error) {
		if err := now.Load().(error); err != errNone {
			return access.Identity{}, err
		}
		return access.Identity{Role: access.Viewer}, nil
	}})
	o := options(b.Addr().String(), "viewer", password, "watch")
	if _, err := connect(t, o); err == nil {
		t.Error("let in while the tokens cannot be read")
	}
	now.Store(errNone)
	lost := make(chan error, 1)
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if _, err := connect(t, o); err != nil {
		t.Fatal(err)
	}
	now.Store(access.ErrUnavailable)
	select {
	case <-lost:
		t.Error("thrown out because the tokens cannot be read for a moment")
	case <-time.After(2500 * time.Millisecond): // it is asked every 2 s
	}
	now.Store(access.ErrUnknown)
	select {
	case <-lost:
	case <-time.After(10 * time.Second):
		t.Error("it is still connected after 10 s")
	}
	eventually(t, "nobody is connected", func() bool { return b.Stats().Connections == 0 })
}

func TestADeviceCannotFillTheBroker(t *testing.T) {
	t.Parallel()
	b := startWithAccounts(t)
	device := client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	for i := range 130 {
		device.Publish(fmt.Sprint("home/00c0de/", i), 0, true, "x")
	}
	device.Publish("home/00c0de/large", 1, true, strings.Repeat("x", 3000)).Wait()
	if s := b.Stats(); s.Retained != 128 || s.NotRetained != 3 {
		t.Errorf("%d retained, %d not, want 128 and 3", s.Retained, s.NotRetained)
	}
	if err := b.Clear("home/00c0de/#"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		device.Publish(fmt.Sprint("home/00c0de/large/", i), 1, true, strings.Repeat("x", 3000)).Wait()
	}
	if s := b.Stats(); s.Retained != 10 || s.RetainedBytes > 32<<10 {
		t.Errorf("%d with %d bytes are retained, want 10 with 32 KB at most", s.Retained, s.RetainedBytes)
	}
	// Nor by its last will, each time another.
	for i := range 134 {
		o := options(b.Addr().String(), "devices", devicePassword, "00c0df").SetWill(fmt.Sprint("home/00c0df/", i), "x", 0, true)
		var connection net.Conn
		o.SetCustomOpenConnectionFn(dialInto(b.Addr().String(), &connection))
		if _, err := connect(t, o); err != nil {
			t.Fatal(err)
		}
		connection.Close()
		eventually(t, "the broker has seen the end", func() bool { return b.Stats().Connections == 1 })
	}
	if s := b.Stats(); s.Retained != 10+128 {
		t.Errorf("%d are retained, want 138", s.Retained)
	}
}

// Firmware with all features and settings that there can be, which is updated to some with others.
func TestADeviceRetainsAllThatItHas(t *testing.T) {
	t.Parallel()
	b := startWithAccounts(t)
	device := client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	topics := []string{"status", "info", "update/status", "update/available", "update/waiting", "settings", "setting", "features"}
	for n := range 32 {
		topics = append(topics, fmt.Sprintf("%032d", n), fmt.Sprintf("former_%025d", n))
	}
	for n := range 16 {
		topics = append(topics, fmt.Sprintf("setting/%032d", n), fmt.Sprintf("setting/former_%025d", n))
	}
	for _, topic := range topics {
		size := 128 // the longest state; of a setting less
		if topic == "info" || topic == "setting" || topic == "features" {
			size = 2560
		}
		device.Publish("home/00c0de/"+topic, 1, true, strings.Repeat("x", size)).Wait()
	}
	if s := b.Stats(); s.Retained != int64(len(topics)) || s.NotRetained != 0 {
		t.Errorf("%d retained, %d not, want %d and 0", s.Retained, s.NotRetained, len(topics))
	}
}

func TestWhatNoDeviceDoesEndsItsConnection(t *testing.T) {
	b := startWithAccounts(t)
	for name, do := range map[string]func(paho.Client){
		"a large packet":     func(c paho.Client) { c.Publish("home/00c0de/x", 1, false, make([]byte, 5000)).Wait() },
		"a long topic":       func(c paho.Client) { c.Publish("home/00c0de/"+strings.Repeat("x", 300), 1, false, "").Wait() },
		"a deep topic":       func(c paho.Client) { c.Publish("home/00c0de"+strings.Repeat("/x", 16), 1, false, "").Wait() },
		"a long filter":      func(c paho.Client) { c.Subscribe("home/00c0de/"+strings.Repeat("x", 300), 0, nil).Wait() },
		"many subscriptions": func(c paho.Client) { hearMany(c, 65) },
	} {
		t.Run(name, func(t *testing.T) {
			lost := make(chan error, 1)
			o := options(b.Addr().String(), "devices", devicePassword, "00c0de").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
			c, err := connect(t, o)
			if err != nil {
				t.Fatal(err)
			}
			go do(c)
			select {
			case <-lost:
			case <-time.After(10 * time.Second):
				t.Error("it is still connected after 10 s")
			}
		})
	}
}

func hearMany(c paho.Client, n int) {
	for i := range n {
		c.Subscribe(fmt.Sprint("home/00c0de/", i), 0, nil).Wait()
	}
}

// A flood from one device is read no faster than its rate; the others do not notice.
func TestAFloodIsSlowedDown(t *testing.T) {
	t.Parallel()
	b := startWithAccounts(t)
	got := subscribe(t, b, "home/00c0df/status")
	flood := client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	began := time.Now()
	for range 220 {
		flood.Publish("home/00c0de/x", 0, false, "x")
	}
	client(t, b.Addr().String(), "devices", devicePassword, "00c0df").Publish("home/00c0df/status", 0, false, "ONLINE")
	expect(t, got, broker.Message{Topic: "home/00c0df/status", Payload: []byte("ONLINE")})
	flood.Publish("home/00c0de/x", 1, false, "x").Wait()
	if took := time.Since(began); took < 900*time.Millisecond || b.Stats().Slowed == 0 {
		t.Errorf("221 messages, 200 at once and 20/s, took %v", took)
	}
	if !flood.IsConnectionOpen() {
		t.Error("the connection ended")
	}
}

func TestGuessingPasswordsIsSlow(t *testing.T) {
	t.Parallel()
	b := startWithAccounts(t)
	began := time.Now()
	for i := range 12 {
		connect(t, options(b.Addr().String(), "devices", fmt.Sprint(i), "00c0de"))
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("12 failed logins took %v", took)
	}
	began = time.Now()
	client(t, b.Addr().String(), "devices", devicePassword, "00c0de")
	if took := time.Since(began); took > time.Second {
		t.Errorf("who knows the password waits %v", took)
	}
}

// A login has a few KB; before it nothing is taken.
func TestAnEndlessLogin(t *testing.T) {
	b := startWithAccounts(t)
	c, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(8 * time.Second))                                // before the broker's own time is over
	io.WriteString(c, "\x10\xf0\xff\x03\x00\x04MQTT\x04\x02\x00\x3c\x00\x06abcd") // CONNECT of 65,520 bytes
	written := 0
	for err == nil && written < 60_000 {
		var n int
		n, err = c.Write(make([]byte, 1000))
		written += n
	}
	if _, err = io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection stays open: %v", err)
	}
}

func dialInto(address string, into *net.Conn) paho.OpenConnectionFunc {
	return func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		c, err := net.Dial("tcp", address)
		*into = c
		return c, err
	}
}

// A token that may publish little or nothing leaves nothing behind, by its last will neither.
func TestOnlyOperatorsRetain(t *testing.T) {
	b := startWithAccounts(t)
	address := b.Addr().String()
	for name, topic := range map[string]string{"viewer": "watch/settled", "publisher": "home/update"} {
		var connection net.Conn
		o := options(address, name, password, "watch").SetWill(topic, "x", 0, true)
		o.SetCustomOpenConnectionFn(dialInto(address, &connection))
		c, err := connect(t, o)
		if err != nil {
			t.Fatal(err)
		}
		c.Publish(topic, 1, true, "x").Wait()
		connection.Close()
		eventually(t, "the broker has seen the end", func() bool { return b.Stats().Connections == 0 })
	}
	if s := b.Stats(); s.Retained != 0 || s.NotRetained != 4 {
		t.Errorf("%d are retained, %d not, want 0 and 4", s.Retained, s.NotRetained)
	}
	client(t, address, "operator", password, "ha").Publish("home/00c0de/relay/set", 1, true, "1").Wait()
	if s := b.Stats(); s.Retained != 1 {
		t.Errorf("of an operator %d are retained", s.Retained)
	}
}
