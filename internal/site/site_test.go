package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"esper/internal/git"
	"esper/internal/image"
	"esper/internal/release"
)

// good is the esper.toml of SPEC 8.
const good = `realm = "home"

[wifi]
ssid = "home"
password = "correct horse"

[mqtt]
url = "mqtt://user:pass%20word@192.168.1.10:1884"

[update]
url = "http://192.168.1.10:8080/firmware/"
interval = "90s"
jitter = "2m"
keys = ["release.pub"]

[heartbeat]
timeout = "10m"
`

// newSite makes the folder of a site with one device type and a key.
func newSite(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ConfigFile), config)
	write(t, filepath.Join(dir, "devices/socket/socket.cpp"), "// a device")
	private, err := release.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := release.WriteKeyPair(filepath.Join(dir, "release"), private); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestASiteIsReadAsWritten(t *testing.T) {
	dir := newSite(t, good)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Config
	if c.Realm != "home" || c.WiFi.SSID != "home" || c.WiFi.Password.Reveal() != "correct horse" {
		t.Errorf("realm %q, WiFi %q %q", c.Realm, c.WiFi.SSID, c.WiFi.Password.Reveal())
	}
	if want := (MQTT{"192.168.1.10", 1884, "user", "pass word", false}); c.MQTT != want {
		t.Errorf("MQTT %#v with %q", c.MQTT, c.MQTT.Password.Reveal())
	}
	u := c.Update
	if u.URL != "http://192.168.1.10:8080/firmware" || u.Host != "192.168.1.10" || u.Port != 8080 || u.Path != "/firmware" {
		t.Errorf("update URL %+v", u)
	}
	if u.Interval != 90*time.Second || u.Jitter != 2*time.Minute || len(u.Keys) != 1 || c.Heartbeat.Timeout != 10*time.Minute {
		t.Errorf("interval %v, %d keys, heartbeat %v", u.Interval, len(u.Keys), c.Heartbeat.Timeout)
	}
}

func TestASiteIsFoundFromBelow(t *testing.T) {
	dir := newSite(t, good)
	s, err := Open(filepath.Join(dir, "devices", "socket"))
	if err != nil || s.Dir != dir {
		t.Errorf("found %v, %v; want %s", s, err, dir)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoSite) {
		t.Errorf("where there is none: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
}

func TestWhatIsLeftOutHasADefault(t *testing.T) {
	s, err := Open(newSite(t, "realm = \"a/b.c_d-E\"\n[wifi]\nssid = \"x\"\n[mqtt]\nurl = \"mqtt://broker.local\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := s.Config
	if c.MQTT != (MQTT{Host: "broker.local", Port: 1883}) || c.MQTT.Address() != "broker.local:1883" {
		t.Errorf("MQTT %+v", c.MQTT)
	}
	if c.WiFi.Password != "" || c.Update.URL != "" || c.Update.Interval != time.Hour || c.Update.Keys != nil || c.Heartbeat.Timeout != 0 {
		t.Errorf("%+v", c)
	}
}

func TestASiteCanSwitchTheSharedPasswordOff(t *testing.T) {
	for add, want := range map[string]bool{
		"": false, "\nshared = true": false, "\nshared = false": true,
	} {
		s, err := Open(newSite(t, strings.Replace(good, `:1884"`, `:1884"`+add, 1)))
		if err != nil || s.Config.MQTT.OwnOnly != want || s.Config.MQTT.User != "user" {
			t.Errorf("%q: %v", add, err)
		}
	}
}

func TestThePasswordMayComeFromTheEnvironment(t *testing.T) {
	dir := newSite(t, good)
	t.Setenv(PasswordVariable, "from outside")
	if s, err := Open(dir); err != nil || s.Config.WiFi.Password.Reveal() != "from outside" {
		t.Errorf("%v", err)
	}
	t.Setenv(PasswordVariable, "short")
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "wifi.password: shorter than the 8") {
		t.Errorf("a password too short: %v", err)
	}
}

// Editors on Windows write a byte order mark and CR LF, and wpa_passphrase a key in place of the
// password.
func TestAConfigurationFromAnyEditorIsRead(t *testing.T) {
	want, err := Open(newSite(t, good))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Repeat("0123456789abcDEF", 4)
	lab := "\n[environment.lab]\nrealm = \"lab\"\n"
	for name, text := range map[string]string{
		"mark": "\uFEFF" + good, "CR LF": strings.ReplaceAll(good, "\n", "\r\n"),
		"both, with an environment": strings.ReplaceAll("\uFEFF"+good+lab, "\n", "\r\n"),
		"key":                       strings.Replace(good, "correct horse", key, 1),
	} {
		dir := newSite(t, text)
		write(t, filepath.Join(dir, "devices/socket", DeviceFile), "\uFEFFflash_mode = \"qio\"\r\n")
		public, err := os.ReadFile(filepath.Join(dir, "release.pub"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "release.pub"), "\uFEFF"+strings.ReplaceAll(string(public), "\n", "\r\n"))
		for _, environment := range []string{"", "lab"} {
			if environment == "lab" && !strings.Contains(text, "environment") {
				continue
			}
			s, err := OpenFor(dir, environment)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			password := want.Config.WiFi.Password
			if name == "key" {
				password = Secret(key)
			}
			if s.Config.WiFi.Password != password || s.Config.MQTT != want.Config.MQTT || s.Types[0].FlashMode != image.FlashQIO || len(s.Config.Update.Keys) != 1 {
				t.Errorf("%s: %+v, flash mode %d", name, s.Config, s.Types[0].FlashMode)
			}
		}
	}
}

func TestAWrongConfigurationSaysWhatAndWhere(t *testing.T) {
	long := strings.Repeat("x", 200)
	tests := []struct {
		name, old, new string // old is replaced in the good one
		want           string
	}{
		{"not TOML", `realm = "home"`, `realm = `, "line 1, column 9"},
		{"not text", `"home"`, "\"\xFF\"", "not UTF-8 text"},
		{"too large", `realm`, "#" + strings.Repeat(long, 400) + "\nrealm", "larger than 65536 bytes"},
		{"unknown key", `interval`, `intervall`, "line 12: unknown key update.intervall"},
		{"unknown table", `[heartbeat]`, `[heart]`, "line 16: unknown key heart"},
		{"key twice", `interval = "90s"`, "interval = \"90s\"\ninterval = \"90s\"", "line 13"},
		{"number for text", `"90s"`, `90`, "line 12, column 12: integer where a text in quotes is needed"},
		{"text for a list", `["release.pub"]`, `"release.pub"`, "line 14, column 8: string where a list of texts is needed"},
		{"text for a switch", `"90s"`, "\"90s\"\nrefresh = \"yes\"", "line 13, column 11: string where true or false is needed"},
		{"list for a text", `"90s"`, `["90s"]`, "line 12, column 12: array where a text in quotes is needed"},
		{"text for a table", "[heartbeat]\ntimeout = ", "[environment]\nheartbeat = ", "line 17"},

		{"no realm", `realm = "home"`, ``, "realm: missing"},
		{"realm is a filter", `realm = "home"`, `realm = "home/+"`, `realm: "home/+" has characters other than`},
		{"realm ends with a slash", `realm = "home"`, `realm = "home/"`, "realm: \"home/\" has an empty level"},
		{"realm too long", `realm = "home"`, `realm = "` + long + `"`, "realm: 200 characters"},

		{"no ssid", `ssid = "home"`, ``, "wifi.ssid: missing"},
		{"ssid too long", `ssid = "home"`, `ssid = "` + long + `"`, "wifi.ssid: 200 bytes, but at most 32"},
		{"ssid with a NUL", `ssid = "home"`, `ssid = "a\u0000b"`, "wifi.ssid: has control characters"},
		{"password too long", `correct horse`, long, "wifi.password: longer than 63 bytes"},
		{"key with a digit that is none", `correct horse`, strings.Repeat("0123456789abcdeg", 4), "wifi.password: longer than 63 bytes, and not a key of 64 hex digits"},
		{"password with a control character", `correct horse`, `correct\nhorse`, "wifi.password: has control characters"},

		{"no shared password and nobody asked", `mqtt://user:pass%20word@192.168.1.10:1884"`,
			"mqtt://192.168.1.10\"\nshared = false", "mqtt.shared: false needs a user in mqtt.url"},
		{"a text for the shared password", `:1884"`, ":1884\"\nshared = \"no\"",
			"string where true or false is needed"},
		{"no broker", `url = "mqtt://user:pass%20word@192.168.1.10:1884"`, ``, "mqtt.url: missing"},
		{"encrypted broker", `mqtt://`, `mqtts://`, "does not begin with mqtt://"},
		{"no URL", `mqtt://user`, `mqtt//user`, "does not begin with mqtt://"},
		{"broker without a host", `@192.168.1.10:1884`, `@`, "has no host"},
		{"broker with a path", `:1884`, `:1884/x`, "has a path"},
		{"broker on port 0", `:1884`, `:0`, "port"},
		{"broker on a port too high", `:1884`, `:65536`, "port"},
		{"broker on a port that is none", `:1884`, `:x`, "mqtt.url: the URL is not a URL such as mqtt://host:port"},
		{"broker without mqtt://", `mqtt://user:pass%20word@`, ``, "mqtt.url: the URL is not a URL such as mqtt://host:port"},
		{"password with a hash", `pass%20word`, `pass#word`, "in user and password write % as %25, / as %2F"},
		{"password with a slash", `user:pass%20word`, `user:12/34`, "in user and password write % as %25, / as %2F"},
		{"password with a question mark", `pass%20word`, `pass?word`, "in user and password write % as %25, / as %2F"},
		{"password with a percent sign", `pass%20word`, `pass%word`, "in user and password write % as %25, / as %2F"},
		{"broker with IPv6", `@192.168.1.10:1884`, `@[::1]:1884`, "needs a host name or IPv4 address"},
		{"broker with half an address", `@192.168.1.10:1884`, `@192.168.1`, "needs a host name or IPv4 address"},
		{"broker without a user", `user:pass%20word`, `:pass%20word`, "has a password but no user"},
		{"broker's user too long", `user:`, long + `:`, "user and password may have 64 bytes"},

		{"encrypted updates", `http://`, `https://`, "does not begin with http://"},
		{"update URL with a user", `http://`, `http://me:pass%20word@`, "has a user"},
		{"update URL with a query", `/firmware/`, `/firmware?x=1`, "must not have ? or #"},
		{"update URL with a fragment", `/firmware/`, `/firmware#x`, "must not have ? or #"},
		{"update URL too long", `/firmware/`, "/" + long, "update.url: 225 characters"},
		{"update without keys", `["release.pub"]`, `[]`, "update.keys: needs at least one public key"},
		{"five keys", `["release.pub"]`, `["1", "2", "3", "4", "5"]`, "update.keys: 5 keys, but a firmware carries at most 4"},
		{"missing key", `release.pub`, `other.pub`, "other.pub: no such file"},
		{"private key", `release.pub`, `release.key`, "a private key where the public key is needed"},
		{"key elsewhere", `release.pub`, `/etc/release.pub`, "is not in the site"},
		{"key above the site", `release.pub`, `../release.pub`, "is not in the site"},
		{"same key twice", `["release.pub"]`, `["release.pub", "./release.pub"]`, "the same key twice"},
		{"interval too short", `"90s"`, `"9s"`, "update.interval: 9s is not between 10s and"},
		{"interval too long", `"90s"`, `"721h"`, "update.interval: 721h is not between"},
		{"interval of half seconds", `"90s"`, `"10.5s"`, "update.interval: 10.5s is not a whole number of seconds"},
		{"jitter too long", `"2m"`, `"61m"`, "update.jitter: 61m is not between 0s and 1h0m0s"},
		{"jitter below zero", `"2m"`, `"-1s"`, "update.jitter: -1s is not between 0s and"},
		{"jitter of half seconds", `"2m"`, `"1.5s"`, "update.jitter: 1.5s is not a whole number of seconds"},
		{"jitter that is none", `"2m"`, `"some"`, `update.jitter: "some" is not a duration such as`},
		{"jitter that is a number", `"2m"`, `2`, "line 13"},
		{"interval that is none", `"90s"`, `"often"`, `update.interval: "often" is not a duration such as`},
		{"heartbeat too short", `"10m"`, `"1s"`, "heartbeat.timeout: 1s is not between"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(good, test.old) {
				t.Fatalf("%q is not in the good configuration", test.old)
			}
			dir := newSite(t, strings.Replace(good, test.old, test.new, 1))
			_, err := Open(dir)
			if err == nil {
				t.Fatal("it is accepted")
			}
			text := err.Error()
			if !strings.Contains(text, test.want) || !strings.Contains(text, filepath.Join(dir, ConfigFile)) {
				t.Errorf("error %q, want the file and %q", text, test.want)
			}
			for _, secret := range []string{"correct", "horse", "pass%20word", "pass word"} {
				if strings.Contains(text, secret) {
					t.Errorf("error %q tells a password", text)
				}
			}
		})
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	s, err := Open(newSite(t, good))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("site", "wifi", s.Config.WiFi, "mqtt", s.Config.MQTT)
	for _, text := range []string{
		fmt.Sprint(s.Config), fmt.Sprintf("%+v %#v %q", s.Config, s.Config, s.Config.WiFi.Password), string(encoded), log.String(),
	} {
		if strings.Contains(text, "correct horse") || strings.Contains(text, "pass word") {
			t.Errorf("a secret is printed in %s", text)
		}
	}
}

func TestDeviceTypesAreTheFoldersWithSources(t *testing.T) {
	dir := newSite(t, good)
	for _, name := range []string{
		"lamp/lamp.cpp", "lamp/driver.c", "lamp/driver.h", "lamp/.hidden.cpp", "lamp/notes.txt", "lamp/more.cpp/x",
		"README.md", ".cache/x.cpp",
	} {
		write(t, filepath.Join(dir, DevicesDir, name), "")
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Types) != 2 || s.Types[0].Name != "lamp" || s.Types[1].Name != "socket" {
		t.Fatalf("types %+v", s.Types)
	}
	lamp := s.Types[0]
	if lamp.Dir != filepath.Join(dir, "devices/lamp") || !slices.Equal(lamp.Sources, []string{"driver.c", "lamp.cpp"}) {
		t.Errorf("%+v", lamp)
	}
	if got, err := s.Type("socket"); err != nil || got.Name != "socket" {
		t.Errorf("Type: %+v, %v", got, err)
	}
	if _, err := s.Type("button"); err == nil || !strings.Contains(err.Error(), `no device type "button"`) {
		t.Errorf("Type of another name: %v", err)
	}
}

func TestWrongDeviceTypesAreRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, devices string)
		want    string
	}{
		{"bad name", func(t *testing.T, d string) { write(t, d+"/My Lamp/lamp.cpp", "") }, image.ErrDeviceType.Error()},
		{"too many", func(t *testing.T, d string) {
			for i := range 64 {
				write(t, fmt.Sprintf("%s/lamp%d/lamp.cpp", d, i), "")
			}
		}, "65 device types, but at most 64"},
		{"too many sources", func(t *testing.T, d string) {
			for i := range 64 {
				write(t, fmt.Sprintf("%s/socket/%d.cpp", d, i), "")
			}
		}, "65 sources, but at most 64"},
		{"source too large", func(t *testing.T, d string) {
			write(t, d+"/socket/large.c", strings.Repeat(" ", 1<<20+1))
		}, "large.c: 1048577 bytes"},
		{"file of options", func(t *testing.T, d string) { write(t, d+"/socket/@x.c", "") }, `"@x.c": rename it`},
		{"option", func(t *testing.T, d string) { write(t, d+"/socket/-o.c", "") }, `"-o.c": rename it`},
		{"control characters", func(t *testing.T, d string) { write(t, d+"/socket/a\x1b\n.c", "") }, `"a\x1b\n.c": rename it`},
		{"space", func(t *testing.T, d string) { write(t, d+"/socket/a b.cpp", "") }, `"a b.cpp": rename it`},
		{"file of options in a library", func(t *testing.T, d string) {
			write(t, d+"/../lib/leds/@x.c", "")
			write(t, d+"/socket/device.toml", `libraries = ["leds"]`)
		}, `"@x.c": rename it`},
		{"file of options as a library", func(t *testing.T, d string) {
			write(t, d+"/socket/device.toml", `libraries = ["@leds"]`)
		}, `"@leds": a name is`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := newSite(t, good)
			test.prepare(t, filepath.Join(dir, DevicesDir))
			s, err := Open(dir)
			for _, of := range []error{err, wrong(s)} {
				if of != nil && strings.Contains(of.Error(), test.want) {
					return
				}
			}
			t.Errorf("errors %v and %v, want %q", err, wrong(s), test.want)
		})
	}
}

// wrong is what is wrong with device types of a site.
func wrong(s *Site) error {
	var all []error
	if s != nil {
		for _, t := range s.Types {
			all = append(all, t.Wrong)
		}
	}
	return errors.Join(all...)
}

func TestAWrongDeviceTypeHidesNoOther(t *testing.T) {
	dir := newSite(t, good+"[rollout.types.lamp]\nreport_within = \"1h\"\n")
	devices := filepath.Join(dir, DevicesDir)
	write(t, devices+"/ds18b20/README.md", "") // empty but for this
	write(t, devices+"/lamp/lamp.cpp", "")
	write(t, devices+"/lamp/device.toml", "flash_mode = \"fast\"")
	write(t, devices+"/My Lamp/lamp.cpp", "")
	if err := os.Symlink("nowhere", devices+"/link"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if socket, err := s.Type("socket"); err != nil || len(socket.Sources) != 1 {
		t.Errorf("socket: %+v, %v", socket, err)
	}
	for name, want := range map[string]string{
		"ds18b20": "devices/ds18b20: a device type without a .cpp or .c file", "lamp": "lamp/device.toml: flash_mode: \"fast\" is none of",
		"My Lamp": "devices/My Lamp: " + image.ErrDeviceType.Error(), "link": "no device type \"link\"",
	} {
		_, err := s.Type(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if of := new(TypeError); errors.As(err, &of) != (name == "lamp" || name == "My Lamp") {
			t.Errorf("%s: %T", name, err)
		}
	}
	if !slices.Equal(s.Empty, []string{devices + "/ds18b20"}) {
		t.Errorf("empty: %v", s.Empty)
	}
	// A site without any is one all the same: it may keep secrets, or serve what others build.
	if err := os.RemoveAll(devices); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ConfigFile), good)
	if s, err := Open(dir); err != nil || len(s.Types) != 0 {
		t.Errorf("without device types: %v", err)
	}
}

// A file is a configuration whose values are all within their limits, or it is
// refused.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(house))
	f.Add([]byte(strings.ToUpper(house)))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseConfig(text)
		if err != nil {
			return
		}
		for _, name := range file.environments() {
			if chosen, err := file.choose(text, name); err == nil {
				chosen.check()
			}
		}
		c, err := file.check()
		if err != nil {
			return
		}
		if c.Realm == "" || len(c.Realm) > maxRealm || strings.ContainsAny(c.Realm, "+# \x00") {
			t.Errorf("realm %q", c.Realm)
		}
		if c.WiFi.SSID == "" || len(c.WiFi.SSID) > maxSSID || len(c.WiFi.Password) > maxPassword {
			t.Errorf("WiFi %q", c.WiFi.SSID)
		}
		if c.MQTT.Host == "" || len(c.MQTT.Host) > maxHost || c.MQTT.Port == 0 || len(c.MQTT.User) > maxUser || len(c.MQTT.Password) > maxUser {
			t.Errorf("MQTT %+v", c.MQTT)
		}
		for _, d := range []time.Duration{c.Update.Interval, c.Heartbeat.Timeout} {
			if d != 0 && (d < minInterval || d > maxInterval || d%time.Second != 0) {
				t.Errorf("%q: %s", text, d)
			}
		}
		if c.Update.URL != "" && (c.Update.Host == "" || c.Update.Port == 0) {
			t.Errorf("update %+v", c.Update)
		}
	})
}

// A URL with a password is accepted with this one, or refused without telling it.
func FuzzURL(f *testing.F) {
	for _, text := range []string{"", "p", "p@x#", "p@x?", "p@x/", "%zz", "1/", "p:q", "p@@", " ", "p@[::1]:1#"} {
		f.Add(text, "")
		f.Add(text, "/")
		f.Add("", text)
	}
	f.Add("", "@y:99999")
	f.Fuzz(func(t *testing.T, before, behind string) {
		const secret = "hunter2secret"
		for _, scheme := range []string{"mqtt", "http"} {
			text := scheme + "://user:" + before + secret + behind + "@host"
			m, err := parseMQTT(text)
			if err == nil && (m.Host == "" || m.Port == 0 || strings.ContainsAny(m.Host, "@/:?# ")) {
				t.Errorf("%q is accepted as %+v", text, m)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: the error tells the password: %v", text, err)
			}
			u, err := parseUpdateURL(text)
			if err == nil && u.Host+u.Path != "" && !strings.HasSuffix(u.URL, u.Path) {
				t.Errorf("%q is accepted as %+v", text, u)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: the error tells the password: %v", text, err)
			}
		}
	})
}

// runGit runs git in a folder, as someone whose settings do not matter.
func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// needGit skips the test without git, and makes it independent of the settings
// and repositories outside.
func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	for name, value := range map[string]string{
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CEILING_DIRECTORIES": os.TempDir(),
		"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
		"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
	} {
		t.Setenv(name, value)
	}
}

// wantVersion opens the site and checks its version.
func wantVersion(t *testing.T, dir string, want Version) {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Version(); err != nil || got != want {
		t.Errorf("version %+v, %v; want %+v", got, err, want)
	}
}

func TestVersionAndSequenceComeFromGit(t *testing.T) {
	needGit(t)
	dir := newSite(t, good)
	write(t, filepath.Join(dir, ".gitignore"), "*.key\n/build/\n")
	wantVersion(t, dir, Version{Name: "dev", Dirty: true})
	runGit(t, dir, "init", "--quiet")
	wantVersion(t, dir, Version{Name: "dev", Dirty: true})

	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	first := runGit(t, dir, "rev-parse", "HEAD")[:8]
	wantVersion(t, dir, Version{Name: first, Sequence: 1})

	// Builds leave a commit's version as it is; changes and new files do not.
	write(t, filepath.Join(dir, "build/socket.rom0"), "")
	wantVersion(t, dir, Version{Name: first, Sequence: 1})
	write(t, filepath.Join(dir, "devices/socket/new.cpp"), "")
	wantVersion(t, dir, Version{Name: first + "+dirty", Dirty: true, Change: "devices/socket/new.cpp"})
	runGit(t, dir, "add", ".")
	wantVersion(t, dir, Version{Name: first + "+dirty", Dirty: true, Change: "devices/socket/new.cpp"})

	// A branch that is merged counts with all its commits, whichever is merged into the other.
	runGit(t, dir, "switch", "--quiet", "--create", "work")
	runGit(t, dir, "commit", "--quiet", "--message", "One")
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "--message", "Two")
	runGit(t, dir, "switch", "--quiet", "-")
	runGit(t, dir, "merge", "--quiet", "--no-ff", "--no-edit", "work")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 4})
	runGit(t, dir, "switch", "--quiet", "--create", "other", "work")
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "--message", "Three")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 4})
	runGit(t, dir, "merge", "--quiet", "--no-ff", "--no-edit", "-")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 6})

	// In a hook, git sets variables that must not lead to another repository.
	t.Setenv("GIT_DIR", t.TempDir())
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Version(); err != nil || v.Sequence != 6 {
		t.Errorf("with GIT_DIR set: %+v, %v", v, err)
	}
}

func TestASiteInASubfolderHasItsOwnChanges(t *testing.T) {
	needGit(t)
	dir := newSite(t, good)
	root := filepath.Dir(dir)
	runGit(t, root, "init", "--quiet")
	runGit(t, root, "add", ".")
	runGit(t, root, "commit", "--quiet", "--message", "First")
	write(t, filepath.Join(root, "elsewhere.txt"), "")
	wantVersion(t, dir, Version{Name: runGit(t, root, "rev-parse", "HEAD")[:8], Sequence: 1})
}

func TestASiteThatGitIgnoresIsInNoCommit(t *testing.T) {
	needGit(t)
	dir := newSite(t, good)
	root := filepath.Dir(dir)
	runGit(t, root, "init", "--quiet")
	write(t, filepath.Join(root, ".gitignore"), "*\n")
	runGit(t, root, "commit", "--quiet", "--allow-empty", "--message", "Without the site")
	wantVersion(t, dir, Version{Name: runGit(t, root, "rev-parse", "HEAD")[:8] + "+dirty", Dirty: true, Change: filepath.Base(dir) + "/esper.toml"})
}

func TestAShallowCloneHasNoVersion(t *testing.T) {
	needGit(t)
	dir := newSite(t, good)
	runGit(t, dir, "init", "--quiet")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "--message", "Second")
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--depth=1", "file://"+dir, clone)
	s, err := Open(clone)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Version(); !errors.Is(err, git.ErrShallow) {
		t.Errorf("%+v, %v; want %v", v, err, git.ErrShallow)
	}
}

func TestWhatIsCreatedIsASite(t *testing.T) {
	needGit(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	template := Template{
		Realm: "home", SSID: `quote " backslash \ ümlaut`, MQTT: "mqtt://broker", UpdateURL: "http://server/firmware",
		Devices: fstest.MapFS{"socket/socket.cpp": {Data: []byte("// a device")}},
		Types:   []string{"socket"},
	}
	if err := Create(dir, template); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Config
	if c.WiFi.SSID != template.SSID || c.MQTT.Host != "broker" || c.Update.URL != template.UpdateURL || len(c.Update.Keys) != 1 {
		t.Errorf("%+v", c)
	}
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 1})
	if tracked := runGit(t, dir, "ls-files"); strings.Contains(tracked, ".key") {
		t.Errorf("git has the key: %s", tracked)
	}
	if err := Create(dir, template); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	for _, ssid := range []string{"a\nb", "a\xFFb", ""} {
		template.SSID = ssid
		other := filepath.Join(t.TempDir(), "other")
		if err := Create(other, template); err == nil {
			t.Errorf("ssid %q is accepted", ssid)
		}
		if _, err := os.Stat(other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ssid %q: %s is left behind", ssid, other)
		}
	}
}

func TestTheSDKIsWhereEnvironmentOrSiteSay(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, variable, key string
		want                func(dir string) string
	}{
		{"nowhere", "", "", func(string) string { return "" }},
		{"an absolute path of the site", "", "/opt/sdk", func(string) string { return "/opt/sdk" }},
		{"a relative path of the site", "", "../sdk", func(dir string) string { return filepath.Join(filepath.Dir(dir), "sdk") }},
		{"the environment", "/home/sdk", "/opt/sdk", func(string) string { return "/home/sdk" }},
		{"the environment alone", "/home/sdk", "", func(string) string { return "/home/sdk" }},
		{"a relative path of the environment", "sdk", "/opt/sdk", func(string) string { return filepath.Join(here, "sdk") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(SDKVariable, test.variable)
			config := good
			if test.key != "" {
				config += fmt.Sprintf("\n[build]\nsdk = %q\n", test.key)
			}
			dir := newSite(t, config)
			s, err := Open(dir)
			if err != nil || s.Config.SDK != test.want(dir) {
				t.Errorf("%q, %v; want %q", s.Config.SDK, err, test.want(dir))
			}
		})
	}
}

func TestAnEnvironmentHasAnSDKOfItsOwn(t *testing.T) {
	dir := newSite(t, good+"\n[build]\nsdk = \"/opt/sdk\"\n[environment.lab.build]\nsdk = \"\"\n")
	for environment, want := range map[string]string{"": "/opt/sdk", "lab": ""} {
		if s, err := OpenFor(dir, environment); err != nil || s.Config.SDK != want {
			t.Errorf("%q: %q, %v", environment, s.Config.SDK, err)
		}
	}
}
