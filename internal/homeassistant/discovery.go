// Package homeassistant makes the devices of a fleet known to Home Assistant, by its MQTT
// discovery in the device-based format
// (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
//
// Home Assistant listens to the devices' own topics (docs/SPEC.md section 7). Only what no
// device knows, whether there is an update for it, is published besides (section 7.3).
//
// What devices publish is untrusted. Nothing of it becomes part of a template or of another
// device's topic, and the texts that are shown are of plain characters and short.
package homeassistant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"esper/internal/fleet"
)

// payload is what is published on <prefix>/device/<object id>/config.
type payload struct {
	Device     device               `json:"dev"`
	Origin     origin               `json:"o"`
	Components map[string]component `json:"cmps"`
}

// device is what Home Assistant shows of a device. It has no MAC address: by that Home
// Assistant would take the device for whichever it claims to be.
type device struct {
	Identifiers  []string `json:"ids"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"mf"`
	Model        string   `json:"mdl"`
	Software     string   `json:"sw"`
	Serial       string   `json:"sn"`
}

type origin struct {
	Name string `json:"name"`
}

// component is one entity. One with nothing but the platform removes the entity.
type component struct {
	Platform       string         `json:"p"`
	UniqueID       string         `json:"unique_id,omitempty"`
	Name           string         `json:"name,omitempty"`
	DeviceClass    string         `json:"device_class,omitempty"`
	Category       string         `json:"entity_category,omitempty"`
	StateClass     string         `json:"state_class,omitempty"`
	Unit           string         `json:"unit_of_measurement,omitempty"`
	Availability   []availability `json:"availability,omitempty"`
	Mode           string         `json:"availability_mode,omitempty"`
	Display        string         `json:"mode,omitempty"`
	Min            *float64       `json:"min,omitempty"`
	Max            *float64       `json:"max,omitempty"`
	Step           float64        `json:"step,omitempty"`
	Options        []string       `json:"options,omitempty"`
	StateTopic     string         `json:"state_topic,omitempty"`
	ValueTemplate  string         `json:"value_template,omitempty"`
	PayloadOn      string         `json:"payload_on,omitempty"`
	PayloadOff     string         `json:"payload_off,omitempty"`
	CommandTopic   string         `json:"command_topic,omitempty"`
	PayloadInstall string         `json:"payload_install,omitempty"`
	PayloadPress   string         `json:"payload_press,omitempty"`

	Icon        string `json:"icon,omitempty"`
	Enabled     *bool  `json:"enabled_by_default,omitempty"` // nil: true
	Precision   *int   `json:"suggested_display_precision,omitempty"`
	ExpireAfter uint32 `json:"expire_after,omitempty"` // seconds; 0: never

	Schema     string   `json:"schema,omitempty"` // of a light; empty: on and off
	Brightness bool     `json:"brightness,omitempty"`
	ColorModes []string `json:"supported_color_modes,omitempty"`

	EventTypes []string `json:"event_types,omitempty"`

	PayloadOpen      string `json:"payload_open,omitempty"`
	PayloadClose     string `json:"payload_close,omitempty"`
	PayloadStop      string `json:"payload_stop,omitempty"`
	PositionTopic    string `json:"position_topic,omitempty"`
	PositionTemplate string `json:"position_template,omitempty"`
	SetPositionTopic string `json:"set_position_topic,omitempty"`

	// Of a trigger for automations, which is no entity.
	Automation string `json:"automation_type,omitempty"`
	Type       string `json:"type,omitempty"`
	Subtype    string `json:"subtype,omitempty"`
	Topic      string `json:"topic,omitempty"`
	Payload    string `json:"payload,omitempty"`
}

// automation is the platform of triggers.
const automation = "device_automation"

type availability struct {
	Topic        string `json:"topic"`
	Template     string `json:"value_template,omitempty"`
	Available    string `json:"payload_available"`
	NotAvailable string `json:"payload_not_available"`
}

// described is all that a configuration is made from. Two that are equal make the same.
type described struct {
	id, deviceType, version string
	name                    string // given by the operator, or empty
	features                string // the device's features, as features.key returns them
	settings                string // its settings, as settings.key returns them
	sleep                   uint32 // its rhythm in seconds, 0 if it does not sleep
}

// isThere is a template of a device's status: a device that sleeps is there.
const isThere = "{{ '" + fleet.Online + "' if value in ['" + fleet.Online + "', '" + fleet.Sleeping + "'] else '" + fleet.Offline + "' }}"

// platforms are the platforms of components, by their keys.
type platforms map[string]string

// config returns the configuration of a device, and its components. What it had before and has no
// more, Home Assistant is to remove.
func config(realm string, d described, has features, sets settings, had platforms) ([]byte, platforms, error) {
	object := objectID(realm, d.id)
	topic := realm + "/" + d.id
	status := []availability{{Topic: topic + "/status", Template: isThere, Available: fleet.Online, NotAvailable: fleet.Offline}}
	expire := uint32(fleet.SleepSlack(d.sleep) / time.Second)
	// In safe mode a device is there, but its features are not. It tells that before it is online.
	working := append(slices.Clone(status), availability{
		Topic: topic + "/info", Template: "{{ '" + fleet.Offline + "' if value_json.boot.safe else '" + fleet.Online + "' }}",
		Available: fleet.Online, NotAvailable: fleet.Offline,
	})
	name := d.name
	if name == "" {
		name = d.deviceType + " " + d.id
	}
	all := map[string]component{
		"update": {
			Platform: "update", Name: "Firmware", DeviceClass: "firmware", Category: "config", Availability: status,
			StateTopic: topic + "/" + availableTopic, CommandTopic: topic + "/update", PayloadInstall: "install",
		},
		"connectivity": { // the one that is there when the device is not
			Platform: fleet.BinarySensor, Name: "Connectivity", DeviceClass: "connectivity", Category: "diagnostic",
			StateTopic: topic + "/status", ValueTemplate: isThere, PayloadOn: fleet.Online, PayloadOff: fleet.Offline, ExpireAfter: expire,
		},
		"signal": {
			Platform: fleet.Sensor, Name: "Signal strength", DeviceClass: "signal_strength", Category: "diagnostic",
			StateClass: "measurement", Unit: "dBm", Availability: status,
			StateTopic: topic + "/info", ValueTemplate: "{{ none if value_json.wifi.rssi | default(31) == 31 else value_json.wifi.rssi }}",
			ExpireAfter: expire,
		},
		"restart": {
			Platform: "button", Name: "Restart", DeviceClass: "restart", Category: "diagnostic", Availability: status,
			CommandTopic: topic + "/reboot", PayloadPress: d.id,
		},
	}
	has.add(all, topic, working, expire)
	sets.add(all, topic, status)
	now := platforms{}
	for key, c := range all {
		if now[key] = c.Platform; c.Platform != automation {
			c.UniqueID = object + "_" + key
			all[key] = c
		}
	}
	for key, platform := range had {
		if now[key] == "" {
			all[key] = component{Platform: platform}
		}
	}
	text, err := json.Marshal(payload{
		Device: device{
			Identifiers: []string{object}, Name: name, Manufacturer: "ESPer",
			Model: d.deviceType, Software: d.version, Serial: d.id,
		},
		Origin:     origin{"ESPer"},
		Components: all,
	})
	return text, now, err
}

// objectID returns what Home Assistant knows a device by, of the characters that it allows
// there. Devices of different realms never share one.
func objectID(realm, id string) string {
	var b strings.Builder
	b.WriteString("esper_")
	for _, c := range []byte(realm) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String() + "_" + id
}

// availableTopic is where the server says what update there is, after <realm>/<id>/.
const availableTopic = "update/available"

// available is the payload of that topic (docs/SPEC.md section 7.3).
type available struct {
	Installed  string `json:"installed_version"`
	Latest     string `json:"latest_version"`
	InProgress bool   `json:"in_progress"`
	Percentage *int   `json:"update_percentage"` // nil: not known
}

// updates returns what update there is for a device, which may have the version wanted, or
// has no other than its own if that is empty. The device type stands before the versions:
// Home Assistant compares what looks like a number, as a commit's hash may, and would take one
// that is lower for no update.
func updates(d fleet.Device, wanted string) available {
	shown := func(version string) string { return d.Type() + " " + version }
	a := available{Installed: shown(d.Version()), Latest: shown(wanted)}
	if wanted == "" {
		a.Latest = a.Installed
	}
	if u := d.Update; u != nil && slices.Contains([]string{"downloading", "verifying", "trial"}, u.State) {
		a.InProgress = true
		if u.Version != "" {
			a.Latest = shown(u.Version)
		}
		if u.State == "downloading" {
			progress := u.Progress
			a.Percentage = &progress
		}
	}
	return a
}
