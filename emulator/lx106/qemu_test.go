package lx106

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 1, "seed of the random programs in TestAgainstQEMU")

// The image that both run: RAM at these addresses in QEMU's sim machine.
const (
	qemuCode     = 0x50000000 // its reset vector
	qemuData     = 0x60000000
	qemuPrograms = 400
	codeSlot     = 0x1000 // of each program
	dataSlot     = 0x2000

	// Offsets in a program's data.
	scratchSize = 0x3C0 // random at first; loads and stores go here
	initialRegs = 0x3C0 // a0 to a14 at the start
	resultRegs  = 0x400 // a0 to a14 at the end, then resultSpecial
	resultSR    = 0x440
	exceptions  = 0x500 // a record of each exception taken, to the end of the slot
)

// resultSpecial are the special registers compared at the end of each program.
var resultSpecial = []uint32{srSAR, srPS, srEXCCAUSE, srEXCVADDR, srEPC1, srDEPC, srEPC2, srEPS2,
	srDEBUGCAUSE, srICOUNT, srEXCSAVE1, srEXCSAVE2, srEXCSAVE3, srINTERRUPT, srINTENABLE}

// TestAgainstQEMU runs random programs here and in QEMU's LX106, and compares
// registers, memory and the exceptions on the way.
func TestAgainstQEMU(t *testing.T) {
	qemu, err := exec.LookPath("qemu-system-xtensa")
	if err != nil {
		t.Skip("qemu-system-xtensa is not installed, so there is nothing to compare with")
	}
	image := buildImage(*seed)
	want := runQEMU(t, qemu, image)

	c := New(nothing{})
	code := bytes.Clone(image.code)
	data := bytes.Clone(image.data)
	c.SetWindows(
		Window{Base: qemuCode, Data: code, Load: 7, Store: 7, Fetch: true},
		Window{Base: qemuData, Data: data, Load: 7, Store: 7},
	)
	c.PC = qemuCode
	if stop := c.Run(10_000_000); stop != StopSimcall {
		t.Fatalf("stopped for %d at %#x after %d instructions, not at the end", stop, c.PC, c.Cycles)
	}
	t.Logf("%d programs, %d instructions", qemuPrograms, c.Cycles)

	taken := map[uint32]int{}
	failed := 0
	for n := range qemuPrograms {
		got, want := data[n*dataSlot:][:dataSlot], want[n*dataSlot:][:dataSlot]
		for at := exceptions; at < dataSlot; at += 16 {
			if binary.LittleEndian.Uint32(want[at+8:]) != 0 {
				taken[binary.LittleEndian.Uint32(want[at:])]++
			}
		}
		if bytes.Equal(got, want) {
			continue
		}
		t.Errorf("program %d of seed %d; replay: go test ./emulator/lx106 -run TestAgainstQEMU -args -seed %d", n, *seed, *seed)
		t.Log("\n" + image.listings[n])
		for at := 0; at < dataSlot; at += 4 {
			g, w := binary.LittleEndian.Uint32(got[at:]), binary.LittleEndian.Uint32(want[at:])
			if g != w {
				t.Logf("%s: got %08x, QEMU %08x", dataName(at), g, w)
			}
		}
		if failed++; failed == 3 {
			t.Fatal("too many differences")
		}
	}
	t.Logf("exceptions taken, by cause: %v", taken)
	for _, cause := range []Cause{IllegalInstruction, Syscall, Level1Interrupt, LoadStoreAlignment, doubleMarker,
		debugMarker + debugCount, debugMarker + debugInstruction, debugMarker + debugData, debugMarker + debugBreak} {
		if taken[uint32(cause)] == 0 {
			t.Errorf("no program took an exception of cause %d", cause)
		}
	}
}

// dataName says what lies at an offset in a program's data.
func dataName(at int) string {
	switch {
	case at < resultRegs:
		return fmt.Sprintf("memory %#x", at)
	case at < resultSR:
		return fmt.Sprintf("a%d", (at-resultRegs)/4)
	case at < resultSR+4*len(resultSpecial):
		return fmt.Sprintf("special register %d", resultSpecial[(at-resultSR)/4])
	}
	return fmt.Sprintf("exception %d, %s", (at-exceptions)/16, []string{"cause", "vaddr", "PC", "PS"}[at%16/4])
}

// runQEMU returns the data that the image writes when it ends.
func runQEMU(t *testing.T, qemu string, image *image) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "programs.elf")
	if err := os.WriteFile(file, image.elf(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, "-cpu", "lx106", "-M", "sim", "-display", "none",
		"-monitor", "none", "-serial", "none", "-semihosting", "-kernel", file)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		t.Fatalf("QEMU: %v, %d bytes written\n%s", err, out.Len(), messages.Bytes())
	}
	if out.Len() != len(image.data) {
		t.Fatalf("QEMU wrote %d bytes, not %d", out.Len(), len(image.data))
	}
	return out.Bytes()
}

// elf is the image as an executable with two segments.
func (m *image) elf() []byte {
	const header, segment = 52, 32
	le := binary.LittleEndian
	b := []byte("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b = le.AppendUint16(b, 2)  // executable
	b = le.AppendUint16(b, 94) // Xtensa
	for _, v := range []uint32{1, qemuCode, header, 0, 0} {
		b = le.AppendUint32(b, v)
	}
	for _, v := range []uint16{header, segment, 2, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	offset := uint32(header + 2*segment)
	for _, s := range []struct {
		addr uint32
		data []byte
	}{{qemuCode, m.code}, {qemuData, m.data}} {
		n := uint32(len(s.data))
		for _, v := range []uint32{1, offset, s.addr, s.addr, n, n, 7, 1} {
			b = le.AppendUint32(b, v)
		}
		offset += n
	}
	return append(append(b, m.code...), m.data...)
}
