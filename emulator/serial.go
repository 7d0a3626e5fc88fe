package emulator

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lines collects bytes and writes them on in whole lines.
type lines struct {
	out io.Writer
	buf []byte
}

// maxLine is the longest line that is waited for, in bytes.
const maxLine = 512

func (l *lines) Write(b []byte) (int, error) {
	l.buf = append(l.buf, b...)
	if end := bytes.LastIndexByte(l.buf, '\n') + 1; end > 0 {
		l.write(end)
	} else if len(l.buf) > maxLine {
		l.write(len(l.buf))
	}
	return len(b), nil
}

func (l *lines) write(n int) {
	_, _ = l.out.Write(l.buf[:n])
	l.buf = append(l.buf[:0], l.buf[n:]...)
}

// input is what is being done to a device while it runs: what is sent to its UART 0, as fast as it
// takes it, and what else happens.
type input struct {
	wake chan struct{}

	mu    sync.Mutex
	bytes []byte
	acts  []func(*Device)
}

// Input sends bytes to the UART 0 of a device that runs.
func (d *Device) Input(b []byte) {
	d.input.add(func(i *input) { i.bytes = append(i.bytes, b...) })
}

// The pace of a line of 115200 baud: as many bytes in that time.
const (
	lineBytes = 64
	lineTime  = lineBytes * 10 * time.Second / 115200
)

// Receive lets bytes arrive at the device's UART 0, at 115200 baud: it is for what happens to the
// device by At, Do, or while it does not run. What the device does not take in time is lost.
func (d *Device) Receive(b []byte) {
	n := min(len(b), lineBytes)
	d.Chip.Receive(b[:n])
	if rest := b[n:]; len(rest) > 0 {
		d.At(d.Now()+lineTime, func(d *Device) { d.Receive(rest) })
	}
}

// Do lets something happen to a device that runs, between two instructions.
func (d *Device) Do(act func(*Device)) {
	d.input.add(func(i *input) { i.acts = append(i.acts, act) })
}

func (i *input) add(change func(*input)) {
	i.mu.Lock()
	change(i)
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// deliver does what has been asked for, and hands the chip what its FIFO has room for.
func (i *input) deliver(d *Device) {
	i.mu.Lock()
	acts := i.acts
	i.acts = nil
	if n := min(len(i.bytes), d.Chip.ReceiveRoom()); n > 0 {
		d.Chip.Receive(i.bytes[:n])
		i.bytes = i.bytes[n:]
	}
	i.mu.Unlock()
	for _, act := range acts {
		act(d)
	}
}
