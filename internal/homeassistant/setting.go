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
			c.bound(float64(least), float64(most))
			c.Step, c.Display, c.Unit = float64(step), "box", d.Unit
		case devicesetting.Switch:
			c.PayloadOn, c.PayloadOff = "1", "0"
		case devicesetting.Select:
			c.Options = d.Options
		case devicesetting.Text:
			c.bound(0, float64(d.Length))
		}
		all[settingComponent(name, d.Type)] = c
	}
}

// bound sets the least and the greatest value of a number, or the lengths of a text.
func (c *component) bound(least, most float64) { c.Min, c.Max = &least, &most }

// settingsOf returns the settings that a device has declared; nil if it did not say.
func (b *Bridge) settingsOf(d fleet.Device) settings {
	if b.config.Settings == nil {
		return nil
	}
	return b.config.Settings.Of(d.ID).Declared
}
