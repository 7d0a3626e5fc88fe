package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// house is a site with two environments.
const house = `
realm = "home"
[wifi]
ssid = "home"
password = "open sesame"
[mqtt]
url = "mqtt://10.0.0.1"
[rollout]
report_within = "2h"
[[rollout.stages]]
percent = 50
[[rollout.stages]]
percent = 100
[environment.lab]
realm = "lab"
[environment.lab.wifi]
ssid = "lab"
[environment.lab.heartbeat]
timeout = "1m"
[environment.lab.update]
jitter = "30s"
[[environment.lab.rollout.stages]]
group = "bench"
[environment.attic.mqtt]
url = "mqtt://10.0.0.2:1884"
`

// houseSite makes a site of that configuration, with one device type.
func houseSite(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "devices", "socket"), 0o777))
	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "socket.cpp"), nil, 0o666))
	must(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(config), 0o666))
	return dir
}

func TestAnEnvironmentTakesThePlaceOfValuesOneByOne(t *testing.T) {
	dir := houseSite(t, house)
	lab, err := OpenFor(dir, "lab")
	must(t, err)
	c := lab.Config
	if c.Realm != "lab" || c.WiFi.SSID != "lab" || c.Heartbeat.Timeout != time.Minute || c.Update.Jitter != 30*time.Second {
		t.Errorf("the lab's own values: %+v", c)
	}
	if c.WiFi.Password.Reveal() != "open sesame" || c.MQTT.Host != "10.0.0.1" {
		t.Errorf("the values that it has not: %+v", c)
	}
	if plan := c.Rollouts.Plan("socket"); len(plan.Stages) != 1 || plan.ReportWithin != 2*time.Hour {
		t.Errorf("a list is taken whole, and what stands beside it stays: %+v", plan)
	}
	attic, err := OpenFor(dir, "attic")
	must(t, err)
	if attic.Config.Realm != "home" || attic.Config.MQTT.Address() != "10.0.0.2:1884" {
		t.Errorf("%+v", attic.Config)
	}
	none, err := OpenFor(dir, "")
	must(t, err)
	if none.Config.Realm != "home" || len(none.Config.Rollouts.Plan("socket").Stages) != 2 || none.Config.Heartbeat.Timeout != 0 {
		t.Errorf("without an environment: %+v", none.Config)
	}
}

// The laboratory's network is open. Only who says so can be believed to have forgotten no password.
func TestThatThereIsNoPasswordCanBeSaid(t *testing.T) {
	const nothing = "realm = \"home\"\n[mqtt]\nurl = \"mqtt://broker\"\n[wifi]\nssid = \"home\"\n"
	const lab = "[environment.lab.wifi]\npassword = \"\"\n"
	for _, c := range []struct {
		config, environment, outside string
		unsaid                       bool
	}{
		{nothing, "", "", true},
		{nothing, "", "from outside", false},
		{nothing + "password = \"\"\n", "", "", false},
		{nothing + "password = \"open sesame\"\n", "", "", false},
		{nothing + "[environment.lab]\nrealm = \"lab\"\n", "lab", "", true},
		{nothing + lab, "lab", "", false},
		{nothing + "password = \"open sesame\"\n" + lab, "lab", "", false},
	} {
		t.Setenv(PasswordVariable, c.outside)
		s, err := OpenFor(houseSite(t, c.config), c.environment)
		must(t, err)
		if got := s.Config.WiFi; got.Unsaid != c.unsaid || c.environment == "lab" && got.Password != "" {
			t.Errorf("%+v of %+v", got, c)
		}
	}
}

func TestEachEnvironmentHasFoldersOfItsOwn(t *testing.T) {
	dir := houseSite(t, house)
	t.Setenv(EnvironmentVariable, "lab")
	lab, err := Open(dir)
	must(t, err)
	if lab.BuildPath() != filepath.Join(lab.Dir, "build", "lab") || lab.DataPath() != filepath.Join(lab.Dir, "data", "lab") {
		t.Errorf("%s, %s", lab.BuildPath(), lab.DataPath())
	}
	none, err := OpenFor(dir, "")
	must(t, err)
	if none.BuildPath() != filepath.Join(none.Dir, "build") || none.DataPath() != filepath.Join(none.Dir, "data") {
		t.Errorf("%s, %s", none.BuildPath(), none.DataPath())
	}
}

func TestAnEnvironmentThatIsNotThereIsAnErrorThatNamesThoseThatAre(t *testing.T) {
	_, err := OpenFor(houseSite(t, house), "garden")
	if !errors.Is(err, ErrNoEnvironment) || !strings.Contains(err.Error(), "there are attic, lab") {
		t.Errorf("%v", err)
	}
	top := strings.Split(house, "[environment.lab]")[0]
	if _, err := OpenFor(houseSite(t, top), "lab"); !errors.Is(err, ErrNoEnvironment) {
		t.Errorf("%v", err)
	}
}

func TestASiteCanLeaveToEachEnvironmentWhatHasNoDefault(t *testing.T) {
	const config = "realm = \"home\"\n[mqtt]\nurl = \"mqtt://10.0.0.1\"\n[environment.lab.wifi]\nssid = \"lab\"\n"
	dir := houseSite(t, config)
	if _, err := OpenFor(dir, "lab"); err != nil {
		t.Error(err)
	}
	_, err := OpenFor(dir, "")
	if err == nil || !strings.Contains(err.Error(), "wifi.ssid") || !strings.Contains(err.Error(), "there are lab") {
		t.Errorf("%v", err)
	}
}

func TestMistakesInAnyEnvironmentAreErrors(t *testing.T) {
	many := ""
	for i := range 17 {
		many += fmt.Sprintf("[environment.e%d]\n", i)
	}
	for _, test := range []struct{ name, text, says string }{
		{"an unknown key", "[environment.cellar.wifi]\nsid = \"x\"\n", "environment.cellar.wifi.sid"},
		{"an environment in an environment", "[environment.cellar.environment.x]\n", "environment.cellar.environment"},
		{"a value of another type", "[environment.cellar]\nrealm = 7\n", "line 27"},
		{"a name that is no folder's", "[environment.\"../x\"]\n", "begins with a letter"},
		{"a name that the data has already", "[environment.firmware]\n", "already"},
		{"too many", many, "at most 16"},
	} {
		_, err := OpenFor(houseSite(t, house+test.text), "")
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, without %q", test.name, err, test.says)
		}
	}
	_, err := OpenFor(houseSite(t, house+"[environment.cellar]\nrealm = \"a b\"\n"), "cellar")
	if err == nil || !strings.Contains(err.Error(), "realm: ") {
		t.Errorf("%v", err)
	}
}

// Defaults must not turn what the file does not say into something that an
// environment seems to say.
func TestAnEnvironmentThatSaysNothingChangesNothing(t *testing.T) {
	dir := houseSite(t, house+"[environment.twin]\n")
	twin, err := OpenFor(dir, "twin")
	must(t, err)
	none, err := OpenFor(dir, "")
	must(t, err)
	if a, b := fmt.Sprintf("%+v", twin.Config), fmt.Sprintf("%+v", none.Config); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
