package loop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// plot is what happens to the settings of a device from its start on, and what must come of it.
type plot struct {
	name     string
	f        *firmwares
	v        variant
	flash    func(t *testing.T) []byte // of the store and the candidate, when it gets its power
	file     []byte                    // that the server offers
	networks map[string]string
	records  []settings.Entries // that may count at any time; nil among them: none
	wanted   settings.Entries   // the record that counts in the end
	state    string             // that it reports then
}

// plots are all of them: taking, trying, confirming and rolling back, moving, and mending a copy.
func plots(t *testing.T, f *firmwares) []plot {
	t.Helper()
	home := map[string]string{"net": "kryptonite1", "new": "kryptonite2"}
	with := func(sequence int32, change func(c *settings.Connection)) settings.Entries {
		return append(atHomeBut(change), settings.OfNumber(settings.SequenceName, sequence))
	}
	old := with(7, func(*settings.Connection) {})
	toNew := func(c *settings.Connection) {
		c.WiFi = []settings.Network{{SSID: "new", Password: "kryptonite2"}}
	}
	toNowhere := func(c *settings.Connection) { c.Broker.Host = "nowhere" }
	seal := func(sequence uint32, change func(c *settings.Connection)) []byte {
		b, err := settings.Seal(settings.Header{Type: "socket", Sequence: sequence},
			atHomeBut(change), [][]byte{fleetKey},
			[]ed25519.PrivateKey{f.key}, rand.NewChaCha8([32]byte{}))
		must(t, err)
		return b
	}
	// rejected is a store with a candidate behind it that was rejected.
	rejected := func(t *testing.T, change func(c *settings.Connection)) []byte {
		b, err := settings.Record{Entries: with(8, change)}.Marshal()
		must(t, err)
		b = append(b, bytes.Repeat([]byte{0xFF}, image.SectorSize-len(b))...)
		copy(b[image.SectorSize-32:], make([]byte, 4))
		copy(b[image.SectorSize-32+16:], []byte{1, 0, 0, 0})
		return append(storeOf(t, old), b...)
	}
	stored := func(e settings.Entries) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return storeOf(t, e) }
	}
	moved := variant{name: "move at home", config: func(c *site.Config) {
		moving.config(c)
		c.WiFi.Password, c.MQTT.User, c.MQTT.Password = "kryptonite1", "devices", "swordfish1"
	}}
	before := atHomeBut(func(c *settings.Connection) {
		c.WiFi[0].Password, c.Broker.Port = "kryptonite0", 1884
	})
	all := []plot{
		{name: "taken and confirmed", v: inSettings, flash: stored(old), file: seal(8, toNew),
			networks: home,
			records:  []settings.Entries{old, with(8, toNew)}, wanted: with(8, toNew),
			state: "confirmed"},
		{name: "taken and rolled back", v: inSettings, flash: stored(old), file: seal(8, toNowhere),
			networks: home,
			records:  []settings.Entries{old}, wanted: old, state: "rolled-back"},
		{name: "taken in place of a rejected one", v: inSettings, file: seal(9, toNew),
			networks: home,
			flash:    func(t *testing.T) []byte { return rejected(t, toNowhere) },
			records:  []settings.Entries{old, with(9, toNew)}, wanted: with(9, toNew),
			state: "confirmed"},
		{name: "rejected, and confirmed when the old network is gone", v: inSettings,
			flash:    func(t *testing.T) []byte { return rejected(t, toNew) },
			networks: map[string]string{"new": "kryptonite2"},
			records:  []settings.Entries{old, with(8, toNew)}, wanted: with(8, toNew),
			state: "confirmed"},
		{name: "moved into an erased flash", v: moved,
			flash: func(*testing.T) []byte { return nil }, networks: home,
			records: []settings.Entries{nil, atHome().Entries()}, wanted: atHome().Entries(),
			state: "idle"},
		{name: "moved over others", v: moved, flash: stored(before), networks: home,
			records: []settings.Entries{before, atHome().Entries()}, wanted: atHome().Entries(),
			state: "idle"},
	}
	for sector, name := range []string{"the first copy is mended", "the second copy is mended"} {
		all = append(all, plot{name: name, v: inSettings, networks: home,
			flash: func(t *testing.T) []byte {
				store := storeOf(t, old)
				store[sector*image.SectorSize+100] ^= 0x10
				return store
			},
			records: []settings.Entries{old}, wanted: old, state: "idle"})
	}
	for i := range all {
		all[i].f = f
	}
	return all
}

// ofSettings reports whether an operation is on the settings' sectors.
func ofSettings(op esp8266.Operation) bool {
	return op.Addr >= image.SettingsAddress && op.Addr < image.CandidateAddress+image.SectorSize
}

// act is a device that plays a plot, watched: its record must be one of those of the plot.
type act struct {
	*emulator.Lab
	t       *testing.T
	plot    plot
	handler http.Handler
	device  *emulator.Device
	serial  bytes.Buffer

	online  bool
	status  settingsStatus
	problem string
	onReset func()
}

func newAct(t *testing.T, p plot) *act {
	t.Helper()
	f := p.f
	a := &act{Lab: emulator.NewLab(), t: t, plot: p}
	images := f.variant(t, "socket", "v1", 1, p.v)
	a.Net.SetNetworks(p.networks)
	broker := network.NewBroker(a.Net)
	broker.Users = map[string]string{"devices": "swordfish1"}
	a.Net.AddHost("broker").Listen(1883, broker)
	a.Net.AddHost("web").Listen(80, network.NewWeb(a.Net, nil))
	signed, err := release.Sign(images, f.key)
	must(t, err)
	firmware := offers(t, signed)
	a.handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, ".settings") && p.file != nil {
			w.Write(p.file)
			return
		}
		firmware.ServeHTTP(w, q)
	})
	config := f.flashed(t, 0xC0DE, f.bootloader, images[0])
	must(t, config.Flash.Put(image.SlotAddress(1), images[1]))
	must(t, config.Flash.Put(image.SettingsAddress, p.flash(t)))
	a.device, err = a.Add(config)
	must(t, err)
	a.watch()
	return a
}

// watch begins to look at the device and its network, which may be new.
func (a *act) watch() {
	a.online, a.status, a.problem, a.onReset = false, settingsStatus{}, "", nil
	a.serial.Reset()
	a.device.Chip.Serial = &a.serial
	a.device.Chip.Flash.Before = nil
	a.device.OnReset = func(reason esp8266.ResetReason) {
		a.online, a.status = false, settingsStatus{}
		if reason != esp8266.ResetPowerOn {
			a.wrong("a reset for reason %d", reason)
		}
		a.recorded()
		if a.onReset != nil {
			a.onReset()
		}
	}
	a.Net.Host("web").Peer(80).(*network.Web).Handler = a.handler
	a.Net.Host("broker").Peer(1883).(*network.Broker).OnMessage = func(m network.Message) {
		switch {
		case strings.HasSuffix(m.Topic, "c0de/status"):
			a.online = m.Payload == "ONLINE"
		case strings.HasSuffix(m.Topic, "c0de/settings"):
			if err := json.Unmarshal([]byte(m.Payload), &a.status); err != nil {
				a.wrong("%v: %s", err, m.Payload)
			}
		}
	}
}

func (a *act) wrong(format string, args ...any) {
	if a.problem == "" {
		a.problem = fmt.Sprintf(format, args...)
	}
}

// recorded checks that the record that counts is one of those of the plot.
func (a *act) recorded() {
	r, err := settings.ReadStore(a.store())
	if !slices.ContainsFunc(a.plot.records, func(e settings.Entries) bool {
		return e == nil && err != nil || err == nil && same(e, r.Entries)
	}) {
		a.wrong("the record is %q, %v", r.Entries.Names(), err)
	}
}

func (a *act) store() []byte {
	return a.device.Chip.Flash.Bytes()[image.SettingsAddress:][:image.StoreSize]
}

// same reports whether both are the same, in whatever order.
func same(a, b settings.Entries) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(e settings.Entry) bool {
		other, found := b.Find(e.Name)
		return !found || other.Type != e.Type || !bytes.Equal(other.Value, e.Value)
	})
}

// ended reports whether the device is online with the wanted record, and says so; if mended, both
// copies must be right, and no candidate may be left that is not rejected.
func (a *act) ended(mended bool) bool {
	settled := a.online && (a.status.State == a.plot.state || a.plot.state == "confirmed" &&
		a.status.State == "idle")
	if !settled {
		return false
	}
	store := a.store()
	r, err := settings.ReadStore(store)
	if err != nil || !same(r.Entries, a.plot.wanted) {
		return false
	}
	return !mended || bytes.Equal(store[:image.SectorSize], store[image.SectorSize:])
}

// stop is a moment to go on from.
type stop struct {
	device  *emulator.Snapshot
	net     *network.Memory
	online  bool
	status  settingsStatus
	next    uint64
	pending []powerCut
}

func (a *act) stop(pending []powerCut) stop {
	return stop{a.device.Snapshot(), a.Net.Clone(), a.online, a.status,
		a.device.Chip.Flash.Operations(), pending}
}

func (a *act) from(s stop) {
	net := s.net.Clone()
	if err := a.device.Restore(s.device, net.Links()[0]); err != nil {
		panic(err)
	}
	a.Lab = emulator.NewLabOn(net, a.device)
	a.watch()
	a.online, a.status = s.online, s.status
}

// course is a recorded run: its operations on the settings, and where to begin for each.
type course struct {
	operations []esp8266.Operation
	stops      []stop
}

func (c *course) before(operation uint64) stop {
	for _, s := range slices.Backward(c.stops) {
		if s.next <= operation {
			return s
		}
	}
	return c.stops[0]
}

// cutting makes the cuts, and tells of the operations behind the last.
func (a *act) cutting(cuts []powerCut, seen func(esp8266.Operation)) (over *bool) {
	made, done := 0, len(cuts) == 0
	a.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if made < len(cuts) && op.Index == cuts[made].operation {
			made++
			return esp8266.Cut{Power: true, Byte: ways[cuts[made-1].way].byte(op)}
		}
		if done && seen != nil && ofSettings(op) {
			seen(op)
		}
		return esp8266.Cut{}
	}
	a.onReset = func() { done = made == len(cuts) }
	return &done
}

// record plays the plot with cuts, and records what follows them.
func (a *act) record(cuts []powerCut) *course {
	c := &course{stops: []stop{a.stop(cuts)}}
	over := a.cutting(cuts, func(op esp8266.Operation) {
		op.Data = nil
		c.operations = append(c.operations, op)
	})
	known := 0
	a.RunUntil(func() bool {
		if *over && len(c.operations) > known {
			known = len(c.operations)
			c.stops = append(c.stops, a.stop(nil))
		}
		return a.problem != "" || *over && a.ended(true)
	}, patience)
	return c
}

// play makes cuts, and returns what was wrong afterwards; known reports whether it is known how the
// device goes on with a flash of that content.
func (a *act) play(c *course, cuts []powerCut, known func([32]byte) bool) string {
	s := c.before(cuts[len(cuts)-1].operation)
	a.from(s)
	all := append(slices.Clone(s.pending), cuts...)
	over := a.cutting(all, nil)
	if !a.RunUntil(func() bool { return *over || a.problem != "" }, patience) {
		return "the cut is never reached"
	}
	if a.problem == "" && known != nil && known(sha256.Sum256(a.device.Chip.Flash.Bytes())) {
		return ""
	}
	a.RunUntil(func() bool { return a.problem != "" || a.ended(true) }, patience)
	if a.problem == "" && !a.ended(true) {
		a.recorded()
		return fmt.Sprintf("it is locked out: online %v, %+v; %s", a.online, a.status, a.problem)
	}
	return a.problem
}

// together has two workers, or as many as there are cores, do all jobs.
func together[J any](t *testing.T, p plot, jobs []J, do func(a *act, j J)) {
	queue := make(chan J, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		a := newAct(t, p)
		group.Go(func() {
			for j := range queue {
				do(a, j)
			}
		})
	}
	group.Wait()
}

// The power is cut in each operation on the settings' sectors, in each way, and once more in one of
// those that follow: the device comes online with the settings that it should have, and its record
// is the old or the new one at any time.
func TestPowerCutsOfSettings(t *testing.T) { powerCutsOfSettings(t, theFirmwares(t), 1000, 2, 3) }

// TestPowerCutsOfSettingsOfAChipImage is that for an image with the vendor's own software.
func TestPowerCutsOfSettingsOfAChipImage(t *testing.T) {
	powerCutsOfSettings(t, chipFirmwares(t), 20, 2, 3)
}

// powerCutsOfSettings tries so many of the single cuts of each plot unless all are wanted, so many
// first ones of two, and so many second ones for each of these.
func powerCutsOfSettings(t *testing.T, f *firmwares, singles, firsts, seconds int) {
	var mu sync.Mutex
	single, double, lockouts, operations, booted := 0, 0, 0, 0, 0
	for _, p := range plots(t, f) {
		a := newAct(t, p)
		tr := a.record(nil)
		if a.problem != "" || !a.ended(true) || len(tr.operations) == 0 {
			t.Fatalf("%s: without a cut: %s, online %v, %+v, %d operations\n%s", p.name, a.problem,
				a.online, a.status,
				len(tr.operations), tail(a.serial.String(), 3000))
		}
		operations += len(tr.operations)
		content := map[[32]byte]bool{}
		try := func(a *act, c *course, cuts []powerCut, count *int) {
			var key [32]byte
			played := true
			problem := a.play(c, cuts, func(sum [32]byte) bool {
				key = sum
				mu.Lock()
				defer mu.Unlock()
				played = !content[sum]
				return content[sum]
			})
			mu.Lock()
			defer mu.Unlock()
			*count++
			if played {
				booted++
			}
			if problem == "" {
				content[key] = true
				return
			}
			if lockouts++; lockouts <= 20 {
				t.Errorf("%s: %s%s: %s\n%s", p.name, caseName(c.stops[0].pending), caseName(cuts),
					problem, tail(a.serial.String(), 1500))
			}
		}
		cuts := func(c *course) (all []powerCut) {
			for _, op := range c.operations {
				for way := range ways {
					all = append(all, powerCut{op.Index, way})
				}
			}
			return all
		}
		together(t, p, some(cuts(tr), singles), func(a *act, one powerCut) {
			try(a, tr, []powerCut{one}, &single)
		})
		together(t, p, some(cuts(tr), firsts), func(a *act, first powerCut) {
			a.from(tr.before(first.operation))
			again := a.record([]powerCut{first})
			for _, second := range some(cuts(again), seconds) {
				try(a, again, []powerCut{second}, &double)
			}
		})
	}
	t.Logf("%d flash operations; %d cases of one cut and %d of two, %d of them played to the end, "+
		"the others left a flash content that had gone well before; %d lock-outs",
		operations, single, double, booted, lockouts)
}

// Each operation on the settings' sectors reports an error once. The device goes on, and has what
// it should have after another start at the latest.
func TestFlashErrorsOfSettings(t *testing.T) {
	var mu sync.Mutex
	cases, late := 0, 0
	for _, p := range plots(t, theFirmwares(t)) {
		a := newAct(t, p)
		tr := a.record(nil)
		together(t, p, tr.operations, func(a *act, op esp8266.Operation) {
			a.from(tr.before(op.Index))
			refused := false
			a.device.Chip.Flash.Before = func(now esp8266.Operation) esp8266.Cut {
				if now.Index == op.Index {
					refused = true
					return esp8266.Refuse()
				}
				return esp8266.Cut{}
			}
			a.RunUntil(func() bool { return refused }, patience)
			a.RunUntil(func() bool { return a.problem != "" || a.online }, patience)
			if !refused || a.problem != "" || !a.online {
				t.Errorf("%s: %v: refused %v, online %v, %s", p.name, op, refused, a.online,
					a.problem)
				return
			}
			restarted := false
			if !a.RunUntil(func() bool { return a.problem != "" || a.ended(true) }, patience) {
				restarted = true
				a.device.PowerCycle()
				a.RunUntil(func() bool { return a.problem != "" || a.ended(true) }, patience)
			}
			a.recorded()
			mu.Lock()
			defer mu.Unlock()
			if cases++; restarted {
				late++
			}
			if a.problem != "" || !a.ended(true) {
				t.Errorf("%s: %v: online %v, %+v, %s\n%s", p.name, op, a.online, a.status,
					a.problem, tail(a.serial.String(), 1500))
			}
		})
	}
	t.Logf("%d flash errors, all of them without harm; %d were made good by the next start", cases,
		late)
}

// TestPowerCutsOfSettings can fail: devices that did worse would be found out.
func TestPowerCutsOfSettingsFindMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		mistake func(store []byte)
		found   string
	}{
		"both copies are erased first": {func(store []byte) {
			copy(store, bytes.Repeat([]byte{0xFF}, len(store)))
		}, "the record is"},
		"something else is written": {func(store []byte) {
			other, err := settings.Record{Generation: 9, Entries: atHome().Entries()}.Store()
			must(t, err)
			copy(store, other)
		}, "the record is"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAct(t, plots(t, theFirmwares(t))[0])
			tr := a.record(nil)
			middle := tr.operations[len(tr.operations)/2]
			spoil := func([32]byte) bool {
				store := bytes.Clone(a.store())
				c.mistake(store)
				must(t, a.device.Chip.Flash.Put(image.SettingsAddress, store))
				a.recorded()
				return false
			}
			if problem := a.play(tr, []powerCut{{middle.Index, 0}},
				spoil); !strings.Contains(problem, c.found) {
				t.Errorf("what was found is %q, not %q", problem, c.found)
			}
		})
	}
	t.Run("the device never comes online", func(t *testing.T) {
		a := newAct(t, plots(t, theFirmwares(t))[0])
		tr := a.record(nil)
		silence := func([32]byte) bool {
			a.Net.Host("broker").Silent = true
			return false
		}
		problem := a.play(tr, []powerCut{{tr.operations[0].Index, 0}}, silence)
		if !strings.Contains(problem, "locked out") {
			t.Errorf("what was found is %q", problem)
		}
	})
}
