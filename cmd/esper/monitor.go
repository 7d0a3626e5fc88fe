package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"go.bug.st/serial"

	"esper/internal/monitor"
	"esper/internal/site"
)

// monitorCommand shows what a board says on its serial line.
type monitorCommand struct {
	Port    string `env:"ESPER_PORT" placeholder:"PORT" help:"Serial port (default: the only one that there is)."`
	Site    string `default:"." placeholder:"DIR" help:"The site whose build folder names the functions of a crash (default: the folder you are in, or above it)."`
	NoReset bool   `help:"Do not reset the board first."`
}

// Help is the command's description.
func (c *monitorCommand) Help() string {
	return `Shows what a board says on its serial line, with the time, until Ctrl-C. It resets the board first, where the
adapter can (lines RTS and DTR), and follows its speed: the chip's ROM speaks at 74,880 baud, bootloader and
firmware at 115,200. After a crash it names the function and the line, by the ELF files in the site's build
folder, if they belong to the version that runs.`
}

// Run shows the line.
func (c *monitorCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	explain := monitor.Explainer{}
	if opened, err := site.Open(c.Site); err == nil {
		explain.Dir = opened.BuildPath()
	} else if !errors.Is(err, site.ErrNoSite) {
		return err
	}
	flags := serialFlags{Port: c.Port}
	name, err := flags.port()
	if err != nil {
		return err
	}
	speed := monitor.NewSpeed()
	port, err := serial.Open(name, &serial.Mode{BaudRate: speed.Now()})
	if err != nil {
		return hint(fmt.Errorf("%s: %w", name, err), "'esper doctor' says which ports there are, and who may use them")
	}
	defer port.Close()
	if err := port.SetReadTimeout(readPause); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.note("%s; Ctrl-C ends", name)
	if !c.NoReset {
		if err := reset(port); err != nil {
			s.note("the port cannot reset the board: switch its power off and on to see it start")
		}
	}
	return follow(ctx, s, port, speed, &explain)
}

// readPause is how long a read waits, so that Ctrl-C is seen.
const readPause = 100 * time.Millisecond

// reset pulls the board's EN by RTS, with GPIO0 left high by DTR, as the circuit of the usual adapters has it.
func reset(port serial.Port) error {
	if err := errors.Join(port.SetDTR(false), port.SetRTS(true)); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	return port.SetRTS(false)
}

// follow prints lines until the context or the port ends.
func follow(ctx context.Context, s *streams, port serial.Port, speed *monitor.Speed, explain *monitor.Explainer) error {
	var line []byte
	b := make([]byte, 4096)
	for ctx.Err() == nil {
		before := speed.Now()
		n, err := port.Read(b)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return fmt.Errorf("the port is gone: %w", err)
		}
		line = append(line, speed.Take(b[:n])...)
		if now := speed.Now(); now != before {
			if err := port.SetMode(&serial.Mode{BaudRate: now}); err != nil {
				return err
			}
		}
		for {
			end := bytes.IndexByte(line, '\n')
			if end < 0 && len(line) < maxShown {
				break
			}
			if end < 0 {
				end = len(line) - 1
			}
			text := string(bytes.TrimRight(line[:end+1], "\r\n"))
			line = line[end+1:]
			if err := show(s, text, explain); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxShown is the longest line that is waited for, in bytes.
const maxShown = 1024

func show(s *streams, text string, explain *monitor.Explainer) error {
	if _, err := fmt.Fprintf(s.out, "%s  %s\n", time.Now().Format("15:04:05.000"), text); err != nil {
		return err
	}
	for _, more := range explain.Explain(text) {
		if _, err := fmt.Fprintf(s.out, "%12s  %s\n", "", more); err != nil {
			return err
		}
	}
	return nil
}
