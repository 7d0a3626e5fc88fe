package main

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/access"
	"esper/internal/site"
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
		c.warn(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), access.TokenCommand)
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

// Typed anywhere on the server, it makes a token of this server and shows nobody a password.
func TestTheCommandForATokenIsThatOfThisServer(t *testing.T) {
	dir := labSite(t)
	elsewhere := filepath.Join(t.TempDir(), "a b's")
	for _, c := range []struct {
		args        []string
		environment string
		want        string
	}{
		{nil, "", " --site " + dir},
		{nil, "lab", " --site " + dir + " --environment lab"},
		{[]string{"--data", elsewhere}, "", " --database '" + strings.ReplaceAll(elsewhere, "'", `'\''`) + "/esper.db'"},
		{[]string{"--database", "other.db"}, "", " --database " + filepath.Join(dir, "other.db")},
		{[]string{"--database", "postgres://ada:hunter2@host/db"}, "", " --database URL"},
	} {
		t.Setenv(site.EnvironmentVariable, c.environment)
		command := serveCommand{Site: "."}
		for i := 0; i+1 < len(c.args); i += 2 {
			switch c.args[i] {
			case "--data":
				command.Data = c.args[i+1]
			case "--database":
				command.Database = c.args[i+1]
			}
		}
		config, err := command.config(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got := command.tokenCommand(config)
		if got != access.TokenCommand+c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
		if err := parse(t, strings.TrimPrefix(got, "esper ")); err != nil && c.want != "" && !strings.Contains(c.want, "'") {
			t.Errorf("%s: %v", got, err)
		}
	}
}
