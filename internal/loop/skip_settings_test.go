package loop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/image"
	"esper/internal/settings"
)

// From the moment that a settings release has been asked for to its refusal: whatever instruction
// is skipped, one that somebody else has signed, though with the site's fleet key, is never taken;
// nor is one that is not sealed with the fleet key.
func TestNoSkippedInstructionTakesForeignSettings(t *testing.T) {
	f := theFirmwares(t)
	v := variant{name: "settings, for skipping", config: inSettings.config}
	f.variant(t, "socket", "v1", 1, v)
	elf := f.elf("socket", 0)
	program := readProgram(t, elf)
	program.mustHave(t, deciding[:7]...)
	others := strangers(t, 1) // always the same, so that each run executes the same
	foreign := func(c *crafted) { c.Signers = others }
	unsealed := func(c *crafted) { c.Keys = [][]byte{make([]byte, settings.KeySize)} }
	for what, change := range map[string]func(*crafted){"another signature": foreign,
		"another fleet key": unsealed} {
		for part := range workers {
			t.Run(fmt.Sprint(what, " ", part), func(t *testing.T) {
				t.Parallel()
				own := *program // it remembers where it was last
				s := &settingsSweep{program: &own, v: v, change: change}
				tried, harm := s.run(t, part)
				reportHarm(t, s.program, elf, tried, harm)
			})
		}
	}
}

// settingsSweep looks at the same settings release again and again.
type settingsSweep struct {
	program *program
	v       variant
	change  func(*crafted)
}

// asking is a device that has just asked for the settings.
func (s *settingsSweep) asking(t *testing.T) *stored {
	w := newStoredOf(t, s.v, append(atHome().Entries(), settings.OfNumber(settings.SequenceName,
		7)))
	w.settle()
	w.RunFor(20 * time.Second)
	w.file = w.craft(s.change)
	before := w.requests(".settings")
	w.notify()
	w.expect("a request", time.Minute, func() bool { return w.requests(".settings") > before })
	return w
}

// taken reports whether the flash holds a candidate.
func taken(flash *esp8266.Flash) bool {
	_, err := settings.ParseRecord(flash.Bytes()[image.CandidateAddress:][:image.SectorSize])
	return err == nil
}

func (s *settingsSweep) run(t *testing.T, part int) (tried int, harm []fault) {
	w := s.asking(t)
	var executed []uint32
	w.device.Chip.CPU.Trace = func(pc uint32) { executed = append(executed, pc) }
	w.expect("a refusal", 10*time.Second, func() bool { return w.status().State == "failed" })
	w.device.Chip.CPU.Trace = nil
	if taken(w.device.Chip.Flash) {
		t.Fatal("it is taken without a fault")
	}
	var decisive, others []fault
	for _, f := range allFaults(s.program, executed) {
		if s.decides(f.pc) {
			decisive = append(decisive, f)
		} else {
			others = append(others, f)
		}
	}
	t.Logf("%d instructions, %d of them where it is decided", len(decisive)+len(others),
		len(decisive))
	chosen, last := map[uint64]fault{}, uint64(0)
	for _, f := range slices.Concat(sampled(decisive, sample/2), sampled(others, 2*sample)) {
		if f.n%workers == uint64(part) {
			chosen[f.n], last = f, max(last, f.n)
		}
	}
	w = s.asking(t)
	fork, err := emulator.New(emulator.Config{ChipID: 1, Flash: esp8266.NewFlash(image.FlashSize),
		Link: network.NewMemory().Link()})
	must(t, err)
	n := uint64(0)
	w.device.Chip.CPU.Trace = func(uint32) {
		if f, ok := chosen[n]; ok {
			tried++
			if s.skipIn(t, fork, w.device.Snapshot(), w.Net.Clone()) {
				harm = append(harm, f)
			}
		}
		n++
	}
	w.RunUntil(func() bool { return n > last }, 10*time.Second)
	w.device.Chip.CPU.Trace = nil
	return tried, harm
}

// deciding are the beginnings of the names of functions that decide on a release.
// The framework's come first, and are all there; the compiler may put others into their callers.
var deciding = []string{"SettingsUpdate::", "SettingsFile::", "Settings::", "beginSignature",
	"Ed25519::step", "Ed25519::compare", "unseal", "crypto_verify", "crypto_aead"}

// decides reports whether an instruction belongs to what decides on a release.
func (s *settingsSweep) decides(pc uint32) bool {
	name := s.program.functions[s.program.find(pc)].name
	return slices.ContainsFunc(deciding, func(f string) bool { return strings.HasPrefix(name, f) })
}

// skipIn goes on from a snapshot without the next instruction, and reports whether the release is
// taken.
func (s *settingsSweep) skipIn(t *testing.T, fork *emulator.Device, from *emulator.Snapshot,
	net *network.Memory) bool {
	return skipsTo(t, fork, from, net, "settings", taken, 3*time.Second)
}
