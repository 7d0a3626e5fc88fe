package emulator

import (
	"fmt"

	"os"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// Terminal is a pseudo-terminal with a device's UART 0 behind it, as behind the port of a USB
// adapter. It has no speed, and none of the lines that an adapter resets a board with.
type Terminal struct {
	master, slave *os.File // the slave stays open, or each tool that closes it would end the line

	mu      sync.Mutex
	waiting []byte // to be written
	more    *sync.Cond
	closed  bool
}

// maxWaiting is how much is kept for somebody who does not read, in bytes; what comes then is lost,
// as on a port that nobody has opened.
const maxWaiting = 1 << 16

// OpenTerminal makes a pseudo-terminal.
func OpenTerminal() (*Terminal, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	t := &Terminal{master: master, slave: slave}
	t.more = sync.NewCond(&t.mu)
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		master.Close()
		slave.Close()
		return nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	go t.write()
	return t, nil
}

// Name is the port's name, for tools.
func (t *Terminal) Name() string { return t.slave.Name() }

// Write sends what the device says. It never waits.
func (t *Terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting)+len(b) <= maxWaiting {
		t.waiting = append(t.waiting, b...)
		t.more.Signal()
	}
	return len(b), nil
}

// write hands over what waits.
func (t *Terminal) write() {
	for {
		t.mu.Lock()
		for len(t.waiting) == 0 && !t.closed {
			t.more.Wait()
		}
		b := t.waiting
		t.waiting = nil
		closed := t.closed
		t.mu.Unlock()
		if closed {
			return
		}
		if _, err := t.master.Write(b); err != nil {
			return
		}
	}
}

// Connect sends to a device what tools write, until the terminal is closed.
func (t *Terminal) Connect(d *Device) {
	b := make([]byte, 4096)
	for {
		n, err := t.master.Read(b)
		if err != nil {
			return
		}
		d.Input(b[:n])
	}
}

// Close ends the terminal.
func (t *Terminal) Close() error {
	t.mu.Lock()
	t.closed = true
	t.more.Signal()
	t.mu.Unlock()
	t.slave.Close()
	return t.master.Close()
}
