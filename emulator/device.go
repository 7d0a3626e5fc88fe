// Package emulator is a whole emulated device: the chip, the vendor's SDK, and a
// network behind it; and a Lab of several on one network in virtual time.
package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/gateway"
	"esper/emulator/network"
	"esper/emulator/radio"
	"esper/emulator/sdk"
)

// Config is what a device is made of.
type Config struct {
	ChipID  uint32         // 24 bits
	Flash   *esp8266.Flash // with the bootloader at 0
	Link    network.Link
	Serial  io.Writer // what UART 0 sends, in lines as far as possible; nil drops it
	Serial1 io.Writer // what UART 1 sends at GPIO2, in lines as far as possible; nil drops it
	Port    *Terminal // where UART 0 is connected to, too; nil: nowhere
	ROM     []byte    // the chip's mask ROM; nil: its functions are emulated

	// WakeOpen says that GPIO16 is not connected to the reset pin, so that the device does not wake
	// from a deep sleep by itself.
	WakeOpen bool

	// Prepare, if set, is called before the power is switched on, to drive pins from the outside.
	Prepare func(*Device)

	// ELF are the files that the images in flash were made of. They name functions in crash
	// reports.
	ELF []string
}

// Device is an emulated device. It has its power from the beginning. One goroutine
// at a time may use it.
type Device struct {
	Chip *esp8266.Chip
	SDK  *sdk.SDK

	// OnReset, if set, is called at each reset, power-on and crash included, before
	// the device starts.
	OnReset func(reason esp8266.ResetReason)

	serial *lines
	input  input
	elf    []elfFile
	radio  *radio.Radio // nil: no image needs one
	air    *gateway.Gateway
	resets int
	off    bool // without power
	acts   []act
}

// New makes a device and switches it on.
func New(config Config) (*Device, error) {
	chip := esp8266.New(config.Flash)
	chip.ChipID = config.ChipID & 0xFFFFFF
	chip.Seed = uint64(config.ChipID)
	chip.ROM = config.ROM
	chip.WakeOpen = config.WakeOpen
	d := &Device{Chip: chip, SDK: sdk.New(chip, config.Link), input: input{wake: make(chan struct{}, 1)}}
	if config.Serial != nil {
		d.serial = &lines{out: config.Serial}
		chip.Serial = d.serial
	}
	if config.Serial1 != nil {
		chip.Serial1 = &lines{out: config.Serial1}
	}
	if config.Port != nil {
		chip.Serial = config.Port
		if d.serial != nil {
			chip.Serial = io.MultiWriter(d.serial, config.Port)
		}
		go config.Port.Connect(d)
	}
	for _, path := range config.ELF {
		d.elf = append(d.elf, elfFile{path: path})
	}
	if err := d.readELF(); err != nil {
		return nil, err
	}
	chip.Restarted = func() {
		d.resets++
		d.started()
		if d.OnReset != nil {
			d.OnReset(esp8266.ResetRestart)
		}
	}
	if config.Prepare != nil {
		config.Prepare(d)
	}
	d.SDK.PowerOn()
	d.started()
	return d, nil
}

// elfFile is a file of Config.ELF, as it was when it was read.
type elfFile struct {
	path string
	read time.Time // when it had been changed
}

// readELF reads the files that are new or have changed. What was read before is kept, as the
// device may still run that.
func (d *Device) readELF() error {
	for i := range d.elf {
		f := &d.elf[i]
		info, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		if info.ModTime().Equal(f.read) {
			continue
		}
		symbols, err := sdk.ReadSymbols(f.path)
		if err != nil {
			return err
		}
		f.read = info.ModTime()
		d.SDK.Symbols = append(d.SDK.Symbols, symbols)
	}
	return nil
}

// started prepares for what the chip has just begun to boot, which may have been built since.
func (d *Device) started() {
	err := d.readELF()
	if d.radio == nil && radio.Needed(d.Chip.Flash.Bytes()) {
		d.addRadio(gateway.New(d.SDK.Link))
	}
	if d.radio != nil {
		err = errors.Join(err, d.radio.Reset())
	}
	if err != nil {
		d.Chip.Print(fmt.Sprintf("\r\nemulator: %v\r\n", err))
	}
}

// addRadio gives the device a radio.
func (d *Device) addRadio(air *gateway.Gateway) {
	d.air = air
	d.radio = radio.New(d.Chip, air, d.SDK.Now, d.SDK)
	d.radio.Crashed = d.SDK.ReportException
	d.radio.Overflowed = d.SDK.StartOverflowed
}

// ID is the chip id, as 6 hex digits.
func (d *Device) ID() string { return fmt.Sprintf("%06x", d.Chip.ChipID) }

// Now is the device's time since it was made.
func (d *Device) Now() time.Duration { return d.SDK.Now() }

// Cycles is the number of CPU cycles since power-on: instructions, and the
// time in which there were none.
func (d *Device) Cycles() uint64 { return d.Chip.CPU.Cycles }

// Resets counts the resets since the device was made, whatever their reason.
func (d *Device) Resets() int { return d.resets }

// PowerOff takes the power away, until PowerCycle gives it back. Nobody in the network is told.
func (d *Device) PowerOff() {
	d.off = true
	d.Chip.DeepSleep(0)
}

// Powered reports whether the device has its power.
func (d *Device) Powered() bool { return !d.off }

// PowerCycle takes the power away, if it is there, and gives it back.
func (d *Device) PowerCycle() {
	d.off = false
	d.resets++
	d.SDK.PowerOn()
	d.started()
	if d.OnReset != nil {
		d.OnReset(esp8266.ResetPowerOn)
	}
}

// Reset pulls the reset pin, which needs power to have an effect.
func (d *Device) Reset() {
	if d.off {
		return
	}
	d.resets++
	d.SDK.PinReset()
	d.started()
	if d.OnReset != nil {
		d.OnReset(esp8266.ResetPin)
	}
}

// Asleep reports whether the device is in deep sleep.
func (d *Device) Asleep() bool { return d.Chip.Asleep() && !d.off }

// SetPin drives pin n, 0 to 16, from the outside.
func (d *Device) SetPin(n int, high bool) { d.Chip.SetPin(n, high) }

// ReleasePin disconnects pin n from the outside, but for the resistors of a usual module.
func (d *Device) ReleasePin(n int) { d.Chip.ReleasePin(n) }

// Pin is the level of pin n.
func (d *Device) Pin(n int) bool { return d.Chip.Pin(n) }

// act is something that is to happen to a device.
type act struct {
	at time.Duration
	do func(*Device)
}

// At lets something happen to the device when its time is t, between two instructions; at once if
// it is later than that, when the device runs next. What is to happen at the same time happens in
// the order of the calls. A Snapshot does not hold it.
func (d *Device) At(t time.Duration, do func(*Device)) {
	i, _ := slices.BinarySearchFunc(d.acts, t, func(a act, t time.Duration) int {
		if a.at <= t {
			return -1
		}
		return 1
	})
	d.acts = slices.Insert(d.acts, i, act{t, do})
}

// Next is the time before which the device would do nothing but wait, if nothing comes from the
// network's sockets or the pins.
func (d *Device) Next() time.Duration {
	next := d.SDK.Next()
	if len(d.acts) > 0 {
		next = min(next, d.acts[0].at)
	}
	return next
}

// act does what is due, and returns the time of what comes next, but at most t.
func (d *Device) act(t time.Duration) time.Duration {
	for len(d.acts) > 0 && d.acts[0].at <= min(d.Now(), t) {
		due := d.acts[0]
		d.acts = d.acts[1:]
		due.do(d)
	}
	if len(d.acts) > 0 {
		t = min(t, d.acts[0].at)
	}
	return t
}

// RunTo lets the device work until its time is t. It goes through resets, and
// through power cuts of the flash's hook, after which the power comes back at once.
func (d *Device) RunTo(t time.Duration) {
	defer d.act(t)
	for d.Now() < t {
		switch d.SDK.Run(d.act(t)) {
		case sdk.Reset:
			d.resets++
			d.SDK.Reset()
			d.started()
			if d.OnReset != nil {
				d.OnReset(d.Chip.ResetReason())
			}
		case sdk.PowerCut:
			d.PowerCycle()
		}
	}
}

// RunFor lets the device work for some time.
func (d *Device) RunFor(t time.Duration) { d.RunTo(d.Now() + t) }

// step is how often RunUntil looks at its condition.
const step = time.Millisecond

// RunUntil lets the device work until the condition holds, looking every
// millisecond, and says whether it came to that within max.
func (d *Device) RunUntil(condition func() bool, max time.Duration) bool {
	for end := d.Now() + max; !condition(); {
		if d.Now() >= end {
			return false
		}
		d.RunTo(min(end, d.wake()))
	}
	return true
}

// wake is when something may happen next, but at least a step away.
func (d *Device) wake() time.Duration {
	return max(d.Next(), d.Now()+step)
}

// Snapshot is a device at one moment, without its network.
type Snapshot struct {
	sdk    *sdk.Snapshot
	radio  *radio.Snapshot // nil: there is none
	air    *gateway.Snapshot
	resets int
	off    bool
}

// Snapshot copies the device.
func (d *Device) Snapshot() *Snapshot {
	s := &Snapshot{sdk: d.SDK.Snapshot(), resets: d.resets, off: d.off}
	if d.radio != nil {
		s.radio, s.air = d.radio.Snapshot(), d.air.Snapshot()
	}
	return s
}

// Restore makes this device the one that the snapshot was taken of, with a link
// that is as it was then: for a Memory link that of a Clone of the network.
func (d *Device) Restore(from *Snapshot, link network.Link) error {
	if err := d.SDK.Restore(from.sdk, link); err != nil {
		return err
	}
	d.resets, d.off = from.resets, from.off
	state := from.radio
	if d.radio != nil {
		d.air.Close()
	}
	switch {
	case state != nil:
		d.air = gateway.Restore(from.air, link)
	case d.radio == nil:
		return nil
	default:
		d.air, state = gateway.New(link), new(radio.Snapshot)
	}
	if d.radio == nil {
		d.addRadio(d.air)
	}
	d.radio.Restore(state, d.air)
	return nil
}
