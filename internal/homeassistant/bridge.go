package homeassistant

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
)

// DefaultPrefix is where Home Assistant looks for devices unless it is told otherwise.
const DefaultPrefix = "homeassistant"

// Options are what a site says about Home Assistant.
type Options struct {
	Prefix string // of the discovery topics; empty: Home Assistant is told nothing
}

// Config is how a bridge is set up.
type Config struct {
	Options
	Realm string
	Fleet *fleet.Fleet
	// Features are the features of the devices with their attributes; nil: none has any.
	Features *fleet.States
	// Settings are what devices have reported of their settings; nil: nothing of them is announced.
	Settings *fleet.SettingStates
	// Wanted returns the release that a device may have now, or empty.
	Wanted func(id string) string
	Log    *slog.Logger
}

// How often what Home Assistant is told is brought up to date: soon after a device reports,
// but not for every message, nor for more than a tenth of the time; and for what no device
// reports, such as a new release.
const (
	settle  = 200 * time.Millisecond
	refresh = 2 * time.Second
	leisure = 10
)

// Bridge tells Home Assistant about a fleet.
type Bridge struct {
	config Config
	poked  chan struct{}

	again atomic.Bool // everything is to be published anew

	// Of Run alone, by device: what was published, and of which features and components.
	announced  map[string]described
	stated     map[string]string
	features   map[string]features
	components map[string]platforms
}

// New returns a bridge.
func New(c Config) *Bridge {
	return &Bridge{
		config: c, poked: make(chan struct{}, 1),
		announced: map[string]described{}, stated: map[string]string{}, features: map[string]features{}, components: map[string]platforms{},
	}
}

// Run tells Home Assistant about the fleet until the context ends.
func (b *Bridge) Run(ctx context.Context, client broker.Client) error {
	if err := client.Subscribe(b.config.Prefix+"/status", b.birth); err != nil {
		return err
	}
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	connected := true
	for {
		changed := b.config.Fleet.Changed()
		var set, attributed <-chan struct{}
		if b.config.Features != nil {
			attributed = b.config.Features.Changed()
		}
		if b.config.Settings != nil {
			set = b.config.Settings.Changed()
		}
		if now := client.Connected(); now != connected {
			connected = now
			b.restart() // the broker may have forgotten what it retained
		}
		began := time.Now()
		if connected {
			b.publish(client)
		}
		pause := max(settle, (leisure-1)*time.Since(began))
		select {
		case <-changed:
		case <-set:
		case <-attributed:
		case <-b.poked:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// birth is called when Home Assistant says on <prefix>/status that it has started.
func (b *Bridge) birth(m broker.Message) {
	if string(m.Payload) == "online" {
		b.restart()
	}
}

// restart lets everything be published anew.
func (b *Bridge) restart() {
	b.again.Store(true)
	select {
	case b.poked <- struct{}{}:
	default:
	}
}

// publish publishes what has changed.
func (b *Bridge) publish(client broker.Client) {
	if b.again.Swap(false) {
		for id := range b.announced { // still to be removed, if it is forgotten
			b.announced[id] = described{}
		}
		clear(b.stated)
	}
	known := map[string]bool{}
	for _, d := range b.config.Fleet.Devices() {
		known[d.ID] = true
		if d.Info == nil { // what it is and runs is not known
			continue
		}
		b.state(client, d)
		b.announce(client, d)
	}
	for id := range b.announced {
		if known[id] {
			continue
		}
		if b.send(client, b.configTopic(id), nil) && b.send(client, b.stateTopic(id), nil) {
			delete(b.announced, id)
			delete(b.stated, id)
			delete(b.features, id)
			delete(b.components, id)
		}
	}
}

func (b *Bridge) configTopic(id string) string {
	return b.config.Prefix + "/device/" + objectID(b.config.Realm, id) + "/config"
}

func (b *Bridge) stateTopic(id string) string {
	return b.config.Realm + "/" + id + "/" + availableTopic
}

// announce publishes the configuration of a device if it has changed.
func (b *Bridge) announce(client broker.Client, d fleet.Device) {
	has := b.features[d.ID] // in safe mode they are gone only for a while
	if d.Info.Features != nil {
		has = b.featuresOf(d)
	}
	sets := b.settingsOf(d)
	now := described{id: d.ID, deviceType: d.Type(), version: d.Version(), name: d.Name, features: has.key(), settings: sets.key(), sleep: d.Info.Sleep}
	if b.announced[d.ID] == now {
		return
	}
	text, components, err := config(b.config.Realm, now, has, sets, b.components[d.ID])
	if err != nil {
		b.config.Log.Error("Home Assistant is not told of a device", "device", d.ID, "error", err)
		return
	}
	if b.send(client, b.configTopic(d.ID), text) {
		b.announced[d.ID], b.features[d.ID], b.components[d.ID] = now, has, components
	}
}

// featuresOf returns the features of a device that Home Assistant is told of.
func (b *Bridge) featuresOf(d fleet.Device) features {
	var attributes map[string]fleet.Attributes
	if b.config.Features != nil {
		attributes = b.config.Features.Attributes(d)
	}
	of, _ := featuresOf(d, attributes)
	return of
}

// state publishes what update there is for a device if that has changed.
func (b *Bridge) state(client broker.Client, d fleet.Device) {
	text, err := json.Marshal(updates(d, b.config.Wanted(d.ID)))
	if err != nil {
		b.config.Log.Error("Home Assistant is not told of an update", "device", d.ID, "error", err)
		return
	}
	if string(text) != b.stated[d.ID] && b.send(client, b.stateTopic(d.ID), text) {
		b.stated[d.ID] = string(text)
	}
}

// send publishes a retained message and says whether that went well; if not, it is tried
// again the next time.
func (b *Bridge) send(client broker.Client, topic string, text []byte) bool {
	if err := client.Publish(topic, text, true); err != nil {
		b.config.Log.Debug("Home Assistant is not told", "topic", topic, "error", err)
		return false
	}
	return true
}
