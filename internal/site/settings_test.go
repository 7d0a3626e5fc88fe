package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const others = `
[[wifi.others]]
ssid = "workshop"
password = "kryptonite9"
[[wifi.others]]
ssid = "guest"
password = ""
[[wifi.others]]
ssid = "cellar"
`

func TestFurtherNetworksAreRead(t *testing.T) {
	t.Setenv("ESPER_WIFI_2_PASSWORD", "from outside")
	s, err := Open(newSite(t, good+others))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range s.Config.Others {
		got = append(got, n.SSID+" "+n.Password.Reveal())
	}
	if want := []string{"workshop from outside", "guest ", "cellar "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if all := strings.Join(s.Warnings(), "\n"); strings.Contains(all, "guest") || !strings.Contains(all, `no password for the WiFi network "cellar"`) {
		t.Errorf("warnings: %s", all)
	}
}

func TestNetworksThatCannotBeJoinedAreRefused(t *testing.T) {
	for lines, want := range map[string]string{
		others + "[[wifi.others]]\nssid = \"attic\"":                                       "wifi.others: 4 networks, but at most 3",
		"[[wifi.others]]\nssid = \"\"":                                                     "wifi.others, number 1: wifi.ssid: missing",
		others + "[environment.lab]\nwifi.others = [{ssid = \"a\", password = \"short\"}]": "",
		"[[wifi.others]]\nssid = \"a\"\npassword = \"short\"":                              "wifi.others, number 1: wifi.password: shorter",
	} {
		_, err := Open(newSite(t, good+lines))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

func TestWhereSecretsAreIsChosen(t *testing.T) {
	for text, want := range map[string]Secrets{"": InImage, `"image"`: InImage, `"move"`: Moving, `"settings"`: InSettings} {
		lines := ""
		if text != "" {
			lines = "[build]\nsecrets = " + text
		}
		s, err := Open(newSite(t, good+lines))
		if err != nil || s.Config.Secrets != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := Open(newSite(t, good+"[build]\nsecrets = \"flash\""))
	if err == nil || !strings.Contains(err.Error(), `build.secrets: "flash" is none of`) {
		t.Error(err)
	}
}

func TestWhereASecretIsFrom(t *testing.T) {
	dir := newSite(t, good+others)
	write(t, filepath.Join(dir, FleetKeyFile), strings.Repeat("a1", 32))
	write(t, filepath.Join(dir, "password"), "from a file")
	t.Setenv("ESPER_WIFI_PASSWORD", "from outside")
	t.Setenv("ESPER_WIFI_2_PASSWORD_FILE", filepath.Join(dir, "password"))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		WiFiPassword: "ESPER_WIFI_PASSWORD", "wifi.2.password": "ESPER_WIFI_2_PASSWORD_FILE", "wifi.3.password": "",
		FleetKey: FleetKeyFile, MQTTPassword: "",
	} {
		if got := s.SecretFrom(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
}

func TestFleetKeysAreFound(t *testing.T) {
	a, b := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	dir := newSite(t, good)
	keys := func() []string {
		t.Helper()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, key := range s.Config.FleetKeys {
			all = append(all, key.Reveal())
		}
		return all
	}
	if got := keys(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	write(t, filepath.Join(dir, FleetKeyFile), strings.ToUpper(a)+"\r\n"+b+"\n")
	if got := keys(); !slices.Equal(got, []string{a, b}) {
		t.Errorf("file: %q", got)
	}
	t.Setenv("ESPER_FLEET_KEY", b)
	if got := keys(); !slices.Equal(got, []string{b}) {
		t.Errorf("variable: %q", got)
	}
	t.Setenv("ESPER_FLEET_KEY", "")
	for _, text := range []string{"", "\n", a + b, a + "\n" + a, a[:63] + "x", a + "\n" + b + "\n" + a[1:] + "b\n" + b[1:] + "c"} {
		write(t, filepath.Join(dir, FleetKeyFile), text)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), FleetKeyFile) || text != "" && strings.Contains(err.Error(), a[:20]) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAFleetKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), FleetKeyFile)
	if err := WriteKey(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := parseFleetKeys(string(text)); err != nil || len(keys) != 1 {
		t.Errorf("%q: %v", text, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := WriteKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
}
