package site

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"esper/internal/board"
	"esper/internal/image"
	"esper/internal/textfile"
)

// DeviceFile is the name of a device type's own configuration, which it need not have,
// and LibraryDir of the folder with the site's libraries.
const (
	DeviceFile = "device.toml"
	LibraryDir = "lib"
)

// Limits on what a device type may say of itself.
const (
	maxLibraries = 32
	maxConstants = 64
	maxText      = 256 // bytes of a constant
)

// Constant is a value that the sources of a device type can use.
type Constant struct {
	Name  string
	Value any // an int64 from -2^31 to 2^32-1, a bool or a string
}

// Log says what a device type prints, and where. The zero value is what a type has that says
// nothing of it.
type Log struct {
	Level LogLevel
	Port  LogPort
}

// LogLevel is up to which level lines are printed: one of LogLevels; empty: "info".
type LogLevel string

// LogLevels are the levels in device.toml. The place of each is its number in the firmware
// (framework/esper/Log.h).
var LogLevels = []LogLevel{"none", "error", "warning", "info", "debug"}

// LogPort is where lines are printed: one of LogPorts; empty: "uart0".
type LogPort string

// LogPorts are the ports in device.toml. The SDK's own lines are printed there, too.
var LogPorts = []LogPort{"uart0", "uart1", "none"}

// Library is a folder of sources that device types share.
type Library struct {
	Name    string
	Dir     string   // absolute
	Sources []string // names of the .cpp and .c files in Dir, sorted; none: headers only
}

// deviceFile is device.toml, as it is written.
type deviceFile struct {
	Board     string         `toml:"board"`
	FlashMode string         `toml:"flash_mode"`
	Libraries []string       `toml:"libraries"`
	Constants map[string]any `toml:"constants"`

	Settings map[string]settingTable `toml:"settings"`

	Log struct {
		Level string `toml:"level"`
		Port  string `toml:"port"`
	} `toml:"log"`
}

var (
	constantName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,47}$`)
	libraryName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,30}$`)
)

// readDeviceFile completes a device type by its own configuration, if it has one.
// libraries and boards are the folders of the site's.
func (t *DeviceType) readDeviceFile(libraries, boards string) error {
	t.FlashMode = image.FlashDOUT
	path := filepath.Join(t.Dir, DeviceFile)
	text, err := textfile.Read(path, maxConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file := deviceFile{}
	if err := textfile.DecodeTOML(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := file.chooseBoard(t, boards); err != nil {
		return fmt.Errorf("%s: board: %w", path, err)
	}
	if err := file.check(t); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range file.Libraries {
		library := Library{Name: name, Dir: filepath.Join(libraries, name)}
		if library.Sources, err = readSources(library.Dir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: libraries: there is no folder %s", path, library.Dir)
		} else if err != nil {
			return fmt.Errorf("%s: libraries: %w", path, err)
		}
		t.Libraries = append(t.Libraries, library)
	}
	return nil
}

// chooseBoard sets the board that the file names, if it does, and its flash mode.
func (f *deviceFile) chooseBoard(t *DeviceType, boards string) error {
	if f.Board == "" {
		return nil
	}
	b, err := board.Find(boards, f.Board)
	if err == nil {
		err = b.CheckSize()
	}
	if err != nil {
		return err
	}
	t.Board, t.FlashMode = &b, b.FlashMode
	return nil
}

// check sets what the file says by itself.
func (f *deviceFile) check(t *DeviceType) error {
	if f.FlashMode != "" {
		mode, ok := image.FlashModes[f.FlashMode]
		if !ok {
			return fmt.Errorf("flash_mode: %.40q is none of qio, qout, dio and dout", f.FlashMode)
		}
		t.FlashMode = mode
	}
	if t.Board != nil {
		if err := t.Board.CheckMode(t.FlashMode); err != nil {
			return err
		}
	}
	if err := f.checkLog(&t.Log); err != nil {
		return fmt.Errorf("log.%w", err)
	}
	if len(f.Libraries) > maxLibraries {
		return fmt.Errorf("libraries: %d, but at most %d are allowed", len(f.Libraries), maxLibraries)
	}
	for i, name := range f.Libraries {
		if !libraryName.MatchString(name) {
			return fmt.Errorf("libraries: %.40q: a name is 1 to 31 letters, digits, - and _, and begins with a letter", name)
		}
		if slices.Contains(f.Libraries[:i], name) {
			return fmt.Errorf("libraries: %s is there twice", name)
		}
	}
	if len(f.Constants) > maxConstants {
		return fmt.Errorf("constants: %d, but at most %d are allowed", len(f.Constants), maxConstants)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Constants)) {
		if !constantName.MatchString(name) {
			return fmt.Errorf("constants: %.60q: a name is 1 to 48 of A-Z, 0-9 and _, and begins with a letter", name)
		}
		value := f.Constants[name]
		switch v := value.(type) {
		case bool:
		case int64:
			if v < math.MinInt32 || v > math.MaxUint32 {
				return fmt.Errorf("constants.%s: %d is not between -2147483648 and 4294967295", name, v)
			}
		case string:
			if len(v) > maxText || strings.ContainsRune(v, 0) {
				return fmt.Errorf("constants.%s: more than %d bytes, or with a byte 0", name, maxText)
			}
		default:
			return fmt.Errorf("constants.%s: neither an integer, nor true or false, nor a string", name)
		}
		t.Constants = append(t.Constants, Constant{name, value})
	}
	var err error
	t.Settings, err = f.checkSettings()
	return err
}

// checkLog sets what the file says of the log. The error begins with the key. What every type has
// without saying so becomes the empty value, so that both are built alike.
func (f *deviceFile) checkLog(l *Log) error {
	level, port := LogLevel(f.Log.Level), LogPort(f.Log.Port)
	if level != "" && !slices.Contains(LogLevels, level) {
		return fmt.Errorf("level: %.40q is none of error, warning, info, debug and none", level)
	}
	if port != "" && !slices.Contains(LogPorts, port) {
		return fmt.Errorf("port: %.40q is none of uart0, uart1 and none", port)
	}
	if level != "info" {
		l.Level = level
	}
	if port != "uart0" {
		l.Port = port
	}
	return nil
}
