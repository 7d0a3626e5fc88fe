package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/hands"
	"esper/emulator/network"
	"esper/emulator/sdk"
	"esper/firmware"
	"esper/internal/broker"
	"esper/internal/build"
	"esper/internal/fleet"
	"esper/internal/git"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/server"
	"esper/internal/site"
)

// demoCommand shows the whole loop.
type demoCommand struct {
	Keep bool `help:"Go on at the end, until interrupted, to try things out."`
}

// Help is the command's description.
func (c *demoCommand) Help() string {
	return `Makes a site and a key in a temporary folder, serves it, releases it, and boots five emulated
devices of three types, which execute the very machine code that was built. Then it
commits a change to one of the types and releases that: its three devices download, verify and
start the new firmware, which is confirmed when it has proved healthy; the other two stay
as they are.

With --keep they go on: a script presses the button of one every few seconds, and moves the
brightness that another measures. If the standard input is a terminal, commands can be typed there
as in 'esper emulate': '00c004: press gpio0'.

Exit codes: 0 every device ended where it should; 3 one did not, or crashed; 1 it failed.`
}

// The devices of the demo. The first type is the one that gets a new release.
var (
	demoTypes = []string{"socket", "button", "sensor"}
	demoCount = []int{3, 1, 1}
)

// demoHands is what is done to the devices while the demonstration is kept, by type.
var demoHands = map[string]string{
	"button": "3s press gpio0 200ms\n+5s repeat",
	"sensor": "2s adc 300\n+10s adc 650\n+10s adc 420\n+10s repeat",
}

// demoPatience is how long all devices may take to get where they should.
const demoPatience = 2 * time.Minute

// demoLook is how often the demonstration looks when nothing is reported.
const demoLook = 200 * time.Millisecond

// demo is what a demonstration consists of.
type demo struct {
	*streams
	site     *site.Site
	key      ed25519.PrivateKey
	server   *server.Server
	devices  []*demoDevice
	running  sync.WaitGroup // the devices and the server
	began    time.Time
	finished error // of the server
}

// demoDevice is one of the devices.
type demoDevice struct {
	*emulator.Device
	deviceType string
	journey    journey
}

// Run runs the demonstration.
func (c *demoCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "esper-demo-")
	if err != nil {
		return err
	}
	if !c.Keep {
		defer os.RemoveAll(dir)
	}
	d := &demo{streams: s, began: time.Now()}
	return d.run(ctx, dir, c.Keep)
}

func (d *demo) run(ctx context.Context, dir string, keep bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer d.running.Wait()
	defer cancel()
	if err := d.makeSite(ctx, dir); err != nil {
		return err
	}
	first, err := d.release(ctx)
	if err != nil {
		return err
	}
	if err := d.boot(ctx, first); err != nil {
		return err
	}
	if err := d.change(); err != nil {
		return err
	}
	second, err := d.update(ctx, first)
	if err != nil {
		return err
	}
	wrong := d.summary(first, second)
	if keep {
		d.keep(ctx)
	}
	return wrong
}

// step prints what was done and how long it took.
func (d *demo) step(began time.Time, format string, args ...any) {
	fmt.Fprintf(d.out, "%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

// makeSite makes the site, with its broker and web server, at free ports.
func (d *demo) makeSite(ctx context.Context, dir string) error {
	began := time.Now()
	home := filepath.Join(dir, "site")
	const realm = "demo"
	repository := repositoryDir(filepath.Join(home, dataDir))
	config := server.Config{
		Realm: realm, RepositoryDir: repository,
		Database: databaseFile(filepath.Join(home, dataDir)),
		Log:      slog.New(slog.DiscardHandler),
	}
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		return err
	}
	// The site names the ports and the server's data lies in the site: so first the
	// ports, then the site, then the server at those ports.
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	config.HTTPListen, config.MQTTListen = ports[0], ports[1]
	err = site.Create(home, site.Template{
		Realm: realm, SSID: "demo",
		MQTT: "mqtt://" + ports[1], UpdateURL: "http://" + ports[0] + "/firmware",
		Devices: devices, Types: demoTypes,
	})
	if err != nil {
		return err
	}
	if err := adapt(filepath.Join(home, site.ConfigFile)); err != nil {
		return err
	}
	if d.site, err = site.OpenFor(home, ""); err != nil {
		return err
	}
	if d.key, err = release.LoadPrivateKey(filepath.Join(home, site.KeyName+".key")); err != nil {
		return err
	}
	if err := d.commit("The devices of a small house"); err != nil {
		return err
	}
	d.step(began, "made a site with %s and a signing key: %s", list(demoTypes), home)

	began = time.Now()
	if err := makeDataDir(filepath.Join(home, dataDir)); err != nil {
		return err
	}
	config.Trusted = d.site.Config.Update.Keys
	if d.server, err = server.Open(config); err != nil {
		return err
	}
	d.running.Go(func() { d.finished = d.server.Run(ctx) })
	d.step(began, "serving MQTT at %s, firmware at %s, the dashboard at %s", ports[1], d.site.Config.Update.URL, d.dashboard())
	return nil
}

// adapt makes a new site's configuration that of the demonstration: its network is open, and new
// firmware proves itself for a shorter time, so that it is not mostly waiting.
func adapt(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	for before, after := range map[string]string{`confirm_after = "30s"`: `confirm_after = "5s"`, "# password =": "password ="} {
		if !bytes.Contains(text, []byte(before)) {
			return fmt.Errorf("%s: does not contain %s", config, before)
		}
		text = bytes.Replace(text, []byte(before), []byte(after), 1)
	}
	return os.WriteFile(config, text, 0o644)
}

// The ports to choose from. Not those that the system gives to connections: one could have a
// chosen port before the server does.
const (
	firstPort = 10000
	lastPort  = 32767
)

// freePorts returns loopback addresses at which nothing listens.
func freePorts(n int) ([]string, error) {
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1))
		l, err := net.Listen("tcp", address)
		if err != nil && tries < 100 {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer l.Close() // only when all are chosen, so that they differ
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// commit commits everything in the site.
func (d *demo) commit(message string) error {
	repository := git.Repository{Dir: d.site.Dir, Env: []string{
		"GIT_AUTHOR_NAME=ESPer demo", "GIT_AUTHOR_EMAIL=demo@localhost", "GIT_COMMITTER_NAME=ESPer demo", "GIT_COMMITTER_EMAIL=demo@localhost",
	}}
	for _, args := range [][]string{{"add", "."}, {"commit", "--quiet", "-m", message}} {
		if _, err := repository.Run(context.Background(), args...); err != nil {
			return err
		}
	}
	return nil
}

// release builds, signs and publishes the device types that the last commit changed.
func (d *demo) release(ctx context.Context) (site.Version, error) {
	began := time.Now()
	version, err := d.site.Version()
	if err != nil {
		return version, buildHint(err)
	}
	var log bytes.Buffer
	options := build.Options{Version: &version, Log: &log}
	if options.Types, err = build.Changed(ctx, d.site, options, d.server.Repository().Current); err != nil {
		return version, errors.Join(buildHint(err), errors.New(log.String()))
	}
	if len(options.Types) == 0 {
		return version, errors.New("the commit changed no device type's firmware")
	}
	releases, err := buildAndSign(ctx, d.site, []ed25519.PrivateKey{d.key}, options)
	if err != nil {
		return version, errors.Join(err, errors.New(log.String()))
	}
	published, err := publishReleases(d.server.Repository(), releases, repository.Allow{})
	if err != nil {
		return version, err
	}
	var built []string
	for _, r := range releases {
		built = append(built, fmt.Sprintf("%s (%.0f KB)", r.Type, float64(len(r.Images[0]))/1000))
	}
	d.step(began, "built, signed and published %s as version %s: %s", plural(len(releases), "device type"), version.Name, list(built))
	for _, p := range published {
		if p.Deltas != nil {
			fmt.Fprintf(d.out, "          what devices fetch of it: %v\n", p.Deltas)
		}
	}
	if n := len(d.site.Types) - len(releases); n > 0 {
		fmt.Fprintf(d.out, "          %s unchanged, byte for byte: left alone\n", plural(n, "device type"))
	}
	return version, nil
}

// boot switches the devices on and waits until all report.
func (d *demo) boot(ctx context.Context, version site.Version) error {
	began := time.Now()
	build := d.site.BuildPath()
	id := uint32(0x00c001)
	store, err := storeOf(d.site)
	if err != nil {
		return err
	}
	for i, deviceType := range demoTypes {
		content, err := flashContent(build, deviceType, store)
		if err != nil {
			return err
		}
		for range demoCount[i] {
			flash := esp8266.NewFlash(esp8266.FlashSize)
			if err := flash.Put(0, content); err != nil {
				return err
			}
			device, err := emulator.New(emulator.Config{ChipID: id, Flash: flash, Link: network.NewSockets()})
			if err != nil {
				return err
			}
			d.devices = append(d.devices, &demoDevice{Device: device, deviceType: deviceType})
			id++
		}
	}
	for _, device := range d.devices {
		device.OnReset = func(esp8266.ResetReason) { device.journey.restart() }
		device.SDK.OnCrash = func(c sdk.Crash) { device.journey.crashed(c.Text) }
		d.running.Go(func() { device.Run(ctx) })
	}
	err = d.wait(ctx, func(known map[string]fleet.Device) bool {
		for _, device := range d.devices {
			k := known[device.ID()]
			if k.Status != fleet.Online || k.Version() != version.Name || k.Update == nil ||
				k.Update.State != "confirmed" || !k.Update.AtRest() {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	d.step(began, "booted %s; all report, and hold this release in both slots", plural(len(d.devices), "emulated device"))
	fmt.Fprintln(d.out)
	return printDevices(d.out, reported(d.server.Fleet().Devices()), time.Now())
}

// wait waits until the condition holds for what the devices have reported.
func (d *demo) wait(ctx context.Context, condition func(map[string]fleet.Device) bool) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		changed := d.server.Fleet().Changed()
		known := map[string]fleet.Device{}
		for _, k := range d.server.Fleet().Devices() {
			known[k.ID] = k
		}
		if condition(known) {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(demoLook): // the journeys may be a little behind the fleet
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errTooLong
			}
			return ctx.Err()
		}
	}
}

var errTooLong = fmt.Errorf("the devices did not get there within %v", demoPatience)

// change changes the source of the first device type and commits that.
func (d *demo) change() error {
	name := demoTypes[0]
	path := filepath.Join(d.site.Dir, site.DevicesDir, name, name+".cpp")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, after := []byte("GPIO, false, 1>"), []byte("GPIO, false, 250>")
	if !bytes.Contains(old, before) {
		return fmt.Errorf("%s: does not contain %q, which was to be changed", path, before)
	}
	if err := os.WriteFile(path, bytes.Replace(old, before, after, 1), 0o644); err != nil {
		return err
	}
	const message = "The sockets ignore commands for 250 ms after each"
	fmt.Fprintf(d.out, "\n          commit: %s (devices/%s/%s.cpp)\n", message, name, name)
	return d.commit(message)
}

// update releases the change, tells the devices, and follows them.
func (d *demo) update(ctx context.Context, first site.Version) (site.Version, error) {
	second, err := d.release(ctx)
	if err != nil {
		return second, err
	}
	began := time.Now()
	for _, device := range d.devices {
		device.journey.begin(began)
	}
	u := brokerURL(d.site.Config.MQTT)
	client, err := dialBroker(ctx, u, slog.New(slog.DiscardHandler))
	if err != nil {
		return second, err
	}
	defer client.Close()
	if err := d.follow(client); err != nil {
		return second, err
	}
	if err := client.Publish(triggerTopic(d.site.Config.Realm, ""), []byte("check"), false); err != nil {
		return second, err
	}
	d.step(began, "told all devices to check: %s", triggerTopic(d.site.Config.Realm, ""))
	fmt.Fprintln(d.out)

	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- watchDevices(watching, d.streams, broadcast{d.server.Fleet()}, false) }()
	err = d.wait(ctx, func(map[string]fleet.Device) bool {
		all := true
		for _, device := range d.devices {
			wanted := first.Name
			if device.deviceType == demoTypes[0] {
				wanted = second.Name
			}
			all = all && device.journey.done(wanted)
		}
		return all
	})
	stop()
	<-watched
	if errors.Is(err, errTooLong) {
		err = nil // the summary tells which
	}
	return second, err
}

// follow notes each step that the devices report. Looking at the fleet now and then
// would miss the short ones.
func (d *demo) follow(client *broker.Connection) error {
	reported := fleet.New(d.site.Config.Realm, slog.New(slog.DiscardHandler))
	for _, filter := range fleet.Topics(d.site.Config.Realm) {
		err := client.Subscribe(filter, func(m broker.Message) {
			at := time.Now()
			c, changed := reported.Handle(m.Topic, m.Payload, at)
			if !changed || m.Retained {
				return
			}
			for _, device := range d.devices {
				if device.ID() == c.Device.ID {
					device.journey.see(c.Device, at)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// summary prints where each device ended, and returns an error if one did not end
// where it should.
func (d *demo) summary(first, second site.Version) error {
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tTYPE\tFROM\tTO\tBYTES\tCHECK\tDOWNLOAD\tVERIFY\tRESTART\tCONFIRM\tTOTAL\t")
	updated, left, wrong := 0, 0, 0
	for _, device := range d.devices {
		j := device.journey.copy()
		fmt.Fprintf(w, "%s\t%s\t%s\t", device.ID(), device.deviceType, first.Name)
		switch changes := device.deviceType == demoTypes[0]; {
		case j.crash != "":
			wrong++
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\t-\tWRONG: crashed: %s\n", orDash(j.version), j.crash)
		case changes && j.done(second.Name):
			updated++
			fmt.Fprintf(w, "%s\t%s\tupdated\n", j.version, j.times())
		case !changes && j.done(first.Name) && j.downloading.IsZero() && j.restarted.IsZero():
			left++
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\t-\tleft alone\n", j.version)
		default:
			wrong++
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\t-\tWRONG: %s\n", orDash(j.version), j.state)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	if wrong > 0 {
		return &invalidError{fmt.Errorf("%d of %d devices did not end where they should, or crashed", wrong, len(d.devices))}
	}
	d.step(d.began, "in all: %d devices updated themselves from %s to %s, %d of other types were left alone",
		updated, first.Name, second.Name, left)
	return nil
}

// dashboard is where a browser finds the dashboard.
func (d *demo) dashboard() string { return "http://" + d.server.HTTPAddr().String() + "/" }

// keep goes on until it is interrupted.
func (d *demo) keep(ctx context.Context) {
	fmt.Fprintf(d.out, `
The devices go on until Ctrl-C. Watch them at %s, or in another terminal:
  cd %s
  esper devices --watch
  edit devices/socket/socket.cpp; git commit -a -m 'Another change'; esper release
`, d.dashboard(), d.site.Dir)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.play(stop)
	<-ctx.Done()
	fmt.Fprintf(d.out, "\nThe site stays in %s\n", d.site.Dir)
}

// play has hands at the devices. The command end ends the demonstration.
func (d *demo) play(end func()) {
	var devices []*emulator.Device
	for _, device := range d.devices {
		devices = append(devices, device.Device)
		script, err := hands.Parse(strings.NewReader(demoHands[device.deviceType]))
		if err != nil {
			panic(err) // it is part of this program
		}
		device.Do(func(e *emulator.Device) { new(hands.Player).Play(script, e) })
	}
	if someoneTypes(d.in) {
		d.note("a line here is a command to the devices, such as '%s: press gpio0'; 'help' lists them",
			devices[demoCount[0]].ID())
		shown := &eventPrinter{out: d.out}
		c := &console{streams: d.streams, show: shown, devices: devices, end: func(error) { end() }}
		go c.run()
	}
}

// plural is a number and what it counts.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list joins words as a sentence does.
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	default:
		var b bytes.Buffer
		for i, word := range words {
			switch i {
			case 0:
			case n - 1:
				b.WriteString(" and ")
			default:
				b.WriteString(", ")
			}
			b.WriteString(word)
		}
		return b.String()
	}
}
