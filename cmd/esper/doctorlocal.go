package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esper/internal/board"
	"esper/internal/build"
	"esper/internal/esptool"
	"esper/internal/git"
	"esper/internal/release"
	"esper/internal/secret"
	"esper/internal/serialport"
	"esper/internal/site"
)

// doctor checks what a site needs.
type doctor struct {
	site   *site.Site // nil: there is none, or it cannot be opened
	server string     // its URL; empty: found by the site
}

// noSite is the detail of what cannot be checked without a site.
const noSite = "takes a site"

// checks returns all checks, in the order in which they are printed.
func (d doctor) checks() []check {
	checks := []check{
		{"toolchain", checkToolchain},
		{"Monocypher", checkMonocypher},
		{"SDK", func(context.Context) []diagnosis { return []diagnosis{d.checkSDK()} }},
		{"esptool", checkEsptool},
		{"serial ports", func(context.Context) []diagnosis { return portDiagnoses(serialport.List(serialport.Devices)) }},
	}
	needSite := []check{
		{"device types", func(context.Context) []diagnosis { return d.checkTypes() }},
		{"signing key", func(context.Context) []diagnosis { return d.checkKeys() }},
		{"secrets", func(context.Context) []diagnosis { return d.checkSecrets() }},
		{"git", func(context.Context) []diagnosis { return []diagnosis{d.checkGit()} }},
		{"addresses", d.checkAddresses},
		{"broker", d.checkBroker},
		{"update URL", d.checkUpdates},
	}
	for _, c := range needSite {
		if d.site == nil {
			c.do = func(context.Context) []diagnosis { return []diagnosis{{c.what, notChecked, noSite, ""}} }
		}
		checks = append(checks, c)
	}
	return append(checks, check{"server", d.checkServer})
}

// checkToolchain looks for the cross compiler.
func checkToolchain(ctx context.Context) []diagnosis {
	name, err := build.Toolchain(ctx)
	if err != nil {
		return []diagnosis{failed("toolchain", buildHint(err))}
	}
	return []diagnosis{{"toolchain", ok, name, ""}}
}

// checkMonocypher looks for the sources of Monocypher, or what fetches them.
func checkMonocypher(ctx context.Context) []diagnosis {
	dir, err := build.MonocypherHere(ctx)
	switch {
	case err != nil:
		return []diagnosis{failed("Monocypher", buildHint(err))}
	case dir == "":
		return []diagnosis{{"Monocypher", ok, "the first build fetches it with pip, which takes the internet once", ""}}
	}
	return []diagnosis{{"Monocypher", ok, dir, ""}}
}

// knownSDK are the versions of the vendor's SDK that images were built and run with.
const knownSDK = "3.0"

// checkSDK looks at the vendor's SDK.
func (d doctor) checkSDK() diagnosis {
	dir := os.Getenv(site.SDKVariable)
	if d.site != nil {
		dir = d.site.Config.SDK
	}
	if dir == "" {
		return diagnosis{"SDK", warn, "none is named: firmware is built for the emulator only",
			fmt.Sprintf("for real devices let [build] sdk in %s, or %s, name a folder with the vendor's NONOS SDK 3.0", site.ConfigFile, site.SDKVariable)}
	}
	version, err := build.SDK(dir)
	if err != nil {
		return failed("SDK", buildHint(err))
	}
	detail := version + " in " + dir
	if !strings.HasPrefix(version, knownSDK) {
		return diagnosis{"SDK", warn, detail, "version " + knownSDK + " is the one that was tried: use that if devices do not start"}
	}
	if initial, err := filepath.Glob(filepath.Join(dir, "bin", "esp_init_data_default*.bin")); err != nil || len(initial) == 0 {
		return diagnosis{"SDK", warn, detail + ", without bin/esp_init_data_default_v08.bin",
			"take a whole copy of the SDK: a new chip needs that file at 0xFC000 to start"}
	}
	return diagnosis{"SDK", ok, detail, ""}
}

// checkEsptool looks for esptool.
func checkEsptool(ctx context.Context) []diagnosis {
	tool, err := esptool.Find(ctx)
	if err != nil {
		return []diagnosis{failed("esptool", hint(err, "%s", esptool.Hint))}
	}
	return []diagnosis{{"esptool", ok, fmt.Sprintf("%s (%s)", tool.Version, tool), ""}}
}

// portDiagnoses says of each serial port whether it can be used.
func portDiagnoses(ports []serialport.Port) []diagnosis {
	if len(ports) == 0 {
		return []diagnosis{{"serial ports", warn, "none at USB",
			"plug the board or the adapter in, with a cable that has data lines; 'dmesg' shows whether it is seen"}}
	}
	var list []diagnosis
	for _, p := range ports {
		detail := p.Path
		if p.Name != "" {
			detail += ", " + filepath.Base(p.Name)
		}
		f := diagnosis{"serial port", ok, detail, ""}
		if p.Err != nil {
			f = diagnosis{"serial port", fail, oneLine(p.Err),
				fmt.Sprintf("sudo usermod -aG %s %s, then log in again", p.Group(), userName())}
		}
		list = append(list, f)
	}
	return list
}

// checkTypes looks at the device types, and at the site's own boards.
func (d doctor) checkTypes() []diagnosis {
	var list []diagnosis
	right := 0
	for _, t := range d.site.Types {
		if t.Wrong != nil {
			list = append(list, failed("device type", buildHint(t.Wrong)))
			continue
		}
		right++
	}
	for _, dir := range d.site.Empty {
		list = append(list, diagnosis{"device type", warn, dir + " has no .cpp or .c file, so it is no device type", "remove the folder, or put a source into it"})
	}
	if right == 0 {
		list = append(list, diagnosis{"device types", fail, "there are none that can be built", "'esper new device-type NAME' makes one"})
	} else {
		list = append(list, diagnosis{"device types", ok, fmt.Sprintf("%d", right), ""})
	}
	if _, err := board.All(d.site.Boards()); err != nil {
		list = append(list, failed("boards", hint(err, "'esper boards' lists those that are right")))
	}
	return list
}

// checkKeys looks at the signing key, and whether devices trust it.
func (d doctor) checkKeys() []diagnosis {
	trusted := d.site.Config.Update.Keys
	if d.site.Config.Update.URL == "" {
		return []diagnosis{{"signing key", notChecked, "without update.url devices update nothing", ""}}
	}
	key, from, err := d.site.SigningKey()
	switch {
	case errors.Is(err, secret.ErrNone):
		return []diagnosis{{"signing key", warn, "none here, so releases cannot be signed here",
			"right for a build server; else put the key back, or make one: 'esper keygen'"}}
	case err != nil:
		return []diagnosis{failed("signing key", secretHint(err))}
	case release.ReadableByOthers(from):
		return []diagnosis{{"signing key", fail, from + " can be read by others", "chmod 600 " + from}}
	case !slices.ContainsFunc(trusted, func(k ed25519.PublicKey) bool { return k.Equal(key.Public()) }):
		return []diagnosis{{"signing key", fail, from + " is the key of none of update.keys, so devices trust nothing that it signs",
			"add its public key to update.keys, or take the key that is there"}}
	}
	return []diagnosis{{"signing key", ok, fmt.Sprintf("%s, one of %s in update.keys", from, plural(len(trusted), "key")), ""}}
}

// checkSecrets looks at whether the passwords and the keys of settings are there and can be read.
func (d doctor) checkSecrets() []diagnosis {
	var list []diagnosis
	config := d.site.Config
	names := config.SecretNames()
	if config.Secrets.Stored() {
		names = append(names, site.DevicesKey)
	}
	for _, name := range names {
		if err := d.site.Unlocked(name); err != nil {
			list = append(list, failed("secrets", secretHint(fmt.Errorf("%s: %w", name, err))))
		}
	}
	if d.site.Config.WiFi.Unsaid && d.site.Unlocked(site.WiFiPassword) == nil {
		list = append(list, diagnosis{"secrets", warn, fmt.Sprintf("there is no WiFi password: devices join %q as an open network", d.site.Config.WiFi.SSID),
			"'esper secrets set wifi.password', or " + site.PasswordVariable + "; [wifi] password = \"\" if the network is open"})
	}
	switch stored := config.Secrets.Stored(); {
	case stored && len(config.FleetKeys) == 0 && d.site.Unlocked(site.FleetKey) == nil:
		list = append(list, diagnosis{"secrets", warn, site.ErrNoFleetKey.Error() + "; 'esper flash' needs it, too",
			"right for a build server; else 'esper keygen --fleet', or put the key back"})
	case stored && len(config.DevicesKey) == 0 && d.site.Unlocked(site.DevicesKey) == nil:
		list = append(list, diagnosis{"secrets", warn, "there is no devices.key, so devices get no key of their own, by which a fleet key that leaked could be replaced",
			"right for a build server; else 'esper keygen --fleet devices', or put the key back"})
	}
	for _, name := range []string{site.FleetKeyFile, site.DevicesKeyFile} {
		if path := filepath.Join(d.site.Dir, name); release.ReadableByOthers(path) {
			list = append(list, diagnosis{"secrets", fail, path + " can be read by others", "chmod 600 " + path})
		}
	}
	if list == nil {
		list = append(list, diagnosis{"secrets", ok, "the passwords and keys can be read here", ""})
	}
	return list
}

// checkGit looks at the repository, which gives each build its version.
func (d doctor) checkGit() diagnosis {
	version, err := d.site.Version()
	switch {
	case errors.Is(err, git.ErrMissing):
		return diagnosis{"git", fail, oneLine(err), "apt-get install git: a site's versions come from its commits"}
	case err != nil:
		return failed("git", buildHint(err))
	case version.Change != "":
		return diagnosis{"git", warn, fmt.Sprintf("%s is not as in the commit, so builds are development builds, which no device takes as an update", version.Change),
			"git add . && git commit"}
	case version.Dirty:
		return diagnosis{"git", warn, "no commit yet, so builds are development builds, which no device takes as an update", "git init, git add . && git commit"}
	}
	return diagnosis{"git", ok, fmt.Sprintf("version %s, sequence %d", version.Name, version.Sequence), ""}
}
