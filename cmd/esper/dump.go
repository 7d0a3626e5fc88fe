package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// dumpCommand reads a board's flash.
type dumpCommand struct {
	File string `arg:"" help:"Where to write the content of the flash."`
	serialFlags
}

// Help is the command's description.
func (c *dumpCommand) Help() string {
	return `Reads all of a board's flash over a serial port, into a file. 'esper image' says what is in it, and
'esper emulate --flash' starts it. The file holds the passwords that the firmware holds: only you can read it.

The board must be in its flash mode, as for 'esper flash'. It stays there until the power is switched.`
}

// Run reads the flash.
func (c *dumpCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	tool, port, err := c.open(ctx)
	if err != nil {
		return err
	}
	chip, err := tool.Identify(ctx, port)
	if err != nil {
		return flashHint(err, port, "")
	}
	s.note("%s is an %s with %d MB of flash, %s", chip.ID, chip.Name, chip.Flash>>20, chip.MAC)
	// Only a complete dump gets the name, and nobody else can read it.
	dir, err := os.MkdirTemp(filepath.Dir(c.File), ".esper-dump-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	part := filepath.Join(dir, filepath.Base(c.File))
	port.Log = s.err
	if err := tool.Read(ctx, port, chip.Flash, part); err != nil {
		return flashHint(err, port, "")
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return err
	}
	if err := os.Rename(part, c.File); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s\n", c.File)
	return nil
}
