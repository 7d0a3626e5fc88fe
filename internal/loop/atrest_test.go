package loop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/release"
)

// home is a device at rest that may be disturbed: v2 is confirmed and in both slots.
type home struct {
	*cycle
	mark
	v2, v3 *release.Release
	same   stage // v2 is still offered
	newer  stage // v3 is
	bad    stage // v4 is, which crashes
}

// theHome is where the cycle is when v2 is in both slots.
func theHome(t *testing.T) *home {
	t.Helper()
	c, tr := theCycle(t)
	h := &home{cycle: c, v2: c.releases[1], v3: c.releases[2], same: c.stages[1], newer: c.stages[2], bad: c.stages[3]}
	h.bad.wanted = h.v2
	for _, m := range tr.marks {
		if m.stage.offered == h.v2 {
			h.mark = m // the last of them
		}
	}
	return h
}

// flip is one bit.
type flip struct {
	what string
	addr uint32 // in flash, or in RTC memory
	bit  int
}

func (f flip) String() string {
	return fmt.Sprintf("bit %d of 0x%06x, in the %s", f.bit, f.addr, f.what)
}

// bits are all bits of an area.
func bits(what string, addr uint32, n int) []flip {
	var all []flip
	for i := range 8 * n {
		all = append(all, flip{what, addr + uint32(i/8), i % 8})
	}
	return all
}

// R2: one bit that has flipped in flash, wherever what the device boots from lies.
func TestAFlippedBitAtRest(t *testing.T) {
	h := theHome(t)
	var flips []flip
	for slot := range image.Slots {
		at, size := image.SlotAddress(slot), len(h.v2.Images[slot])
		flips = append(flips, bits(fmt.Sprintf("header of slot %d", slot), at, 16)...)
		flips = append(flips, bits(fmt.Sprintf("descriptor of slot %d", slot), at+16, image.DescriptorSize)...)
		flips = append(flips, bits(fmt.Sprintf("trailer of slot %d", slot), at+uint32(size)-32, 32)...)
		r := rand.New(rand.NewPCG(2017, uint64(slot)))
		for range 200 {
			flips = append(flips, flip{fmt.Sprintf("content of slot %d", slot), at + 112 + uint32(r.IntN(size-112-32)), r.IntN(8)})
		}
	}
	flips = append(flips, bits("boot configuration", image.BootConfigurationAddress, image.BootConfigurationSize)...)
	flips = append(flips, bits("first refusal", image.BootConfigurationAddress+0x40, 64)...)

	inParallel(t, h.cycle, some(flips, 12), func(s *scene, f flip) {
		start := func(st stage) {
			s.set(h.mark)
			s.offer(st)
			b := s.device.Chip.Flash.Bytes()[f.addr] ^ 1<<f.bit
			put(t, s, f.addr, []byte{b})
			s.device.PowerCycle()
		}
		start(h.same)
		s.RunUntil(func() bool { return s.problem != "" || s.runs() && s.holds(0, h.v2) && s.holds(1, h.v2) }, patience)
		if s.problem != "" || !s.holds(0, h.v2) || !s.holds(1, h.v2) {
			t.Errorf("%v: not repaired: %s; %s", f, s.problem, s.last())
		}
		// And if a new release is the first thing that it finds.
		if int(f.addr+uint32(f.bit))%4 != 0 {
			return
		}
		start(h.newer)
		s.RunUntil(func() bool { return s.problem != "" || s.settled() }, patience)
		if s.problem != "" || !s.settled() || !s.operates() {
			t.Errorf("%v: v3 is not reached: %s; %s", f, s.problem, s.last())
		}
	})
	t.Logf("%d bits of flash", len(some(flips, 12)))
}

// R2: one bit of the RTC record that flips between firmware and bootloader, when it
// says nothing, when it asks for a trial, and when a trial has failed.
func TestAFlippedBitInTheRTCRecord(t *testing.T) {
	const size = image.RTCRecordSize + 4 // with the number of crashes behind it
	h := theHome(t)
	type moment struct {
		name  string
		stage stage
		is    func(r image.RTCRecord) bool
	}
	type moved struct {
		moment
		flip
	}
	var all []moved
	for _, m := range []moment{
		{"at a restart", h.same, func(r image.RTCRecord) bool { return true }},
		{"before a trial", h.newer, func(r image.RTCRecord) bool { return r.NextMode != 0 }},
		{"after a trial", h.bad, func(r image.RTCRecord) bool { return r.LastMode != 0 }},
	} {
		for _, f := range bits("RTC record", image.RTCRecordAddress, size) {
			all = append(all, moved{m, f})
		}
	}
	inParallel(t, h.cycle, some(all, 8), func(s *scene, m moved) {
		s.set(h.mark)
		s.offer(m.stage)
		done := false
		s.onReset = func(esp8266.ResetReason) {
			content, err := s.device.Chip.Read(image.RTCRecordAddress, size)
			if err != nil {
				t.Error(err)
			}
			if r, err := image.ParseRTCRecord(content); done || err != nil || !m.is(r) {
				return
			}
			done = true
			content[m.addr-image.RTCRecordAddress] ^= 1 << m.bit
			if err := s.device.Chip.Write(image.RTCRecordAddress, content); err != nil {
				t.Error(err)
			}
		}
		s.broker.Publish(realm+"/update", "", false)
		if m.stage.offered == h.v2 {
			s.broker.Publish(realm+"/"+s.device.ID()+"/reboot", s.device.ID(), false)
		}
		s.RunUntil(func() bool { return s.problem != "" || done && s.settled() }, patience)
		if !done || s.problem != "" || !s.settled() || !s.operates() {
			t.Errorf("%s: %v: flipped %v; %s; %s", m.name, m.flip, done, s.problem, s.last())
		}
	})
	t.Logf("%d bits of the RTC record", len(some(all, 8)))
}

// Where nothing is left to boot, the bootloader says so and stops, and flashing over
// the serial line, as the README describes it, helps.
func TestWithBothSlotsBadItStopsAndCanBeFlashed(t *testing.T) {
	h := theHome(t)
	s := h.scene(t)
	s.set(h.mark)
	flash := s.device.Chip.Flash
	for slot := range image.Slots {
		at := image.SlotAddress(slot) + 0x4321
		put(t, s, at, []byte{flash.Bytes()[at] ^ 1})
	}
	before := bytes.Clone(flash.Bytes())
	s.device.PowerCycle()
	s.RunFor(time.Minute)
	said := s.serial.String()
	for _, text := range []string{"slot 0 refused: damaged", "slot 1 refused: damaged", "no slot boots, stopped"} {
		if strings.Count(said, text) != 1 {
			t.Errorf("it does not say once %q:\n%s", text, said)
		}
	}
	if s.running != nil || !bytes.Equal(flash.Bytes(), before) {
		t.Error("it boots something, or has written to flash")
	}

	erased := bytes.Repeat([]byte{0xFF}, image.FlashSize)
	copy(erased, theFirmwares(t).bootloader)
	copy(erased[image.SlotAddress(0):], h.v2.Images[0])
	put(t, s, 0, erased)
	s.watch()
	s.offer(h.newer)
	s.device.PowerCycle()
	if !s.RunUntil(s.settled, patience) || s.problem != "" {
		t.Errorf("flashed anew, it does not get to v3: %s\n%s", s.problem, s.serial.String())
	}
}

// RTC memory may outlive a short power cut: a trial that ended so says nothing against the release.
func TestAPowerCutInATrialThatRTCMemoryOutlivesRefusesNothing(t *testing.T) {
	h := theHome(t)
	s := h.scene(t)
	s.set(h.mark)
	s.offer(h.newer)
	s.broker.Publish(realm+"/update", "", false)
	if !s.RunUntil(func() bool { return s.running == h.v3 && s.info != nil && s.info.Boot.Trial }, time.Minute) {
		t.Fatal("no trial")
	}
	content, err := s.device.Chip.Read(image.RTCRecordAddress, image.RTCRecordSize)
	if err != nil {
		t.Fatal(err)
	}
	s.onReset = func(reason esp8266.ResetReason) {
		if reason == esp8266.ResetPowerOn {
			if err := s.device.Chip.Write(image.RTCRecordAddress, content); err != nil {
				t.Error(err)
			}
		}
	}
	s.device.PowerCycle()
	if !s.RunUntil(s.settled, patience) || s.problem != "" {
		t.Errorf("v3 is not reached: %s; %s", s.problem, s.last())
	}
}
