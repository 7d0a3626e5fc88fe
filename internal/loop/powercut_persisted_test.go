package loop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/image"
	"esper/internal/settings"
)

// keeper is a device that keeps a value, watched.
type keeper struct {
	*emulator.Lab
	device *emulator.Device
	broker *network.Broker
	kept   string // what it published last, since its start
}

// newKeeper switches on a device whose journal holds that.
func newKeeper(t *testing.T, journal []byte) *keeper {
	f := theFirmwares(t)
	images := f.variant(t, "socket", "v1", 1, keeping)
	k := &keeper{Lab: emulator.NewLab()}
	k.broker = network.NewBroker(k.Net)
	k.Net.AddHost("broker").Listen(1883, k.broker)
	config := f.flashed(t, 0xC0DE, f.bootloader, images[0])
	must(t, config.Flash.Put(image.ApplicationDataAddress, journal))
	d, err := k.Add(config)
	must(t, err)
	k.device = d
	d.OnReset = func(esp8266.ResetReason) { k.kept = "" }
	k.broker.OnMessage = func(m network.Message) {
		if m.Topic == realm+"/00c0de/kept" {
			k.kept = m.Payload
		}
	}
	return k
}

// says returns what the device publishes of the value, once it does.
func (k *keeper) says() string {
	k.RunUntil(func() bool { return k.kept != "" }, 20*time.Second)
	return k.kept
}

// set has the value set; cut says what becomes of the flash operations that this leads to.
func (k *keeper) set(value int, cut func(op esp8266.Operation, n int) esp8266.Cut) {
	n := 0
	k.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if !ofJournal(op) || cut == nil {
			return esp8266.Cut{}
		}
		n++
		return cut(op, n-1)
	}
	k.broker.Publish(realm+"/00c0de/kept/set", fmt.Sprint(value), false)
	k.RunFor(300 * time.Millisecond)
	k.device.Chip.Flash.Before = nil
}

func (k *keeper) journal() []byte {
	return k.device.Chip.Flash.Bytes()[image.ApplicationDataAddress:][:image.StoreSize]
}

// keptJournal is a journal with so many records, the last of which holds their number.
func keptJournal(t *testing.T, records int) []byte {
	journal := bytes.Repeat([]byte{0xFF}, image.StoreSize)
	at := 0
	for i := 1; i <= records; i++ {
		value := binary.LittleEndian.AppendUint32(nil, uint32(i))
		b, err := settings.Record{Generation: uint32(i), Entries: settings.Entries{
			settings.OfPersisted("kept", 1, value)}}.Marshal()
		must(t, err)
		at += copy(journal[at:], b)
	}
	return journal
}

// lastOf returns the value in such a journal.
func lastOf(records int) string {
	if records == 0 {
		return "7" // the standard value
	}
	return fmt.Sprint(records)
}

// tear is a power cut in an operation on the journal: what is before the word is done, the word in
// some way, and nothing behind it.
type tear struct {
	records   int
	operation int
	word      int
	way       int
}

// within are the ways in which a word is torn: none of it is done, all, each other bit, one byte.
var within = []func(old, want byte, i int) byte{
	func(old, _ byte, _ int) byte { return old },
	func(_, want byte, _ int) byte { return want },
	func(old, want byte, _ int) byte { return old&0xAA | want&0x55 },
	func(old, want byte, i int) byte {
		if i == 0 {
			return want
		}
		return old
	},
}

func (c tear) cut(op esp8266.Operation) esp8266.Cut {
	return esp8266.Cut{Power: true, Byte: func(i int, old, want byte) byte {
		switch {
		case i/4 < c.word:
			return want
		case i/4 > c.word:
			return old
		}
		return within[c.way](old, want, i%4)
	}}
}

// The power is cut at each word that a change of a persisted value writes or erases, also within
// words, with journals that are empty, in use and full; and once more while the next change is
// written. The device then says the old or the new value, never another. Go wrote the journals.
func TestPowerCutsOfPersistedValues(t *testing.T) {
	const perSector = image.SectorSize / 64
	var all []tear
	operations := 0
	for _, records := range []int{0, 3, perSector - 1, perSector, 2*perSector - 1, 2 * perSector} {
		k := newKeeper(t, keptJournal(t, records))
		if got := k.says(); got != lastOf(records) {
			t.Fatalf("it says %q of a journal that Go wrote with %d records", got, records)
		}
		n := 0
		k.set(1000, func(op esp8266.Operation, i int) esp8266.Cut {
			n++
			for word := range op.Len / 4 {
				for way := range within {
					if op.Kind == esp8266.Program || word%64 == 5 {
						all = append(all, tear{records, i, word, way})
					}
				}
			}
			return esp8266.Cut{}
		})
		operations += n
		if wanted := map[bool]int{true: 1, false: 2}[records%perSector != 0]; n != wanted {
			t.Errorf("with %d records a change needs %d operations, not %d", records, n, wanted)
		}
		if r, err := settings.ReadJournal(k.journal()); err != nil || r.Generation != uint32(records+1) {
			t.Errorf("Go reads %+v, %v", r, err)
		}
	}
	chosen := some(all, 40)
	queue := make(chan tear, len(chosen))
	for _, c := range chosen {
		queue <- c
	}
	close(queue)
	var mu sync.Mutex
	outcomes := map[string]int{}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for c := range queue {
				outcome, problem := c.play(t)
				mu.Lock()
				outcomes[outcome]++
				mu.Unlock()
				if problem != "" {
					t.Errorf("%+v: %s", c, problem)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d operations, %d cuts in them, %d of them tried, a second cut in each: %v", operations,
		len(all), len(chosen), outcomes)
	if outcomes["old"] == 0 || outcomes["new"] == 0 {
		t.Errorf("%v: that tested little", outcomes)
	}
}

// play makes the cut, and another one in the change that follows.
func (c tear) play(t *testing.T) (outcome, problem string) {
	k, old := newKeeper(t, keptJournal(t, c.records)), lastOf(c.records)
	if said := k.says(); said != old {
		return "", fmt.Sprintf("it begins with %q, not %s", said, old)
	}
	once := func(operation int) func(esp8266.Operation, int) esp8266.Cut {
		return func(op esp8266.Operation, n int) esp8266.Cut {
			if n != operation {
				return esp8266.Cut{}
			}
			return c.cut(op)
		}
	}
	resets := k.device.Resets()
	k.set(1000, once(c.operation))
	found := k.says()
	if k.device.Resets() != resets+1 || !slices.Contains([]string{old, "1000"}, found) {
		return "", fmt.Sprintf("it says %q after a cut, %s before it; %d resets", found, old,
			k.device.Resets()-resets)
	}
	k.set(2000, once(0)) // the first operation of the recovery
	again := k.says()
	if !slices.Contains([]string{found, "2000"}, again) {
		return "", fmt.Sprintf("it says %q after a second cut, %s before it", again, found)
	}
	k.set(3000, nil)
	k.device.PowerCycle()
	if said := k.says(); said != "3000" {
		return "", fmt.Sprintf("it says %q when 3000 was written", said)
	}
	if found == old {
		return "old", ""
	}
	return "new", ""
}

// TestPowerCutsOfPersistedValues can fail: a device that did worse would be found out.
func TestPowerCutsOfPersistedValuesFindMistakes(t *testing.T) {
	k := newKeeper(t, keptJournal(t, 3))
	k.says()
	k.set(1000, func(op esp8266.Operation, _ int) esp8266.Cut {
		must(t, k.device.Chip.Flash.Put(image.ApplicationDataAddress, keptJournal(t, 2)))
		return tear{}.cut(op)
	})
	if found := k.says(); found == "3" || found == "1000" {
		t.Errorf("it says %q, though the record before was lost", found)
	}
}
