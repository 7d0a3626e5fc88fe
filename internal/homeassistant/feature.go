package homeassistant

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"esper/internal/fleet"
)

// feature is a feature of a device as Home Assistant has it: the kinds of features are what it calls
// platforms.
type feature struct {
	Kind       string
	Attributes fleet.Attributes
}

// features are the features of one device, by name.
type features map[string]feature

// component returns the key of the component of a feature. The kind is in it since Home Assistant
// cannot change the platform of an entity.
func (f feature) component(name string) string { return "feature_" + name + "_" + f.Kind }

// featuresOf returns those features of a device that Home Assistant can show, with the attributes that
// it knows. What is left out of what the device published are the problems.
func featuresOf(d fleet.Device, attributes map[string]fleet.Attributes) (of features, problems []string) {
	of = features{}
	for _, name := range slices.Sorted(maps.Keys(d.Info.Features)) {
		kind := d.Info.Features[name]
		if !slices.Contains(fleet.Kinds, kind) { // of a newer device; the fleet says so
			continue
		}
		known, wrong := fit(kind, attributes[name])
		for _, p := range wrong {
			problems = append(problems, "features: "+name+"."+p)
		}
		if kind != fleet.Select && kind != fleet.EventFeature || len(known.Options) > 0 {
			of[name] = feature{kind, known}
		}
	}
	return of, problems
}

// Problems returns what of the features of a device Home Assistant would not take, so that it is not
// told of it.
func Problems(d fleet.Device, attributes map[string]fleet.Attributes) []string {
	if d.Info == nil {
		return nil
	}
	_, problems := featuresOf(d, attributes)
	return problems
}

// key returns a text that is the same for the same features.
func (f features) key() string {
	text, err := json.Marshal(f) // sorted by name
	if err != nil {
		return err.Error() // not so: there is nothing in it that cannot be encoded
	}
	return string(text)
}

// minStep is the least step of a number in Home Assistant.
const minStep = 0.001

// fit returns the attributes of a feature of a kind without those that Home Assistant would refuse the
// whole entity for, and says what is left out.
func fit(kind string, a fleet.Attributes) (_ fleet.Attributes, problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if a.Icon != "" && !strings.Contains(a.Icon, ":") {
		problem("icon: %q has no prefix as Home Assistant's have, such as mdi:fan", a.Icon)
		a.Icon = ""
	}
	if why := refused(kind, a); why != "" {
		problem("device_class: %s", why)
		a.DeviceClass = ""
	}
	switch {
	case kind == fleet.Sensor && a.Text && (a.Unit != "" || a.Precision != nil || a.StateClass != ""):
		problem("text: a text has no unit, precision and state class in Home Assistant")
		a.Unit, a.Precision, a.StateClass = "", nil, ""
	case kind == fleet.Sensor && !a.Text:
		possible := either
		if a.DeviceClass != "" {
			possible = measures[a.DeviceClass].states
		}
		if a.StateClass != "" && !word(possible, a.StateClass) {
			problem("state_class: a sensor of device class %s cannot be %q in Home Assistant", a.DeviceClass, a.StateClass)
			a.StateClass = ""
		} else if a.StateClass == "" && word(possible, measured) {
			a.StateClass = measured
		}
	case kind == fleet.Number && a.Step != nil && *a.Step < minStep:
		problem("step: %v is less than Home Assistant's least, %v", *a.Step, minStep)
		least := minStep
		a.Step = &least
	case (kind == fleet.Select || kind == fleet.EventFeature) && len(a.Options) == 0:
		problem("options: there are none, so Home Assistant cannot show it")
	}
	return a, problems
}

// refused returns why Home Assistant would not take the device class of a feature; empty if it would,
// or if there is none.
func refused(kind string, a fleet.Attributes) string {
	if a.DeviceClass == "" {
		return ""
	}
	measure, known := measures[a.DeviceClass]
	switch {
	case kind == fleet.Sensor && a.Text:
		if !word(textClasses, a.DeviceClass) {
			return fmt.Sprintf("Home Assistant has no device class %q of a sensor whose state is a text: there are %s", a.DeviceClass, textClasses)
		}
	case kind == fleet.Sensor || kind == fleet.Number:
		if !known {
			return fmt.Sprintf("Home Assistant has no device class %q of a %s whose state is a number", a.DeviceClass, kind)
		}
		if !measure.takes(a.Unit) {
			units := strings.ReplaceAll(strings.TrimPrefix(measure.units, "|"), "|", ", ")
			return fmt.Sprintf("%q is no unit of %s in Home Assistant: there are %s", a.Unit, a.DeviceClass, cmp.Or(units, "none"))
		}
	case !word(classes[kind], a.DeviceClass):
		return fmt.Sprintf("Home Assistant has no device class %q of a %s: there are %s", a.DeviceClass, kind, cmp.Or(classes[kind], "none"))
	}
	return ""
}

// presses are the types of events of buttons, by the words of Home Assistant for triggers of devices.
var presses = []struct{ event, trigger string }{
	{"single", "button_short_press"}, {"double", "button_double_press"}, {"long", "button_long_press"},
}

// add adds the components of the features to all others. They are available while the device works.
// Expire is after how many seconds a measurement is worth nothing; 0: it is not.
func (f features) add(all map[string]component, topic string, working []availability, expire uint32) {
	for name, feature := range f {
		a := feature.Attributes
		c := component{
			Platform: feature.Kind, Name: name, Icon: a.Icon, Category: a.Category, DeviceClass: a.DeviceClass,
			Availability: working, Mode: "all", StateTopic: topic + "/" + name,
		}
		if a.Name != "" {
			c.Name = a.Name
		}
		if a.Hidden() {
			c.Enabled = a.Enabled
		}
		if fleet.Commands(feature.Kind) {
			c.CommandTopic = c.StateTopic + "/set"
		}
		switch feature.Kind {
		case fleet.Switch:
			c.PayloadOn, c.PayloadOff = "1", "0"
		case fleet.Light:
			c.light(a)
		case fleet.BinarySensor:
			c.PayloadOn, c.PayloadOff, c.ExpireAfter = "1", "0", expire
		case fleet.Sensor:
			c.Unit, c.Precision, c.StateClass, c.ExpireAfter = a.Unit, a.Precision, a.StateClass, expire
		case fleet.Number:
			least, most, step := a.Bounds()
			c.bound(least, most)
			c.Step, c.Unit = step, a.Unit
		case fleet.Select:
			c.Options = a.Options
		case fleet.Button:
			c.StateTopic, c.PayloadPress = "", "press"
		case fleet.EventFeature:
			c.EventTypes = a.Options
			addTriggers(all, c.StateTopic, name, a.Options)
		case fleet.Cover:
			c.cover(a)
		}
		all[feature.component(name)] = c
	}
}

// light makes a component a light with these attributes.
func (c *component) light(a fleet.Attributes) {
	switch {
	case a.Color:
		c.Schema, c.Brightness, c.ColorModes = "json", a.Brightness, []string{"rgb"}
	case a.Brightness:
		c.Schema, c.Brightness, c.ColorModes = "json", true, []string{"brightness"}
	default:
		c.PayloadOn, c.PayloadOff = "1", "0"
	}
}

// cover makes a component a cover with these attributes. Home Assistant has the same states.
func (c *component) cover(a fleet.Attributes) {
	c.PayloadOpen, c.PayloadClose, c.PayloadStop = "open", "close", "stop"
	c.ValueTemplate = "{{ value_json.state }}"
	if a.Position {
		c.PositionTopic, c.PositionTemplate = c.StateTopic, "{{ value_json.position | default('') }}"
		c.SetPositionTopic = c.CommandTopic
	}
}

// addTriggers adds triggers for automations to an event of a button, which has those types.
func addTriggers(all map[string]component, topic, name string, types []string) {
	for _, press := range presses {
		if slices.Contains(types, press.event) {
			all["trigger_"+name+"_"+press.event] = component{
				Platform: "device_automation", Automation: "trigger", Topic: topic, ValueTemplate: "{{ value_json.event_type }}",
				Payload: press.event, Type: press.trigger, Subtype: name,
			}
		}
	}
}
