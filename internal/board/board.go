// Package board knows boards with the chip on them: flash, pins by their roles, and how to bring
// each into flash mode. Some ship; a site adds its own in its folder boards.
package board

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"esper/internal/image"
	"esper/internal/textfile"
)

// Dir is the name of the folder in a site with its own boards.
const Dir = "boards"

// suffix is how the name of a board's file ends.
const suffix = ".toml"

// Limits on what a file of a board may hold.
const (
	maxFile   = 16 << 10 // bytes
	maxBoards = 64       // in a folder
	maxPins   = 32
	maxLines  = 12 // of each list
	maxLine   = 200
	maxTitle  = 60
)

//go:embed boards/*.toml
var shipped embed.FS

// Board is a board with the chip.
type Board struct {
	Name      string
	Title     string   // what people call it
	Chip      string   // may be empty
	FlashSize int      // bytes
	FlashMode uint8    // image.FlashDOUT and so on
	AutoReset bool     // esptool brings it into flash mode by itself, over DTR and RTS
	Mains     bool     // works on mains
	Flashing  []string // how to bring it into flash mode: what is its own
	Notes     []string // what else there is to know
	Sources   []string // where the facts are from
	Pins      []Pin    // sorted by name and number
	Path      string   // of the site's file; empty: it ships
}

// Pin is what a pin of a board is for.
type Pin struct {
	Name     string // its role, such as relay, button1, led
	GPIO     int
	Inverted bool   // on, or pressed, when the pin is low
	Note     string // may be empty
}

// pinName is the name of a pin; in upper case it becomes a constant.
var pinName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// boardName is the name of a board, and of its file before the suffix.
var boardName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// InvertedSuffix ends the name of the constant that says whether a pin is inverted.
const InvertedSuffix = "_INVERTED"

// gpios are the pins that the framework drives (firmware/framework/esper/Gpio.h).
var gpios = []int{0, 1, 2, 3, 4, 5, 9, 10, 12, 13, 14, 15, 16}

// sizes are the flash sizes that chips have.
var sizes = map[string]int{
	"512KB": 512 << 10, "1MB": 1 << 20, "2MB": 2 << 20, "4MB": 4 << 20, "8MB": 8 << 20, "16MB": 16 << 20,
}

// file is the file of a board, as it is written.
type file struct {
	Title     string             `toml:"title"`
	Chip      string             `toml:"chip"`
	FlashSize string             `toml:"flash_size"`
	FlashMode string             `toml:"flash_mode"`
	AutoReset bool               `toml:"auto_reset"`
	Mains     bool               `toml:"mains"`
	Flashing  []string           `toml:"flashing"`
	Notes     []string           `toml:"notes"`
	Sources   []string           `toml:"sources"`
	Pins      map[string]pinFile `toml:"pins"`
}

// pinFile is a pin in the file of a board.
type pinFile struct {
	GPIO     *int   `toml:"gpio"`
	Inverted bool   `toml:"inverted"`
	Note     string `toml:"note"`
}

// UnknownError says that there is no board of a name.
type UnknownError struct {
	Name    string
	Nearest string // a board whose name is like it; empty: none is
}

func (e *UnknownError) Error() string {
	if e.Nearest == "" {
		return fmt.Sprintf("there is no board %.40q", e.Name)
	}
	return fmt.Sprintf("there is no board %.40q: perhaps %s", e.Name, e.Nearest)
}

// TooSmallError says that the flash of a board is too small for two slots.
type TooSmallError struct{ Board Board }

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("%s, %s, has %s of flash, and ESPer needs 1 MB for its two slots",
		e.Board.Name, e.Board.Title, e.Board.Size())
}

// Find returns the board of a name: that of the site whose folder of boards is dir, or else the one
// that ships. If there is none, the error is an [UnknownError]. An empty dir is no site's.
func Find(dir, name string) (Board, error) {
	if boardName.MatchString(name) {
		b, err := read(dir, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
		if text, err := shipped.ReadFile("boards/" + name + suffix); err == nil {
			return parse(name, text)
		}
	}
	names, err := list(dir)
	if err != nil {
		return Board{}, err
	}
	return Board{}, &UnknownError{name, nearest(name, names)}
}

// All returns all boards, sorted by name: those of the site whose folder of boards is dir, and
// those that ship. The error names each of the site's files that is wrong; the others are returned.
func All(dir string) ([]Board, error) {
	names, err := list(dir)
	if err != nil {
		return nil, err
	}
	var boards []Board
	var wrong []error
	for _, name := range names {
		b, err := Find(dir, name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		boards = append(boards, b)
	}
	return boards, errors.Join(wrong...)
}

// list returns the names of all boards, sorted.
func list(dir string) ([]string, error) {
	entries, err := shipped.ReadDir("boards")
	if err != nil {
		return nil, err
	}
	if dir != "" {
		own, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if own = slices.DeleteFunc(own, func(e fs.DirEntry) bool { return !isBoard(e.Name()) }); len(own) > maxBoards {
			return nil, fmt.Errorf("%s: %d boards, but at most %d are allowed", dir, len(own), maxBoards)
		}
		entries = append(entries, own...)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), suffix))
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// isBoard reports whether a file of that name holds a board.
func isBoard(name string) bool {
	base, is := strings.CutSuffix(name, suffix)
	return is && boardName.MatchString(base)
}

// read reads a board of a site.
func read(dir, name string) (Board, error) {
	if dir == "" {
		return Board{}, fs.ErrNotExist
	}
	path := filepath.Join(dir, name+suffix)
	text, err := textfile.Read(path, maxFile)
	if err != nil {
		return Board{}, err
	}
	b, err := parse(name, text)
	if err != nil {
		return Board{}, fmt.Errorf("%s: %w", path, err)
	}
	b.Path = path
	return b, nil
}

// parse reads the text of a board's file.
func parse(name string, text []byte) (Board, error) {
	f := file{}
	if err := textfile.DecodeTOML(text, &f); err != nil {
		return Board{}, err
	}
	b := Board{Name: name, Title: f.Title, Chip: f.Chip, AutoReset: f.AutoReset, Mains: f.Mains,
		Flashing: f.Flashing, Notes: f.Notes, Sources: f.Sources, FlashMode: image.FlashDOUT}
	if f.Title == "" {
		return Board{}, errors.New("title: missing: what people call the board")
	}
	var known bool
	if b.FlashSize, known = sizes[f.FlashSize]; !known {
		return Board{}, fmt.Errorf("flash_size: %.40q is none of 512KB, 1MB, 2MB, 4MB, 8MB and 16MB", f.FlashSize)
	}
	if f.FlashMode != "" {
		if b.FlashMode, known = image.FlashModes[f.FlashMode]; !known {
			return Board{}, fmt.Errorf("flash_mode: %.40q is none of qio, qout, dio and dout", f.FlashMode)
		}
	}
	if err := f.checkTexts(); err != nil {
		return Board{}, err
	}
	if err := b.addPins(f.Pins); err != nil {
		return Board{}, err
	}
	return b, b.CheckMode(b.FlashMode)
}

// checkTexts checks what is printed as it stands.
func (f *file) checkTexts() error {
	for _, text := range []struct{ key, value string }{{"title", f.Title}, {"chip", f.Chip}} {
		if err := checkText(text.key, text.value, maxTitle); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		key   string
		lines []string
	}{{"flashing", f.Flashing}, {"notes", f.Notes}, {"sources", f.Sources}} {
		if len(list.lines) > maxLines {
			return fmt.Errorf("%s: %d lines, but at most %d are allowed", list.key, len(list.lines), maxLines)
		}
		for _, line := range list.lines {
			if err := checkText(list.key, line, maxLine); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkText checks one line of text.
func checkText(key, text string, max int) error {
	if len(text) > max {
		return fmt.Errorf("%s: a line of %d bytes, but at most %d are allowed", key, len(text), max)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 }) {
		return fmt.Errorf("%s: control characters, or more than one line", key)
	}
	return nil
}

// addPins adds the pins of the file.
func (b *Board) addPins(pins map[string]pinFile) error {
	if len(pins) > maxPins {
		return fmt.Errorf("pins: %d, but at most %d are allowed", len(pins), maxPins)
	}
	for name, p := range pins {
		inverted := strings.HasSuffix(strings.ToUpper(name), InvertedSuffix)
		switch {
		case !pinName.MatchString(name) || inverted:
			return fmt.Errorf("pins: %.40q: a name is 1 to 31 of a-z, 0-9 and _, begins with a letter, and does not end in _inverted", name)
		case p.GPIO == nil:
			return fmt.Errorf("pins.%s: gpio is missing", name)
		case !slices.Contains(gpios, *p.GPIO):
			return fmt.Errorf("pins.%s.gpio: %d is no pin that can be used: 0 to 5, 9, 10 and 12 to 16 are", name, *p.GPIO)
		}
		if err := checkText("pins."+name+".note", p.Note, maxTitle); err != nil {
			return err
		}
		b.Pins = append(b.Pins, Pin{name, *p.GPIO, p.Inverted, p.Note})
	}
	slices.SortFunc(b.Pins, func(x, y Pin) int {
		return cmp.Or(strings.Compare(role(x), role(y)), len(x.Name)-len(y.Name), strings.Compare(x.Name, y.Name))
	})
	return nil
}

// role returns the name of a pin without its number: pin 2 is before pin 12.
func role(p Pin) string { return strings.TrimRight(p.Name, "0123456789") }

// CheckMode returns why the board cannot be used with a flash mode, or nil: the quad modes need
// GPIO9 and GPIO10 for the flash.
func (b *Board) CheckMode(mode uint8) error {
	if mode != image.FlashQIO && mode != image.FlashQOUT {
		return nil
	}
	for _, p := range b.Pins {
		if p.GPIO == 9 || p.GPIO == 10 {
			return fmt.Errorf("flash_mode: %s reads the flash over GPIO9 and GPIO10, and %s has its pin %s at GPIO%d; dio and dout leave it free",
				image.FlashModeName(mode), b.Name, p.Name, p.GPIO)
		}
	}
	return nil
}

// CheckSize returns a [TooSmallError] if the flash is too small for two slots.
func (b *Board) CheckSize() error {
	if b.FlashSize < image.FlashSize {
		return &TooSmallError{*b}
	}
	return nil
}

// Size returns the size of the flash as people write it.
func (b *Board) Size() string {
	if b.FlashSize < 1<<20 {
		return fmt.Sprintf("%d KB", b.FlashSize>>10)
	}
	return fmt.Sprintf("%d MB", b.FlashSize>>20)
}

// Instructions returns how to bring the board into flash mode, each step as a sentence: first what
// is dangerous, then the board's own steps, last how to get out of flash mode.
func (b *Board) Instructions() []string {
	var all []string
	if b.Mains {
		all = append(all, "Never on mains while it is open or the serial line is attached: all of it may be live, and so is then your computer.")
	}
	if !b.AutoReset {
		all = append(all, "3.3 V only, for the supply and the serial line: 5 V destroys the chip.")
	} else {
		all = append(all, "esptool brings it into flash mode and out of it by itself, over DTR and RTS.")
	}
	all = append(all, b.Flashing...)
	if !b.AutoReset {
		all = append(all, "Afterwards take its power away, free GPIO0, and give it power again: until then the chip stays in flash mode, and hangs at its first restart.")
	}
	return all
}
