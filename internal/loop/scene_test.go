package loop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
)

// stage is what the server offers for a while, and what must come of it.
type stage struct {
	offered *release.Release
	wanted  *release.Release // what runs in the end: the release before, where the one that is offered is bad
	handler http.Handler
}

// seen is what is known of the device since its last reset.
type seen struct {
	info    *fleet.Info
	update  *fleet.UpdateStatus
	running *release.Release
}

// scene is one device on a network, watched: what it boots must be whole and
// released. It can be set to any mark, over and over.
type scene struct {
	*emulator.Lab
	device   *emulator.Device
	broker   *network.Broker
	releases []*release.Release // that may run
	bad      *release.Release   // the one among them that may crash
	stage    stage
	seen

	updates []fleet.UpdateStatus // since the mark
	problem string               // the first thing that must not be
	line    []byte
	serial  bytes.Buffer
	onReset func(esp8266.ResetReason)
	meddle  func(esp8266.Operation) // before each operation of a run with power cuts, if set
}

// put replaces what lies in flash.
func put(t *testing.T, s *scene, addr uint32, content []byte) {
	if err := s.device.Chip.Flash.Put(addr, content); err != nil {
		t.Error(err)
	}
}

// newScene makes a device with that image in slot 0, on a network of its own; it has its power.
func newScene(t *testing.T, f *firmwares, rom []byte) *scene {
	t.Helper()
	s := &scene{Lab: emulator.NewLab()}
	s.Net.AddHost("broker").Listen(1883, network.NewBroker(s.Net))
	s.Net.AddHost("web").Listen(80, network.NewWeb(s.Net, nil))
	var err error
	if s.device, err = s.Add(f.flashed(t, 0xC0FFEE, f.bootloader, rom)); err != nil {
		t.Fatal(err)
	}
	s.watch()
	return s
}

// watch begins to look at the device and its network, which may be new.
func (s *scene) watch() {
	s.seen, s.updates, s.problem, s.onReset = seen{}, nil, "", nil
	s.line = s.line[:0]
	s.serial.Reset()
	s.device.Chip.Serial = s
	s.device.Chip.Flash.Before = nil
	s.device.OnReset = s.reset
	s.device.SDK.OnCrash = nil
	s.broker = s.Net.Host("broker").Peer(1883).(*network.Broker)
	s.broker.OnMessage = s.message
}

// offer lets the server offer what belongs to a stage.
func (s *scene) offer(st stage) {
	s.stage = st
	s.Net.Host("web").Peer(80).(*network.Web).Handler = st.handler
}

// wrong keeps the first thing that must not be.
func (s *scene) wrong(format string, args ...any) {
	if s.problem == "" {
		s.problem = fmt.Sprintf(format, args...)
	}
}

func (s *scene) reset(reason esp8266.ResetReason) {
	if reason == esp8266.ResetException || reason == esp8266.ResetWatchdog || reason == esp8266.ResetSoftWatchdog {
		s.crashed(fmt.Sprintf("a reset for reason %d", reason))
	}
	s.seen = seen{}
	if s.onReset != nil {
		s.onReset(reason)
	}
}

// crashed is called when what runs has crashed, which only the bad release may.
func (s *scene) crashed(what string) {
	if s.running == nil || s.running != s.bad {
		s.wrong("%s", what)
	}
}

// Write takes what the serial line sends.
func (s *scene) Write(b []byte) (int, error) {
	s.serial.Write(b)
	for _, c := range b {
		if s.line = append(s.line, c); c == '\n' {
			s.booting(string(s.line))
			s.line = s.line[:0]
		}
	}
	return len(b), nil
}

// booting looks for what the bootloader says, and whether it is true; and for what the vendor's
// software says before it restarts a program that has crashed.
func (s *scene) booting(line string) {
	if strings.HasPrefix(line, "Fatal exception") {
		s.crashed(strings.TrimSpace(line))
	}
	if strings.HasPrefix(line, "boot: no slot boots") {
		s.wrong("no slot boots")
	}
	var slot int
	var device, version string
	if n, _ := fmt.Sscanf(line, "boot: slot %d: %s %s", &slot, &device, &version); n != 3 || device == "refused:" {
		return
	}
	version = strings.TrimSuffix(version, ",")
	for _, r := range s.releases {
		if r.Version == version && s.holds(slot, r) {
			s.running = r
			return
		}
	}
	s.wrong("slot %d boots something that was not released", slot)
}

// holds says whether a slot's flash holds the image of a release.
func (s *scene) holds(slot int, r *release.Release) bool {
	return bytes.HasPrefix(s.device.Chip.Flash.Bytes()[image.SlotAddress(slot):], r.Images[slot])
}

func (s *scene) message(m network.Message) {
	switch name := strings.TrimPrefix(m.Topic, realm+"/"+s.device.ID()+"/"); name {
	case "info":
		s.info = &fleet.Info{}
		if err := json.Unmarshal([]byte(m.Payload), s.info); err != nil {
			s.wrong("info: %v", err)
		}
	case "update/status":
		s.update = &fleet.UpdateStatus{}
		if err := json.Unmarshal([]byte(m.Payload), s.update); err != nil {
			s.wrong("update/status: %v", err)
		}
		s.updates = append(s.updates, *s.update)
	}
}

// runs says whether the wanted release runs, online and confirmed.
func (s *scene) runs() bool {
	w := s.stage.wanted
	return s.running == w && s.info != nil && s.info.Version.ESPer == w.Version && !s.info.Boot.Trial &&
		s.update != nil
}

// settled says whether the wanted release runs, online and confirmed, and the
// flash is as it should be for the next update, whatever comes.
func (s *scene) settled() bool {
	w := s.stage.wanted
	if !s.runs() {
		return false
	}
	slot := int(s.info.Boot.ROM)
	c, err := image.ParseBootConfiguration(s.device.Chip.Flash.Bytes()[image.BootConfigurationAddress:])
	if err != nil || c.Current != slot || !s.holds(slot, w) {
		return false
	}
	if s.stage.offered == w {
		return (s.update.State == "idle" || s.update.State == "confirmed") && s.update.Version == w.Version &&
			s.holds(1-slot, w)
	}
	return s.update.State == "rolled-back" && s.update.Version == s.stage.offered.Version && !s.holds(1-slot, s.stage.offered)
}

// last tells what the device has reported last.
func (s *scene) last() string {
	text := "since its last start it reported"
	if s.info != nil {
		text += fmt.Sprintf(" %s from slot %d, default %d, trial %v;", s.info.Version.ESPer, s.info.Boot.ROM, s.info.Boot.Default, s.info.Boot.Trial)
	}
	if s.update != nil {
		text += fmt.Sprintf(" %+v", *s.update)
	}
	return text
}

// operates switches the socket on and off, over MQTT.
func (s *scene) operates() bool {
	topic := realm + "/" + s.device.ID() + "/socket"
	for _, state := range []string{"1", "0"} {
		s.broker.Publish(topic+"/set", state, false)
		if !s.RunUntil(func() bool {
			now, _ := s.broker.Retained(topic)
			return now == state && s.device.Pin(12) == (state == "1")
		}, time.Second) {
			return false
		}
	}
	return true
}

// mark is a moment to go on from.
type mark struct {
	device  *emulator.Snapshot
	net     *network.Memory
	stage   stage
	seen    seen
	next    uint64     // the operation that comes next
	pending []powerCut // that come between the mark and what was recorded after it
}

func (s *scene) mark() mark {
	return mark{device: s.device.Snapshot(), net: s.Net.Clone(), stage: s.stage, seen: s.seen, next: s.device.Chip.Flash.Operations()}
}

// set brings the scene to a mark, another scene's or its own.
func (s *scene) set(m mark) {
	net := m.net.Clone()
	if err := s.device.Restore(m.device, net.Links()[0]); err != nil {
		panic(err)
	}
	s.Lab = emulator.NewLabOn(net, s.device)
	s.watch()
	s.offer(m.stage)
	s.seen = m.seen
}

// offers is a repository with some releases, of which it offers the last.
func offers(t *testing.T, releases ...*release.Release) http.Handler {
	t.Helper()
	folder, err := os.MkdirTemp(dir, "repository-*")
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, rel := range releases {
		if err := r.Publish(rel, repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	return http.StripPrefix("/firmware", r.Handler(nil))
}
