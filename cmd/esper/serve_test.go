package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"esper/internal/site"
)

// A port that is taken is known by its number, not by a word in an error, and it is that number
// that is to be used or changed.
func TestAPortThatIsTakenIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy, free := taken.Addr().String(), "127.0.0.1:0"
	port := portOf(busy)
	t.Chdir(t.TempDir())
	t.Setenv(site.EnvironmentVariable, "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--http", free, "--mqtt-listen", busy}, "if it is Mosquitto, use it: 'esper serve --mqtt mqtt://127.0.0.1:" + port + "'. Else take another port, in --mqtt-listen"},
		{[]string{"--http", busy, "--mqtt-listen", free}, "another program listens there, perhaps another 'esper serve'; take another port, in --http"},
		{[]string{"--http", free, "--mqtt-listen", free, "--https", busy, "--acme", "esper.example"}, "perhaps a web server; take another port, in --https"},
		{[]string{"--http", busy, "--mqtt-listen", busy}, "it is asked to listen there for two things: give each a port of its own, in --http, --mqtt-listen or --https"},
	} {
		var notes bytes.Buffer
		code := run(append([]string{"serve", "--data", "data"}, c.args...), strings.NewReader(""), io.Discard, &notes)
		if code != exitFailed || !strings.Contains(notes.String(), "\nesper: hint: ") || !strings.Contains(notes.String(), c.want+"\n") {
			t.Errorf("esper serve %s: exit code %d\n%s", strings.Join(c.args, " "), code, &notes)
		}
	}

	// In a site they are said where the site says them.
	text := []byte("realm = \"home\"\n[wifi]\nssid = \"home\"\npassword = \"\"\n[mqtt]\nurl = \"mqtt://192.0.2.1:" + port + "\"\n")
	if err := os.WriteFile(site.ConfigFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("devices/socket", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("devices/socket/socket.cpp", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var notes bytes.Buffer
	run([]string{"serve", "--http", free}, strings.NewReader(""), io.Discard, &notes)
	if !strings.Contains(notes.String(), "mqtt://127.0.0.1:"+port+"'. Else take another port, in mqtt.url in esper.toml\n") {
		t.Errorf("in a site:\n%s", &notes)
	}
}
