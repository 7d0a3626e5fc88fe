package homeassistant

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
)

// The schemas of Home Assistant's MQTT integration, as tables: core 2025.4, components/mqtt with
// schemas.py, config.py and one file for each platform. In them a key is written as
// name:what it must be, with ! behind one that is required.

// common are the keys that each entity may have, but device_automation has not.
const common = "availability:availability availability_mode:all|any|latest enabled_by_default:bool entity_category:config|diagnostic " +
	"icon:icon name:text object_id:text unique_id!:text qos:qos encoding:text " +
	"json_attributes_topic:filter json_attributes_template:template "

const (
	readOnly = "state_topic!:filter value_template:template "
	writable = "command_topic!:topic optimistic:bool retain:bool state_topic:filter "
)

var schemas = map[string]string{
	"binary_sensor": common + readOnly + "device_class:class expire_after:count force_update:bool off_delay:count payload_off:text payload_on:text",
	"button":        common + "command_template:template command_topic!:topic device_class:class payload_press:text retain:bool",
	"cover": common + "command_topic:topic device_class:class position_topic:filter optimistic:bool payload_close:text payload_open:text " +
		"payload_stop:text position_closed:int position_open:int retain:bool set_position_template:template set_position_topic:topic " +
		"state_closed:text state_closing:text state_open:text state_opening:text state_stopped:text state_topic:filter " +
		"value_template:template position_template:template",
	"event": common + readOnly + "device_class:class event_types!:texts",
	"light": common + writable + "payload_off:text payload_on:text state_value_template:template", // the schema basic
	"light.json": common + writable + "schema!:json brightness:bool brightness_scale:positive supported_color_modes:modes white_scale:positive " +
		"effect:bool effect_list:texts",
	"number": common + writable + "command_template:template device_class:class max:number min:number mode:auto|box|slider payload_reset:text " +
		"step:step unit_of_measurement:text value_template:template",
	"select": common + writable + "command_template:template options!:texts value_template:template",
	"sensor": common + readOnly + "device_class:class expire_after:count force_update:bool last_reset_value_template:template options:texts " +
		"suggested_display_precision:count state_class:measurement|total|total_increasing unit_of_measurement:text",
	"switch": common + writable + "command_template:template payload_off:text payload_on:text state_off:text state_on:text " +
		"value_template:template device_class:class",
	"text": common + writable + "command_template:template max:count min:count mode:text|password pattern:text value_template:template",
	"update": common + readOnly + "command_topic:topic device_class:firmware display_precision:count latest_version_template:template " +
		"latest_version_topic:filter payload_install:text release_summary:text release_url:text retain:bool title:text",
	"device_automation": "automation_type!:trigger payload:text subtype!:text topic!:topic type!:text value_template:template qos:qos encoding:text",
}

// is reports whether a value is what a key of a platform must be.
func is(value any, what, platform string) bool {
	text, isText := value.(string)
	number, isNumber := value.(float64)
	whole := isNumber && number == float64(int64(number))
	list, isList := value.([]any)
	switch what {
	case "text":
		return isText && text != ""
	case "topic":
		return isText && text != "" && !strings.ContainsAny(text, "+#\x00") && len(text) <= 65535
	case "filter": // ours have no wildcards either
		return is(value, "topic", platform)
	case "template":
		return isText && strings.Count(text, "{{") == 1 && strings.Count(text, "}}") == 1
	case "bool":
		_, ok := value.(bool)
		return ok
	case "count":
		return whole && number >= 0
	case "positive":
		return whole && number >= 1
	case "int":
		return whole
	case "number":
		return isNumber
	case "step":
		return isNumber && number >= 0.001
	case "qos":
		return whole && number >= 0 && number <= 2
	case "icon":
		return isText && strings.Contains(text, ":")
	case "texts":
		return isList && len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool { return !is(v, "text", platform) })
	case "modes": // one of those with colours, or brightness alone
		return isList && len(list) == 1 && (list[0] == "rgb" || list[0] == "brightness")
	case "class":
		_, ofMeasures := measures[text]
		isMeasure := (platform == "sensor" || platform == "number") && ofMeasures
		return isText && (isMeasure || platform == "sensor" && word(textClasses, text) || word(classes[platform], text) ||
			word("connectivity restart", text) && (platform == "binary_sensor" || platform == "button"))
	case "availability":
		return isList && len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool {
			return violation(v, "topic!:filter payload_available:text payload_not_available:text value_template:template", platform) != ""
		})
	}
	return isText && slices.Contains(strings.Split(what, "|"), text)
}

// violation returns how a value breaks a schema; empty if it does not.
func violation(value any, schema, platform string) string {
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Sprintf("%v is no object", value)
	}
	allowed := map[string]string{}
	for _, key := range strings.Fields(schema) {
		name, what, _ := strings.Cut(key, ":")
		name, required := strings.CutSuffix(name, "!")
		if allowed[name] = what; required && members[name] == nil {
			return name + " is missing"
		}
	}
	for name, value := range members {
		if what := allowed[name]; what == "" {
			return name + " is no key of it"
		} else if !is(value, what, platform) {
			return fmt.Sprintf("%s: %v is not %s", name, value, what)
		}
	}
	return ""
}

// invalid returns why Home Assistant would not take a component as it is; empty if it would.
func invalid(c map[string]any) string {
	c = clone(c)
	platform, _ := c["p"].(string)
	delete(c, "p")
	if len(c) == 0 {
		return "" // to be removed
	}
	schema := schemas[platform]
	if platform == "light" && c["schema"] != nil {
		schema = schemas["light.json"]
	}
	if schema == "" {
		return platform + " is no platform"
	}
	if broken := violation(c, schema, platform); broken != "" {
		return broken
	}
	least, _ := c["min"].(float64)
	if most, ok := c["max"].(float64); ok && least > most {
		return "min is greater than max"
	}
	switch platform {
	case "sensor", "number":
		class, _ := c["device_class"].(string)
		unit, _ := c["unit_of_measurement"].(string)
		state, _ := c["state_class"].(string)
		if m, ok := measures[class]; ok && !m.takes(unit) {
			return fmt.Sprintf("%s does not go with %q", class, unit)
		} else if ok && state != "" && !word(m.states, state) {
			return class + " cannot be " + state
		}
		if word(textClasses, class) && (unit != "" || state != "" || c["suggested_display_precision"] != nil) {
			return class + " is no number"
		}
	case "cover":
		if c["set_position_topic"] != nil && c["position_topic"] == nil {
			return "set_position_topic needs position_topic"
		}
	}
	if word("sensor binary_sensor event", platform) && c["entity_category"] == "config" {
		return "a " + platform + " cannot be config"
	}
	return ""
}

func clone(m map[string]any) map[string]any {
	all := map[string]any{}
	for k, v := range m {
		all[k] = v
	}
	return all
}

func pointer[T any](v T) *T { return &v }

// variants are attributes as devices may publish them for a kind, each alone and all together.
func variants(kind string) (all []fleet.Attributes) {
	all = []fleet.Attributes{
		{}, {Name: "{{ 1 }} Büro"}, {Icon: "mdi:fan"}, {Icon: "fan"}, {Category: "diagnostic"}, {Category: "config"}, {Enabled: pointer(false)},
		{Unit: "°C"}, {Unit: "widgets"}, {Precision: pointer(0)}, {Precision: pointer(6)}, {Text: true}, {Text: true, Unit: "m"},
		{Min: pointer(-1.5), Max: pointer(1e9), Step: pointer(0.5)}, {Step: pointer(1e-9)}, {Options: []string{"single", "double", "long", "odd"}},
		{Options: []string{"one", "two"}}, {Brightness: true}, {Color: true}, {Brightness: true, Color: true}, {Position: true},
		{Name: "All", Icon: "mdi:x", Category: "diagnostic", Enabled: pointer(false), DeviceClass: "temperature", Unit: "°C", Precision: pointer(1),
			StateClass: "measurement", Min: pointer(1.0), Max: pointer(2.0), Step: pointer(0.1), Options: []string{"a", "b"}, Brightness: true, Color: true, Position: true},
	}
	names := []string{"nonsense"}
	for class := range measures {
		names = append(names, class)
	}
	for _, of := range classes {
		names = append(names, strings.Fields(of)...)
	}
	names = append(names, strings.Fields(textClasses)...)
	for _, class := range names {
		all = append(all, fleet.Attributes{DeviceClass: class})
		if kind != fleet.Sensor && kind != fleet.Number {
			continue // they have no units
		}
		units := strings.Split(measures[class].units, "|")
		for _, unit := range append(units, "widgets") {
			all = append(all, fleet.Attributes{DeviceClass: class, Unit: unit})
		}
		for _, state := range strings.Fields(either) {
			all = append(all, fleet.Attributes{DeviceClass: class, Unit: units[0], StateClass: state, Precision: pointer(2)})
		}
		all = append(all, fleet.Attributes{DeviceClass: class, Unit: units[0], Text: true, Precision: pointer(2)})
	}
	return all
}

// published lets the fleet read attributes as a device publishes them, so that they have its limits.
func published(t *testing.T, kind string, a fleet.Attributes) (fleet.Device, map[string]fleet.Attributes) {
	t.Helper()
	text, err := json.Marshal(map[string]fleet.Attributes{"f": a})
	if err != nil {
		t.Fatal(err)
	}
	d := featured(map[string]string{"f": kind})
	states := fleet.NewStates("home")
	states.Handle("home/00c0de/features", text, d.Seen)
	return d, states.Attributes(d)
}

// Each payload that the bridge can make is one that Home Assistant takes; what it would not take is
// left out, and a problem of the device.
func TestHomeAssistantTakesWhatItIsTold(t *testing.T) {
	seen := map[string]any{} // for a look by the real schemas: HOMEASSISTANT_PAYLOADS names a file
	for _, kind := range fleet.Kinds {
		shown := 0
		for _, a := range variants(kind) {
			d, attributes := published(t, kind, a)
			has, problems := featuresOf(d, attributes)
			if !reflect.DeepEqual(problems, Problems(d, attributes)) {
				t.Fatalf("the problems differ: %q", problems)
			}
			for _, sleep := range []uint32{0, 600} {
				text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d", sleep: sleep}, has, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				for key, c := range read(t, text)["cmps"].(map[string]any) {
					if broken := invalid(c.(map[string]any)); broken != "" {
						t.Errorf("%s of a %s with %+v: %s", key, kind, a, broken)
					}
					if strings.HasPrefix(key, "feature_") {
						shown++
					}
					raw, _ := json.Marshal(c)
					seen[string(raw)] = c
				}
			}
			if left := fmt.Sprint(attributes["f"]) != fmt.Sprint(has["f"].Attributes); left && len(problems) == 0 && kind != fleet.Sensor {
				t.Errorf("a %s with %+v is shown as %+v without a problem", kind, a, has["f"])
			}
		}
		if shown == 0 {
			t.Errorf("no %s is shown", kind)
		}
	}
	if file := os.Getenv("HOMEASSISTANT_PAYLOADS"); file != "" {
		all := []any{}
		for _, c := range seen {
			all = append(all, c)
		}
		text, _ := json.Marshal(all)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSettingsAreTakenToo(t *testing.T) {
	least, most := int32(-5), int32(5)
	text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d"}, nil, settings{
		"number": {Type: devicesetting.Number, Label: "Interval", Min: &least, Max: &most, Step: 5, Unit: "s"}, "any": {Type: devicesetting.Number},
		"select": {Type: devicesetting.Select, Options: []string{"slow", "fast"}}, "text": {Type: devicesetting.Text, Length: 16},
		"switch": {Type: devicesetting.Switch},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, c := range read(t, text)["cmps"].(map[string]any) {
		if broken := invalid(c.(map[string]any)); broken != "" {
			t.Errorf("%s: %s", key, broken)
		}
	}
}

// The tables find what is wrong: otherwise the tests above show nothing.
func TestTheTablesFindWhatIsWrong(t *testing.T) {
	for change, want := range map[string]string{
		`{"p":"sensor"}`:                 "",
		`{"p":"sensor","unique_id":"x"}`: "state_topic is missing",
		`{"p":"sensor","unique_id":"x","state_topic":"a","payload_on":"1"}`:                                                         "payload_on is no key of it",
		`{"p":"sensor","unique_id":"x","state_topic":"a/#"}`:                                                                        "state_topic: a/# is not filter",
		`{"p":"sensor","unique_id":"x","state_topic":"a","expire_after":-1}`:                                                        "expire_after: -1 is not count",
		`{"p":"sensor","unique_id":"x","state_topic":"a","expire_after":1.5}`:                                                       "expire_after: 1.5 is not count",
		`{"p":"sensor","unique_id":"x","state_topic":"a","device_class":"door"}`:                                                    "device_class: door is not class",
		`{"p":"sensor","unique_id":"x","state_topic":"a","device_class":"temperature","unit_of_measurement":"F"}`:                   `temperature does not go with "F"`,
		`{"p":"sensor","unique_id":"x","state_topic":"a","device_class":"energy","unit_of_measurement":"kWh","state_class":"x"}`:    "state_class: x is not measurement|total|total_increasing",
		`{"p":"sensor","unique_id":"x","state_topic":"a","device_class":"battery","unit_of_measurement":"%","state_class":"total"}`: "battery cannot be total",
		`{"p":"sensor","unique_id":"x","state_topic":"a","device_class":"date","unit_of_measurement":"d"}`:                          "date is no number",
		`{"p":"sensor","unique_id":"x","state_topic":"a","entity_category":"config"}`:                                               "a sensor cannot be config",
		`{"p":"number","unique_id":"x","command_topic":"a","min":2,"max":1}`:                                                        "min is greater than max",
		`{"p":"number","unique_id":"x","command_topic":"a","step":0.0001}`:                                                          "step: 0.0001 is not step",
		`{"p":"select","unique_id":"x","command_topic":"a"}`:                                                                        "options is missing",
		`{"p":"event","unique_id":"x","state_topic":"a","event_types":[]}`:                                                          "event_types: [] is not texts",
		`{"p":"cover","unique_id":"x","set_position_topic":"a"}`:                                                                    "set_position_topic needs position_topic",
		`{"p":"light","unique_id":"x","command_topic":"a","brightness":true}`:                                                       "brightness is no key of it",
		`{"p":"light","schema":"json","unique_id":"x","command_topic":"a","supported_color_modes":["rgb","brightness"]}`:            "supported_color_modes: [rgb brightness] is not modes",
		`{"p":"device_automation","automation_type":"trigger","topic":"a","type":"x"}`:                                              "subtype is missing",
		`{"p":"fan","unique_id":"x"}`:                                            "fan is no platform",
		`{"p":"switch","unique_id":"x","command_topic":"a","icon":"fan"}`:        "icon: fan is not icon",
		`{"p":"switch","unique_id":"x","command_topic":"a","availability":[{}]}`: "availability: [map[]] is not availability",
	} {
		var c map[string]any
		if err := json.Unmarshal([]byte(change), &c); err != nil {
			t.Fatal(err)
		}
		if got := invalid(c); got != want {
			t.Errorf("%s: %q, want %q", change, got, want)
		}
	}
}
