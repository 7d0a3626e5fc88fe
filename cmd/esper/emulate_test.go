package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/site"
)

// watched is an output that ends the command as soon as it holds a text.
type watched struct {
	bytes.Buffer
	text string
	stop context.CancelFunc
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if strings.Count(w.String(), w.text) >= 2 {
		w.stop()
	}
	return n, err
}

// builtSite makes a site with a socket and builds it.
func builtSite(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("xtensa-lx106-elf-g++"); err != nil {
		t.Skip("the cross compiler is not installed")
	}
	dir := filepath.Join(t.TempDir(), "site")
	err := site.Create(dir, site.Template{Realm: "home", SSID: "home", MQTT: "mqtt://127.0.0.1:9",
		Devices: os.DirFS(filepath.Join("..", "..", "firmware", "devices")), Types: []string{"socket"}})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := site.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = build.Build(t.Context(), opened, build.Options{Version: &site.Version{Name: "one", Sequence: 1}})
	if errors.Is(err, build.ErrMonocypher) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, site.BuildDir)
}

func TestEmulateRunsDevicesAndKeepsTheirFlash(t *testing.T) {
	folder, state := builtSite(t), filepath.Join(t.TempDir(), "state")
	t.Chdir(filepath.Dir(folder)) // where the settings are from
	for _, from := range []string{"as a new socket", "from " + state} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out := &watched{text: "wifi: up", stop: cancel}
		var notes bytes.Buffer
		c := &emulateCommand{Images: folder, Count: 2, ChipID: "abc", State: state}
		if err := c.run(ctx, &streams{out: &output{to: out}, err: &notes}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[000abc] boot: slot 0: socket one", "[000abd] boot: slot 0: socket one"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in:\n%s", want, out.String())
			}
		}
		if !strings.Contains(notes.String(), "device 000abd starts "+from) {
			t.Errorf("it says:\n%s", notes.String())
		}
		content, err := os.ReadFile(filepath.Join(state, "000abc.flash"))
		if err != nil {
			t.Fatal(err)
		}
		flash, err := image.ParseFlash(content)
		if err != nil || flash.Boots() != 0 {
			t.Errorf("the flash boots %v, %v", flash, err)
		}
	}
}

func TestEmulateSaysWhatIsMissing(t *testing.T) {
	empty, chip := t.TempDir(), t.TempDir()
	for name, size := range map[string]int{build.BootloaderFile: 16, "socket.rom0": 64, "rom.bin": 5} {
		if err := os.WriteFile(filepath.Join(chip, name), make([]byte, size), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]*emulateCommand{
		"holds no images":        {Images: empty, Count: 1, ChipID: "1"},
		"bootloader.bin":         {Images: empty, Count: 1, ChipID: "1", Type: []string{"socket"}},
		"not 1 to 6 hex digits":  {Images: empty, Count: 1, ChipID: "1000000"},
		"not a number of":        {Images: empty, Count: 0, ChipID: "1"},
		"there":                  {Flash: filepath.Join(empty, "none"), Count: 1, ChipID: "1"},
		"--flash is for one dev": {Flash: "f", Count: 2, ChipID: "1"},
		"too few for an image":   {Images: chip, Count: 1, ChipID: "1"},
		"has 65536 bytes":        {Images: chip, romFlag: romFlag{filepath.Join(chip, "rom.bin")}, Count: 1, ChipID: "1"},
	} {
		err := c.run(t.Context(), &streams{out: &output{to: &bytes.Buffer{}}, err: &bytes.Buffer{}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
