package loop

import (
	"bytes"
	"encoding/binary"
	"testing"

	"esper/emulator"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/store"
)

// Firmware reports the version of the bootloader that it lies on, and 0 for one that has none.
func TestDevicesReportTheirBootloader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.firmwares.images(t, "socket", "v1", 1)
	ours := w.firmwares.bootloader
	number := binary.LittleEndian.Uint32(ours[0x14:])
	newer := changed(t, ours, 0x14, number+1)
	foreign := changed(t, ours, 0x10, 0)
	devices := []*emulator.Device{
		w.addWith(ours, 1, "socket", "v1", 1), w.addWith(newer, 2, "socket", "v1", 1), w.addWith(foreign, 3, "socket", "v1", 1),
	}
	w.publish("socket", "v1", 1)
	w.settle()
	kept, err := store.Open(t.Context(), store.InMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for i, want := range []uint32{number, number + 1, 0} {
		d := w.device(devices[i])
		if got := d.Info.Version.Boot; got != want {
			t.Errorf("%s reports bootloader %d, want %d", d.ID, got, want)
		}
		if d.Info.Version.Link != "emulator" {
			t.Errorf("%s reports link %q", d.ID, d.Info.Version.Link)
		}
		if err := kept.Apply(t.Context(), []fleet.Change{{Device: d}}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := kept.Find(t.Context(), store.Query{Condition: store.OldBootloader})
	if err != nil || len(found) != 2 || found[0].ID != "000001" || found[1].ID != "000003" {
		t.Errorf("with an old bootloader: %+v, %v", found, err)
	}
	if number == 0 {
		t.Error("ESPer's bootloader has no number")
	}
}

// changed is a bootloader with another word at an offset, and the checksum of that.
func changed(t *testing.T, bootloader []byte, offset int, word uint32) []byte {
	t.Helper()
	b := bytes.Clone(bootloader)
	_, size, err := image.ParseStandard(b)
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Clone(b[offset : offset+4])
	binary.LittleEndian.PutUint32(b[offset:], word)
	for i, o := range old {
		b[size-1] ^= o ^ b[offset+i]
	}
	return b
}
