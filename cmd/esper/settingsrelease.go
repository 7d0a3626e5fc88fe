package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"esper/internal/api"
	"esper/internal/build"
	"esper/internal/client"
	"esper/internal/preflight"
	"esper/internal/repository"
	"esper/internal/settings"
	"esper/internal/site"
)

// settingsReleaseCommand publishes the site's settings.
type settingsReleaseCommand struct {
	Type       []string `arg:"" optional:"" help:"Device types whose devices get the settings (default: all of the site)."`
	Device     string   `placeholder:"ID" help:"Only for this device, before what its type has."`
	Each       bool     `help:"For each device that the server knows, one by one, sealed with its own key: for when the fleet's key has leaked."`
	OwnKey     bool     `help:"With --device: seal them with the device's own key, so that no other device can read them (default: with the fleet's)."`
	Key        []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three, to reach devices that trust only one of them (default: the site's, see 'esper secrets --help')."`
	Repository string   `placeholder:"DIR" help:"Folder to publish to (default: data/firmware, in the site, which 'esper serve' serves)."`
	Sequence   uint32   `placeholder:"N" help:"Sequence by hand (default: one more than the greatest that is published)."`
	All        bool     `help:"Publish settings that have not changed, too."`
	Check      bool     `help:"Only say what would be published."`
	NoNotify   bool     `help:"Do not tell the devices; they find the settings at their next check."`
	Untried    bool     `name:"no-preflight" help:"Publish without trying the settings in the emulator, and without asking broker and update server."`
	romFlag
	JSON bool `name:"json" help:"Print JSON."`
	tellFlags
}

// Help is the command's description.
func (c *settingsReleaseCommand) Help() string {
	return `Takes the settings for devices from the site ('esper settings list'), seals them with the fleet's key,
signs them, publishes them and tells the devices over MQTT to check. A device tries the new settings
while it keeps the old ones, and goes back if it does not reach network, broker and update
server. So release settings while the old network and the new one can be reached.

Before that, the published firmware takes the settings in the emulator, and this computer asks broker
and update server whether they answer at the new addresses. Whether the password of the WiFi is right, only
devices find out.

With --device the settings are for one device, in place of what was published for it alone before and
it has not fetched yet.

Settings that are the published ones already are left as they are. With more than one key in
fleet.key each of them opens the release, and devices get the first one: that replaces a key.

With --server the release is sent to that server, which verifies the signature, publishes it and tells
the devices; it cannot read it.

'esper rollout status TYPE.settings' shows how far it has come, 'esper why ID --settings' what a device gets.`
}

// Validate checks the command line.
func (c *settingsReleaseCommand) Validate() error {
	switch {
	case c.Each && (c.Device != "" || c.Sequence != 0 || c.Repository != ""):
		return errors.New("--each is for all devices that a server knows, without --device, --sequence and --repository")
	case c.Device == "" && c.OwnKey:
		return errors.New("--own-key goes together with --device")
	case c.Device == "":
		return nil
	}
	if len(c.Type) > 1 {
		return errors.New("a device has one type")
	}
	return checkID(c.Device)
}

// instead implements siteless: what is released is always the site's.
func (c *settingsReleaseCommand) instead() string { return "" }

// settingsTarget is where settings are published: a repository, here or behind a server.
type settingsTarget interface {
	// next returns the sequence of the next release of a type.
	next(ctx context.Context, deviceType string) (uint32, error)
	// current returns the release of a type or, with a chip id, of a device; none: an
	// fs.ErrNotExist.
	current(ctx context.Context, deviceType, chip string) ([]byte, error)
	// publish publishes a release, or only checks whether it could be.
	publish(ctx context.Context, deviceType string, file []byte, check bool) (api.PublishedSettings, error)
}

// settingsOutcome is what came of the settings of a type.
type settingsOutcome struct {
	api.PublishedSettings
	Entries   []string `json:"entries"` // names
	Unchanged bool     `json:"unchanged,omitempty"`

	file []byte // to be published
}

// Run publishes the settings.
func (c *settingsReleaseCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	entries, err := c.entries(s, opened)
	if err != nil {
		return err
	}
	types, err := c.types(opened)
	if err != nil {
		return err
	}
	sign, err := signingKeys(s, opened, c.Key)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	to, remote, err := c.target(opened, sign)
	if err != nil {
		return err
	}
	receivers, err := c.receivers(ctx, s, types)
	if err != nil {
		return err
	}
	if c.Device != "" && !c.OwnKey {
		s.note("warning: the fleet's key, which every device has, opens it; with --own-key it is for the device alone, if that has a key of its own")
	}
	before := askedOnce{to, map[string]uint32{}}
	var all []settingsOutcome
	for _, r := range receivers { // all are checked before the first is published
		seal, err := c.sealingKeys(opened, r.device)
		if err != nil {
			return err
		}
		o, err := c.prepare(ctx, before, r, entries, seal, sign)
		if err != nil {
			return settingsPublishHint(err)
		}
		all = append(all, o)
	}
	if !c.Untried {
		if err := c.try(ctx, s, opened, all); err != nil {
			return err
		}
	}
	changed := false
	for i := range all {
		if all[i].Unchanged || c.Check {
			continue
		}
		if all[i].PublishedSettings, err = to.publish(ctx, all[i].Type, all[i].file, false); err != nil {
			return errors.Join(settingsPublishHint(err), c.print(s, all[:i]))
		}
		changed = true
	}
	if err := c.print(s, all); err != nil {
		return err
	}
	switch {
	case c.Check:
		s.note("nothing was published")
		return nil
	case !changed:
		s.note("nothing has changed, so the devices are not told")
		return nil
	case c.NoNotify:
		return nil
	case remote:
		s.note("the server tells the devices")
		return nil
	}
	return c.announce(ctx, s)
}

// entries returns the site's settings.
func (c *settingsReleaseCommand) entries(s *streams, opened *site.Site) (settings.Entries, error) {
	config := opened.Config
	if !config.Secrets.Stored() {
		return nil, hint(errors.New(`the devices of this site have their settings in the image: esper.toml says [build] secrets = "image", or nothing`),
			`with secrets = "move", then 'esper release', they keep them in flash, where they can be changed`)
	}
	if config.Update.URL == "" {
		return nil, hint(errors.New("update.url is missing in esper.toml, so devices ask nobody for settings"), "name it there, or write them by cable: 'esper flash --settings'")
	}
	return fleetSettings(s, opened)
}

// types returns the device types that get the settings.
func (c *settingsReleaseCommand) types(opened *site.Site) ([]string, error) {
	var known []string
	for _, t := range opened.Types {
		known = append(known, t.Name)
	}
	for _, name := range c.Type {
		if !slices.Contains(known, name) {
			return nil, hint(fmt.Errorf("no device type %q in %s", name, opened.Dir), "the site has %s", list(known))
		}
	}
	switch {
	case len(c.Type) > 0:
		return slices.Compact(slices.Sorted(slices.Values(c.Type))), nil
	case len(known) == 0:
		return nil, hint(fmt.Errorf("no device types in %s", opened.Dir), "'esper new' makes one")
	case c.Device != "" && len(known) > 1:
		return nil, hint(fmt.Errorf("which of %s is %s?", list(known), c.Device), "name its type: esper settings release TYPE --device %s", c.Device)
	}
	return known, nil
}

// receiver is who gets a settings release.
type receiver struct {
	deviceType string
	device     string // chip id; empty: all of the type
}

// receivers returns who gets the settings: the types, the device that was named, or each device.
func (c *settingsReleaseCommand) receivers(ctx context.Context, s *streams, types []string) ([]receiver, error) {
	var all []receiver
	if !c.Each {
		for _, deviceType := range types {
			all = append(all, receiver{deviceType, c.Device})
		}
		return all, nil
	}
	server, err := c.client()
	if err != nil {
		return nil, err
	}
	devices, err := server.Devices(ctx, api.DeviceQuery{})
	if err != nil {
		return nil, err
	}
	without := 0
	for _, d := range devices {
		switch {
		case d.Info == nil || !slices.Contains(types, d.Info.Device):
		case d.Settings == nil:
			without++
		default:
			all = append(all, receiver{d.Info.Device, d.ID})
		}
	}
	if without > 0 {
		s.note("%s without settings in flash, left out", plural(without, "device"))
	}
	return all, nil
}

// sealingKeys returns the keys that open the release for a device, or for all.
func (c *settingsReleaseCommand) sealingKeys(opened *site.Site, device string) ([][]byte, error) {
	if !c.OwnKey && !c.Each {
		return opened.Config.Keys(), nil
	}
	if err := opened.Unlocked(site.DevicesKey); err != nil {
		return nil, secretHint(err)
	}
	key := opened.Config.DeviceKey(device)
	if key == nil {
		return nil, hint(errors.New("the site has no devices.key, from which the devices' own keys follow"), "'esper init' makes one for new sites, 'esper keygen --fleet devices' for others")
	}
	return [][]byte{key}, nil
}

// target returns where the settings are published, and whether that is a server.
func (c *settingsReleaseCommand) target(
	opened *site.Site, sign []ed25519.PrivateKey,
) (settingsTarget, bool, error) {
	if c.Server != "" && c.Repository == "" {
		server, err := c.client()
		return remoteSettings{server, c.NoNotify}, true, err
	}
	local, err := openRepository(c.Repository, opened)
	trusted := slices.Clone(opened.Config.Update.Keys)
	for _, key := range sign {
		trusted = append(trusted, key.Public().(ed25519.PublicKey))
	}
	return localSettings{local, trusted}, false, err
}

// askedOnce is a target to which nothing is published meanwhile, so that it is asked once for the next
// sequence of each type, however many devices get settings.
type askedOnce struct {
	settingsTarget
	sequences map[string]uint32
}

func (t askedOnce) next(ctx context.Context, deviceType string) (uint32, error) {
	if sequence, asked := t.sequences[deviceType]; asked {
		return sequence, nil
	}
	sequence, err := t.settingsTarget.next(ctx, deviceType)
	if err == nil {
		t.sequences[deviceType] = sequence
	}
	return sequence, err
}

// localSettings publishes to a repository.
type localSettings struct {
	repository *repository.Repository
	trusted    []ed25519.PublicKey
}

func (t localSettings) next(_ context.Context, deviceType string) (uint32, error) {
	return t.repository.NextSettings(deviceType)
}

func (t localSettings) current(_ context.Context, deviceType, chip string) ([]byte, error) {
	return t.repository.CurrentSettings(deviceType, chip)
}

func (t localSettings) publish(
	_ context.Context, deviceType string, file []byte, check bool,
) (api.PublishedSettings, error) {
	h, before, err := t.repository.CheckSettings(deviceType, file, t.trusted)
	if err == nil && !check {
		err = t.repository.PublishSettings(deviceType, file, t.trusted)
	}
	return api.PublishedSettings{
		Type: deviceType, Device: h.Chip, Sequence: h.Sequence, Before: before,
	}, err
}

// remoteSettings publishes to a server.
type remoteSettings struct {
	server *client.Client
	quiet  bool
}

func (t remoteSettings) next(ctx context.Context, deviceType string) (uint32, error) {
	kept, err := t.server.SettingsReleases(ctx)
	var greatest uint32
	for _, r := range kept { // as [repository.Repository.NextSettings]
		if r.Type == deviceType || r.Type == settings.AllTypes {
			greatest = max(greatest, r.Sequence)
		}
	}
	return greatest + 1, err
}

func (t remoteSettings) current(ctx context.Context, deviceType, chip string) ([]byte, error) {
	return t.server.CurrentSettings(ctx, deviceType, chip)
}

func (t remoteSettings) publish(
	ctx context.Context, deviceType string, file []byte, check bool,
) (api.PublishedSettings, error) {
	return t.server.PublishSettings(ctx, deviceType, file, check, t.quiet)
}

// prepare seals and signs settings, unless they are the published ones, and checks that they could be
// published.
func (c *settingsReleaseCommand) prepare(ctx context.Context, to settingsTarget, r receiver, entries settings.Entries,
	seal [][]byte, sign []ed25519.PrivateKey) (settingsOutcome, error) {
	o := settingsOutcome{Entries: entries.Names()}
	if !c.All && c.Sequence == 0 {
		published, err := to.current(ctx, r.deviceType, r.device)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return o, err
		}
		if h, same := sameSettings(published, entries, seal, sign); err == nil && same {
			o.PublishedSettings = api.PublishedSettings{Type: r.deviceType, Device: r.device, Sequence: h.Sequence, Before: h.Sequence}
			o.Unchanged = true
			return o, nil
		}
	}
	sequence := c.Sequence
	if sequence == 0 {
		var err error
		if sequence, err = to.next(ctx, r.deviceType); err != nil {
			return o, err
		}
	}
	file, err := settings.Seal(settings.Header{Type: r.deviceType, Chip: r.device, Sequence: sequence}, entries, seal, sign, rand.Reader)
	if err != nil {
		return o, err
	}
	o.file = file
	o.PublishedSettings, err = to.publish(ctx, r.deviceType, file, true)
	return o, err
}

// try looks for what would keep devices from taking the settings.
func (c *settingsReleaseCommand) try(ctx context.Context, s *streams, opened *site.Site, all []settingsOutcome) error {
	if !slices.ContainsFunc(all, func(o settingsOutcome) bool { return !o.Unchanged }) {
		return nil
	}
	d := doctor{site: opened}
	for _, found := range slices.Concat(d.checkBroker(ctx), d.checkUpdates(ctx)) {
		if found.state == fail {
			s.note("warning: from this computer: %s; %s", found.detail, found.next)
		}
	}
	target, err := publishTarget(ctx, s, c.Repository, &c.serverFlags, opened)
	if err != nil {
		return err
	}
	rom, err := c.readROM()
	if err != nil {
		return err
	}
	bootloader, err := os.ReadFile(filepath.Join(opened.BuildPath(), build.BootloaderFile))
	if err != nil {
		s.note("warning: not tried in the emulator: %v", err)
		return nil
	}
	tried := map[string]bool{}
	for _, o := range all {
		if o.Unchanged || tried[o.Type] { // of many devices' settings, those of one stand for all
			continue
		}
		tried[o.Type] = true
		firmware, err := target.Current(o.Type)
		if errors.Is(err, fs.ErrNotExist) {
			s.note("warning: %s: not tried in the emulator: no firmware is published", o.Type)
			continue
		}
		if err != nil {
			return err
		}
		err = preflight.CheckSettings(ctx, preflight.SettingsTrial{
			Config: opened.Config, Bootloader: bootloader, ROM: rom, File: o.file, Firmware: firmware, Before: c.before(opened, o),
		})
		if err != nil {
			for _, f := range preflight.Failures(err) {
				s.note("%s", f.Serial)
			}
			return hint(err, "no device would take them; --no-preflight publishes them all the same")
		}
		s.note("preflight: %s %s takes the settings", o.Type, firmware.Version)
	}
	return nil
}

// before returns the settings that a device in the emulator has before: those of the site, as they were
// flashed, the fleet's oldest key, and the sequence before.
func (c *settingsReleaseCommand) before(opened *site.Site, o settingsOutcome) settings.Entries {
	name := settings.SequenceName
	changes := settings.Entries{}
	if o.Device != "" {
		name = settings.DeviceSequenceName
		if key := opened.Config.DeviceKey(o.Device); key != nil {
			changes = append(changes, settings.OfBytes(settings.DeviceKeyName, key))
		}
	}
	keys := opened.Config.Keys()
	changes = append(changes, settings.OfNumber(name, int32(o.Sequence-1)), settings.OfBytes(settings.FleetName, keys[len(keys)-1]))
	return opened.Config.Settings().Merge(changes)
}

// sameSettings reports whether a release holds the entries, and the same keys open and signed it.
func sameSettings(
	file []byte, entries settings.Entries, seal [][]byte, sign []ed25519.PrivateKey,
) (settings.Header, bool) {
	r, err := settings.ParseRelease(file)
	if err != nil || r.Keys() != len(seal) || len(r.Signatures) != len(sign) {
		return settings.Header{}, false
	}
	for _, key := range sign {
		if r.Verify([]ed25519.PublicKey{key.Public().(ed25519.PublicKey)}) != nil {
			return r.Header, false
		}
	}
	for _, key := range seal {
		held, err := r.Open(key)
		if err != nil || len(held) != len(entries) {
			return r.Header, false
		}
		for _, e := range entries {
			other, found := held.Find(e.Name)
			if !found || other.Type != e.Type || !bytes.Equal(other.Value, e.Value) {
				return r.Header, false
			}
		}
	}
	return r.Header, true
}

// settingsPublishHint adds what to do about an error of a publication of settings.
func settingsPublishHint(err error) error {
	switch {
	case errors.Is(err, repository.ErrNotNewer), errors.Is(err, repository.ErrConflict):
		return hint(err, "devices take greater sequences only: leave --sequence out, then it is one more than what is published")
	case errors.Is(err, repository.ErrJump):
		return hint(err, "devices take a sequence that is at most %d greater than their own", settings.MaxJump)
	case errors.Is(err, settings.ErrMalformed):
		return hint(err, "a device has room for %d bytes of settings: shorten names and passwords, or leave a network out", settings.MaxEntries)
	}
	return publishHint(err)
}

// print prints what was published.
func (c *settingsReleaseCommand) print(s *streams, all []settingsOutcome) error {
	if c.JSON {
		return printJSON(s, append([]settingsOutcome{}, all...))
	}
	if len(all) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tDEVICE\tSEQUENCE\tBEFORE\tSETTINGS")
	for _, o := range all {
		before := "-"
		switch {
		case o.Unchanged:
			before = "unchanged"
		case o.Before != 0:
			before = fmt.Sprint(o.Before)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", o.Type, orDash(o.Device), o.Sequence, before,
			strings.Join(o.Entries, " "))
	}
	return w.Flush()
}

// announce tells the devices to check.
func (c *settingsReleaseCommand) announce(ctx context.Context, s *streams) error {
	err := c.tell(ctx, []string{c.Device}, func(topic, where string) {
		s.note("told the devices: %s at %s", topic, where)
	})
	if err == nil {
		return nil
	}
	todo := "'esper trigger " + cmp.Or(c.Device, "--all") + "' tells them; they find it at their next check, too"
	if h := new(hintError); errors.As(err, &h) {
		todo = h.hint + "; then " + todo
	}
	return hint(fmt.Errorf("published, but the devices could not be told: %w", err), "%s", todo)
}
