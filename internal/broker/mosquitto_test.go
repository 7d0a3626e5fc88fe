package broker_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/broker/brokertest"
	"esper/internal/mosquitto"
)

// ownRights are what devices may do at Mosquitto without the shared password.
func ownRights(t *testing.T) string {
	t.Helper()
	acl, err := os.ReadFile("../../examples/mosquitto-own.acl")
	if err != nil {
		t.Fatal(err)
	}
	return string(acl) + "\nuser all\ntopic readwrite #\n"
}

// Mosquitto with its own list and the password file that we write lets a device do what it may at
// our own broker, and neither the shared password nor anybody with a client id of another's gets
// further.
func TestMosquittoWithOwnPasswordsOnly(t *testing.T) {
	hashes, own := map[string]string{}, map[string]string{}
	for _, id := range []string{"00c0de", "00c0df", "0ff000"} {
		text, hash := access.NewDevicePassword()
		hashes[id], own[id] = hash.Mosquitto, text
	}
	all := url.UserPassword("all", password)
	m := brokertest.Start(t, brokertest.Setup{
		ACL: ownRights(t), Users: append(accounts[:4:4], all), UserIsClientID: true,
	})
	update := func(a mosquitto.Accounts) {
		t.Helper()
		if _, err := mosquitto.Update(m.Passwords, a); err != nil {
			t.Fatal(err)
		}
		m.Reload(t)
	}
	a := mosquitto.Accounts{Devices: hashes, Shared: "devices", Password: devicePassword}
	update(a)
	client(t, m.Devices, "devices", devicePassword, "beef00").Disconnect(0)
	client(t, m.Devices, "00c0de", own["00c0de"], "00c0de").Disconnect(0)
	a.Without = true
	revokedHash := hashes["0ff000"]
	delete(hashes, "0ff000")
	update(a)

	people := &url.URL{Scheme: "mqtt", Host: m.People, User: all}
	refused := func(name string, o *paho.ClientOptions) {
		t.Helper()
		if _, err := connect(t, o); err == nil {
			t.Errorf("%s is let in", name)
		}
	}
	eventually(t, "the shared password is refused", func() bool {
		_, err := connect(t, options(m.Devices, "devices", devicePassword, "beef00"))
		return err != nil
	})
	refused("a revoked device", options(m.Devices, "0ff000", own["0ff000"], "0ff000"))
	refused("another's password", options(m.Devices, "00c0df", own["00c0de"], "00c0df"))
	refused("the hash of a password", options(m.Devices, "00c0de", hashes["00c0de"], "00c0de"))

	// Whatever client id a device says, it is itself, and no other loses its connection.
	got := subscribe(t, dial(t, people), "#")
	lost := make(chan error, 1)
	o := options(m.Devices, "00c0df", own["00c0df"], "00c0df").
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if _, err := connect(t, o); err != nil {
		t.Fatal(err)
	}
	thief := client(t, m.Devices, "00c0de", own["00c0de"], "00c0df")
	for _, topic := range []string{
		"home/00c0df/info", "home/update", "home/devices/x", "home/00c0de/info",
	} {
		thief.Publish(topic, 1, false, "x").Wait()
	}
	if topic := next(t, got); topic != "home/00c0de/info" {
		t.Errorf("%s arrived", topic)
	}
	heard := make(chan string, 10)
	for _, filter := range []string{
		"home/00c0df/#", "home/#", "#", "home/+/relay/set", "home/update", "home/00c0de/#",
	} {
		hear := func(_ paho.Client, m paho.Message) { heard <- m.Topic() }
		thief.Subscribe(filter, 0, hear).Wait()
	}
	for _, topic := range []string{
		"home/00c0df/relay/set", "homeassistant/status", "home/00c0de/relay/set", "home/update",
	} {
		publish(t, dial(t, people), topic, "x", false)
	}
	seen := map[string]bool{}
	for !seen["home/update"] || !seen["home/00c0de/relay/set"] {
		select {
		case topic := <-heard:
			seen[topic] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("heard %v", seen)
		}
	}
	if len(seen) != 2 {
		t.Errorf("heard %v", seen)
	}
	select {
	case <-lost:
		t.Error("a device loses its connection to one that says its id")
	default:
	}

	// Nor does its last will speak for another one.
	var connection net.Conn
	will := options(m.Devices, "00c0de", own["00c0de"], "00c0df").
		SetWill("home/00c0df/status", "x", 0, true).
		SetCustomOpenConnectionFn(dialInto(m.Devices, &connection))
	if c, err := connect(t, will); err == nil {
		connection.Close()
		c.Disconnect(0)
	}

	// A viewer cannot speak for a device, by no client id.
	viewer := client(t, m.People, "viewer", password, "00c0df")
	viewer.Publish("home/00c0df/info", 1, false, "x").Wait()
	publish(t, dial(t, people), "home/end", "x", false)
	for topic := next(t, got); topic != "home/end"; topic = next(t, got) {
		if topic == "home/00c0df/info" || topic == "home/00c0df/status" {
			t.Errorf("somebody speaks for a device: %s", topic)
		}
	}

	// The revocation is undone.
	hashes["0ff000"] = revokedHash
	update(a)
	eventually(t, "it is let in again", func() bool {
		_, err := connect(t, options(m.Devices, "0ff000", own["0ff000"], "0ff000"))
		return err == nil
	})
}

// What a device may do with its own password, at Mosquitto's device listener.
func TestWhoMayDoWhatWithMosquittoAndOwnPasswords(t *testing.T) {
	all := url.UserPassword("all", password)
	m := brokertest.Start(t, brokertest.Setup{
		ACL: ownRights(t), Users: []*url.Userinfo{all}, UserIsClientID: true,
	})
	devices := map[string]string{"00c0de": ownHash.Mosquitto}
	if _, err := mosquitto.Update(m.Passwords, mosquitto.Accounts{Devices: devices}); err != nil {
		t.Fatal(err)
	}
	m.Reload(t)
	people := &url.URL{Scheme: "mqtt", Host: m.People, User: all}
	c := dial(t, people)
	var own []right
	for _, r := range may {
		if r.user == "00c0de" {
			own = append(own, r)
		}
	}
	hear := func(filter string) <-chan broker.Message {
		return subscribe(t, dial(t, people), filter)
	}
	say := func(topic string) { publish(t, c, topic, "seen", false) }
	testRights(t, own, m.Devices, hear, say)
}

// A file of as many devices as there can be is read.
func TestMosquittoReadsALargePasswordFile(t *testing.T) {
	text, hash := access.NewDevicePassword()
	devices := map[string]string{}
	for i := range 10_000 {
		devices[fmt.Sprintf("%06x", i)] = hash.Mosquitto
	}
	m := brokertest.Start(t, brokertest.Setup{ACL: ownRights(t), UserIsClientID: true})
	if _, err := mosquitto.Update(m.Passwords, mosquitto.Accounts{Devices: devices}); err != nil {
		t.Fatal(err)
	}
	m.Reload(t)
	eventually(t, "the last device logs in", func() bool {
		_, err := connect(t, options(m.Devices, "00270f", text, "00270f"))
		return err == nil
	})
}
