package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"esper/internal/api"
)

// The least time between two pictures of a live table, and the longest.
const (
	minRefresh = 100 * time.Millisecond
	maxRefresh = time.Second
)

// live is devices as they are now.
type live interface {
	// Changed returns a channel that is closed at the next change. To miss none, get the
	// channel before Devices.
	Changed() <-chan struct{}
	Devices() []api.Device
}

// watchDevices shows every change until the context ends: as a table in its place on
// a terminal, as lines elsewhere.
func watchDevices(ctx context.Context, s *streams, devices live, asJSON bool) error {
	if f, ok := s.out.to.(*os.File); ok && !asJSON && term.IsTerminal(int(f.Fd())) {
		return watchTable(ctx, s.out, devices, func() (width, height int) {
			width, height, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80, 24
			}
			return width, height
		})
	}
	return watchLines(ctx, s.out, devices, asJSON)
}

// watchTable keeps a table up to date where it stands.
func watchTable(ctx context.Context, out io.Writer, devices live, size func() (width, height int)) error {
	lines := 0
	for {
		changed := devices.Changed()
		var table bytes.Buffer
		if err := printDevices(&table, devices.Devices(), time.Now()); err != nil {
			return err
		}
		width, height := size()
		rows := fit(table.Bytes(), width, height)
		if _, err := out.Write(redraw(rows, lines)); err != nil {
			return err
		}
		lines = len(rows)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(minRefresh):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(maxRefresh - minRefresh): // "seen" goes on
		}
	}
}

// fit cuts a table to the size of the terminal: what wraps or scrolls could not be
// drawn over.
func fit(table []byte, width, height int) [][]byte {
	rows := bytes.Split(bytes.TrimSuffix(table, []byte("\n")), []byte("\n"))
	if most := max(height-1, 2); len(rows) > most {
		more := fmt.Appendf(nil, "... and %d more", len(rows)-most+1)
		rows = append(rows[:most-1], more)
	}
	for i, row := range rows {
		if len(row) >= width && width > 0 { // rows are ASCII; the last column would wrap on some terminals
			rows[i] = row[:width-1]
		}
	}
	return rows
}

// redraw returns what draws rows over the lines drawn before, in one piece so that
// nothing flickers: cursor up, each row and the rest of its line cleared, then all
// below (ECMA-48: CUU, EL, ED).
func redraw(rows [][]byte, before int) []byte {
	var b bytes.Buffer
	if before > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", before)
	}
	for _, row := range rows {
		b.Write(row)
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.Bytes()
}

// watchLines prints a line for each device first, and then for each that changed.
func watchLines(ctx context.Context, out io.Writer, devices live, asJSON bool) error {
	shown := map[string]string{}
	for {
		changed := devices.Changed()
		for _, d := range devices.Devices() {
			line, err := changeLine(d, asJSON)
			if err != nil {
				return err
			}
			if shown[d.ID] == line {
				continue
			}
			shown[d.ID] = line
			if !asJSON {
				line = time.Now().Format("15:04:05") + " " + line
			}
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// changeLine is what is printed of a device when it differs from before. Without
// JSON it leaves out what changes all the time.
func changeLine(d api.Device, asJSON bool) (string, error) {
	if asJSON {
		line, err := json.Marshal(d)
		return string(line), err
	}
	return fmt.Sprintf("%s %s %s %s %s", d.ID, orDash(d.Type()), orDash(d.Version()), statusText(d), updateText(d.Device.Device)), nil
}
