package loop

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"esper/emulator/network"
)

// meddler is the broker, and an attacker who can add to what it says.
type meddler struct {
	*network.Broker
	net    *network.Memory
	latest int // connection
}

func (m *meddler) Accept(c network.Conn) {
	m.latest = c.ID
	m.Broker.Accept(c)
}

func (m *meddler) say(text string) { network.Conn{Net: m.net, ID: m.latest}.Send([]byte(text)) }

// publish is a PUBLISH packet of QoS 0.
func publish(topic, payload string) string {
	body := string(binary.BigEndian.AppendUint16(nil, uint16(len(topic)))) + topic + payload
	length := []byte{}
	for n := len(body); ; {
		digit := byte(n % 128)
		if n /= 128; n == 0 {
			return "\x30" + string(append(length, digit)) + body
		}
		length = append(length, digit|0x80)
	}
}

// A broker can do much to the work of a device, which it commands, but nothing to its
// firmware, nor can it exhaust it.
func TestMaliciousBroker(t *testing.T) { maliciousBroker(t, theFirmwares(t)) }

func maliciousBroker(t *testing.T, firmwares *firmwares) {
	long := strings.Repeat("x", 60000)
	for name, said := range map[string]string{
		"a message of 60 KB":                publish(realm+"/update", long),
		"a topic of 60 KB":                  publish(long, ""),
		"a message of 256 MB that is cut":   "\x30\xFF\xFF\xFF\x7F" + long,
		"a length of five bytes":            "\x30\xFF\xFF\xFF\xFF\xFF\x01" + long,
		"a topic longer than its packet":    "\x30\x04\xFF\xFFab",
		"a packet without a body":           strings.Repeat("\x30\x00", 500),
		"QoS 3":                             "\x36\x05\x00\x01a\x00\x01",
		"QoS 2, and its handshake":          "\x34\x05\x00\x01a\x00\x01\x62\x02\x00\x01",
		"reserved types":                    "\x00\x00\xF0\x00",
		"packets that only clients send":    "\x10\x00\x82\x02\x00\x01\xC0\x00\xE0\x00",
		"answers to nothing":                strings.Repeat("\x20\x02\x00\x05\x90\x03\x00\x07\x80\xB0\x02\x00\x07\xD0\x00", 200),
		"another protocol":                  strings.Repeat("HTTP/1.1 400 Bad Request\r\n\r\n", 100),
		"an empty topic":                    publish("", "x"),
		"topics with zeros and wildcards":   publish("test/\x00/update", "1") + publish("test/+/update", "1") + publish("#", "1"),
		"commands of a wrong kind":          publish("test/000001/socket/set", long[:400]) + publish("test/000001/socket/set", "\x00") + publish("test/000001/socket/set", ""),
		"restarts for others":               publish("test/reboot", "ffffff") + publish("test/000001/reboot", "") + publish("test/000001/reboot", "000001\x00"),
		"a thousand commands to the switch": strings.Repeat(publish("test/000001/socket/set", "1")+publish("test/000001/socket/set", "0"), 500),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, firmwares)
			m := &meddler{v.broker, v.Net, 0}
			v.brokerHost.Replace(1883, m)
			v.Net.SetDown(v.brokerHost, true)
			v.RunFor(time.Second)
			v.Net.SetDown(v.brokerHost, false)
			v.expect("it is back", time.Minute, func() bool { return v.runs(v.device, "v1") && m.latest != 0 })
			v.RunFor(10 * time.Second)
			heap, resets := v.heap(), v.device.Resets()
			for range 5 {
				m.say(said)
				v.RunFor(30 * time.Second)
			}
			v.expect("it is back", 5*time.Minute, func() bool { return v.runs(v.device, "v1") })
			v.RunFor(2 * time.Minute)
			if v.device.Resets() != resets {
				t.Errorf("%d restarts", v.device.Resets()-resets)
			}
			if now := v.heap(); now < heap {
				t.Errorf("%d bytes of the heap are free, before %d", now, heap)
			}
			v.unharmed(t)
			v.recovers(t)
		})
	}
}

// Triggers without an end make a device check no more often than every five seconds.
func TestAFloodOfTriggers(t *testing.T) { aFloodOfTriggers(t, theFirmwares(t)) }

func aFloodOfTriggers(t *testing.T, firmwares *firmwares) {
	t.Parallel()
	v := newVictim(t, firmwares)
	before, heap := v.requests(".version"), v.heap()
	for range 1000 {
		v.notify()
		v.RunFor(60 * time.Millisecond)
	}
	if n := v.requests(".version") - before; n < 2 || n > 13 {
		t.Errorf("%d checks in a minute", n)
	}
	v.RunFor(time.Minute)
	if now := v.heap(); now < heap {
		t.Errorf("%d bytes of the heap are free, before %d", now, heap)
	}
	v.recovers(t)
}
