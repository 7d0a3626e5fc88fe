package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"
)

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func TestWhatIsSetIsWhatItsRecipientsRead(t *testing.T) {
	ada, bob, eve := newIdentity(t), newIdentity(t), newIdentity(t)
	path := filepath.Join(t.TempDir(), "secrets.toml")
	file, err := Load(path)
	if err != nil || len(file.Names()) != 0 {
		t.Fatalf("a missing file has secrets %v, %v", file.Names(), err)
	}
	if err := file.Set("wifi.password", "correct horse", []age.Recipient{ada.Recipient(), bob.Recipient()}); err != nil {
		t.Fatal(err)
	}
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	if file, err = Load(path); err != nil {
		t.Fatal(err)
	}
	for _, who := range []age.Identity{ada, bob} {
		if v, err := file.Get("wifi.password", []age.Identity{who}); v.Reveal() != "correct horse" || err != nil {
			t.Errorf("%q, %v", v.Reveal(), err)
		}
	}
	if _, err := file.Get("wifi.password", []age.Identity{eve}); !errors.Is(err, ErrOtherRecipients) {
		t.Errorf("for another key: %v", err)
	}
	if _, err := file.Get("wifi.password", nil); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := file.Get("mqtt.password", []age.Identity{ada}); !errors.Is(err, ErrNone) {
		t.Errorf("that is not there: %v", err)
	}
}

func TestASecretIsBoundToItsNameAndWhole(t *testing.T) {
	ada := newIdentity(t)
	var file File
	if err := file.Set("mqtt.password", "one", []age.Recipient{ada.Recipient()}); err != nil {
		t.Fatal(err)
	}
	file.sealed["wifi.password"] = file.sealed["mqtt.password"]
	if _, err := file.Get("wifi.password", []age.Identity{ada}); !errors.Is(err, ErrDamaged) {
		t.Errorf("one secret passes for another: %v", err)
	}
	file.sealed["mqtt.password"] = strings.Replace(file.sealed["mqtt.password"], "\n", "\nA", 1)
	if _, err := file.Get("mqtt.password", []age.Identity{ada}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged secret: %v", err)
	}
	if err := file.Set("signing.key", Value(strings.Repeat("x", MaxValue+1)), []age.Recipient{ada.Recipient()}); err == nil {
		t.Error("a secret beyond the limit was taken")
	}
}

func TestWhatIsEditedIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]Value{}
		for i := range rapid.IntRange(0, 4).Draw(t, "secrets") {
			values[fmt.Sprintf("lab/name.%d", i)] = Value(rapid.StringN(1, 40, 80).Draw(t, "value"))
		}
		values["lines"] = Value(rapid.StringMatching(`[a-z'"\\\n ]{1,12}`).Draw(t, "lines"))
		text := Plain(values)
		got, err := ParsePlain(text)
		if err != nil || !maps.Equal(got, values) {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

func TestWrongTextIsRefusedAndNotQuoted(t *testing.T) {
	for text, want := range map[string]string{
		`"wifi.password" = hunter2`:                   "line 1, column",
		"a = \"hunter2\"\na = \"hunter2\"":            "TOML",
		`"wifi.password" = 7`:                         `"wifi.password" is not a text`,
		`a = ["hunter2"]`:                             `"a" is not a text`,
		`a = ""`:                                      `"a" is empty`,
		"\"a.b\" = \"hunter2\"\n[a]\nb = \"hunter2\"": `"a.b" is there twice`,
		strings.Repeat("x", maxFile+1):                "larger",
	} {
		_, err := ParsePlain([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	if values, err := ParsePlain([]byte("wifi.password = 'hunter2'")); err != nil || values["wifi.password"] != "hunter2" {
		t.Errorf("a dotted name: %v, %v", values, err)
	}
}

func TestTheKeyComesFromAVariableOrAFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := Identities(); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("without any: %v", err)
	}
	path, err := KeyFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	recipient, err := WriteIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	is := func(what, want string) {
		t.Helper()
		identities, err := Identities()
		if err != nil || len(identities) != 1 || identities[0].(*age.X25519Identity).Recipient().String() != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	is("at its place", recipient)
	other := filepath.Join(t.TempDir(), "other")
	recipient, err = WriteIdentity(other)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(KeyFileVariable, other)
	is("in the file", recipient)
	third := newIdentity(t)
	t.Setenv(KeyVariable, third.String()+"\n")
	is("in the variable", third.Recipient().String())
	t.Setenv(KeyVariable, "AGE-SECRET-KEY-1HUNTER2")
	if _, err := Identities(); !errors.Is(err, ErrNoIdentity) || strings.Contains(err.Error(), "HUNTER2") {
		t.Errorf("one that is wrong: %v", err)
	}
	if _, err := ParseRecipients([]string{third.String()}); err == nil || strings.Contains(err.Error(), third.String()) {
		t.Errorf("a private key among the recipients: %v", err)
	}
}

func TestSecretsInTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ESPER_WIFI_PASSWORD", "")
	if _, err := FromEnvironment("ESPER_WIFI_PASSWORD"); !errors.Is(err, ErrNone) {
		t.Errorf("an empty variable: %v", err)
	}
	t.Setenv("ESPER_WIFI_PASSWORD_FILE", path)
	if v, err := FromEnvironment("ESPER_WIFI_PASSWORD"); v != "from a file" || err != nil {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
	t.Setenv("ESPER_WIFI_PASSWORD", "from outside")
	if v, err := FromEnvironment("ESPER_WIFI_PASSWORD"); v != "from outside" || err != nil {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
	if strings.Contains(strings.Join(Environ(), "\n"), "from outside") {
		t.Error("other programs are told the secret")
	}
}

func TestAValueIsNotPrinted(t *testing.T) {
	v := Value("hunter2")
	text, _ := json.Marshal(map[string]any{"v": v})
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("it", "v", v)
	for _, printed := range []string{fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v), string(text), log.String()} {
		if strings.Contains(printed, "hunter2") {
			t.Errorf("%s", printed)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("\"a\" = '''\n-----BEGIN AGE ENCRYPTED FILE-----\n'''\n"))
	f.Add([]byte("[a]\nb = \"c\""))
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			if v, err := file.Get(name, []age.Identity{identity}); err == nil {
				t.Errorf("%s is %q for who has no key", name, v.Reveal())
			}
		}
		again, err := Parse(file.Marshal())
		if err != nil || !maps.Equal(again.sealed, file.sealed) {
			t.Errorf("%v", err)
		}
	})
}

// git on Windows may check the file out with CR LF, and editors there put a byte order mark in front.
func TestAFileFromAnyEditorIsRead(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var f File
	if err := f.Set("wifi.password", "correct horse", []age.Recipient{identity.Recipient()}); err != nil {
		t.Fatal(err)
	}
	windows := []byte("\uFEFF" + strings.ReplaceAll(string(f.Marshal()), "\n", "\r\n"))
	path := filepath.Join(t.TempDir(), "secrets.toml")
	if err := os.WriteFile(path, windows, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := read.Get("wifi.password", []age.Identity{identity}); err != nil || v != "correct horse" {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
	if values, err := ParsePlain([]byte("\uFEFF\"wifi.password\" = \"correct horse\"\r\n")); err != nil || values["wifi.password"] != "correct horse" {
		t.Errorf("edited: %v", err)
	}
	for name, text := range map[string]string{"wifi": "\uFEFFcorrect horse\r\n", "age": "\uFEFF# a key\r\n" + identity.String() + "\r\n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ESPER_WIFI_PASSWORD_FILE", filepath.Join(filepath.Dir(path), "wifi"))
	if v, err := FromEnvironment("ESPER_WIFI_PASSWORD"); err != nil || v != "correct horse" {
		t.Errorf("from its file: %q, %v", v.Reveal(), err)
	}
	t.Setenv(KeyVariable, "")
	t.Setenv(KeyFileVariable, filepath.Join(filepath.Dir(path), "age"))
	if identities, err := Identities(); err != nil || len(identities) != 1 {
		t.Errorf("the age key: %v", err)
	}
}
