package loop

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"esper/emulator"
	"esper/internal/conductor"
	"esper/internal/image"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/settings"
)

// conductSettings lets a plan decide which settings the devices get. They get the newest firmware.
func (w *world) conductSettings(plan rollout.Plan, canary string) steered {
	w.t.Helper()
	c := w.openConductor(conductor.Config{Settings: true, Storage: w.database().SettingsRollouts()}, plan, canary)
	feed := repository.NewSettingsFeed(w.repository, c.Published)
	handler := w.repository.HandlerFor(func(q repository.Request) string {
		if q.File != repository.SettingsFile {
			return w.repository.NewestVersion(q.Type)
		}
		return c.Choose(q)
	}, func(q repository.Request) {
		if q.File == repository.SettingsFile {
			c.Seen(q)
		}
	})
	w.handler = http.StripPrefix("/firmware", handler)
	return steered{c, feed}
}

// Settings with a wrong broker: the canary goes back to the old ones, the roll-out stops, and the rest of
// the fleet never sees them. Then good ones go through all stages.
func TestACanaryProtectsTheFleetFromBadSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Net.SetNetworks(map[string]string{"net": "kryptonite1"})
	w.broker.Users = map[string]string{"devices": "swordfish1"}
	const canary = "000002"
	c := w.conductSettings(rollout.Plan{
		Stages: []rollout.Stage{{Group: "canary", Watch: 10 * time.Minute}, {Percent: 100}}, ReportWithin: time.Hour, Patience: 2 * time.Hour,
	}, canary)
	w.publishVariant("socket", "v1", 1, inSettings)
	rom := w.firmwares.variant(t, "socket", "v1", 1, inSettings)[0]
	var devices []*emulator.Device
	for id := range uint32(3) {
		config := w.firmwares.flashed(t, id+1, w.firmwares.bootloader, rom)
		if err := config.Flash.Put(image.SettingsAddress, storeOf(t, atHome().Entries())); err != nil {
			t.Fatal(err)
		}
		d, err := w.Add(config)
		if err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d)
	}
	w.settle()

	publish := func(sequence uint32, entries settings.Entries) {
		t.Helper()
		file, err := settings.Seal(settings.Header{Type: "socket", Sequence: sequence}, entries, [][]byte{fleetKey},
			[]ed25519.PrivateKey{w.firmwares.key}, rand.Reader)
		if err == nil {
			err = w.repository.PublishSettings("socket", file, []ed25519.PublicKey{w.firmwares.key.Public().(ed25519.PublicKey)})
		}
		if err == nil {
			err = c.Tick(t.Context(), true)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.notify()
	}
	// has counts the devices that report settings of a sequence, and tried those that were told of any.
	has := func(sequence uint32) (n int) {
		for _, d := range w.fleet.Devices() {
			if d.Settings != nil && d.Settings.Sequence == sequence {
				n++
			}
		}
		return n
	}
	tried := func() (ids []string) {
		for _, d := range w.fleet.Devices() {
			if d.Settings != nil && d.Settings.Candidate != 0 {
				ids = append(ids, d.ID)
			}
		}
		return ids
	}
	status := func() rollout.State { return c.Rollouts()[0] }

	publish(1, atHomeBut(func(k *settings.Connection) { k.Broker.Host = "nowhere" }))
	w.conductUntil(c, "the canary is at risk", 5*time.Minute, func() bool { return status().AtRisk == 1 })
	w.conductUntil(c, "the roll-out stops", 20*time.Minute, func() bool { return status().Status == rollout.Stopped })
	if why, err := c.Why(canary); err != nil || why.Device.Last.Failure != rollout.RolledBack {
		t.Errorf("the canary: %+v, %v", why, err)
	}
	w.notify()
	w.RunFor(10 * time.Minute)
	if ids := tried(); len(ids) != 1 || ids[0] != canary || has(0) != 3 {
		t.Errorf("tried by %q, and %d have what they had", ids, has(0))
	}

	publish(2, atHome().Entries())
	w.conductUntil(c, "the canary has them", 10*time.Minute, func() bool { return status().Confirmed == 1 })
	if has(2) != 1 {
		t.Errorf("%d devices have them in the first stage", has(2))
	}
	told := w.Now()
	w.conductUntil(c, "all stages", time.Hour, func() bool {
		if w.Now() >= told+time.Minute { // each time, all devices verify what is offered
			w.notify()
			told = w.Now()
		}
		return status().Status == rollout.Complete && has(2) == len(devices)
	})
	for _, d := range devices {
		if !w.runs(d, "v1") {
			t.Errorf("%s is not there", d.ID())
		}
	}
}
