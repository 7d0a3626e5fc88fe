package broker_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/broker"
)

func TestTheServerItselfSubscribes(t *testing.T) {
	b := startEmbedded(t)
	c := dial(t, brokerURL(b.Addr().String()))
	publish(t, c, "home/00c0de/info", "{}", true)
	settle(t, c)
	got := subscribe(t, b, "home/+/info")
	expect(t, got, broker.Message{Topic: "home/00c0de/info", Payload: []byte("{}"), Retained: true})
	publish(t, c, "home/00c0de/info", "{1}", true)
	expect(t, got, broker.Message{Topic: "home/00c0de/info", Payload: []byte("{1}")})

	devices := subscribe(t, c, "home/update")
	publish(t, b, "home/update", "check", false)
	expect(t, devices, broker.Message{Topic: "home/update", Payload: []byte("check")})
}

// However subscribing and publishing fall together, the last value that the server
// sees is the last that was sent, and no two messages are handled at once.
func TestTheServerSeesTheLastValue(t *testing.T) {
	b := startEmbedded(t)
	for round := range 200 {
		topic := fmt.Sprint("home/", round)
		publish(t, b, topic, "0", true)
		var publishers sync.WaitGroup
		publishers.Go(func() {
			for i := range 5 {
				publish(t, b, topic, fmt.Sprint(i), true)
			}
		})
		last := "" // without a lock: the race detector tells if handlers overlap
		if err := b.Subscribe(topic, func(m broker.Message) { last = string(m.Payload) }); err != nil {
			t.Fatal(err)
		}
		publishers.Wait()
		if last != "4" {
			t.Fatalf("round %d: the last value seen is %q, want 4", round, last)
		}
	}
}

// More than fit into the queue of a client.
func TestNoRetainedMessageIsLostOnTheWay(t *testing.T) {
	const messages = 5000
	b := startEmbedded(t)
	info := strings.Repeat("x", 700)
	for i := range messages {
		publish(t, b, fmt.Sprintf("home/%06x/info", i), info, true)
	}
	got := subscribe(t, dial(t, brokerURL(b.Addr().String())), "home/+/info")
	topics := map[string]bool{}
	for range len(got) {
		m := <-got
		if !m.Retained || string(m.Payload) != info {
			t.Fatalf("%s: retained %v, %d bytes", m.Topic, m.Retained, len(m.Payload))
		}
		topics[m.Topic] = true
	}
	if len(topics) != messages {
		t.Errorf("%d of %d retained messages arrived", len(topics), messages)
	}
}

func TestAPacketThatIsTooLargeEndsTheConnection(t *testing.T) {
	b := startEmbedded(t)
	got := subscribe(t, b, "home/#")
	large := dial(t, brokerURL(b.Addr().String()))
	if err := large.Publish("home/large", make([]byte, broker.MaxPacket+1), true); err == nil {
		t.Error("a packet above the limit is acknowledged")
	}
	large.Close()
	publish(t, dial(t, brokerURL(b.Addr().String())), "home/small", "x", false)
	expect(t, got, broker.Message{Topic: "home/small", Payload: []byte("x")})
}

func TestNonsenseEndsOnlyItsConnection(t *testing.T) {
	b := startEmbedded(t)
	for _, bytes := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"\x10\xff\xff\xff\xff\x7f",                     // a remaining length of five bytes (MQTT 3.1.1, 2.2.3)
		"\x10\x02\x00\x04",                             // CONNECT that ends early
		"\x30\x03\x00\x01a",                            // PUBLISH before CONNECT (3.1.0-1)
		"\x10\x0c\x00\x04MQTT\x09\x02\x00\x3c\x00\x00", // an unknown protocol level
	} {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, bytes)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		buffer := make([]byte, 100)
		for err == nil {
			_, err = c.Read(buffer)
		}
		if err, ok := err.(net.Error); ok && err.Timeout() {
			t.Errorf("%q: the connection stays open", bytes)
		}
		c.Close()
	}
	dial(t, brokerURL(b.Addr().String()))
}

func TestCloseDoesNotWaitForThoseWhoNeverLoggedIn(t *testing.T) {
	b := startEmbedded(t)
	for range 3 {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	dial(t, brokerURL(b.Addr().String()))
	began := time.Now()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
	if c, err := net.Dial("tcp", b.Addr().String()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

func TestWithoutCredentialsEverybodyIsLetIn(t *testing.T) {
	b := serve(t, broker.Options{})
	c := dial(t, &url.URL{Scheme: "mqtt", Host: b.Addr().String()})
	got := subscribe(t, c, "any/where")
	publish(t, c, "any/where", "x", false)
	expect(t, got, broker.Message{Topic: "any/where", Payload: []byte("x")})
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt://192.168.1.10":                 "mqtt://192.168.1.10:1883",
		"mqtt://broker:1884/":                 "mqtt://broker:1884",
		"mqtts://broker":                      "mqtts://broker:8883",
		"mqtt://ada:p%40ss%2Fword@[::1]:1883": "mqtt://ada:p%40ss%2Fword@[::1]:1883",
		"mqtt://[fe80::1]":                    "mqtt://[fe80::1]:1883",
	} {
		u, err := broker.ParseURL(text)
		if err != nil || u.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, u, err, want)
		}
	}
	for _, text := range []string{
		"", "broker", "broker:1883", "tcp://broker", "mqtt://", "mqtt://:1883", "mqtt://broker/path", "mqtt://broker?x=1",
		"mqtt://ada:secret@bro ker", "mqtt://ada:secret%zz@broker", "mqtt://ada:secret@broker:port",
	} {
		u, err := broker.ParseURL(text)
		if err == nil {
			t.Errorf("%q is read as %v", text, u)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", text, err)
		}
	}
}

func TestABrokerThatIsNotThereIsNamedWithoutThePassword(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = broker.Dial(t.Context(), brokerURL(address), discard)
	if err == nil {
		t.Fatal("connected to nobody")
	}
	if !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), url.QueryEscape(password)) {
		t.Errorf("error %q", err)
	}
}
