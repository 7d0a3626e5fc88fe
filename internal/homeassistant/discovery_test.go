package homeassistant

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"esper/internal/fleet"
)

// read returns a configuration as Home Assistant reads it.
func read(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

func components(t *testing.T, has features, had platforms) map[string]any {
	t.Helper()
	text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d"}, has, nil, had)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, text)["cmps"].(map[string]any)
}

func TestADeviceIsDescribed(t *testing.T) {
	for given, shown := range map[string]string{"": "socket 00c0de", `Lamp "{{ 1 }}"`: `Lamp "{{ 1 }}"`} {
		text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d", name: given}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := read(t, text)
		want := map[string]any{
			"ids": []any{"esper_home_00c0de"}, "name": shown, "mf": "ESPer", "mdl": "socket", "sw": "8a1b2c3d", "sn": "00c0de",
		}
		if !reflect.DeepEqual(all["dev"], want) {
			t.Errorf("device %v, want %v", all["dev"], want)
		}
		if !reflect.DeepEqual(all["o"], map[string]any{"name": "ESPer"}) {
			t.Errorf("origin %v", all["o"])
		}
	}
}

// there is the template by which a device is there.
const there = "{{ 'ONLINE' if value in ['ONLINE', 'SLEEPING'] else 'OFFLINE' }}"

// featured is a device with features of these kinds.
func featured(kinds map[string]string) fleet.Device {
	return fleet.Device{ID: "00c0de", Info: &fleet.Info{Features: kinds}}
}

func TestComponents(t *testing.T) {
	status := []any{map[string]any{
		"topic": "home/00c0de/status", "value_template": there, "payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	}}
	working := append(slices.Clone(status), map[string]any{
		"topic": "home/00c0de/info", "value_template": "{{ 'OFFLINE' if value_json.boot.safe else 'ONLINE' }}",
		"payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	})
	has, _ := featuresOf(featured(map[string]string{"relay": fleet.Switch, "button": fleet.BinarySensor, "brightness": fleet.Sensor}), nil)
	got := components(t, has, platforms{"feature_relay_switch": "switch", "feature_brightness_binary_sensor": "binary_sensor"})
	for key, want := range map[string]map[string]any{
		"update": {
			"p": "update", "unique_id": "esper_home_00c0de_update", "name": "Firmware", "device_class": "firmware",
			"entity_category": "config", "availability": status, "state_topic": "home/00c0de/update/available",
			"command_topic": "home/00c0de/update", "payload_install": "install",
		},
		"connectivity": {
			"p": "binary_sensor", "unique_id": "esper_home_00c0de_connectivity", "name": "Connectivity", "device_class": "connectivity",
			"entity_category": "diagnostic", "state_topic": "home/00c0de/status", "value_template": there, "payload_on": "ONLINE", "payload_off": "OFFLINE",
		},
		"signal": {
			"p": "sensor", "unique_id": "esper_home_00c0de_signal", "name": "Signal strength", "device_class": "signal_strength",
			"entity_category": "diagnostic", "state_class": "measurement", "unit_of_measurement": "dBm", "availability": status,
			"state_topic": "home/00c0de/info", "value_template": "{{ none if value_json.wifi.rssi | default(31) == 31 else value_json.wifi.rssi }}",
		},
		"restart": {
			"p": "button", "unique_id": "esper_home_00c0de_restart", "name": "Restart", "device_class": "restart",
			"entity_category": "diagnostic", "availability": status, "command_topic": "home/00c0de/reboot", "payload_press": "00c0de",
		},
		"feature_relay_switch": {
			"p": "switch", "unique_id": "esper_home_00c0de_feature_relay_switch", "name": "relay", "availability": working, "availability_mode": "all",
			"state_topic": "home/00c0de/relay", "command_topic": "home/00c0de/relay/set", "payload_on": "1", "payload_off": "0",
		},
		"feature_button_binary_sensor": {
			"p": "binary_sensor", "unique_id": "esper_home_00c0de_feature_button_binary_sensor", "name": "button",
			"availability": working, "availability_mode": "all", "state_topic": "home/00c0de/button", "payload_on": "1", "payload_off": "0",
		},
		"feature_brightness_sensor": {
			"p": "sensor", "unique_id": "esper_home_00c0de_feature_brightness_sensor", "name": "brightness",
			"availability": working, "availability_mode": "all", "state_topic": "home/00c0de/brightness", "state_class": "measurement",
		},
		"feature_brightness_binary_sensor": {"p": "binary_sensor"}, // removes it
	} {
		if !reflect.DeepEqual(got[key], any(want)) {
			t.Errorf("%s:\n%v, want\n%v", key, got[key], want)
		}
		delete(got, key)
	}
	if len(got) != 0 {
		t.Errorf("also there: %v", got)
	}
}

func TestDevicesOfDifferentRealmsAreDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, realm := range []string{"home", "a/b", "a_b", "a.b", "a-b", "a_2fb", "Home"} {
		id := objectID(realm, "00c0de")
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s are both %s", realm, other, id)
		}
		seen[id] = realm
		if strings.ContainsFunc(id, func(c rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", c)
		}) {
			t.Errorf("%s: Home Assistant does not allow %s", realm, id)
		}
	}
}

func TestWhatUpdateThereIs(t *testing.T) {
	for _, c := range []struct {
		name, wanted string
		update       *fleet.UpdateStatus
		want         string
	}{
		{"none", "", nil, `{"installed_version":"socket 1","latest_version":"socket 1","in_progress":false,"update_percentage":null}`},
		{"one", "2", nil, `{"installed_version":"socket 1","latest_version":"socket 2","in_progress":false,"update_percentage":null}`},
		{"on its way", "2", &fleet.UpdateStatus{State: "downloading", Version: "2", Progress: 40},
			`{"installed_version":"socket 1","latest_version":"socket 2","in_progress":true,"update_percentage":40}`},
		{"without a delta", "2", &fleet.UpdateStatus{State: "downloading", Version: "2", Progress: 5, Error: "bad-signature"},
			`{"installed_version":"socket 1","latest_version":"socket 2","in_progress":true,"update_percentage":5}`},
		{"taken back meanwhile", "1", &fleet.UpdateStatus{State: "verifying", Version: "2", Progress: 100},
			`{"installed_version":"socket 1","latest_version":"socket 2","in_progress":true,"update_percentage":null}`},
		{"rolled back", "1", &fleet.UpdateStatus{State: "rolled-back", Version: "2", Progress: 100},
			`{"installed_version":"socket 1","latest_version":"socket 1","in_progress":false,"update_percentage":null}`},
		{"other slot", "1", &fleet.UpdateStatus{State: "confirmed", Version: "1", Progress: 30},
			`{"installed_version":"socket 1","latest_version":"socket 1","in_progress":false,"update_percentage":null}`},
	} {
		d := fleet.Device{ID: "00c0de", Info: &fleet.Info{}, Update: c.update}
		d.Info.Device, d.Info.Version.ESPer = "socket", "1"
		if got, _ := json.Marshal(updates(d, c.wanted)); string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSettingsAreComponents(t *testing.T) {
	status := []any{map[string]any{
		"topic": "home/00c0de/status", "value_template": there, "payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	}}
	least, most := int32(0), int32(100)
	text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d"}, nil, settings{
		"interval": {Type: "number", Label: "Interval {{ 1 }}", Default: "5", Min: &least, Max: &most, Step: 5, Unit: "s"},
		"any":      {Type: "number", Default: "5"},
		"mode":     {Type: "select", Default: "slow", Options: []string{"slow", "fast"}},
		"greeting": {Type: "text", Default: "Hello", Length: 16},
		"enabled":  {Type: "switch", Default: "1"},
	}, platforms{"setting_enabled_number": "number", "setting_gone_text": "text", "setting_mode_select": "select"})
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, text)["cmps"].(map[string]any)
	for _, usual := range []string{"update", "connectivity", "signal", "restart"} {
		delete(got, usual)
	}
	for key, want := range map[string]map[string]any{
		"setting_interval_number": {"p": "number", "name": "Interval {{ 1 }}", "min": 0.0, "max": 100.0, "step": 5.0, "mode": "box", "unit_of_measurement": "s"},
		"setting_any_number":      {"p": "number", "name": "any", "min": -2147483648.0, "max": 2147483647.0, "step": 1.0, "mode": "box"},
		"setting_mode_select":     {"p": "select", "name": "mode", "options": []any{"slow", "fast"}},
		"setting_greeting_text":   {"p": "text", "name": "greeting", "min": 0.0, "max": 16.0},
		"setting_enabled_switch":  {"p": "switch", "name": "enabled", "payload_on": "1", "payload_off": "0"},
	} {
		_, name, _ := strings.Cut(key, "_")
		name, _, _ = strings.Cut(name, "_")
		for member, value := range map[string]any{
			"unique_id": "esper_home_00c0de_" + key, "entity_category": "config", "availability": status,
			"state_topic": "home/00c0de/setting/" + name, "command_topic": "home/00c0de/setting/" + name + "/set",
		} {
			want[member] = value
		}
		if !reflect.DeepEqual(got[key], any(want)) {
			t.Errorf("%s:\n%v, want\n%v", key, got[key], want)
		}
		delete(got, key)
	}
	for key, platform := range map[string]string{"setting_enabled_number": "number", "setting_gone_text": "text"} { // removes them
		if !reflect.DeepEqual(got[key], any(map[string]any{"p": platform})) {
			t.Errorf("%s: %v", key, got[key])
		}
		delete(got, key)
	}
	if len(got) != 0 {
		t.Errorf("also there: %v", got)
	}
}

// each kind is what docs/homeassistant.md says.
func TestEachKindOfFeature(t *testing.T) {
	const topic = "home/00c0de/f"
	hidden, one := false, 1
	for _, c := range []struct {
		kind string
		a    fleet.Attributes
		want string // without p, unique_id and availability
	}{
		{fleet.Switch, fleet.Attributes{Name: "Fan", Icon: "mdi:fan", Category: "config", Enabled: &hidden, DeviceClass: "outlet"},
			`{"name":"Fan","icon":"mdi:fan","entity_category":"config","enabled_by_default":false,"device_class":"outlet","state_topic":"T","command_topic":"T/set","payload_on":"1","payload_off":"0"}`},
		{fleet.Light, fleet.Attributes{}, `{"name":"f","state_topic":"T","command_topic":"T/set","payload_on":"1","payload_off":"0"}`},
		{fleet.Light, fleet.Attributes{Brightness: true}, `{"name":"f","schema":"json","brightness":true,"supported_color_modes":["brightness"],"state_topic":"T","command_topic":"T/set"}`},
		{fleet.Light, fleet.Attributes{Brightness: true, Color: true}, `{"name":"f","schema":"json","brightness":true,"supported_color_modes":["rgb"],"state_topic":"T","command_topic":"T/set"}`},
		{fleet.BinarySensor, fleet.Attributes{DeviceClass: "door"}, `{"name":"f","device_class":"door","state_topic":"T","payload_on":"1","payload_off":"0"}`},
		{fleet.Sensor, fleet.Attributes{}, `{"name":"f","state_topic":"T","state_class":"measurement"}`},
		{fleet.Sensor, fleet.Attributes{Unit: "°C", DeviceClass: "temperature", Precision: &one},
			`{"name":"f","state_topic":"T","state_class":"measurement","unit_of_measurement":"°C","device_class":"temperature","suggested_display_precision":1}`},
		{fleet.Sensor, fleet.Attributes{Unit: "kWh", DeviceClass: "energy", StateClass: "total_increasing"},
			`{"name":"f","state_topic":"T","state_class":"total_increasing","unit_of_measurement":"kWh","device_class":"energy"}`},
		{fleet.Sensor, fleet.Attributes{Text: true}, `{"name":"f","state_topic":"T"}`},
		{fleet.Number, fleet.Attributes{}, `{"name":"f","state_topic":"T","command_topic":"T/set","min":0,"max":100,"step":1}`},
		{fleet.Select, fleet.Attributes{Options: []string{"slow", "fast"}}, `{"name":"f","state_topic":"T","command_topic":"T/set","options":["slow","fast"]}`},
		{fleet.Button, fleet.Attributes{}, `{"name":"f","command_topic":"T/set","payload_press":"press"}`},
		{fleet.EventFeature, fleet.Attributes{DeviceClass: "button", Options: []string{"single", "long", "odd"}},
			`{"name":"f","state_topic":"T","device_class":"button","event_types":["single","long","odd"]}`},
		{fleet.Cover, fleet.Attributes{DeviceClass: "shutter"},
			`{"name":"f","state_topic":"T","command_topic":"T/set","device_class":"shutter","payload_open":"open","payload_close":"close","payload_stop":"stop","value_template":"{{ value_json.state }}"}`},
		{fleet.Cover, fleet.Attributes{Position: true},
			`{"name":"f","state_topic":"T","command_topic":"T/set","payload_open":"open","payload_close":"close","payload_stop":"stop","value_template":"{{ value_json.state }}",` +
				`"position_topic":"T","position_template":"{{ value_json.position | default('') }}","set_position_topic":"T/set"}`},
	} {
		has, problems := featuresOf(featured(map[string]string{"f": c.kind}), map[string]fleet.Attributes{"f": c.a})
		got, _ := components(t, has, nil)["feature_f_"+c.kind].(map[string]any)
		for _, usual := range []string{"p", "unique_id", "availability", "availability_mode"} {
			if got[usual] == nil {
				t.Errorf("%s: no %s", c.kind, usual)
			}
			delete(got, usual)
		}
		if want := read(t, []byte(strings.ReplaceAll(c.want, `"T`, `"`+topic))); !reflect.DeepEqual(got, want) || len(problems) != 0 {
			t.Errorf("a %s with %+v:\n%v, want\n%v; problems %q", c.kind, c.a, got, want, problems)
		}
	}
}

func TestTheEventsOfAButtonAreTriggers(t *testing.T) {
	options := map[string]fleet.Attributes{"bell": {Options: []string{"single", "double", "odd"}}}
	has, _ := featuresOf(featured(map[string]string{"bell": fleet.EventFeature}), options)
	got := components(t, has, platforms{"trigger_bell_long": "device_automation"})
	for key, want := range map[string]string{
		"trigger_bell_single": `{"p":"device_automation","automation_type":"trigger","topic":"home/00c0de/bell","payload":"single",` +
			`"value_template":"{{ value_json.event_type }}","type":"button_short_press","subtype":"bell"}`,
		"trigger_bell_double": `{"p":"device_automation","automation_type":"trigger","topic":"home/00c0de/bell","payload":"double",` +
			`"value_template":"{{ value_json.event_type }}","type":"button_double_press","subtype":"bell"}`,
		"trigger_bell_long": `{"p":"device_automation"}`, // removes it
	} {
		if !reflect.DeepEqual(got[key], any(read(t, []byte(want)))) {
			t.Errorf("%s: %v", key, got[key])
		}
	}
	if got["trigger_bell_odd"] != nil {
		t.Error("another event is a trigger")
	}
}

// What a device that sleeps has measured is worth nothing when it should have woken twice.
func TestWhatADeviceThatSleepsMeasuredExpires(t *testing.T) {
	has, _ := featuresOf(featured(map[string]string{"level": fleet.Sensor, "door": fleet.BinarySensor, "relay": fleet.Switch}), nil)
	for sleep, want := range map[uint32]any{0: nil, 600: 1260.0} {
		text, _, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d", sleep: sleep}, has, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for key, c := range read(t, text)["cmps"].(map[string]any) {
			expires := c.(map[string]any)["expire_after"]
			if measured := word("signal connectivity feature_level_sensor feature_door_binary_sensor", key); measured && expires != want || !measured && expires != nil {
				t.Errorf("with sleep %d, %s expires after %v", sleep, key, expires)
			}
		}
	}
}

func TestWhatHomeAssistantWouldRefuseIsAProblem(t *testing.T) {
	tiny := 1e-6
	for _, c := range []struct {
		kind         string
		a, want      fleet.Attributes
		problem      string
		notAnnounced bool
	}{
		{fleet.Sensor, fleet.Attributes{DeviceClass: "door"}, fleet.Attributes{StateClass: "measurement"},
			`features: f.device_class: Home Assistant has no device class "door" of a sensor whose state is a number`, false},
		{fleet.Sensor, fleet.Attributes{DeviceClass: "temperature", Unit: "F"}, fleet.Attributes{Unit: "F", StateClass: "measurement"},
			`features: f.device_class: "F" is no unit of temperature in Home Assistant: there are K, °C, °F`, false},
		{fleet.Sensor, fleet.Attributes{DeviceClass: "duration", Unit: "\u00b5s"}, fleet.Attributes{DeviceClass: "duration", Unit: "\u00b5s", StateClass: "measurement"}, "", false},
		{fleet.Sensor, fleet.Attributes{DeviceClass: "battery", Unit: "%", StateClass: "total"}, fleet.Attributes{DeviceClass: "battery", Unit: "%"},
			`features: f.state_class: a sensor of device class battery cannot be "total" in Home Assistant`, false},
		{fleet.Sensor, fleet.Attributes{DeviceClass: "temperature", Text: true}, fleet.Attributes{Text: true},
			`features: f.device_class: Home Assistant has no device class "temperature" of a sensor whose state is a text: there are date enum timestamp`, false},
		{fleet.Sensor, fleet.Attributes{Text: true, Unit: "m"}, fleet.Attributes{Text: true},
			`features: f.text: a text has no unit, precision and state class in Home Assistant`, false},
		{fleet.Cover, fleet.Attributes{DeviceClass: "lid"}, fleet.Attributes{},
			`features: f.device_class: Home Assistant has no device class "lid" of a cover: there are ` + classes[fleet.Cover], false},
		{fleet.Switch, fleet.Attributes{Icon: "fan"}, fleet.Attributes{},
			`features: f.icon: "fan" has no prefix as Home Assistant's have, such as mdi:fan`, false},
		{fleet.Select, fleet.Attributes{}, fleet.Attributes{}, `features: f.options: there are none, so Home Assistant cannot show it`, true},
		{fleet.EventFeature, fleet.Attributes{}, fleet.Attributes{}, `features: f.options: there are none, so Home Assistant cannot show it`, true},
		{fleet.Number, fleet.Attributes{Step: &tiny}, fleet.Attributes{Step: pointer(minStep)},
			`features: f.step: 1e-06 is less than Home Assistant's least, 0.001`, false},
	} {
		d := featured(map[string]string{"f": c.kind})
		has, problems := featuresOf(d, map[string]fleet.Attributes{"f": c.a})
		if strings.Join(problems, "; ") != c.problem {
			t.Errorf("a %s with %+v: problems %q, want %q", c.kind, c.a, problems, c.problem)
		}
		if f, announced := has["f"]; announced == c.notAnnounced || !reflect.DeepEqual(f.Attributes, c.want) {
			t.Errorf("a %s with %+v is announced: %v, as %+v", c.kind, c.a, announced, f.Attributes)
		}
	}
	if got := Problems(fleet.Device{ID: "00c0de"}, nil); len(got) != 0 {
		t.Errorf("a device without info has problems: %q", got)
	}
}
