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

func components(t *testing.T, has, had features) map[string]any {
	t.Helper()
	text, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d"}, has, had, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, text)["cmps"].(map[string]any)
}

func TestADeviceIsDescribed(t *testing.T) {
	for given, shown := range map[string]string{"": "socket 00c0de", `Lamp "{{ 1 }}"`: `Lamp "{{ 1 }}"`} {
		text, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d", name: given}, nil, nil, nil, nil)
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

func TestComponents(t *testing.T) {
	status := []any{map[string]any{
		"topic": "home/00c0de/status", "payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	}}
	working := append(slices.Clone(status), map[string]any{
		"topic": "home/00c0de/info", "value_template": "{{ 'OFFLINE' if value_json.boot.safe else 'ONLINE' }}",
		"payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	})
	got := components(t, features{"relay": fleet.Switch, "button": fleet.BinarySensor, "brightness": fleet.Sensor},
		features{"relay": fleet.Switch, "brightness": fleet.BinarySensor})
	for key, want := range map[string]map[string]any{
		"update": {
			"p": "update", "unique_id": "esper_home_00c0de_update", "name": "Firmware", "device_class": "firmware",
			"entity_category": "config", "availability": status, "state_topic": "home/00c0de/update/available",
			"command_topic": "home/00c0de/update", "payload_install": "install",
		},
		"connectivity": {
			"p": "binary_sensor", "unique_id": "esper_home_00c0de_connectivity", "name": "Connectivity", "device_class": "connectivity",
			"entity_category": "diagnostic", "state_topic": "home/00c0de/status", "payload_on": "ONLINE", "payload_off": "OFFLINE",
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
		"topic": "home/00c0de/status", "payload_available": "ONLINE", "payload_not_available": "OFFLINE",
	}}
	least, most := int32(0), int32(100)
	text, err := config("home", described{id: "00c0de", deviceType: "socket", version: "8a1b2c3d"}, nil, nil, settings{
		"interval": {Type: "number", Label: "Interval {{ 1 }}", Default: "5", Min: &least, Max: &most, Step: 5, Unit: "s"},
		"any":      {Type: "number", Default: "5"},
		"mode":     {Type: "select", Default: "slow", Options: []string{"slow", "fast"}},
		"greeting": {Type: "text", Default: "Hello", Length: 16},
		"enabled":  {Type: "switch", Default: "1"},
	}, settings{"enabled": {Type: "number"}, "gone": {Type: "text"}, "mode": {Type: "select"}})
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
