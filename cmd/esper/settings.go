package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"esper/internal/site"
)

// settingsCommand is about the settings of devices that lie outside the image.
type settingsCommand struct {
	List      settingsListCommand      `cmd:"" help:"List the site's settings for devices, and where each is from."`
	Set       settingsSetCommand       `cmd:"" help:"Set a password or key of the site; or a setting of device code, of a device, a group or a type."`
	Unset     settingsUnsetCommand     `cmd:"" help:"Want no value of a setting of device code any more."`
	Show      settingsShowCommand      `cmd:"" help:"Show the settings of device code, of a device, a group or a type."`
	Release   settingsReleaseCommand   `cmd:"" help:"Seal, sign and publish the settings, and tell the devices."`
	Published settingsPublishedCommand `cmd:"" help:"Show the settings releases that the server keeps."`
}

// Help is the command's description.
func (c *settingsCommand) Help() string {
	return `How devices reach their WiFi network, broker and update server lies in their flash, and not in the
images, if esper.toml says [build] secrets = "move" or "settings". 'esper flash' writes it there. 'esper
settings release' changes it over the air: each device tries the new settings, and goes back to the
old ones if it does not reach network, broker and update server with them.

A settings release is sealed with the fleet's key ('esper keygen --fleet'), so servers and onlookers
cannot read it, and signed as firmware is. It is rolled out with the plan of its type, by the name
TYPE.settings: 'esper rollout status socket.settings'. docs/rollouts.md says more.

Settings of device code are others: a device type declares them in its device.toml
(docs/device-types.md), and 'set' with --device, --group or --type changes them at once.`
}

// settingsListCommand lists the site's settings.
type settingsListCommand struct {
	Site string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// siteSetting is one of the site's settings, without what is secret of it.
type siteSetting struct {
	Name   string `json:"name"`   // of the entry (SPEC 12.2)
	Value  string `json:"value"`  // what is not secret
	Secret string `json:"secret"` // where its secret is from; empty: it has none
	Error  string `json:"error,omitempty"`
}

// Help is the command's description.
func (c *settingsListCommand) Help() string {
	return `Lists what devices get to know of network, broker and update server, and where each secret in it
is from: a variable, a file, or esper.toml. It shows no secret, and needs no key to read them.`
}

// Run lists them.
func (c *settingsListCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	all := siteSettings(opened)
	if c.JSON {
		return printJSON(s, all)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVALUE\tSECRET FROM")
	for _, entry := range all {
		from := orDash(entry.Secret)
		if entry.Error != "" {
			from += ", which cannot be read here"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", entry.Name, orDash(printable(entry.Value)), from)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !opened.Config.Secrets.Stored() {
		s.note(`all of this is compiled into the images, as esper.toml says [build] secrets = "image"`)
	}
	return nil
}

// siteSettings returns the site's settings.
func siteSettings(opened *site.Site) []siteSetting {
	c := opened.Config
	var all []siteSetting
	add := func(name, value, secret string, has bool) {
		entry := siteSetting{Name: name, Value: value}
		if err := opened.Unlocked(secret); err != nil {
			entry.Error = err.Error()
		}
		if has || entry.Error != "" {
			entry.Secret = cmp.Or(opened.SecretFrom(secret), site.ConfigFile)
		}
		all = append(all, entry)
	}
	for i, network := range append([]site.WiFi{c.WiFi}, c.Others...) {
		secret := site.WiFiPassword
		if i > 0 {
			secret = site.OtherPassword(i - 1)
		}
		add(fmt.Sprintf("wifi.%d", i+1), network.SSID, secret, network.Password != "")
	}
	broker := c.MQTT.Address()
	if c.MQTT.User != "" {
		broker = c.MQTT.User + " at " + broker
	}
	add("mqtt", broker, site.MQTTPassword, c.MQTT.Password != "")
	if c.Update.URL != "" {
		all = append(all, siteSetting{Name: "update", Value: c.Update.URL})
	}
	if keys := len(c.FleetKeys); keys > 0 || opened.Unlocked(site.FleetKey) != nil {
		value := ""
		if keys > 1 {
			value = plural(keys-1, "older key") + " too"
		}
		add("fleet", value, site.FleetKey, true)
	}
	return all
}

// settingsSetCommand sets a secret, or says where to set something else; or it sets a setting of device
// code.
type settingsSetCommand struct {
	Name   string  `arg:"" help:"wifi.password, mqtt.password, fleet.key and so on, or a setting of esper.toml, such as wifi.ssid; or one of device code."`
	Value  *string `arg:"" optional:"" help:"The value, of what is no secret: of device code a whole number, 1 or 0, an option, or a text."`
	Device string  `placeholder:"ID" help:"Of device code: one device, by its chip id."`
	targetFlags
	serverFlags
}

// Help is the command's description.
func (c *settingsSetCommand) Help() string {
	return `Sets a secret in secrets.toml, from standard input or asked for, as 'esper secrets set' does. What is no
secret stands in esper.toml, where you change it: the command says where.

Devices get it by 'esper settings release'.

With --device, --group or --type it has devices use a value of a setting of their code: those that are
online at once, the others when they are. The server keeps what is wanted, and tells a device again that
reports something else. What is wanted for a device has precedence over its group, and that over its
type. A negative number goes behind --, as in 'esper settings set --type lamp offset -- -5'.`
}

// ofCode reports whether it is about a setting of device code.
func (c *settingsSetCommand) ofCode() bool { return c.Device != "" || c.Group != "" || c.Type != "" }

// Validate checks the command line.
func (c *settingsSetCommand) Validate() error {
	if !c.ofCode() {
		return nil
	}
	if c.Value == nil {
		return errors.New("which value?")
	}
	_, _, err := c.target(c.Device)
	return err
}

// instead implements siteless: without one, a secret has no place to be.
func (c *settingsSetCommand) instead() string {
	if !c.ofCode() {
		return ""
	}
	return c.serverFlags.instead()
}

// configSettings are the settings of devices that stand in esper.toml: the table and the key.
var configSettings = map[string][2]string{
	"wifi.ssid":  {"wifi", "ssid"},
	"mqtt.url":   {"mqtt", "url"},
	"update.url": {"update", "url"},
}

// Run sets it.
func (c *settingsSetCommand) Run(s *streams) error {
	if c.ofCode() {
		return c.setWanted()
	}
	at, plain := configSettings[c.Name]
	switch {
	case plain:
		return c.where(at[0], at[1])
	case site.CheckSecretName(c.Name) != nil:
		return hint(fmt.Errorf("%.64q is no setting of devices that can be set", c.Name),
			"there are wifi.ssid, mqtt.url and update.url in esper.toml, and the secrets wifi.password, wifi.2.password, mqtt.password and fleet.key; one of device code takes --device, --group or --type")
	case c.Value != nil:
		return hint(fmt.Errorf("%s is a secret, and others on this machine can read the command line", c.Name),
			"leave it out: it is asked for, or read from standard input")
	}
	if err := (&secretsSetCommand{Name: c.Name, secretsFile: secretsFile{Site: c.Site}}).Run(s); err != nil {
		return err
	}
	s.note("'esper settings release' sends it to the devices")
	return nil
}

// where returns the error that says where in esper.toml a setting stands.
func (c *settingsSetCommand) where(table, key string) error {
	keeping, err := site.OpenKeeping(c.Site)
	if err != nil {
		return siteHint(err)
	}
	if environment := keeping.Environment; environment != "" {
		table = "environment." + environment + "." + table
	}
	path := filepath.Join(filepath.Dir(keeping.Path), site.ConfigFile)
	place, value := path, "..."
	if c.Value != nil {
		value = *c.Value
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if line := lineOf(text, table, key); line > 0 {
		place = fmt.Sprintf("%s, line %d", path, line)
	}
	return hint(fmt.Errorf("%s is no secret: it stands in %s", c.Name, site.ConfigFile),
		"write [%s] %s = %q in %s; then 'esper settings release' sends it to the devices", table, key, value, place)
}

// lineOf returns the line of esper.toml on which a key of a table stands; 0 if it is not found.
func lineOf(text []byte, table, key string) int {
	in, number := "", 0
	for line := range bytes.Lines(text) {
		number++
		words := strings.TrimSpace(string(line))
		if name, ok := strings.CutPrefix(words, "["); ok {
			in, _, _ = strings.Cut(name, "]")
			continue
		}
		name, _, ok := strings.Cut(words, "=")
		name = strings.TrimSpace(name)
		if ok && (in == table && name == key || in == "" && name == table+"."+key) {
			return number
		}
	}
	return 0
}

// settingsPublishedCommand shows the settings releases that are kept.
type settingsPublishedCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *settingsPublishedCommand) Help() string {
	return `Shows the settings releases that the server keeps, the newest first, and those for single devices.
What they hold the server cannot read. esper serve has to run.`
}

// Run shows them.
func (c *settingsPublishedCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	kept, err := server.SettingsReleases(context.Background())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, kept)
	}
	if len(kept) == 0 {
		s.note("no settings are published")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tDEVICE\tSEQUENCE\tNEWEST\tGENERAL\tPUBLISHED")
	mark := map[bool]string{true: "yes", false: "-"}
	for _, r := range kept {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Type, orDash(r.Device), r.Sequence,
			mark[r.Newest], mark[r.General], localTime(r.Published))
	}
	return w.Flush()
}
