package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"esper/internal/git"
	"esper/internal/image"
	"esper/internal/release"
)

// KeyName is the name of a new site's key pair, without .key and .pub.
const KeyName = "release"

// ignored is what a site's repository must not hold: what is built, secrets, and what is for
// editors on this computer (the index of clangd among it).
var ignored = []string{"/build/", "*.key", "/compile_commands.json", "/.cache/"}

// Template is what a new site begins with.
type Template struct {
	Realm     string
	SSID      string
	MQTT      string   // URL
	UpdateURL string   // empty: devices that do not update
	Devices   fs.FS    // holds a folder of sources for each device type
	Types     []string // which of them the site gets
}

// configTemplate is a new site's esper.toml; the texts of the first five values are TOML strings.
const configTemplate = `# The site: what its devices have in common.
# A change takes a new release ('esper release'), and one of a network, password or address new
# settings ('esper settings release').

# The first part of every MQTT topic: <realm>/<device>/...
realm = %s

[wifi]
ssid = %s
# The password is better not in git, but in the environment (ESPER_WIFI_PASSWORD) or encrypted
# ('esper secrets'). "" says that there is none: an open network.
# password = ""

[mqtt]
# The broker, at an address that the devices reach: mqtt://user:password@host:port
# That is an IPv4 address or a name that your DNS server knows, not localhost or a name in .local.
# In user and password write %% as %%25, / as %%2F, ? as %%3F, # as %%23, : as %%3A, @ as %%40.
url = %s

[update]
# Where the devices fetch new firmware. Without it there is no update code in the firmware.
url = %s
# How often they look by themselves; a message over MQTT makes them look at once.
interval = "1h"
# Devices that are all told to look do so after a random time up to this, so that a large fleet does
# not come at once.
jitter = "0s"
# Whose releases they install: 1 to 4 public keys. Two, while one replaces the other.
keys = [%s]
# New firmware must stay connected so long until it replaces the old one; the old one comes
# back when that does not happen in time.
confirm_after = "30s"
trial_timeout = "5m"
# Bring the other slot to the same release then, so that each slot can stand in for the other.
refresh = true

[build]
# The folder of the vendor's NONOS SDK 3.0, to build for the chip. Without it the firmware runs in
# the emulator only. %s in the environment goes before it.
# sdk = "/opt/ESP8266_NONOS_SDK"
# Images hold no password, network or address: 'esper flash' writes these into a part of the flash
# of their own.
secrets = "settings"

[time]
# Devices ask this server for the time (SNTP). Without it they do not know it.
# server = "pool.ntp.org"
# The zone's rule as in POSIX's TZ; without it device code gets UTC.
# zone = "CET-1CEST,M3.5.0,M10.5.0/3"

[heartbeat]
# Restart when nothing comes on <realm>/heartbeat for so long. 0s: off
# 'esper serve --heartbeat' sends it there.
timeout = "0s"
`

// config returns the template's esper.toml, if it is a valid one.
func (t Template) config() ([]byte, error) {
	var values []any
	for _, text := range []string{t.Realm, t.SSID, t.MQTT, t.UpdateURL, KeyName + ".pub"} {
		// Go's escapes are TOML's, but for \x, \a and \v, which only these need.
		if control(text) || !utf8.ValidString(text) {
			return nil, fmt.Errorf("%q has characters that are not text", text)
		}
		values = append(values, strconv.Quote(text))
	}
	text := fmt.Appendf(nil, configTemplate, append(values, SDKVariable)...)
	file, err := parseConfig(text)
	if err == nil {
		_, err = file.check()
	}
	return text, err
}

// Create makes a new site in a folder, which it creates if need be, and a git
// repository if it is not inside one. A key pair that is there stays. It
// overwrites nothing: if a file of the site exists already, the error is an
// [fs.ErrExist]. After an error, nothing of the new site is left behind.
func Create(dir string, t Template) (err error) {
	config, err := t.config()
	if err != nil {
		return err
	}
	files, err := t.sources()
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("git"); err != nil {
		return git.ErrMissing
	}
	files = append(files, newFile{ConfigFile, config})

	var undo undo
	defer func() {
		if err != nil {
			undo.run()
		}
	}()
	if err := undo.mkdir(dir); err != nil {
		return err
	}
	for _, name := range append([]string{ConfigFile}, t.folders()...) {
		at := filepath.Join(dir, name)
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			return &fs.PathError{Op: "create", Path: at, Err: fs.ErrExist}
		}
	}
	for _, file := range files {
		if err := undo.write(filepath.Join(dir, file.name), file.content); err != nil {
			return err
		}
	}
	if err := undo.ignore(filepath.Join(dir, ".gitignore")); err != nil {
		return err
	}
	if err := undo.keys(filepath.Join(dir, KeyName)); err != nil {
		return err
	}
	for _, name := range []string{FleetKeyFile, DevicesKeyFile} {
		if err := undo.key(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if _, err := OpenFor(dir, ""); err != nil {
		return err
	}
	repository := git.Repository{Dir: dir}
	if _, err := repository.Run(context.Background(), "rev-parse", "--git-dir"); err != nil {
		undo.add(filepath.Join(dir, ".git"))
		_, err := repository.Run(context.Background(), "init", "--quiet", "--initial-branch=main")
		return err
	}
	return nil
}

// newFile is a file to be made; its name is relative to the site.
type newFile struct {
	name    string
	content []byte
}

// folders returns the device types' folders, relative to the site.
func (t Template) folders() []string {
	var dirs []string
	for _, name := range t.Types {
		dirs = append(dirs, filepath.Join(DevicesDir, name))
	}
	return dirs
}

// sources reads the files of the device types.
func (t Template) sources() ([]newFile, error) {
	var files []newFile
	for _, name := range t.Types {
		if err := image.CheckDeviceType(name); err != nil {
			return nil, err
		}
		entries, err := fs.ReadDir(t.Devices, name)
		if err != nil {
			return nil, fmt.Errorf("no device type %q to start from: there are %s", name, t.available())
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() {
				continue
			}
			content, err := fs.ReadFile(t.Devices, path.Join(name, entry.Name()))
			if err != nil {
				return nil, err
			}
			files = append(files, newFile{filepath.Join(DevicesDir, name, entry.Name()), content})
		}
	}
	return files, nil
}

// available lists the device types that can be had.
func (t Template) available() string {
	entries, _ := fs.ReadDir(t.Devices, ".")
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return strings.Join(names, ", ")
}

// undo remembers what has been made, so that it can be taken back.
type undo struct {
	steps []func()
}

// run takes everything back, the last first.
func (u *undo) run() {
	for i := len(u.steps) - 1; i >= 0; i-- {
		u.steps[i]()
	}
}

// add remembers something new at path.
func (u *undo) add(path string) {
	u.steps = append(u.steps, func() { os.RemoveAll(path) })
}

// mkdir makes a folder and those above it, as far as they are missing.
func (u *undo) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := u.mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	u.add(dir)
	return nil
}

// write makes a file that does not exist yet.
func (u *undo) write(path string, content []byte) error {
	if err := u.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	u.add(path)
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// ignore adds the lines that are missing to a .gitignore file.
func (u *undo) ignore(path string) error {
	before, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return u.write(path, []byte(strings.Join(ignored, "\n")+"\n"))
	}
	if err != nil {
		return err
	}
	after := string(before)
	if after != "" && !strings.HasSuffix(after, "\n") {
		after += "\n"
	}
	for _, line := range ignored {
		if !strings.Contains("\n"+after, "\n"+line+"\n") {
			after += line + "\n"
		}
	}
	u.steps = append(u.steps, func() { os.WriteFile(path, before, 0o666) })
	return os.WriteFile(path, []byte(after), 0o666)
}

// keys makes a key pair, unless there is a public key.
func (u *undo) keys(path string) error {
	if _, err := os.Stat(path + ".pub"); err == nil {
		return nil
	}
	private, err := release.GenerateKey()
	if err != nil {
		return err
	}
	if err := release.WriteKeyPair(path, private); err != nil {
		return err
	}
	u.add(path + ".key")
	u.add(path + ".pub")
	return nil
}

// key makes a key, unless there is one.
func (u *undo) key(path string) error {
	err := WriteKey(path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		u.add(path)
	}
	return err
}
