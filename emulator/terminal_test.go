package emulator

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
)

// A chip with GPIO0 low waits for a flashing tool at the terminal, and is told from one that boots.
func TestATerminalLeadsToTheDownloadMode(t *testing.T) {
	port, err := OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	d, err := New(Config{ChipID: 0xC0DE, Flash: esp8266.NewFlash(esp8266.FlashSize), Link: network.NewSockets(), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	d.SetPin(0, false)
	d.PowerCycle()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	defer running.Wait()
	defer stop()

	tool, err := os.OpenFile(port.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tool.Close()
	sync := append([]byte{0, 8, 36, 0, 0, 0, 0, 0, 7, 7, 0x12, 0x20}, bytes.Repeat([]byte{0x55}, 32)...)
	if _, err := tool.Write(append(append([]byte{0xC0}, sync...), 0xC0)); err != nil {
		t.Fatal(err)
	}
	answer := []byte{0xC0, 1, 8, 2, 0, 7, 7, 0x12, 0x20, 0, 0, 0xC0}
	var said []byte
	for deadline := time.Now().Add(10 * time.Second); !bytes.Contains(said, answer); {
		b := make([]byte, 256)
		n, err := tool.Read(b)
		if err != nil && err != io.EOF || time.Now().After(deadline) {
			t.Fatalf("%v; it said %q", err, said)
		}
		said = append(said, b[:n]...)
	}
	if !strings.Contains(string(said), "boot mode:(1,6)") {
		t.Errorf("it said %q", said)
	}
}
