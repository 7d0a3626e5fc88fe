package main

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// Each thing that is open beyond the machine is said in a line, and nothing else is.
func TestWhatIsOpenIsSaid(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	all := &net.TCPAddr{IP: net.IPv6unspecified, Port: 1}
	for _, c := range []struct {
		name string
		opened
		want []string // parts of the warnings
	}{
		{"nothing", opened{http: here, https: here, mqtt: here, plainAPI: true, tokens: 1}, nil},
		{"an external broker", opened{http: here}, nil},
		{"a new site", opened{http: all, mqtt: all}, []string{"read the firmware", "command the devices over MQTT"}},
		{"a broker with a password", opened{http: here, mqtt: all, mqttUser: "ada"}, []string{"MQTT asks for passwords"}},
		{"TLS", opened{http: all, https: all, tokens: 2}, []string{"read the firmware", "read the firmware"}},
		{"plain, without tokens", opened{http: all, plainAPI: true}, []string{"read the firmware"}},
		{"plain", opened{http: all, plainAPI: true, tokens: 1}, []string{"read the firmware", "without encryption"}},
	} {
		var log bytes.Buffer
		c.warn(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		lines := strings.SplitAfter(log.String(), "\n")
		if len(lines)-1 != len(c.want) {
			t.Errorf("%s: %s", c.name, log.String())
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(lines[i], "open to the network") || !strings.Contains(lines[i], want) {
				t.Errorf("%s: %s, want %s", c.name, lines[i], want)
			}
		}
	}
}
