package esptool

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"esper/internal/image"
)

// What may be wrong with the chip at a port.
var (
	ErrNoChip     = errors.New("no chip answers")
	ErrWrongChip  = errors.New("not an ESP8266 or ESP8285")
	ErrPermission = errors.New("the port may not be opened")
	ErrSmall      = errors.New("the flash is too small")
)

// Chip is what a chip says of itself.
type Chip struct {
	Name  string // such as ESP8266EX
	MAC   string
	ID    string // the last three bytes of the MAC, as devices call themselves
	Flash int    // bytes
}

// Part is content that goes to an address of the flash.
type Part struct {
	Address uint32
	Content []byte
}

// Port says where the chip is, and how it is spoken to.
type Port struct {
	Name string
	Baud int
	Log  io.Writer // what esptool prints; nil drops it
}

var (
	chipNames  = regexp.MustCompile(`(?m)^Chip (?:is|type:)\s+(\S+)`)
	addresses  = regexp.MustCompile(`(?m)^MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})`)
	flashSizes = regexp.MustCompile(`(?m)^Detected flash size:\s+(\d+)(KB|MB)`)
)

// firstBaud is the speed at which esptool begins.
const firstBaud = 115200

// Identify asks the chip at a port what it is. It returns ErrWrongChip or ErrSmall, with the chip,
// for one that cannot run ESPer's firmware.
func (t Tool) Identify(ctx context.Context, p Port) (*Chip, error) {
	p.Baud = firstBaud // a board without automatic reset stays at the speed, and is first asked at this one
	out, err := t.run(ctx, p, "no-reset", t.name("flash-id"))
	if err != nil {
		return nil, err
	}
	name, mac, size := chipNames.FindSubmatch(out), addresses.FindSubmatch(out), flashSizes.FindSubmatch(out)
	if name == nil || mac == nil {
		return nil, fmt.Errorf("esptool says neither chip nor address:\n%s", bytes.TrimSpace(out))
	}
	c := &Chip{Name: string(name[1]), MAC: string(mac[1])}
	c.ID = strings.ReplaceAll(c.MAC[9:], ":", "")
	if !strings.HasPrefix(c.Name, "ESP8266") && !strings.HasPrefix(c.Name, "ESP8285") {
		return c, fmt.Errorf("%s is an %s: %w", p.Name, c.Name, ErrWrongChip)
	}
	if size == nil {
		return c, fmt.Errorf("%s: the size of its flash is not known: esptool says\n%s", p.Name, bytes.TrimSpace(out))
	}
	c.Flash, _ = strconv.Atoi(string(size[1]))
	if c.Flash <<= 10; string(size[2]) == "MB" {
		c.Flash <<= 10
	}
	if c.Flash < image.FlashSize {
		return c, fmt.Errorf("%s, an %s with %s%s of flash: %w: firmware with updates takes 1 MB", c.ID, c.Name, size[1], size[2], ErrSmall)
	}
	return c, nil
}

// Write writes parts, in the order of their addresses, with a header for what the chip has, and
// verifies them. Then it resets the chip, where the port can.
func (t Tool) Write(ctx context.Context, p Port, parts ...Part) error {
	dir, err := os.MkdirTemp("", "esper-flash-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := []string{t.name("write-flash"), t.name("--flash-size"), "detect"}
	parts = slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return cmp.Compare(a.Address, b.Address) })
	for _, part := range parts {
		at := fmt.Sprintf("0x%06x", part.Address)
		path := filepath.Join(dir, at)
		if err := os.WriteFile(path, part.Content, 0o600); err != nil {
			return err
		}
		args = append(args, at, path)
	}
	_, err = t.run(ctx, p, "hard-reset", args...)
	return err
}

// Read reads n bytes of flash from the start, into a file.
func (t Tool) Read(ctx context.Context, p Port, n int, path string) error {
	_, err := t.run(ctx, p, "hard-reset", t.name("read-flash"), "0", strconv.Itoa(n), path)
	return err
}

// name is how this version writes a name of version 5: version 4 has write_flash.
func (t Tool) name(of string) string {
	if t.Major >= 5 {
		return of
	}
	options := of[:len(of)-len(strings.TrimLeft(of, "-"))]
	return options + strings.ReplaceAll(of[len(options):], "-", "_")
}

// run runs esptool, and returns what it prints.
func (t Tool) run(ctx context.Context, p Port, after string, args ...string) ([]byte, error) {
	all := append([]string{"--chip", "auto", "--port", p.Name, "--baud", strconv.Itoa(p.Baud), "--after", t.name(after)}, args...)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, t.Command[0], slices.Concat(t.Command[1:], all)...)
	cmd.Stdout = &out
	if p.Log != nil {
		cmd.Stdout = io.MultiWriter(&out, p.Log)
	}
	cmd.Stderr = cmd.Stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, explain(out.Bytes(), err))
	}
	return out.Bytes(), nil
}

// explain returns what an output of esptool means.
func explain(out []byte, err error) error {
	text := string(out)
	switch {
	case strings.Contains(text, "Permission denied"):
		return ErrPermission
	case strings.Contains(text, "Failed to connect"):
		return ErrNoChip
	}
	for line := range strings.Lines(text) {
		if _, what, ok := strings.Cut(line, "fatal error occurred: "); ok {
			return fmt.Errorf("esptool: %s", strings.TrimSpace(what))
		}
	}
	return fmt.Errorf("esptool: %w:\n%s", err, strings.TrimSpace(text))
}
