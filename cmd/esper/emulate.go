package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/emulator/radio"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// emulateCommand runs emulated devices.
type emulateCommand struct {
	Images   string   `name:"release" placeholder:"DIR" help:"Folder with bootloader.bin and the images (default: the site's build folder)."`
	Type     []string `placeholder:"TYPE" help:"Device type; may be repeated (default: all in the folder)."`
	Count    int      `short:"n" default:"1" placeholder:"COUNT" help:"Devices of each type (default: 1)."`
	ChipID   string   `name:"chip-id" default:"00c0de" placeholder:"HEX" help:"Chip id of the first device; the others count on from it (default: ${default})."`
	State    string   `placeholder:"DIR" help:"Keep each device's flash in DIR/<id>.flash; what is there already goes on."`
	Flash    string   `placeholder:"FILE" help:"Run one device from a flash file, which it changes."`
	Port     bool     `help:"Offer the serial line at a pseudo-terminal, as behind a USB adapter, and print its name."`
	Download bool     `help:"Start one device with GPIO0 low, so that it waits for a flashing tool; implies --port."`
	WakeOpen bool     `name:"gpio16-open" help:"GPIO16 is not connected to the reset pin: the device does not wake from a deep sleep by itself."`
	handsFlags
	romFlag
	Quiet bool `short:"q" help:"Do not print what the devices send on their serial line."`
}

// Help is the command's description.
func (c *emulateCommand) Help() string {
	return `Runs devices that execute the very machine code that was built, at the pace of the
clock, on this computer's network, until it is interrupted (Ctrl-C). What they send on
their serial line is printed, with the device's id in front if there are several.

A device starts with its type's image in slot 0, and 'esper release' updates it like any
other. Without --state or --flash it is forgotten when the command ends. In its flash are the site's
settings, for images that hold none; outside a site (--release DIR) such images find no network.

Images that were built for the chip ([build] sdk in esper.toml) run as they are, with the vendor's
own software in them; only the radio is replaced. The .elf0 and .elf1 beside the images name the
functions where a program crashes.

With --set, --script, --watch and on the console the devices have hands and eyes: press buttons,
turn the voltage at the analogue input, type, take the power away, and see what outputs do. The
console is the standard input if that is a terminal, or with --console; 'help' there lists its
commands. A script has one in each line behind its time, since the start or, with a +, since the
line before:

  # two presses, and a look
  2s    press gpio0 200ms
  +5s   double gpio0
  +1s   expect gpio12=1
  +1s   end

'expect' ends the emulation with exit code 3 unless the pin has that level, 'end' with 0; 'repeat'
as the last command begins the script again. A command is for all devices, or behind '00c0de:' for
that one.

With --download an emulated board can be flashed like a real one, with 'esper flash' or esptool. A
file that --flash names and that is not there is an erased chip. Enter disconnects GPIO0 and switches the
power off and on, which a pseudo-terminal cannot do as an adapter does.`
}

// Validate checks the command line.
func (c *emulateCommand) Validate() error {
	if c.Download && (c.Count != 1 || len(c.Type) > 1) {
		return errors.New("--download is for one device")
	}
	c.Port = c.Port || c.Download
	flags := c.handsFlags
	flags.Script = "" // what is wrong in a file is not wrong in the command line
	_, err := flags.parse()
	return err
}

// Run runs the devices.
func (c *emulateCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx, s)
}

func (c *emulateCommand) run(ctx context.Context, s *streams) error {
	rom, err := c.readROM()
	if err != nil {
		return err
	}
	plan, err := c.handsFlags.parse()
	if err != nil {
		return err
	}
	plans, err := c.plan()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	printed := &printer{out: s.out, lost: stop}
	shown := &eventPrinter{out: printed, json: c.JSON, many: len(plans) > 1}
	ended := &ending{stop: stop}
	var devices []*emulator.Device
	for _, p := range plans {
		flash, err := p.flash()
		if err != nil {
			return err
		}
		defer flash.Close()
		config := emulator.Config{
			ChipID: p.id, Flash: flash, Link: network.NewSockets(), ROM: rom, ELF: p.elf, WakeOpen: c.WakeOpen,
		}
		var device *emulator.Device
		made := func() *emulator.Device { return device }
		config.Prepare = func(d *emulator.Device) {
			device = d
			plan.prepare(d)
		}
		if !c.Quiet {
			config.Serial = c.line(printed, shown, p.id, "serial", made)
			config.Serial1 = c.line(printed, shown, p.id, "uart1", made)
		}
		if c.Port {
			if config.Port, err = emulator.OpenTerminal(); err != nil {
				return err
			}
			defer config.Port.Close()
		}
		if device, err = emulator.New(config); err != nil {
			return err
		}
		if c.Download {
			device.SetPin(gpio0, false)
			device.PowerCycle()
		}
		c.play(plan, device, shown, ended.end)
		devices = append(devices, device)
		s.note("device %s starts%s", device.ID(), p.about)
		if c.Port {
			s.note("its serial line is %s", config.Port.Name())
		}
	}
	if c.Download {
		s.note("it waits to be flashed; Enter disconnects GPIO0 and switches the power off and on")
	}
	if s.in != nil && (c.Download || c.Console || someoneTypes(s.in)) {
		console := &console{streams: s, show: shown, devices: devices, end: ended.end}
		if c.Download {
			console.empty = func() {
				devices[0].Do(func(d *emulator.Device) {
					d.ReleasePin(gpio0)
					d.PowerCycle()
				})
			}
		} else if !c.Console {
			s.note("a line here is a command to the device, such as 'press gpio0'; 'help' lists them")
		}
		go console.run()
	}
	var running sync.WaitGroup
	for _, d := range devices {
		running.Go(func() { d.Run(ctx) })
	}
	running.Wait()
	return ended.reason()
}

// line is where a device's serial line is printed.
func (c *emulateCommand) line(
	out *printer, s *eventPrinter, id uint32, name string, device func() *emulator.Device,
) io.Writer {
	prefix := ""
	if s.many {
		prefix = fmt.Sprintf("[%06x] ", id)
	}
	if name != "serial" {
		prefix += name + ": "
	}
	switch {
	case s.json:
		return &serialEvents{s, device, name}
	case prefix == "":
		return out
	}
	return &prefixed{out, prefix}
}

// romFlag names the chip's mask ROM.
type romFlag struct {
	ROM string `name:"rom" env:"ESPER_ROM" placeholder:"FILE" help:"In the emulator, execute the chip's mask ROM, dumped by esptool, instead of emulating its functions."`
}

// readROM reads the dump of the mask ROM; nil if there is none.
func (f romFlag) readROM() ([]byte, error) {
	if f.ROM == "" {
		return nil, nil
	}
	rom, err := os.ReadFile(f.ROM)
	if err == nil && len(rom) != esp8266.ROMSize {
		err = hint(fmt.Errorf("%s: a dump of the mask ROM has %d bytes, this file %d", f.ROM, esp8266.ROMSize, len(rom)),
			"esptool dump-mem 0x40000000 65536 FILE reads it out of a chip")
	}
	return rom, err
}

// gpio0 is the pin that decides at power-on what the chip's ROM does.
const gpio0 = 0

// plannedDevice is a device to be run.
type plannedDevice struct {
	id      uint32
	file    string // where its flash lives; empty: in memory
	content []byte // of a new flash; nil: the file is there
	elf     []string
	about   string
}

// plan says which devices there are to be.
func (c *emulateCommand) plan() ([]plannedDevice, error) {
	first, err := strconv.ParseUint(c.ChipID, 16, 24)
	if err != nil {
		return nil, fmt.Errorf("--chip-id %q: not 1 to 6 hex digits", c.ChipID)
	}
	id := uint32(first)
	if c.Flash != "" {
		if c.State != "" || c.Count != 1 || len(c.Type) > 1 {
			return nil, errors.New("--flash is for one device: it excludes --state, --count and several types")
		}
		p := plannedDevice{id: id, file: c.Flash}
		if exists(c.Flash) {
			p.about = " from " + c.Flash
			return []plannedDevice{p}, nil
		}
		if c.Download && len(c.Type) == 0 {
			p.about = " with an erased flash"
			return []plannedDevice{p}, nil
		}
		if len(c.Type) == 0 {
			return nil, hint(fmt.Errorf("%s is not there", c.Flash), "--type TYPE makes it, with an image of that type")
		}
	}
	if c.Count < 1 {
		return nil, fmt.Errorf("--count %d: not a number of devices", c.Count)
	}
	dir, store, err := c.folder()
	if err != nil {
		return nil, err
	}
	types := c.Type
	if len(types) == 0 {
		if types, err = imageTypes(dir); err != nil {
			return nil, err
		}
	}
	var plans []plannedDevice
	for _, deviceType := range types {
		content, err := flashContent(dir, deviceType, store)
		if err != nil {
			return nil, err
		}
		for range c.Count {
			p := plannedDevice{id: id & 0xFFFFFF, file: c.Flash, content: content, about: " as a new " + deviceType}
			if c.State != "" {
				p.file = filepath.Join(c.State, fmt.Sprintf("%06x.flash", p.id))
			}
			if p.file != "" && exists(p.file) {
				p.content, p.about = nil, " from "+p.file
			}
			for slot := range image.Slots {
				if elf := filepath.Join(dir, fmt.Sprintf("%s.elf%d", deviceType, slot)); exists(elf) {
					p.elf = append(p.elf, elf)
				}
			}
			plans = append(plans, p)
			id++
		}
	}
	return plans, nil
}

// instead implements siteless.
func (c *emulateCommand) instead() string {
	switch {
	case c.Images != "":
		return "--release"
	case c.Flash != "" && exists(c.Flash):
		return "--flash"
	}
	return ""
}

// folder is where the images are, with the settings that the site's devices have in flash.
func (c *emulateCommand) folder() (dir string, store []byte, err error) {
	opened, err := site.Open(".")
	if errors.Is(err, site.ErrNoSite) {
		if c.Images != "" {
			return c.Images, nil, nil
		}
		return "", nil, hint(err, "outside a site, name the folder with the images: --release DIR")
	}
	if err != nil {
		return "", nil, err
	}
	store, err = storeOf(opened)
	return cmp.Or(c.Images, opened.BuildPath()), store, err
}

// storeOf returns the settings in the flash of a site's devices; nil if they have none.
func storeOf(s *site.Site) ([]byte, error) {
	if !s.Config.Secrets.Stored() {
		return nil, nil
	}
	entries, err := s.Settings()
	if err != nil {
		return nil, buildHint(err)
	}
	return settings.Record{Generation: 1, Entries: entries}.Store()
}

// imageTypes are the device types that have an image for slot 0 in a folder.
func imageTypes(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var types []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".rom0"); ok {
			types = append(types, name)
		}
	}
	if len(types) == 0 {
		return nil, hint(fmt.Errorf("%s holds no images", dir), "'esper build' makes them")
	}
	slices.Sort(types)
	return types, nil
}

// flashContent is a new device's flash. The store is its settings, or nil.
func flashContent(dir, deviceType string, store []byte) ([]byte, error) {
	var parts [2][]byte
	for i, name := range []string{build.BootloaderFile, release.ImageName(deviceType, 0)} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hint(err, "'esper build' makes it, in the site's build folder")
		}
		if err != nil {
			return nil, err
		}
		parts[i] = content
	}
	name := release.ImageName(deviceType, 0)
	parsed, err := image.Parse(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	if parsed.Link() == image.LinkChip {
		if err := radio.Check(parts[1]); err != nil {
			return nil, hint(fmt.Errorf("%s is linked for the chip, and %w", filepath.Join(dir, name), err),
				"build it with this ESPer and the NONOS SDK 3.0")
		}
	}
	content, err := image.NewFlash(parts[0], parts[1], nil)
	if err == nil {
		copy(content[radio.DataAddress:], radio.Data())
		copy(content[image.SettingsAddress:], store)
	}
	return content, err
}

// flash opens or makes the device's flash.
func (p plannedDevice) flash() (*esp8266.Flash, error) {
	if p.file == "" {
		f := esp8266.NewFlash(esp8266.FlashSize)
		return f, f.Put(0, p.content)
	}
	if p.content != nil {
		if err := os.MkdirAll(filepath.Dir(p.file), 0o777); err != nil {
			return nil, err
		}
	}
	f, err := esp8266.OpenFlash(p.file)
	if err == nil && p.content != nil {
		err = f.Put(0, p.content)
	}
	return f, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// printer writes what several devices print, without carriage returns.
type printer struct {
	out  io.Writer
	lost func() // is called when that cannot be written
}

func (p *printer) Write(b []byte) (int, error) {
	_, err := p.out.Write(bytes.ReplaceAll(b, []byte("\r"), nil))
	if err != nil {
		p.lost()
	}
	return len(b), err
}

// prefixed puts the device's id in front of each line that is not empty.
type prefixed struct {
	*printer
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(b) {
		if line = bytes.Trim(line, "\r\n"); len(line) > 0 {
			out = append(append(append(out, p.prefix...), line...), '\n')
		}
	}
	if len(out) == 0 {
		return len(b), nil
	}
	_, err := p.printer.Write(out)
	return len(b), err
}
