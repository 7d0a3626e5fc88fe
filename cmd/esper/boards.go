package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"esper/internal/board"
	"esper/internal/image"
	"esper/internal/site"
)

// boardsCommand shows boards.
type boardsCommand struct {
	Name string `arg:"" optional:"" help:"Board to show all of (default: list all boards)."`
	Site string `default:"." placeholder:"DIR" help:"The site with boards of its own (default: the folder you are in, or above it, if it is one)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the command's description.
func (c *boardsCommand) Help() string {
	return `Lists the boards that a device.toml can name, board = "NAME": those that ship, and in a site those
of its folder boards, too. With a name it shows what is at which pin, how the board is brought
into flash mode, and where that is known from.

An inverted relay or LED is on when its pin is low; an inverted button is pressed then. CONSTANT
is what sources call the pin after #include <board.h>; with _INVERTED behind it, whether it is
inverted.`
}

// noBoardHint is what to do about a board that there is not.
const noBoardHint = "'esper boards' lists those that there are; boards/NAME.toml in the site adds one"

// Run shows the boards.
func (c *boardsCommand) Run(s *streams) error {
	dir, err := site.BoardsOf(c.Site)
	switch {
	case errors.Is(err, site.ErrNoSite) && c.Site == ".":
		dir = ""
	case err != nil:
		return siteHint(err)
	}
	if c.Name == "" {
		return c.list(s, dir)
	}
	b, err := board.Find(dir, c.Name)
	var unknown *board.UnknownError
	switch {
	case errors.As(err, &unknown):
		return hint(err, "%s", noBoardHint)
	case err != nil:
		return err
	case c.JSON:
		return printJSON(s, jsonOfBoard(b))
	}
	return printBoard(s, b)
}

// list lists all boards. Those of the site that are wrong are an error, after the others.
func (c *boardsCommand) list(s *streams, dir string) error {
	boards, wrong := board.All(dir)
	if c.JSON {
		all := []boardJSON{}
		for _, b := range boards {
			all = append(all, jsonOfBoard(b))
		}
		return errors.Join(printJSON(s, all), wrong)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tBOARD\tFLASH\tMODE\tFROM\tPINS")
	for _, b := range boards {
		size, from := b.Size(), "ESPer"
		if b.CheckSize() != nil {
			size += ", too small"
		}
		if b.Path != "" {
			from = "site"
		}
		var pins []string
		for _, p := range b.Pins {
			pins = append(pins, p.Name)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, b.Title, size, image.FlashModeName(b.FlashMode), from, strings.Join(pins, " "))
	}
	return errors.Join(w.Flush(), wrong)
}

// printBoard prints all that is known of a board.
func printBoard(s *streams, b board.Board) error {
	fmt.Fprintln(s.out, b.Title)
	fmt.Fprintf(s.out, "  chip   %s\n", orDash(b.Chip))
	fmt.Fprintf(s.out, "  flash  %s, %s\n", b.Size(), image.FlashModeName(b.FlashMode))
	if b.Path != "" {
		fmt.Fprintf(s.out, "  from   %s\n", b.Path)
	}
	if err := b.CheckSize(); err != nil {
		fmt.Fprintf(s.out, "\nIt cannot be used: %v.\n", err)
	}
	if len(b.Pins) > 0 {
		fmt.Fprintln(s.out)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "PIN\tGPIO\tINVERTED\tCONSTANT\tNOTE")
		for _, p := range b.Pins {
			inverted := "no"
			if p.Inverted {
				inverted = "yes"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\tboard::%s\t%s\n", p.Name, p.GPIO, inverted, strings.ToUpper(p.Name), orDash(p.Note))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if b.CheckSize() == nil {
		fmt.Fprintln(s.out, "\nTo flash it:")
		for i, line := range b.Instructions() {
			fmt.Fprintf(s.out, "  %d. %s\n", i+1, line)
		}
	}
	for _, list := range []struct {
		title string
		lines []string
	}{{"To know:", b.Notes}, {"From:", b.Sources}} {
		if len(list.lines) > 0 {
			fmt.Fprintf(s.out, "\n%s\n", list.title)
		}
		for _, line := range list.lines {
			fmt.Fprintf(s.out, "  - %s\n", line)
		}
	}
	return nil
}

// boardJSON is a board as JSON.
type boardJSON struct {
	Name      string    `json:"name"`
	Title     string    `json:"title"`
	Chip      string    `json:"chip,omitempty"`
	FlashSize int       `json:"flash_size"` // bytes
	FlashMode string    `json:"flash_mode"`
	Usable    bool      `json:"usable"` // its flash is large enough
	AutoReset bool      `json:"auto_reset"`
	Mains     bool      `json:"mains"`
	Pins      []pinJSON `json:"pins"`
	Flashing  []string  `json:"flashing"`
	Notes     []string  `json:"notes,omitempty"`
	Sources   []string  `json:"sources,omitempty"`
	Path      string    `json:"path,omitempty"` // of the site's file
}

// pinJSON is a pin as JSON.
type pinJSON struct {
	Name     string `json:"name"`
	GPIO     int    `json:"gpio"`
	Inverted bool   `json:"inverted"`
	Note     string `json:"note,omitempty"`
}

// jsonOfBoard returns a board as JSON has it.
func jsonOfBoard(b board.Board) boardJSON {
	j := boardJSON{
		Name: b.Name, Title: b.Title, Chip: b.Chip, FlashSize: b.FlashSize, FlashMode: image.FlashModeName(b.FlashMode),
		Usable: b.CheckSize() == nil, AutoReset: b.AutoReset, Mains: b.Mains, Pins: []pinJSON{},
		Flashing: b.Instructions(), Notes: b.Notes, Sources: b.Sources, Path: b.Path,
	}
	for _, p := range b.Pins {
		j.Pins = append(j.Pins, pinJSON(p))
	}
	return j
}
