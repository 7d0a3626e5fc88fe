package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"esper/internal/build"
	"esper/internal/sandbox/sandboxtest"
	"esper/internal/secret"
	"esper/internal/site"
)

// TestSecretsStayWhereTheyBelong plants secrets in each place that they may come from,
// runs commands that need them, well and with errors, and looks for them in all that is
// printed, in the command lines and environments of the compilers, and in files that
// others can read.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	compiler, err := exec.LookPath("xtensa-lx106-elf-g++")
	if err != nil {
		t.Skip("gcc-xtensa-lx106 is not installed")
	}
	if !sandboxtest.Again(t) { // the compiler below could not write anything down
		return
	}
	const wifi, broker = "planted-w\"ifi-pass", "planted-br\\oker-pass"
	planted := []string{wifi, broker, `planted-w\042ifi-pass`, `planted-br\134oker-pass`, "AGE-SECRET-KEY-1", "PRIVATE KEY"}

	dir := t.TempDir()
	home, cache := filepath.Join(dir, "home"), filepath.Join(dir, "cache")
	temp, calls, flags := filepath.Join(dir, "temp"), filepath.Join(dir, "calls"), filepath.Join(dir, "flags")
	for _, d := range []string{temp, cache, filepath.Join(dir, "bin")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A compiler that writes down how it is called, and one that does not understand.
	for _, name := range []string{"g++", "gcc"} {
		real := strings.TrimSuffix(compiler, "g++") + name
		script := "#!/bin/sh\n{ echo \"$@\"; tr '\\0' '\\n' </proc/self/environ; } >>" + calls + "\ncase \"$*\" in *configuration.cpp*) exec " + real + " $(cat " + flags + ") \"$@\";; esac\nexec " + real + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", "xtensa-lx106-elf-"+name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{calls, flags} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	if old, err := os.UserCacheDir(); err == nil && os.Getenv(build.MonocypherVariable) == "" {
		if found, _ := filepath.Glob(filepath.Join(old, "esper", "monocypher-*")); len(found) > 0 {
			t.Setenv(build.MonocypherVariable, found[0])
		}
	}
	t.Setenv(build.CacheVariable, cache)
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("XDG_RUNTIME_DIR", temp)

	var printed bytes.Buffer
	command := func(want int, in string, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if got := run(args, strings.NewReader(in), &out, &out); got != want {
			t.Fatalf("esper %s: exit code %d, not %d:\n%s", strings.Join(args, " "), got, want, &out)
		}
		printed.Write(out.Bytes())
		return out.String()
	}
	command(0, "", "init", home, "--mqtt", "mqtt://device@127.0.0.1:1", "--url", "http://127.0.0.1:1/firmware")
	t.Chdir(home)
	inImages(t)
	answer := strings.Fields(command(0, "", "secrets", "keygen", filepath.Join(dir, "age.key")))
	recipient := answer[len(answer)-1]
	t.Setenv(secret.KeyFileVariable, filepath.Join(dir, "age.key"))
	config, err := os.ReadFile(site.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(site.ConfigFile, append(config, "[secrets]\nrecipients = [\""+recipient+"\"]\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("release.key")
	if err != nil {
		t.Fatal(err)
	}
	planted = append(planted, strings.Split(string(key), "\n")[1])
	command(0, broker, "secrets", "set", site.MQTTPassword)
	command(0, string(key), "secrets", "set", site.SigningKey)
	command(1, wifi+strings.Repeat("x", 64), "secrets", "set", site.WiFiPassword)
	if err := os.Remove("release.key"); err != nil {
		t.Fatal(err)
	}
	t.Setenv(site.PasswordVariable, wifi)

	command(0, "", "build", "--json")
	if image, err := os.ReadFile("build/socket.rom0"); err != nil || !bytes.Contains(image, []byte(wifi)) || !bytes.Contains(image, []byte(broker)) {
		t.Fatalf("the firmware has not the secrets: %v", err)
	}
	command(0, "", "release", "--version", "1", "--sequence", "1", "--no-notify", "--no-preflight")
	command(1, "", "trigger", "--all", "--mqtt", "mqtt://device:"+strings.ReplaceAll(broker, `\`, "%5C")+"@127.0.0.1:1")
	command(0, "", "secrets", "list")
	// The generated source does not compile: the compiler would show the line, were it let.
	if err := os.WriteFile(flags, []byte("-Dconst="), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(site.PasswordVariable, wifi+"2")
	failed := command(1, "", "build")
	if !strings.Contains(failed, "string constant") {
		t.Errorf("the build did not fail at the compiler:\n%s", failed)
	}

	// What others could read.
	look := func(where, text string) {
		t.Helper()
		for _, p := range planted {
			if i := strings.Index(text, p); i >= 0 {
				t.Errorf("%s shows a secret: %.200q", where, text[max(0, i-100):])
			}
		}
	}
	look("the output", printed.String())
	content, err := os.ReadFile(calls)
	if err != nil || !bytes.Contains(content, []byte("configuration.cpp")) {
		t.Fatalf("the compilers were not watched: %v", err)
	}
	look("a compiler's command line or environment", string(content))
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		// Served firmware has to be readable; the rest is for its owner.
		served := strings.HasPrefix(path, filepath.Join(home, "data", "firmware"))
		if entry.IsDir() && path != dir && info.Mode().Perm()&0o077 == 0 && !strings.HasPrefix(path, temp) || served && entry.IsDir() {
			return fs.SkipDir
		}
		if entry.Type().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			text, err := os.ReadFile(path)
			look(path, string(text))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the folder for temporary files: %v, %v", left, err)
	}
}

// inImages lets the images of the site in this folder hold its settings, as those of a site from before.
func inImages(t *testing.T) {
	t.Helper()
	config, err := os.ReadFile(site.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	before, after := []byte(`secrets = "settings"`), []byte(`secrets = "image"`)
	if !bytes.Contains(config, before) {
		t.Fatalf("%s does not say %s", site.ConfigFile, before)
	}
	if err := os.WriteFile(site.ConfigFile, bytes.Replace(config, before, after, 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Where the devices have their settings in flash, no secret of the site is in anything that is built,
// published, kept or said: each byte of each file is searched, for the text, for hex digits of it, and for
// words of it as a source would have them.
func TestWhatIsPublishedHoldsNoSecret(t *testing.T) {
	if _, err := exec.LookPath("xtensa-lx106-elf-g++"); err != nil {
		t.Skip("gcc-xtensa-lx106 is not installed")
	}
	const wifi, second, broker = "planted-wifi-password", "planted-second-password", "planted-broker-password"
	dir := t.TempDir()
	home, cache := filepath.Join(dir, "home"), filepath.Join(dir, "cache")
	if old, err := os.UserCacheDir(); err == nil && os.Getenv(build.MonocypherVariable) == "" {
		if found, _ := filepath.Glob(filepath.Join(old, "esper", "monocypher-*")); len(found) > 0 {
			t.Setenv(build.MonocypherVariable, found[0])
		}
	}
	t.Setenv(build.CacheVariable, cache)
	t.Setenv(site.PasswordVariable, wifi)
	t.Setenv("ESPER_WIFI_2_PASSWORD", second)
	t.Setenv("ESPER_MQTT_PASSWORD", broker)
	var printed bytes.Buffer
	command := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		if got := run(args, strings.NewReader(""), &out, &out); got != 0 {
			t.Fatalf("esper %s: exit code %d:\n%s", strings.Join(args, " "), got, &out)
		}
		printed.Write(out.Bytes())
	}
	command("init", home, "--mqtt", "mqtt://device@127.0.0.1:1", "--url", "http://127.0.0.1:1/firmware")
	t.Chdir(home)
	config, err := os.ReadFile(site.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(site.ConfigFile, append(config, "[[wifi.others]]\nssid = \"workshop\"\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	fleet, err := os.ReadFile(site.FleetKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	release := func(version string) {
		command("release", "--version", version, "--sequence", version, "--no-notify")
	}
	release("1")
	release("2")
	deltas, _ := filepath.Glob("data/firmware/socket.*.delta?")
	if len(deltas) == 0 {
		t.Error("there is no delta to look at")
	}
	command("verify", "data/firmware")

	var planted [][]byte
	for _, secret := range [][]byte{[]byte(wifi), []byte(second), []byte(broker), bytes.TrimSpace(fleet)} {
		raw := secret
		if key, err := hex.DecodeString(string(secret)); err == nil {
			raw = key
		}
		var words []byte
		for word := range slices.Chunk(raw[:8], 4) {
			words = fmt.Appendf(words, "0x%08X", binary.LittleEndian.Uint32(word))
		}
		planted = append(planted, raw, fmt.Appendf(nil, "%x", raw), words[:10], fmt.Appendf(nil, "%q", secret))
	}
	files := 0
	look := func(where string, content []byte) {
		files++
		for _, p := range planted {
			if bytes.Contains(content, p) {
				t.Errorf("%s holds %.80q", where, p)
			}
		}
	}
	look("the output", printed.Bytes())
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == site.FleetKeyFile {
			return err
		}
		content, err := os.ReadFile(path)
		look(path, content)
		return err
	})
	if err != nil || files < 30 {
		t.Errorf("%d files, %v", files, err)
	}
	t.Logf("%d files hold no secret", files)
}
