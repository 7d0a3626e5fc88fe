package broker_test

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"esper/internal/broker"
)

// The answer of a broker that lets nobody but devices in with their password, and what stands in
// its place by mistake.
func TestAProbeSaysWhetherDevicesAreLetIn(t *testing.T) {
	b := startEmbedded(t)
	good := url.UserPassword("devices", devicePassword)
	if err := broker.Probe(t.Context(), &url.URL{Scheme: "mqtt", Host: b.Addr().String(), User: good}); err != nil {
		t.Error(err)
	}
	wrong := url.UserPassword("devices", "wrong")
	if err := broker.Probe(t.Context(), &url.URL{Scheme: "mqtt", Host: b.Addr().String(), User: wrong}); !errors.Is(err, broker.ErrNotAuthorised) {
		t.Error(err)
	}
	for answer, says := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": "does not answer as an MQTT broker",
		"":                                 "does not answer as an MQTT broker",
		"\x20\x02\x00\x03":                 "return code 3",
		"\x20\x02\x00\x00":                 "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 100))
			c.Write([]byte(answer))
			c.Close()
		}()
		u := brokerURL(l.Addr().String())
		if err := broker.Probe(t.Context(), u); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", answer, err)
		}
		l.Close()
		if err := broker.Probe(t.Context(), u); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
	}
}
