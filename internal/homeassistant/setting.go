package homeassistant

import (
	"encoding/json"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
)

// settings are what the firmware of one device declares, by name. The types of settings are what
// Home Assistant calls its platforms.
type settings map[string]devicesetting.Declaration

// settingComponent returns the key of the component of a setting. The platform is in it since Home
// Assistant cannot change that of an entity.
func settingComponent(name, platform string) string { return "setting_" + name + "_" + platform }

// key returns a text that is the same for the same settings.
func (s settings) key() string {
	text, err := json.Marshal(s) // sorted by name
	if err != nil {
		return err.Error() // not so: there is nothing in it that cannot be encoded
	}
	return string(text)
}

// add adds the components of the settings to all others. Settings work in safe mode, too.
func (s settings) add(all map[string]component, topic string, status []availability) {
	for name, d := range s {
		of := topic + "/setting/" + name
		c := component{
			Platform: d.Type, Name: d.Label, Category: "config", Availability: status,
			StateTopic: of, CommandTopic: of + "/set",
		}
		if c.Name == "" {
			c.Name = name
		}
		switch d.Type {
		case devicesetting.Number:
			least, most, step := d.Bounds()
			c.Min, c.Max, c.Step, c.Display, c.Unit = &least, &most, step, "box", d.Unit
		case devicesetting.Switch:
			c.PayloadOn, c.PayloadOff = "1", "0"
		case devicesetting.Select:
			c.Options = d.Options
		case devicesetting.Text:
			least, most := int32(0), int32(d.Length)
			c.Min, c.Max = &least, &most
		}
		all[settingComponent(name, d.Type)] = c
	}
}

// remove adds what removes the settings that the device had and has no more.
func (s settings) remove(all map[string]component, had settings) {
	for name, d := range had {
		if s[name].Type != d.Type {
			all[settingComponent(name, d.Type)] = component{Platform: d.Type}
		}
	}
}

// settingsOf returns the settings that a device has declared; nil if it did not say.
func (b *Bridge) settingsOf(d fleet.Device) settings {
	if b.config.Settings == nil {
		return nil
	}
	return b.config.Settings.Of(d.ID).Declared
}
