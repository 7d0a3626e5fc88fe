package broker_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/broker/brokertest"
)

// accounts are the users of the access list for Mosquitto, and the tokens of the embedded
// broker; the devices' user is no token.
var accounts = []*url.Userinfo{
	url.UserPassword("devices", devicePassword),
	url.UserPassword("operator", password),
	url.UserPassword("viewer", password),
	url.UserPassword("publisher", password),
}

// ownPassword is that of the device 00c0de, and ownHash what is kept of it.
var ownPassword, ownHash = access.NewDevicePassword()

// A device that logs in with its own password may do what it may with the shared one.
func init() {
	accounts = append(accounts, url.UserPassword("00c0de", ownPassword))
	for _, c := range may {
		if c.user == "devices" {
			c.user = "00c0de"
			may = append(may, c)
		}
	}
}

// right is what a client tries to do, and whether it may.
type right struct {
	user, client, do, topic string
	want                    bool
}

// What each may do, with the embedded broker and with Mosquitto and its access list.
var may = []right{
	{"devices", "00c0de", "publish", "home/00c0de/info", true},
	{"devices", "00c0de", "publish", "home/00c0de/update/status", true},
	{"devices", "00c0de", "publish", "home/00c0df/info", false}, // another device's
	{"devices", "00c0de", "publish", "home/00c0de", false},
	{"devices", "00c0de", "publish", "home/00c0dex/info", false},
	{"devices", "00c0de", "publish", "work/00c0de/info", false},
	{"devices", "00c0de", "publish", "home/update", false},
	{"devices", "00c0de", "publish", "home/reboot", false},
	{"devices", "00c0de", "publish", "homeassistant/device/esper_home_00c0de/config", false},
	{"devices", "00c0de", "publish", "homeassistant/status", false},
	{"devices", "00c0de", "publish", "/home/00c0de/info", false},

	{"devices", "00c0de", "read", "home/update", true},
	{"devices", "00c0de", "read", "home/heartbeat", true},
	{"devices", "00c0de", "read", "home/reboot", true},
	{"devices", "00c0de", "read", "home/00c0de/update", true},
	{"devices", "00c0de", "read", "home/00c0de/relay/set", true},
	{"devices", "00c0de", "read", "home/00c0df/relay/set", false},
	{"devices", "00c0de", "read", "home/00c0df/info", false},
	{"devices", "00c0de", "read", "homeassistant/status", false},
	{"devices", "00c0de", "read", "work/00c0de/info", false},

	{"viewer", "watch", "read", "home/00c0de/info", true},
	{"viewer", "watch", "publish", "home/update", false},
	{"viewer", "watch", "publish", "home/00c0de/relay/set", false},
	{"publisher", "build", "read", "home/00c0de/info", true},
	{"publisher", "build", "publish", "home/update", true},
	{"publisher", "build", "publish", "home/heartbeat", true},
	{"viewer", "watch", "publish", "home/heartbeat", false},
	{"devices", "00c0de", "publish", "home/heartbeat", false},
	{"publisher", "build", "publish", "home/00c0de/update", false},
	{"operator", "ha", "read", "home/00c0de/info", true},
	{"operator", "ha", "publish", "home/update", true},
	{"operator", "ha", "publish", "home/00c0de/relay/set", true},
	{"operator", "ha", "publish", "homeassistant/status", true},
	{"operator", "ha", "publish", "work/00c0de/info", false},
	{"operator", "ha", "publish", "homex/00c0de/info", false},
}

func TestWhoMayDoWhat(t *testing.T) {
	b := startWithAccounts(t)
	testRights(t, may, b.Addr().String(), func(filter string) <-chan broker.Message { return subscribe(t, b, filter) },
		func(topic string) { publish(t, b, topic, "seen", false) })
}

func TestWhoMayDoWhatWithMosquitto(t *testing.T) {
	acl, err := os.ReadFile("../../examples/mosquitto.acl")
	if err != nil {
		t.Fatal(err)
	}
	server := url.UserPassword("esper", password)
	// For the test, one who may do all.
	all := url.UserPassword("all", password)
	address := brokertest.MosquittoWith(t, string(acl)+"\nuser all\ntopic readwrite #\n", append(accounts, server, all)...)
	u := &url.URL{Scheme: "mqtt", Host: address, User: all}
	c := dial(t, u)
	say := func(topic string) { publish(t, c, topic, "seen", false) }
	testRights(t, may, address, func(filter string) <-chan broker.Message { return subscribe(t, dial(t, u), filter) }, say)
	for _, account := range append(accounts[1:4:4], server) { // all but the devices
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := dial(t, &url.URL{Scheme: "mqtt", Host: address, User: account}).Settle(ctx); err != nil {
			t.Errorf("%s: %v", account.Username(), err)
		}
	}
	// A device's password with another client id gets nobody further.
	for _, id := range []string{"update", "+", "#", "home"} {
		got := subscribe(t, dial(t, u), "#")
		intruder := client(t, address, "devices", devicePassword, id)
		intruder.Publish("home/update", 1, false, "seen").Wait()
		intruder.Publish("home/00c0de/info", 1, false, "seen").Wait()
		say("end")
		if topic := next(t, got); topic != "end" {
			t.Errorf("client %q publishes %s", id, topic)
		}
	}
}

func startWithAccounts(t *testing.T) *broker.Broker {
	t.Helper()
	d, _ := fleetOf(t, &logins{})
	if _, err := d.SetPassword(t.Context(), "00c0de", ownHash); err != nil {
		t.Fatal(err)
	}
	return serve(t, broker.Options{
		Realm: "home", Discovery: "homeassistant", User: "devices", Password: devicePassword, Devices: d,
		Token: tokens(access.Identity{Name: "operator", Role: access.Operator}, access.Identity{Name: "viewer", Role: access.Viewer},
			access.Identity{Name: "publisher", Role: access.Publisher}),
	})
}

// testRights tries what each may do. All is a subscription of one who may read all, and say
// publishes as one who may publish all.
func testRights(
	t *testing.T, rights []right, address string,
	all func(filter string) <-chan broker.Message, say func(topic string),
) {
	for _, c := range rights {
		t.Run(c.user+" "+c.do+" "+c.topic, func(t *testing.T) {
			got := all("#")
			who := client(t, address, c.user, secretOf(c.user), c.client)
			if c.do == "publish" {
				who.Publish(c.topic, 0, false, "seen")
				// The broker takes what one client sends in order, so what comes after shows that
				// this was there: the answer to a subscription.
				who.Subscribe(c.topic, 0, nil).Wait()
				say("end")
				want := []string{"end"}
				if c.want {
					want = []string{c.topic, "end"}
				}
				for _, topic := range want {
					if m := next(t, got); m != topic {
						t.Fatalf("%s arrived, want %s", m, topic)
					}
				}
				if !who.IsConnectionOpen() {
					t.Error("the connection ended")
				}
				return
			}
			filters := []string{c.topic}
			if !c.want { // nor by any way around
				filters = append(filters, "#", "home/#", "+/+/+", "home/+/+", "+/"+c.client+"/#", "home/+/#", "$share/group/"+c.topic)
			}
			heard := make(chan broker.Message, 100)
			for _, filter := range append(filters, "home/00c0de/end") {
				who.Subscribe(filter, 0, func(_ paho.Client, m paho.Message) { heard <- broker.Message{Topic: m.Topic()} }).Wait()
			}
			say(c.topic)
			say("home/00c0de/end")
			if c.want && next(t, heard) != c.topic {
				t.Error("it did not arrive")
			}
			if topic := next(t, heard); topic != "home/00c0de/end" {
				t.Errorf("%s arrived", topic)
			}
		})
	}
}

// next returns the topic of the next message, but for those of Settle.
func next(t *testing.T, got <-chan broker.Message) string {
	t.Helper()
	for {
		select {
		case m := <-got:
			if !strings.HasSuffix(m.Topic, "/settled") {
				return m.Topic
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no message within 10 s")
		}
	}
}

func secretOf(user string) string {
	for _, a := range accounts {
		if a.Username() == user {
			secret, _ := a.Password()
			return secret
		}
	}
	return ""
}
