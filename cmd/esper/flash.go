package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"esper/internal/access"
	"esper/internal/api"
	"esper/internal/build"
	"esper/internal/client"
	"esper/internal/esptool"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// flashCommand writes firmware to boards over a serial port.
type flashCommand struct {
	Type     string        `arg:"" optional:"" help:"Device type of the board."`
	Settings bool          `help:"Write the settings alone, and leave the firmware as it is."`
	Name     string        `placeholder:"NAME" help:"Name the device, once it has reported."`
	Group    string        `placeholder:"GROUP" help:"Put the device into a group, once it has reported."`
	Each     bool          `help:"Flash one board after the other, until Ctrl-C."`
	Recover  bool          `help:"Erase the standby slot and the SDK's own sectors, too, of a board that does not start."`
	Wait     time.Duration `default:"2m" placeholder:"TIME" help:"How long to wait for the device to report; 0: do not wait (default: ${default})."`
	Emulated bool          `help:"The board is that of 'esper emulate --download': without an SDK, flash images of the emulator's link."`
	serialFlags
	serverFlags
}

// Help is the command's description.
func (c *flashCommand) Help() string {
	return `Builds a device type for the chip and writes it to a board at a serial port, with Espressif's
esptool: bootloader, boot configuration, the image in slot 0, the SDK's initial data of the radio, and the
settings: networks, broker, update server, unless the site has them in its images. What is written is verified. Then it waits until that very device, known by its chip id, reports the
version that was flashed. From then on 'esper release' updates it over the air.

A board without automatic reset is brought into its flash mode by hand: connect GPIO0 to GND, and switch
the power on; when it has been flashed, disconnect GPIO0, and switch the power off and on. A board stays in
the flash mode until then, even if its firmware restarts itself.

Only 3.3 V. Never connect a serial adapter to a board that is on mains power.`
}

// Validate checks the command line.
func (c *flashCommand) Validate() error {
	switch {
	case c.Settings && (c.Type != "" || c.Recover):
		return errors.New("--settings is for the settings alone, without a device type and --recover")
	case !c.Settings && c.Type == "":
		return errors.New("which device type? Or --settings, for the settings alone")
	case c.Each && c.Name != "":
		return errors.New("a name is for one device; --group is for several")
	case c.Wait == 0 && (c.Name != "" || c.Group != ""):
		return errors.New("only a device that has reported can be named: --wait must not be 0")
	}
	return nil
}

// instead implements siteless: the site is read, whatever server is asked.
func (c *flashCommand) instead() string { return "" }

// Run flashes the boards.
func (c *flashCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	if opened.Config.SDK == "" && !c.Emulated && !c.Settings {
		return buildHint(fmt.Errorf("%w: images of the emulator's link run on no chip", build.ErrNoSDK))
	}
	tool, port, err := c.open(ctx)
	if err != nil {
		return err
	}
	settings, err := fleetSettings(s, opened)
	if err != nil {
		return err
	}
	var parts []esptool.Part
	var version string
	switch {
	case !c.Settings:
		if parts, version, err = c.parts(ctx, s, opened); err != nil {
			return err
		}
	case settings == nil:
		return hint(errors.New("the site's devices have their settings in their images"), "[build] secrets in esper.toml says where they have them")
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	board := ""
	if t, err := opened.Type(c.Type); err == nil && t.Board != nil {
		board = t.Board.Name
	}
	f := flashing{flashCommand: c, streams: s, tool: tool, port: port, model: board, parts: parts, settings: settings, config: opened.Config, version: version, server: server}
	if !c.Each {
		return f.board(ctx)
	}
	return f.each(ctx)
}

// fleetSettings returns the settings of the site's devices; nil if these have them in their images.
func fleetSettings(s *streams, opened *site.Site) (settings.Entries, error) {
	if !opened.Config.Secrets.Stored() {
		return nil, nil
	}
	for _, warning := range opened.SettingsWarnings() {
		s.note("warning: %s", warning)
	}
	entries, err := opened.Settings()
	if err != nil {
		return nil, buildHint(err)
	}
	return entries, nil
}

// parts builds the device type, and returns what goes to the flash and the version of that.
func (c *flashCommand) parts(ctx context.Context, s *streams, opened *site.Site) ([]esptool.Part, string, error) {
	result, err := build.Build(ctx, opened, build.Options{Types: []string{c.Type}, Log: s.err})
	if err != nil {
		return nil, "", buildHint(err)
	}
	built := result.Types[0]
	dir := filepath.Dir(built.Images[0].Path)
	images, err := release.ReadImages(dir, c.Type)
	if err != nil {
		return nil, "", err
	}
	bootloader, err := os.ReadFile(built.Bootloader)
	if err != nil {
		return nil, "", err
	}
	parts := []esptool.Part{
		{Address: image.BootloaderAddress, Content: bootloader},
		{Address: image.BootConfigurationAddress, Content: image.BootConfiguration{}.Marshal()},
		{Address: image.Slot0Address, Content: images[0]},
	}
	erased := slices.Repeat([]byte{0xFF}, image.SectorSize)
	if c.Recover {
		parts = append(parts,
			esptool.Part{Address: image.Slot1Address, Content: erased},
			esptool.Part{Address: image.RFCalibrationAddress, Content: erased},
			esptool.Part{Address: image.SystemParametersAddress, Content: slices.Repeat(erased, 3)})
	}
	if opened.Config.SDK != "" {
		radio, err := os.ReadFile(filepath.Join(opened.Config.SDK, "bin", "esp_init_data_default_v08.bin"))
		if err != nil {
			return nil, "", hint(err, "it is in the folder bin of the vendor's repository")
		}
		parts = append(parts, esptool.Part{Address: image.PHYDataAddress, Content: radio})
	}
	if built.Sequence == 0 {
		s.note("%s %s is a development build: releases do not update it; commit first to flash one that they do", c.Type, built.Version)
	}
	return parts, built.Version, nil
}

// flashing is the work on boards.
type flashing struct {
	*flashCommand
	*streams
	tool    esptool.Tool
	port    esptool.Port
	model   string         // of the board; empty: the device type names none
	parts   []esptool.Part // but for the settings
	version string
	server  *client.Client

	settings settings.Entries // that all devices have; nil: in their images
	config   site.Config
}

// settingsParts returns the settings of a device, as they go to the flash: the record, and no candidate.
func (f *flashing) settingsParts(ctx context.Context, id string) ([]esptool.Part, error) {
	if f.settings == nil {
		return nil, nil
	}
	entries := slices.Clone(f.settings)
	if f.Name != "" {
		entries = append(entries, settings.OfTexts(settings.DeviceNameName, f.Name))
	}
	if key := f.config.DeviceKey(id); key != nil {
		entries = append(entries, settings.OfBytes(settings.DeviceKeyName, key))
	}
	if f.config.MQTT.User != "" {
		password, err := f.password(ctx, id)
		if err != nil {
			return nil, err
		}
		if password != "" {
			entries = append(entries, settings.OfTexts(settings.DevicePasswordName, password))
		}
	}
	store, err := settings.Record{Generation: 1, Entries: entries}.Store()
	return []esptool.Part{
		{Address: image.SettingsAddress, Content: store},
		{Address: image.CandidateAddress, Content: slices.Repeat([]byte{0xFF}, image.SectorSize)},
	}, err
}

// password makes a password of the device's own, and registers it with the server. Without a server that
// takes it, the device has the shared one only, and the password is empty.
func (f *flashing) password(ctx context.Context, id string) (string, error) {
	text, hash := access.NewDevicePassword()
	_, err := f.server.SetDevicePassword(ctx, id, hash)
	switch {
	case err == nil:
		return text, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case f.config.MQTT.OwnOnly:
		return "", hint(fmt.Errorf("%s cannot get a password of its own, and esper.toml says [mqtt] shared = false: %w", id, err),
			"'esper serve' keeps the passwords: let it run, and name it with --server")
	}
	f.note("warning: %s has only the password that all devices share, as a server did not take one of its own: %v", id, err)
	f.note("'esper passwords give %s' gives it one later, over the air", id)
	return "", nil
}

// each flashes one board after the other.
func (f *flashing) each(ctx context.Context) error {
	lines := bufio.NewScanner(f.in)
	done, failed := 0, 0
	for ctx.Err() == nil {
		f.note("connect a board, and press Enter; Ctrl-D ends (%d flashed, %d failed)", done, failed)
		if !lines.Scan() {
			break
		}
		if err := f.board(ctx); err != nil {
			failed++
			f.complain(err)
			continue
		}
		done++
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d boards could not be flashed", failed, done+failed)
	}
	return nil
}

// board flashes the board at the port.
func (f *flashing) board(ctx context.Context) error {
	f.note("esptool %s asks the chip at %s", f.tool.Version, f.port.Name)
	chip, err := f.tool.Identify(ctx, f.port)
	if err != nil {
		return flashHint(err, f.port, f.model)
	}
	f.note("%s is an %s with %d MB of flash, %s", chip.ID, chip.Name, chip.Flash>>20, chip.MAC)
	var before api.Device
	if f.Wait > 0 {
		before, _ = f.server.Device(ctx, chip.ID) // which may not know it yet
	}
	own, err := f.settingsParts(ctx, chip.ID)
	if err != nil {
		return err
	}
	port := f.port
	port.Log = f.err
	if err := f.tool.Write(ctx, port, slices.Concat(f.parts, own)...); err != nil {
		return flashHint(err, f.port, f.model)
	}
	if f.Settings {
		f.note("%s has the site's settings", chip.ID)
	} else {
		f.note("%s is flashed with %s %s", chip.ID, f.Type, f.version)
	}
	if f.Wait == 0 {
		return nil
	}
	f.note("waiting for it to report to %s; a board without automatic reset stays in its flash mode until"+
		" GPIO0 is disconnected and the power switched off and on", f.server.Server)
	d, err := f.reported(ctx, chip.ID, before)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.out, "%s runs %s\n", d.ID, d.Version())
	if d.Info.Boot.Latched {
		f.note("%s would not come back from a restart, and takes no update: disconnect GPIO0, and switch its power off and on", d.ID)
	}
	return f.label(ctx, chip.ID)
}

// reported waits until a device has reported the version, and is not as it was before: while it was
// flashed it said nothing.
func (f *flashing) reported(ctx context.Context, id string, before api.Device) (api.Device, error) {
	ctx, stop := context.WithTimeout(ctx, f.Wait)
	defer stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		d, err := f.server.Device(ctx, id)
		var unreachable *client.UnreachableError
		switch {
		case err == nil && d.Status == fleet.Online && (f.Settings || d.Version() == f.version) && !d.Seen.Equal(before.Seen):
			return d, nil
		case errors.As(err, &unreachable) && ctx.Err() == nil:
			return d, hint(err, "the device is flashed; 'esper serve' tells whether it reports, or --wait 0 does not ask")
		case ctx.Err() == nil:
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return d, ctx.Err()
			}
			err := fmt.Errorf("%s is flashed, and has not reported %s within %v", id, cmp.Or(f.version, "since"), f.Wait)
			if last != nil {
				err = fmt.Errorf("%w: %w", err, last)
			}
			return d, hint(err, "is GPIO0 disconnected, and was the power switched off and on? The serial line says more, at 115200 baud")
		}
	}
}

// label names the device.
func (f *flashing) label(ctx context.Context, id string) error {
	change := api.LabelChange{}
	if f.Name != "" {
		change.Name = &f.Name
	}
	if f.Group != "" {
		change.Group = &f.Group
	}
	if f.Name == "" && f.Group == "" {
		return nil
	}
	_, err := f.server.Label(ctx, id, change)
	return err
}
