package loop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/internal/settings"
)

// Settings with the vendor's own software in the image, which joins and leaves the networks.

// storedOnChip is a device with the chip's link.
func storedOnChip(t testing.TB) *stored {
	t.Helper()
	return storedOnChipOf(t, inSettings)
}

func storedOnChipOf(t testing.TB, v variant) *stored {
	t.Helper()
	s := newStoredOn(t, chipFirmwares(t), v, append(atHome().Entries(),
		settings.OfNumber(settings.SequenceName, 7)))
	s.settle()
	s.RunFor(20 * time.Second)
	return s
}

// unharmed checks that the vendor's software has not crashed or restarted.
func (s *stored) unharmed() {
	s.t.Helper()
	if s.device.Resets() != 0 || strings.Contains(s.serial.String(), "Fatal exception") {
		s.t.Errorf("%d resets", s.device.Resets())
	}
}

func TestAChipTakesSettings(t *testing.T) {
	s := storedOnChip(t)
	s.release(8, atHomeBut(func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "new network of 32 characters at",
			Password: strings.Repeat("0123456789abcdef", 4)}}
	}))
	s.expect("the trial", time.Minute, func() bool { return s.status().State == "trial" })
	s.Net.SetNetworks(map[string]string{"new network of 32 characters at": strings.Repeat("0123456789abcdef", 4)})
	s.became(2*time.Minute, "confirmed", 8, "")
	s.unharmed()
	s.restarts()
	// To an open network, which the vendor's software must not give the password before.
	s.release(9, atHomeBut(func(c *settings.Connection) { c.WiFi = []settings.Network{{SSID: "open"}} }))
	s.expect("the trial", time.Minute, func() bool { return s.status().State == "trial" })
	s.Net.SetNetworks(map[string]string{"open": ""})
	s.became(2*time.Minute, "confirmed", 9, "")
}

func TestAChipRollsSettingsBack(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		change func(c *settings.Connection)
	}{
		"a wrong password": {"no-wifi",
			func(c *settings.Connection) { c.WiFi[0].Password = "kryptonite9" }},
		"a network not there": {"no-wifi",
			func(c *settings.Connection) { c.WiFi[0].SSID = "elsewhere" }},
		"no network at all": {"no-wifi",
			func(c *settings.Connection) { c.WiFi = []settings.Network{{SSID: ""}} }},
		"a broker not there": {"no-broker",
			func(c *settings.Connection) { c.Broker.Host = "10.0.0.200" }},
		"a name unknown": {"no-broker", func(c *settings.Connection) { c.Broker.Host = "nowhere" }},
		"a long name": {"no-broker",
			func(c *settings.Connection) { c.Broker.Host = strings.Repeat("long.", 300) }},
		"another login": {"no-broker", func(c *settings.Connection) { c.Password = "swordfish9" }},
		"an update server gone": {"no-update-server",
			func(c *settings.Connection) { c.Update.Host = "10.0.0.200" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := storedOnChip(t)
			s.release(8, atHomeBut(c.change))
			s.became(8*time.Minute, "rolled-back", 7, c.reason)
			s.unharmed()
			s.release(9, atHome().Entries())
			s.became(2*time.Minute, "confirmed", 9, "")
			s.unharmed()
		})
	}
}

// The old network goes before the new one is there.
func TestAChipTriesBothSettingsUntilOneWorks(t *testing.T) {
	s := storedOnChip(t)
	s.release(8, atHomeBut(func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "new", Password: "kryptonite2"}}
	}))
	s.expect("the trial", time.Minute, func() bool { return s.status().State == "trial" })
	s.Net.SetNetworks(map[string]string{})
	s.RunFor(25 * time.Minute)
	s.Net.SetNetworks(map[string]string{"new": "kryptonite2"})
	s.became(15*time.Minute, "confirmed", 8, "")
	s.unharmed()
}

// Nothing of the heap is lost by changes of the settings, confirmed or rolled back.
func TestAChipChangesItsSettingsOften(t *testing.T) {
	f := chipFirmwares(t)
	next := len(f.elves)
	s := storedOnChipOf(t, variant{name: "settings, its ELF file", config: inSettings.config}) // built here
	free := freeHeap(t, s.device, f.elves[next])
	networks := map[string]string{"net": "kryptonite1", "new": "kryptonite2"}
	s.Net.SetNetworks(networks)
	var heap []uint32
	change := func(sequence uint32) {
		s.release(sequence, atHomeBut(func(c *settings.Connection) {
			if sequence%4 == 1 {
				c.Broker.Host = "nowhere"
			} else if sequence%2 == 0 {
				c.WiFi = []settings.Network{{SSID: "gone", Password: "kryptonite3"}, {SSID: "new",
					Password: "kryptonite2"}}
			}
		}))
		s.expect(fmt.Sprint("an end of ", sequence), 8*time.Minute, func() bool {
			got := s.status()
			return got.State == "confirmed" && got.Sequence == sequence ||
				got.State == "rolled-back" && got.Candidate == sequence
		})
		s.RunFor(3 * time.Minute) // until the connections before are forgotten
		heap = append(heap, free())
	}
	for sequence := uint32(8); sequence < 28; sequence++ {
		change(sequence)
	}
	t.Logf("free heap: %v", heap)
	// Records of the same size lie in the heap after as many changes of each kind.
	if first, last := heap[3], heap[19]; last < first {
		t.Errorf("%d bytes of the heap were free after 4 changes, and %d after 20", first, last)
	}
	s.unharmed()
}
