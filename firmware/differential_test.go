package firmware_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"esper/internal/image"
	"esper/internal/release"
)

// oracle asks the C++ side what it makes of an input (fuzz/oracle.cpp, fuzz/settings_oracle.cpp).
type oracle struct {
	command *exec.Cmd
	in      *bufio.Writer
	out     *bufio.Reader
	errors  bytes.Buffer
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	needCompiler(t)
	program, err := oracleProgram()
	if err != nil {
		t.Fatal(err)
	}
	return startOracle(t, program)
}

// startOracle starts a program with the loop of fuzz/answer.cpp.
func startOracle(t testing.TB, program string) *oracle {
	t.Helper()
	o := &oracle{command: exec.Command(program)}
	in, err := o.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.command.Stderr = &o.errors
	if err := o.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		o.command.Wait()
	})
	o.in, o.out = bufio.NewWriter(in), bufio.NewReader(out)
	return o
}

// oracleProgram is compiled once for all tests.
var oracleProgram = sync.OnceValues(func() (string, error) {
	return compileTarget(filepath.Join(folder, "oracle"), "fuzz/oracle.cpp", "fuzz/answer.cpp")
})

// ask returns the answer to a question about an input.
func (o *oracle) ask(t *testing.T, question byte, input []byte) string {
	t.Helper()
	o.in.WriteByte(question)
	o.in.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(input))))
	o.in.Write(input)
	if err := o.in.Flush(); err != nil {
		t.Fatalf("the C++ side is gone: %v\n%s", err, &o.errors)
	}
	answer, err := o.out.ReadString('\n')
	if err != nil {
		o.command.Wait() // for all that it had to say
		t.Fatalf("the C++ side ended: %v\n%s", err, &o.errors)
	}
	return strings.TrimSuffix(answer, "\n")
}

// addCorpus begins with the inputs of a C++ target.
func addCorpus(f *testing.F, target string, add func([]byte)) {
	inputs, err := filepath.Glob("fuzz/corpus/" + target + "/*")
	if err != nil || len(inputs) == 0 {
		f.Fatalf("no corpus of %s: %v", target, err)
	}
	for _, path := range inputs {
		input, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		add(input)
	}
}

// Devices and server agree on which version files are well-formed, and on every
// value in them.
func FuzzVersionFileAsOnTheDevice(f *testing.F) {
	addCorpus(f, "version_file", func(b []byte) { f.Add(b) })
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		want := "malformed"
		if v, err := release.ParseVersionFile(text); err == nil {
			want = fmt.Sprintf("%s %d", v.Version, v.Sequence)
			for slot, signatures := range v.Signatures {
				for _, s := range signatures {
					want += fmt.Sprintf(" %d:%x", slot, s[:])
				}
			}
		}
		if got := o.ask(t, 'v', text); got != want {
			t.Errorf("%q:\nC++ %s\nGo  %s", text, got, want)
		}
	})
}

// Bootloader, firmware and server agree on boot configurations, and on what a
// descriptor is as far as the device looks.
func FuzzBootConfigurationAsOnTheDevice(f *testing.F) {
	addCorpus(f, "boot_configuration", func(b []byte) {
		f.Add(b[:min(len(b), image.BootConfigurationSize)], b[min(len(b), image.BootConfigurationSize):])
	})
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, configuration, descriptor []byte) {
		sector := bytes.Repeat([]byte{0xFF}, image.SectorSize)
		copy(sector, configuration)
		slot := image.Slots
		if c, err := image.ParseBootConfiguration(sector); err == nil {
			slot = c.Current
		}
		if got, want := o.ask(t, 'c', sector), fmt.Sprintf("%d %d", slot, slot); got != want {
			t.Errorf("configuration % x: the bootloader and the framework read %s, Go %s", configuration, got, want)
		}
		if d, err := image.ParseDescriptor(descriptor); err == nil {
			if got, want := o.ask(t, 'd', descriptor[:image.DescriptorSize]), fmt.Sprintf("slots %d", d.Slot); got != want {
				t.Errorf("descriptor % x: C++ %s, Go %s", descriptor, got, want)
			}
		}
	})
}

// Bootloader, firmware and emulator agree on the RTC record.
func FuzzRTCRecordAsOnTheDevice(f *testing.F) {
	f.Add(image.RTCRecord{LastROM: 1}.Marshal())
	f.Add(image.RTCRecord{NextMode: 0x02, TempROM: 1}.Marshal())
	f.Add(image.RTCRecord{LastMode: 0x80, LastROM: 0xFF, TempROM: 0xFF}.Marshal())
	f.Add(make([]byte, image.RTCRecordSize))
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, image.RTCRecordSize)...)[:image.RTCRecordSize]
		r, err := image.ParseRTCRecord(b)
		if err != nil {
			r = image.RTCRecord{}
		}
		want := fmt.Sprintf("%02x%02x%02x%02x %x", r.NextMode, r.LastMode, r.LastROM, r.TempROM, r.Marshal())
		if got := o.ask(t, 'r', b); got != want {
			t.Errorf("% x: C++ %s, Go %s (%v)", b, got, want, err)
		}
	})
}

// What Go takes for an image, the bootloader boots, with the same content of the
// RAM. What the bootloader boots is whole for Go, too; Go only looks at more: at
// what the bootloader has no use for.
func FuzzImageAsInTheBootloader(f *testing.F) {
	addCorpus(f, "image", func(b []byte) { f.Add(b) })
	o := newOracle(f)
	nothing := bytes.Repeat([]byte{0xFF}, image.SlotSize) // as a slot is when it is erased
	content := make([]byte, image.SlotSize)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > len(content) {
			return
		}
		slot, sealed := int(b[0]&1), b[0]&2 != 0
		used := copy(content, b[1:])
		copy(content[used:], nothing)
		if size := binary.LittleEndian.Uint32(content[0x10+84:]); sealed && size >= sha256.Size && size <= image.SlotSize {
			trailer := sha256.Sum256(content[:size-sha256.Size])
			copy(content[size-sha256.Size:], trailer[:])
			used = max(used, int(size))
		}
		got := o.ask(t, 'i', append([]byte{byte(slot)}, content[:used]...))
		parsed, err := image.ParseSlot(content, slot)
		boots := !strings.HasPrefix(got, "refused: ")
		switch {
		case err == nil:
			if want := loaded(parsed); got != want {
				t.Errorf("% x:\nbootloader %s\nGo         %s", b, got, want)
			}
		case boots:
			for _, reason := range []error{image.ErrErased, image.ErrFormat, image.ErrSlot, image.ErrSize, image.ErrTrailer} {
				if errors.Is(err, reason) {
					t.Errorf("% x: it boots (%s), but for Go it is not whole: %v", b, got, err)
				}
			}
		}
	})
}

// loaded is what the oracle says of an image that boots.
func loaded(i *image.Image) string {
	dram, iram := make([]byte, image.DRAMEnd-image.DRAMStart), make([]byte, image.IRAMEnd-image.IRAMStart)
	for _, s := range i.Segments {
		if s.Addr >= image.IRAMStart {
			copy(iram[s.Addr-image.IRAMStart:], s.Data)
		} else {
			copy(dram[s.Addr-image.DRAMStart:], s.Data)
		}
	}
	return fmt.Sprintf("%d %x", i.Entry, sha256.Sum256(append(dram, iram...)))
}
