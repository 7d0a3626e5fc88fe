package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"

	"esper/firmware"
	"esper/internal/site"
)

// initCommand makes a site.
type initCommand struct {
	Dir      string   `arg:"" default:"." help:"Folder for the site (default: this one)."`
	Device   []string `placeholder:"TYPE" help:"Shipped device type to start from (esper new device-type --help lists them); may be repeated (default: socket)."`
	Realm    string   `default:"home" placeholder:"REALM" help:"First part of every MQTT topic (default: home)."`
	WiFiSSID string   `name:"wifi-ssid" placeholder:"NAME" default:"home" help:"WiFi network of the devices (default: home)."`
	MQTT     string   `name:"mqtt" placeholder:"URL" help:"The devices' broker (default: this computer)."`
	URL      string   `name:"url" placeholder:"URL" help:"Where devices fetch new firmware (default: this computer)."`
}

// Help is the command's description.
func (c *initCommand) Help() string {
	return `Makes a site: esper.toml, a folder in devices/ for each device type, a key pair to sign
with, the keys of the devices' settings, .gitignore, and a git repository if the folder is
not in one. Nothing is overwritten, and after an error nothing is left behind.

The devices must reach the broker and the firmware at the addresses in esper.toml: by
default those of this computer, where 'esper serve' provides both.`
}

// Run makes the site.
func (c *initCommand) Run(s *streams) error {
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		return err
	}
	here := ownAddress()
	if c.MQTT == "" {
		c.MQTT = fmt.Sprintf("mqtt://%s:1883", here)
	}
	if c.URL == "" {
		c.URL = fmt.Sprintf("http://%s:8080/firmware", here)
	}
	if len(c.Device) == 0 {
		c.Device = []string{"socket"}
	}
	err = site.Create(c.Dir, site.Template{
		Realm: c.Realm, SSID: c.WiFiSSID, MQTT: c.MQTT, UpdateURL: c.URL,
		Devices: devices, Types: c.Device,
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return hint(err, "init overwrites nothing; choose another folder")
	case err != nil:
		return err
	}
	s.note("made a site in %s", c.Dir)
	made, err := site.OpenFor(c.Dir, "")
	if err != nil {
		return err
	}
	for _, warning := range made.Config.Unreachable() {
		s.note("warning: %s", warning)
	}
	if above := site.RepositoryAbove(c.Dir); above != "" {
		s.note("it belongs to the git repository %s, whose commits are its versions", above)
	}
	s.note("next:")
	if c.Dir != "." {
		s.note("  cd %s", c.Dir)
	}
	s.note("  edit %s: WiFi, broker, where the firmware is served", site.ConfigFile)
	s.note("  export %s=...: the WiFi password, better not in git; 'esper flash' brings it to the devices", site.PasswordVariable)
	s.note("  git add . && git commit -m 'First'")
	s.note("  esper serve, and in another terminal: esper release")
	s.note("keep copies of the keys in %s, and keep them secret: %s.key signs your releases, %s and %s seal your devices' settings",
		c.Dir, site.KeyName, site.FleetKeyFile, site.DevicesKeyFile)
	return nil
}

// ownAddress returns the address that others in the network reach this computer
// at, as far as it can tell. Nothing is sent: a UDP connection only chooses a
// route.
func ownAddress() string {
	c, err := net.Dial("udp4", "192.0.2.1:9") // RFC 5737, reserved for documentation
	if err != nil {
		return "127.0.0.1"
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP.String()
}
