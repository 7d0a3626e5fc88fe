package loop

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/image"
	"esper/internal/release"
)

// workers are how many run a part of the sweep side by side.
const workers = 2

// From the moment that all of an image has come or is made, which somebody else has signed, to
// its refusal: whatever instruction is skipped, the slot must not hold a whole image
// afterwards, as only that is ever booted.
func TestNoSkippedInstructionOfTheFirmwareInstallsForeignFirmware(t *testing.T) {
	f := theFirmwares(t)
	f.images(t, "socket", "v1", 1)
	elf := f.elf("socket", 0)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := release.Sign(f.images(t, "socket", "v2", 2), other)
	if err != nil {
		t.Fatal(err)
	}
	made := withDelta(t, f.release(t, "socket", "v1", 1), foreign)
	delete(made, "socket.rom1")
	for way, served := range map[string]files{"downloaded": folder(foreign), "made of a delta": made} {
		for part := range workers {
			t.Run(fmt.Sprint(way, " ", part), func(t *testing.T) {
				t.Parallel()
				s := &updateSweep{program: readProgram(t, elf), served: served}
				s.program.mustHave(t, "Ed25519::add", "Sha512")
				tried, harm := s.run(t, part)
				reportHarm(t, s.program, elf, tried, harm)
			})
		}
	}
}

// updateSweep verifies the same image again and again.
type updateSweep struct {
	program *program
	served  files
}

// atVerification is a device that has all of the image, and is about to look at it.
func (s *updateSweep) atVerification(t *testing.T) (*world, *emulator.Device) {
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.handler = s.served
	w.notify()
	w.expect("verifying", time.Minute, func() bool { return w.lastUpdate(d).State == "verifying" })
	return w, d
}

// installed says whether the slot that is not running holds a whole image.
func installed(flash *esp8266.Flash) bool {
	slot := make([]byte, 0x20)
	if flash.Read(image.Slot1Address, slot) != nil || bytes.Equal(slot[0x10:], bytes.Repeat([]byte{0xFF}, 16)) {
		return false
	}
	slot = make([]byte, image.SlotSize)
	if err := flash.Read(image.Slot1Address, slot); err != nil {
		return false
	}
	_, err := image.ParseSlot(slot, 1)
	return err == nil
}

func (s *updateSweep) run(t *testing.T, part int) (tried int, harm []fault) {
	w, d := s.atVerification(t)
	var executed []uint32
	d.Chip.CPU.Trace = func(pc uint32) { executed = append(executed, pc) }
	w.expect("a refusal", 10*time.Second, func() bool { return w.lastUpdate(d).State == "failed" })
	d.Chip.CPU.Trace = nil
	if installed(d.Chip.Flash) {
		t.Fatal("it is installed without a fault")
	}

	chosen, last := map[uint64]fault{}, uint64(0)
	for _, f := range faults(s.program, executed) {
		if f.n%workers == uint64(part) {
			chosen[f.n], last = f, max(last, f.n)
		}
	}
	w, d = s.atVerification(t)
	fork, err := emulator.New(emulator.Config{ChipID: 1, Flash: esp8266.NewFlash(image.FlashSize), Link: network.NewMemory().Link()})
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	d.Chip.CPU.Trace = func(uint32) {
		if f, ok := chosen[n]; ok {
			tried++
			if s.skipIn(t, fork, d.Snapshot(), w.Net.Clone()) {
				harm = append(harm, f)
			}
		}
		n++
	}
	w.RunUntil(func() bool { return n > last }, 10*time.Second)
	d.Chip.CPU.Trace = nil
	return tried, harm
}

// skipIn goes on from a snapshot without the next instruction, and says whether the
// image is installed.
func (s *updateSweep) skipIn(t *testing.T, fork *emulator.Device, from *emulator.Snapshot, net *network.Memory) bool {
	return skipsTo(t, fork, from, net, "update/status", installed, 2*time.Second)
}

// skipsTo goes on from a snapshot without the next instruction, and reports whether something comes of it
// that must not, until the device says at a topic that it failed, restarts, or the time is over.
func skipsTo(t *testing.T, fork *emulator.Device, from *emulator.Snapshot, net *network.Memory,
	topic string, harmed func(*esp8266.Flash) bool, max time.Duration) bool {
	if err := fork.Restore(from, net.Links()[0]); err != nil {
		t.Fatal(err)
	}
	resets := fork.Resets()
	skip(fork.Chip)
	broker := net.Host("broker").Peer(1883).(*network.Broker)
	topic = realm + "/" + fork.ID() + "/" + topic
	broker.OnMessage = nil // it is the pilot's
	is := false
	emulator.NewLabOn(net, fork).RunUntil(func() bool {
		state, _ := broker.Retained(topic)
		is = harmed(fork.Chip.Flash)
		return is || fork.Resets() != resets || strings.Contains(state, "failed")
	}, max)
	return is
}
