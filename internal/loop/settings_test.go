package loop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/settings"
	"esper/internal/site"
)

// The fleet's key, always the same so that what was tried can be tried again.
var fleetKey = bytes.Repeat([]byte{0x5E}, settings.KeySize)

// inSettings is a variant of firmware that has its settings from the flash alone, moving one of
// firmware that copies them there.
var (
	inSettings = variant{name: "settings", config: func(c *site.Config) { c.Secrets = site.InSettings }}
	moving     = variant{name: "move", config: func(c *site.Config) { c.Secrets = site.Moving }}
)

// atHome is how the devices of these tests reach the hosts of a world.
func atHome() settings.Connection {
	return settings.Connection{
		WiFi:   []settings.Network{{SSID: "net", Password: "kryptonite1"}},
		Broker: settings.Server{Host: "broker", Port: 1883}, User: "devices", Password: "swordfish1",
		Update: settings.Server{Host: "web", Port: 80}, UpdatePath: "/firmware",
		FleetKey: fleetKey,
	}
}

// atHomeBut is atHome with a change.
func atHomeBut(change func(c *settings.Connection)) settings.Entries {
	c := atHome()
	change(&c)
	return c.Entries()
}

// stored is a world in which the WiFi asks for the site's password, the broker for its user, and a
// device has these settings in flash.
type stored struct {
	*world
	device *emulator.Device
	serial *bytes.Buffer
	said   []settingsStatus // what it reported
	file   []byte           // the settings release that the server has; nil: none
}

// settingsStatus is what a device says of its settings (SPEC 12.5).
type settingsStatus struct {
	State     string
	Sequence  uint32
	Own       uint32
	Candidate uint32
	From      string
	Error     string
}

func newStored(t testing.TB) *stored {
	t.Helper()
	return newStoredOf(t, inSettings, atHome().Entries())
}

// newStoredOf makes a world with a device of a variant. Without entries, it has no settings in flash.
func newStoredOf(t testing.TB, v variant, entries settings.Entries) *stored {
	t.Helper()
	return newStoredOn(t, theFirmwares(t), v, entries)
}

// newStoredOn is newStoredOf with other firmwares.
func newStoredOn(t testing.TB, f *firmwares, v variant, entries settings.Entries) *stored {
	t.Helper()
	s := &stored{world: newWorldOf(t, f), serial: &bytes.Buffer{}}
	s.Net.SetNetworks(map[string]string{"net": "kryptonite1"})
	s.broker.Users = map[string]string{"devices": "swordfish1"}
	firmware := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, ".settings") && s.file != nil {
			w.Write(s.file)
			return
		}
		firmware.ServeHTTP(w, q)
	})
	fleet := s.broker.OnMessage
	s.broker.OnMessage = func(m network.Message) {
		fleet(m)
		if strings.HasSuffix(m.Topic, "/settings") {
			var status settingsStatus
			if err := json.Unmarshal([]byte(m.Payload), &status); err != nil {
				t.Errorf("%s: %v: %s", m.Topic, err, m.Payload)
			}
			s.said = append(s.said, status)
		}
	}
	rom := s.firmwares.variant(t, "socket", "v1", 1, v)[0]
	config := s.firmwares.flashed(t, 0xC0DE, s.firmwares.bootloader, rom)
	config.Serial = s.serial
	if entries != nil {
		if err := config.Flash.Put(image.SettingsAddress, storeOf(t, entries)); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.device, err = s.Add(config); err != nil {
		t.Fatal(err)
	}
	s.publishVariant("socket", "v1", 1, v)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("serial line:\n%s", tail(s.serial.String(), 6000))
		}
	})
	return s
}

// storeOf is the content of a store.
func storeOf(t testing.TB, entries settings.Entries) []byte {
	t.Helper()
	b, err := settings.Record{Generation: 1, Entries: entries}.Store()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal is a settings release for sockets.
func (s *stored) seal(sequence uint32, entries settings.Entries) []byte {
	s.t.Helper()
	return s.sealAs(settings.Header{Type: "socket", Sequence: sequence}, entries, fleetKey)
}

func (s *stored) sealAs(h settings.Header, entries settings.Entries, keys ...[]byte) []byte {
	s.t.Helper()
	b, err := settings.Seal(h, entries, keys, []ed25519.PrivateKey{s.firmwares.key}, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// release publishes settings, and tells the devices.
func (s *stored) release(sequence uint32, entries settings.Entries) {
	s.t.Helper()
	s.file = s.seal(sequence, entries)
	s.notify()
}

// status is what the device said last of its settings.
func (s *stored) status() settingsStatus {
	if len(s.said) == 0 {
		return settingsStatus{}
	}
	return s.said[len(s.said)-1]
}

// became waits until the device is online and says so of its settings.
func (s *stored) became(max time.Duration, state string, sequence uint32, reason string) {
	s.t.Helper()
	s.expect(state+" "+reason, max, func() bool {
		got := s.status()
		return s.runs(s.device, "v1") && got.State == state && got.Sequence == sequence && got.Error == reason
	})
}

// restarts takes the power away and gives it back, and waits until the device is online again.
func (s *stored) restarts() {
	s.t.Helper()
	s.device.PowerCycle()
	s.comesBack()
}

// comesBack waits until the device says that it is online.
func (s *stored) comesBack() {
	s.t.Helper()
	since := s.Now()
	s.expect("its return", 2*time.Minute, func() bool {
		return slices.ContainsFunc(s.broker.Messages(), func(m network.Message) bool {
			return m.At > since && m.Payload == string(fleet.Online) && strings.HasSuffix(m.Topic, s.device.ID()+"/status")
		})
	})
}

// record is the record in the device's flash.
func (s *stored) record() settings.Record {
	s.t.Helper()
	r, err := settings.ReadStore(s.device.Chip.Flash.Bytes()[image.SettingsAddress:][:image.StoreSize])
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestSettingsInFlashAreEnough(t *testing.T) {
	t.Parallel()
	s := newStored(t)
	s.settle()
	s.became(time.Minute, "idle", 0, "")
	if got := s.status().From; got != "flash" {
		t.Errorf("its settings are from %q", got)
	}
	// Once more without power, and the next firmware, too.
	s.restarts()
	s.publishVariant("socket", "v2", 2, inSettings)
	s.notify()
	s.expect("v2", time.Minute, func() bool { return s.runs(s.device, "v2") })
}

func TestImagesHoldNothingOfTheSettings(t *testing.T) {
	t.Parallel()
	f := theFirmwares(t)
	secrets := variant{name: "secrets", config: func(c *site.Config) {
		c.Secrets = site.InSettings
		c.WiFi = site.WiFi{SSID: "ssidofthesite", Password: "passwordofwifi"}
		c.MQTT = site.MQTT{Host: "hostofthebroker", Port: 1883, User: "userofthebroker", Password: "passwordofthebroker"}
		c.Update.Host, c.Update.Path = "hostoftheupdates", "/pathoftheupdates"
	}}
	compiled := secrets
	compiled.name = "compiled"
	compiled.config = func(c *site.Config) { secrets.config(c); c.Secrets = site.InImage }
	holding := func(v variant) (found []string) {
		for _, rom := range f.variant(t, "socket", "v1", 1, v) {
			for _, text := range []string{"ssidofthesite", "passwordofwifi", "hostofthebroker", "userofthebroker",
				"passwordofthebroker", "hostoftheupdates", "pathoftheupdates", string(fleetKey)} {
				if bytes.Contains(rom, []byte(text)) {
					found = append(found, text)
				}
			}
		}
		return found
	}
	if got := holding(secrets); got != nil {
		t.Errorf("an image holds %q", got)
	}
	if got := holding(compiled); len(got) != 2*7 { // the fleet key is of no use there
		t.Errorf("the images with settings hold %q", got)
	}
}

func TestSettingsComeOverTheAir(t *testing.T) {
	t.Parallel()
	s := newStored(t)
	s.settle()
	starts := strings.Count(s.serial.String(), "boot: slot")
	s.broker.Publish(realm+"/"+s.device.ID()+"/socket/set", "1", false)
	s.release(7, atHomeBut(func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "new", Password: "kryptonite2"}}
		c.Broker.Host, c.User, c.Password = "10.0.0.77", "others", "swordfish2"
	}))
	s.expect("the trial", time.Minute, func() bool { return strings.Contains(s.serial.String(), "trial: of settings") })
	s.Net.SetNetworks(map[string]string{"new": "kryptonite2"})
	host := s.Net.AddHost("10.0.0.77")
	host.IP = [4]byte{10, 0, 0, 77}
	other := network.NewBroker(s.Net)
	other.OnMessage, other.Users = s.broker.OnMessage, map[string]string{"others": "swordfish2"}
	host.Listen(1883, other)
	s.became(2*time.Minute, "confirmed", 7, "")
	if got := s.record().Entries; got.Merge(nil)[0].Name == "" || !slices.Contains(got[0].Texts(), "new") {
		t.Errorf("record %v", got.Names())
	}
	if n := strings.Count(s.serial.String(), "boot: slot"); n != starts || !s.device.Pin(12) {
		t.Errorf("it started %d times more, relay %v", n-starts, s.device.Pin(12))
	}
	flash := s.device.Chip.Flash.Bytes()
	if !bytes.Equal(flash[image.SettingsAddress:][:image.SectorSize], flash[image.SettingsAddress+image.SectorSize:][:image.SectorSize]) {
		t.Error("the two copies differ")
	}
	if bytes.Contains(flash, []byte("kryptonite1")) {
		t.Error("the old password is still in flash")
	}
}

// Whatever is wrong with settings, the device is where it was after the trial, says why, and does
// not try that again, unless it is asked to.
func TestSettingsThatDoNotWorkAreRolledBack(t *testing.T) {
	noWiFi := func(c *settings.Connection) { c.WiFi[0].Password = "kryptonite9" }
	noBroker := func(c *settings.Connection) { c.Broker.Host = "nowhere" }
	noLogin := func(c *settings.Connection) { c.Password = "swordfish9" }
	noServer := func(c *settings.Connection) { c.Update.Host = "nowhere" }
	noPath := func(c *settings.Connection) { c.UpdatePath = "/elsewhere" }
	several := func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "other"}, {SSID: "net", Password: "kryptonite9"}, {SSID: "third", Password: "kryptonite9"}, {SSID: "fourth"}}
	}
	for name, c := range map[string]struct {
		reason  string
		changes []func(*settings.Connection)
	}{
		"WiFi password":   {"no-wifi", []func(*settings.Connection){noWiFi}},
		"broker":          {"no-broker", []func(*settings.Connection){noBroker}},
		"broker password": {"no-broker", []func(*settings.Connection){noLogin}},
		"update URL":      {"no-update-server", []func(*settings.Connection){noServer}},
		"update path":     {"no-update-server", []func(*settings.Connection){noPath}},
		"all three":       {"no-wifi", []func(*settings.Connection){noWiFi, noBroker, noServer}},
		"broker and URL":  {"no-broker", []func(*settings.Connection){noBroker, noServer}},
		"all networks":    {"no-wifi", []func(*settings.Connection){several}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStored(t)
			s.settle()
			before := s.record()
			entries := atHomeBut(func(k *settings.Connection) {
				for _, change := range c.changes {
					change(k)
				}
			})
			s.release(7, entries)
			s.became(8*time.Minute, "rolled-back", 0, c.reason)
			if got := s.status(); got.Candidate != 7 {
				t.Errorf("about %d", got.Candidate)
			}
			if got := s.record(); got.Generation != before.Generation {
				t.Errorf("the record was written: %d", got.Generation)
			}
			trials := func() int { return strings.Count(s.serial.String(), "trial: of settings") }
			if trials() != 1 {
				t.Errorf("%d trials", trials())
			}
			s.notify()
			s.RunFor(10 * time.Minute)
			s.device.PowerCycle()
			s.RunFor(10 * time.Minute)
			if trials() != 1 {
				t.Errorf("%d trials, though nobody asked", trials())
			}
			s.became(time.Minute, "rolled-back", 0, c.reason)
			s.notifyOne(s.device)
			s.expect("another trial", time.Minute, func() bool { return trials() == 2 })
			s.RunFor(6 * time.Minute)
			s.became(8*time.Minute, "rolled-back", 0, c.reason)
			// What is right is taken afterwards.
			s.release(8, atHome().Entries())
			s.became(2*time.Minute, "confirmed", 8, "")
		})
	}
}

// The old network goes before the new one is there: the device tries one after the other until it
// gets somewhere.
func TestBothNetworksMayBeGoneForAWhile(t *testing.T) {
	for name, comes := range map[string]string{"the new one comes": "new", "the old one comes back": "net"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStored(t)
			s.settle()
			s.release(7, atHomeBut(func(c *settings.Connection) {
				c.WiFi = []settings.Network{{SSID: "new", Password: "kryptonite2"}}
			}))
			s.expect("the trial", time.Minute, func() bool { return strings.Contains(s.serial.String(), "trial: of settings") })
			s.Net.SetNetworks(map[string]string{})
			s.RunFor(3 * time.Hour)
			if n := strings.Count(s.serial.String(), "trial: of settings"); n < 10 || n > 20 {
				t.Errorf("%d trials in three hours", n)
			}
			s.device.PowerCycle()
			s.RunFor(7 * time.Minute)
			s.Net.SetNetworks(map[string]string{comes: map[string]string{"new": "kryptonite2", "net": "kryptonite1"}[comes]})
			if comes == "new" {
				s.became(15*time.Minute, "confirmed", 7, "")
			} else {
				s.became(15*time.Minute, "rolled-back", 0, "no-wifi")
			}
		})
	}
}

func TestTheNetworksAreTriedInTurn(t *testing.T) {
	t.Parallel()
	s := newStoredOf(t, inSettings, atHomeBut(func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "first", Password: "kryptonite3"}, {SSID: "second", Password: "kryptonite4"}, c.WiFi[0]}
	}))
	s.settle()
	if got := s.world.device(s.device).Info.WiFi.SSID; got != "net" {
		t.Errorf("it is in %q", got)
	}
	// When that is lost, the first one that is there.
	s.Net.SetNetworks(map[string]string{"second": "kryptonite4", "net": "kryptonite1"})
	s.Net.SetAccessPoint(false)
	s.RunFor(10 * time.Second)
	s.Net.SetAccessPoint(true)
	s.expect("the second network", 2*time.Minute, func() bool {
		return s.runs(s.device, "v1") && s.world.device(s.device).Info.WiFi.SSID == "second"
	})
}

func TestADeviceWithoutSettingsSaysSoAndWorks(t *testing.T) {
	for name, spoil := range map[string]func(store []byte){
		"erased":           func(store []byte) { copy(store, bytes.Repeat([]byte{0xFF}, len(store))) },
		"a bit in each":    func(store []byte) { store[20] ^= 1; store[image.SectorSize+40] ^= 1 },
		"another format":   func(store []byte) { store[4]++; store[image.SectorSize+4]++ },
		"a size too large": func(store []byte) { store[13] = 0xFF; store[image.SectorSize+13] = 0xFF },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStored(t)
			s.settle()
			store := storeOf(t, atHome().Entries())
			spoiled := bytes.Clone(store)
			spoil(spoiled)
			put := func(content []byte) {
				if err := s.device.Chip.Flash.Put(image.SettingsAddress, content); err != nil {
					t.Fatal(err)
				}
				s.device.PowerCycle()
			}
			put(spoiled)
			s.serial.Reset()
			s.RunFor(3 * time.Minute)
			if n := strings.Count(s.serial.String(), "settings: none: flash them with 'esper flash --settings'"); n < 3 || n > 5 {
				t.Errorf("said %d times:\n%s", n, s.serial.String())
			}
			// Mended over the serial line.
			put(store)
			s.comesBack()
		})
	}
}

func TestOneGoodCopyIsEnoughAndMendsTheOther(t *testing.T) {
	t.Parallel()
	for sector := range 2 {
		s := newStored(t)
		s.settle()
		at := image.SettingsAddress + sector*image.SectorSize
		spoiled := bytes.Clone(s.device.Chip.Flash.Bytes()[at:][:image.SectorSize])
		spoiled[100] ^= 0x10
		if err := s.device.Chip.Flash.Put(uint32(at), spoiled); err != nil {
			t.Fatal(err)
		}
		s.device.PowerCycle()
		s.RunFor(10 * time.Second)
		store := s.device.Chip.Flash.Bytes()[image.SettingsAddress:][:image.StoreSize]
		if !bytes.Equal(store[:image.SectorSize], store[image.SectorSize:]) {
			t.Errorf("copy %d is not mended", sector)
		}
	}
}

// Devices in the field: firmware with all compiled in, then one that moves it, then one without.
func TestDevicesInTheFieldComeOver(t *testing.T) {
	t.Parallel()
	compiled := func(v variant, secrets site.Secrets) variant {
		return variant{name: v.name + " at home", config: func(c *site.Config) {
			c.Secrets = secrets
			c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
		}}
	}
	s := newStoredOf(t, compiled(variant{name: "image"}, site.InImage), nil)
	s.settle()
	erased := bytes.Repeat([]byte{0xFF}, image.StoreSize)
	store := func() []byte { return s.device.Chip.Flash.Bytes()[image.SettingsAddress:][:image.StoreSize] }
	if !bytes.Equal(store(), erased) {
		t.Error("firmware with settings compiled in writes into the flash")
	}
	s.publishVariant("socket", "v2", 2, compiled(moving, site.Moving))
	s.notify()
	s.expect("the trial of v2", time.Minute, func() bool { return s.starts(s.device, "v2") })
	if !bytes.Equal(store(), erased) {
		t.Error("settings are moved before the firmware is confirmed")
	}
	s.expect("v2", time.Minute, func() bool { return s.runs(s.device, "v2") && s.status().From == "flash" })
	if got := s.record().Entries; !bytes.Equal(marshal(t, got), marshal(t, atHome().Entries())) {
		t.Errorf("moved %v", got)
	}
	s.publishVariant("socket", "v3", 3, inSettings)
	s.notify()
	s.expect("v3", time.Minute, func() bool { return s.runs(s.device, "v3") })
	s.expect("no slot to hold the password", time.Minute, func() bool {
		for slot := range image.Slots {
			if bytes.Contains(s.device.Chip.Flash.Bytes()[image.SlotAddress(slot):][:image.SlotSize], []byte("swordfish1")) {
				return false
			}
		}
		return true
	})
}

// As long as no settings release came, what a moving image holds goes before the flash.
func TestAMovingImageCanChangeSettings(t *testing.T) {
	t.Parallel()
	own := settings.Entries{settings.OfTexts(settings.DevicePasswordName, "secretofmine")}
	s := newStoredOf(t, variant{name: "move and change", config: func(c *site.Config) {
		c.Secrets = site.Moving
		c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
	}}, atHomeBut(func(c *settings.Connection) { c.WiFi[0].Password = "kryptonite0" }).Merge(own))
	s.broker.Users["00c0de"] = "secretofmine"
	s.settle()
	got := s.record().Entries
	if wifi, _ := got.Find("wifi.1"); !slices.Equal(wifi.Texts(), []string{"net", "kryptonite1"}) {
		t.Errorf("WiFi %q", wifi.Texts())
	}
	if password, found := got.Find(settings.DevicePasswordName); !found || password.Texts()[0] != "secretofmine" {
		t.Error("the device's own password is gone")
	}
	// After a settings release, the flash goes before the image.
	s.release(5, atHomeBut(func(c *settings.Connection) {
		c.WiFi = append([]settings.Network{{SSID: "new", Password: "kryptonite2"}}, c.WiFi...)
	}))
	s.became(2*time.Minute, "confirmed", 5, "")
	s.Net.SetNetworks(map[string]string{"new": "kryptonite2"})
	s.restarts()
}

// A device logs in with its own password, and with the shared one if the broker does not take that.
func TestADeviceLogsInWithItsOwnPassword(t *testing.T) {
	t.Parallel()
	own := settings.Entries{settings.OfTexts(settings.DevicePasswordName, "secretofmine")}
	s := newStoredOf(t, inSettings, atHome().Entries().Merge(own))
	s.broker.Users = map[string]string{"00c0de": "secretofmine"}
	s.settle()
	s.broker.Users = map[string]string{"devices": "swordfish1"}
	s.restarts()
	s.broker.Users = map[string]string{"00c0de": "secretofmine"}
	s.Net.SetDown(s.brokerHost, true)
	s.Net.SetDown(s.brokerHost, false)
	s.expect("its own again", 5*time.Minute, func() bool { return s.runs(s.device, "v1") })
}

// Settings for one device alone leave those of the fleet as they are, and the reverse.
func TestSettingsForOneDevice(t *testing.T) {
	t.Parallel()
	s := newStored(t)
	s.settle()
	own := settings.Header{Type: "*", Chip: s.device.ID(), Sequence: 3}
	deviceKey := bytes.Repeat([]byte{9}, settings.KeySize)
	s.broker.Users[s.device.ID()] = "secretofmine"
	s.file = s.sealAs(own, settings.Entries{
		settings.OfTexts(settings.DevicePasswordName, "secretofmine"), settings.OfBytes(settings.DeviceKeyName, deviceKey),
	}, fleetKey)
	s.notify()
	s.became(2*time.Minute, "confirmed", 0, "")
	s.release(7, atHome().Entries())
	s.became(2*time.Minute, "confirmed", 7, "")
	if got := s.record().Entries; s.status().Own != 3 || !slices.Contains(got.Names(), settings.DevicePasswordName) {
		t.Errorf("%+v, %v", s.status(), got.Names())
	}
	// A new fleet key, which whoever has the old one cannot read.
	newKey := bytes.Repeat([]byte{0x77}, settings.KeySize)
	own.Sequence = 4
	s.file = s.sealAs(own, settings.Entries{settings.OfBytes(settings.FleetName, newKey)}, deviceKey)
	s.notify()
	s.expect("the new key", 2*time.Minute, func() bool { return s.status().Own == 4 && s.status().State == "confirmed" })
	s.release(8, atHome().Entries())
	s.became(time.Minute, "failed", 7, "wrong-fleet-key")
	s.file = s.sealAs(settings.Header{Type: "*", Sequence: 9}, atHomeBut(func(c *settings.Connection) { c.FleetKey = newKey }), fleetKey, newKey)
	s.notify()
	s.became(2*time.Minute, "confirmed", 9, "")
}

func marshal(t testing.TB, entries settings.Entries) []byte {
	t.Helper()
	b, err := entries.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
