package sdk_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/emulator/sdk"
)

// machine runs one test program, which says what happens on its serial line.
type machine struct {
	*sdk.SDK
	t      *testing.T
	net    *network.Memory
	serial bytes.Buffer
	resets []esp8266.ResetReason
	elf    string
}

// program compiles and links C++ code behind testdata/program.h, and boots it.
func program(t *testing.T, code string, flags ...string) *machine {
	t.Helper()
	compiler, err := exec.LookPath("xtensa-lx106-elf-g++")
	if err != nil {
		t.Skip("xtensa-lx106-elf-g++ is not installed")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "program.cpp")
	if err := os.WriteFile(source, []byte("#include \"program.h\"\n"+code), 0o666); err != nil {
		t.Fatal(err)
	}
	firmware := filepath.Join("..", "..", "firmware")
	file := filepath.Join(dir, "program.elf")
	arguments := append(flags, "-std=c++17", "-Os", "-fno-exceptions", "-fno-rtti", "-fno-inline",
		"-ffreestanding", "-fno-threadsafe-statics", "-nostdlib", "-mlongcalls",
		"-I", "testdata", "-I", filepath.Join(firmware, "sdk"),
		"-T", filepath.Join("testdata", "program.ld"),
		"-Wl,-T,"+filepath.Join(firmware, "link", "gates.ld"), "-Wl,-T,"+filepath.Join(firmware, "link", "rom.ld"),
		filepath.Join(firmware, "link", "emulator_start.S"), source, "-o", file)
	out, err := exec.Command(compiler, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := &machine{t: t, net: network.NewMemory(), elf: file}
	flash := esp8266.NewFlash(esp8266.FlashSize)
	if err := flash.Put(0, bootImage(t, file)); err != nil {
		t.Fatal(err)
	}
	m.SDK = sdk.New(esp8266.New(flash), m.net.Link())
	m.Chip.ChipID = 0xABCDEF
	m.Chip.Serial = &m.serial
	symbols, err := sdk.ReadSymbols(file)
	if err != nil {
		t.Fatal(err)
	}
	m.Symbols = []*sdk.Symbols{symbols}
	m.PowerOn()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("serial line:\n%s", m.serial.String())
		}
	})
	return m
}

// bootImage is the image that the mask ROM loads (docs/SPEC.md, section 2.2).
func bootImage(t *testing.T, path string) []byte {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image := []byte{0xE9, 0, 2, 0x20}
	image = binary.LittleEndian.AppendUint32(image, uint32(f.Entry))
	sum := byte(0xEF)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		data := make([]byte, (p.Filesz+3)&^3)
		if _, err := p.ReadAt(data[:p.Filesz], 0); err != nil {
			t.Fatal(err)
		}
		image = binary.LittleEndian.AppendUint32(image, uint32(p.Vaddr))
		image = binary.LittleEndian.AppendUint32(image, uint32(len(data)))
		image = append(image, data...)
		for _, b := range data {
			sum ^= b
		}
		image[1]++
	}
	for len(image)%16 != 15 {
		image = append(image, 0)
	}
	return append(image, sum)
}

// run lets the program work for some time, through its resets.
func (m *machine) run(d time.Duration) {
	m.t.Helper()
	for end := m.Now() + d; m.Now() < end; {
		switch m.Run(end) {
		case sdk.Reset:
			m.Reset()
			m.resets = append(m.resets, m.Chip.ResetReason())
		case sdk.Stopped:
			m.t.Fatal("the chip has nothing to execute")
		}
	}
}

// said are the lines that the program has said since it was last started.
func (m *machine) said() []string {
	text := strings.ReplaceAll(m.serial.String(), "\r", "")
	if i := strings.LastIndex(text, "SDK ver: "); i >= 0 {
		_, text, _ = strings.Cut(text[i:], "\n")
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

// expect compares what was said.
func (m *machine) expect(want ...string) {
	m.t.Helper()
	got := strings.Join(m.said(), "\n")
	if got != strings.Join(want, "\n") {
		m.t.Errorf("it said:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// expectText looks for text on the serial line.
func (m *machine) expectText(want ...string) {
	m.t.Helper()
	text := strings.ReplaceAll(m.serial.String(), "\r", "")
	for _, w := range want {
		if !strings.Contains(text, w) {
			m.t.Errorf("%q is not on the serial line", w)
		}
	}
}
