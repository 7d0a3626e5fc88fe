package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"esper/internal/site"
)

// labSite makes a site with an environment, and is in its folder until the test ends.
func labSite(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	if code := run([]string{"init", dir}, strings.NewReader(""), io.Discard, io.Discard); code != 0 {
		t.Skip("esper init failed: git is not installed?")
	}
	path := filepath.Join(dir, site.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "\n[environment.lab]\nrealm = \"laboratory\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv(site.EnvironmentVariable, "")
	return dir
}

// leaves are the commands, by how they are called.
func leaves(t *testing.T) (names []string, globals []*kong.Flag) {
	t.Helper()
	parser, err := kong.New(&commands{}, kong.Name("esper"))
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		names = append(names, strings.TrimPrefix(leaf.FullPath(), "esper "))
	}
	return names, parser.Model.Flags
}

// arguments are what commands cannot do without, by how they are called.
var arguments = map[string][]string{
	"device": {"00c0de"}, "hold": {"00c0de"}, "label": {"00c0de", "--name", "Kettle"}, "pin": {"00c0de", "1"}, "remove": {"00c0de"},
	"retry": {"00c0de"}, "why": {"00c0de"}, "set": {"00c0de", "relay", "on"}, "image": {"file"}, "new device-type": {"button"},
	"settings show": {"00c0de"}, "settings set": {"interval", "5", "--type", "lamp"}, "settings unset": {"interval", "--type", "lamp"},
	"secrets remove": {"wifi.password"}, "secrets set": {"wifi.password"}, "sign": {"build"},
	"dump": {"file"}, "flash": {"socket"},
	"passwords forget": {"00c0de"}, "passwords mosquitto": {"file"}, "revoke": {"00c0de", "--yes"},
	"token add": {"ada", "--role", "viewer"}, "token remove": {"ada"}, "trigger": {"--all"},
}

func TestEachCommandObeysOrRefusesEachGlobalFlag(t *testing.T) {
	labSite(t)
	names, globals := leaves(t)
	if len(names) < 40 {
		t.Fatalf("only %d commands are found", len(names))
	}
	try := func(args ...string) (code int, out string) {
		t.Setenv(site.EnvironmentVariable, "")
		var said bytes.Buffer
		code = run(args, strings.NewReader("correct horse"), &said, &said)
		return code, said.String()
	}
	for _, flag := range globals {
		for _, name := range names {
			words := strings.Fields(name)
			switch flag.Name {
			case "help":
				if code, out := try(append(words, "--help")...); code != 0 || !strings.Contains(out, "Usage: esper "+name) {
					t.Errorf("esper %s --help: exit code %d\n%s", name, code, out)
				}
			case "environment":
				// One that there is not is an error of each command that looks where it says.
				code, out := try(slices.Concat([]string{"--environment", "garden"}, words, arguments[name])...)
				obeyed := code == exitFailed && strings.Contains(out, `no such environment: "garden": there are lab`)
				refused := code == exitUsage && strings.Contains(out, "has nothing to do with --environment")
				if !obeyed && !refused {
					t.Errorf("esper --environment garden %s: exit code %d\n%s", name, code, out)
				}
			default:
				t.Errorf("--%s is for all commands, and this test does not know what obeys it", flag.Name)
			}
		}
	}
}

// What a command looks at in place of the site is not of any environment.
func TestAnEnvironmentIsNotForgottenForWhatCountsMore(t *testing.T) {
	labSite(t)
	names, _ := leaves(t)
	cases := [][]string{
		{"publish", "--from", "build", "--repository", "other", "--key", "release.pub"},
		{"publish", "--from", "build", "--server", "http://127.0.0.1:1", "--key", "release.pub"},
		{"verify", "build", "--key", "release.pub"}, {"sign", "build", "--key", "release.key"},
		{"emulate", "--release", "build"}, {"builds", "list", "--data", "data"},
		{"devices", "--mqtt", "mqtt://127.0.0.1:1", "--realm", "home"}, {"trigger", "--all", "--mqtt", "mqtt://127.0.0.1:1", "--realm", "home"},
	}
	own := []string{"build", "release", "watch", "publish", "flash", "doctor", "give"} // they read the site whatever server they send to
	parser, err := kong.New(&commands{}, kong.Name("esper"))
	if err != nil {
		t.Fatal(err)
	}
	for i, leaf := range parser.Model.Leaves(false) {
		for _, flag := range leaf.Flags {
			switch {
			case flag.Name == "server" && !slices.Contains(own, leaf.Name):
				cases = append(cases, slices.Concat(strings.Fields(names[i]), arguments[names[i]], []string{"--server", "http://127.0.0.1:1"}))
			case flag.Name == "database" && leaf.Name != "serve":
				cases = append(cases, slices.Concat(strings.Fields(names[i]), arguments[names[i]], []string{"--database", "esper.db"}))
			}
		}
	}
	for _, args := range cases {
		t.Setenv(site.EnvironmentVariable, "")
		var notes bytes.Buffer
		code := run(append([]string{"--environment", "lab"}, args...), strings.NewReader(""), io.Discard, &notes)
		if code != exitUsage || !strings.Contains(notes.String(), "--environment would choose nothing, since ") {
			t.Errorf("esper --environment lab %s: exit code %d\n%s", strings.Join(args, " "), code, &notes)
		}
	}
	if len(cases) < 25 {
		t.Errorf("only %d cases are found", len(cases))
	}
}

func TestServeOutsideASiteHasNoEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(site.EnvironmentVariable, "")
	var notes bytes.Buffer
	code := run([]string{"--environment", "lab", "serve", "--data", "data", "--http", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, &notes)
	if code != exitFailed || !strings.Contains(notes.String(), "no environment of a site can be served: no site") {
		t.Errorf("exit code %d\n%s", code, &notes)
	}
}

// The home firmware had the laboratory's password.
func TestASecretOfAnEnvironmentIsItsOwn(t *testing.T) {
	dir := labSite(t)
	t.Setenv("ESPER_AGE_KEY_FILE", filepath.Join(dir, "age.key"))
	must := func(stdin, want string, args ...string) string {
		t.Helper()
		t.Setenv(site.EnvironmentVariable, "")
		var out, notes bytes.Buffer
		if code := run(args, strings.NewReader(stdin), &out, &notes); code != 0 || !strings.Contains(notes.String(), want) {
			t.Fatalf("esper %s: exit code %d\n%s", strings.Join(args, " "), code, &notes)
		}
		return out.String()
	}
	recipient := must("", "", "secrets", "keygen", "age.key")
	path := filepath.Join(dir, site.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "[secrets]\nrecipients = [%q]\n", strings.TrimSpace(recipient))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	must("correct horse", "set wifi.password in ", "secrets", "set", "wifi.password")
	must("lab horse", "set lab/wifi.password in ", "--environment", "lab", "secrets", "set", "wifi.password")
	for environment, want := range map[string]string{"": "correct horse", "lab": "lab horse"} {
		opened, err := site.OpenFor(dir, environment)
		if err != nil || opened.Config.WiFi.Password.Reveal() != want {
			t.Errorf("the password of %q is %q, %v", environment, opened.Config.WiFi.Password.Reveal(), err)
		}
	}
	must("hook-secret-of-some-length", "", "secrets", "set", "webhook.secret")
	if got := must("", "", "secrets", "list", "--environment", "lab"); got != "lab/wifi.password\nwebhook.secret\n" {
		t.Errorf("lab uses %s", got)
	}
	if got := must("", "", "secrets", "list"); got != "lab/wifi.password\nwebhook.secret\nwifi.password\n" {
		t.Errorf("there are %s", got)
	}
	must("garden horse", "warning: esper.toml has no environment garden, so nothing uses garden/wifi.password", "secrets", "set", "garden/wifi.password")
	must("", "removed lab/wifi.password", "secrets", "remove", "wifi.password", "--environment", "lab")
	var notes bytes.Buffer
	for _, args := range [][]string{
		{"secrets", "remove", "webhook.secret", "--environment", "lab"}, // there is only that of all
		{"secrets", "remove", "garden/wifi.password", "--environment", "lab"},
		{"secrets", "set", "garden/wifi.password", "--environment", "lab"},
	} {
		if code := run(args, strings.NewReader("garden horse"), io.Discard, &notes); code != exitFailed {
			t.Errorf("esper %s: exit code %d\n%s", strings.Join(args, " "), code, &notes)
		}
	}
	if got := must("", "", "secrets", "list"); got != "garden/wifi.password\nwebhook.secret\nwifi.password\n" {
		t.Errorf("there are %s", got)
	}
}
