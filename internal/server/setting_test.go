package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/wanted"
)

// settingsOf returns the settings of the device as the API tells them, each with value and wanted value.
func settingsOf(t *testing.T, text []byte) string {
	t.Helper()
	var got wanted.Device
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var all []string
	show := func(value *string) string {
		if value == nil {
			return "-"
		}
		return *value
	}
	for _, s := range got.Settings {
		all = append(all, fmt.Sprintf("%s %s %s %s%s", s.Name, s.Type, show(s.Value), show(s.Wanted), s.Problem))
	}
	return strings.Join(append(all, got.Problems...), "; ")
}

// The values that people want of a device, its group and its type are stored, told to the device when
// it is there, and forgotten with it.
func TestAPISetsSettings(t *testing.T) {
	s, device := operated(t)
	heard := make(chan string, 100)
	take := true
	if err := device.Subscribe("home/00c0de/setting/+/set", func(m broker.Message) {
		heard <- strings.TrimPrefix(m.Topic, "home/00c0de/setting/") + " " + string(m.Payload)
		if take {
			if err := device.Publish(strings.TrimSuffix(m.Topic, "/set"), m.Payload, true); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		var got string
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			status, text := answerOf(t, s, "GET", "devices/00c0de/setting", "")
			if status != 200 { // not stored yet
				continue
			}
			got = settingsOf(t, text)
			if got == want {
				return
			}
		}
		t.Fatalf("settings %s, not %s", got, want)
	}
	hears := func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("the device is told %s, not %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the device is not told %s", want)
		}
	}
	expect("")
	says(t, device, "setting", `{"interval":{"type":"number","default":"60","min":10,"max":100},"greeting":{"type":"text","default":"","length":9},"odd":{"type":"colour","default":"red"}}`)
	says(t, device, "setting/interval", "60")
	const odd = `; setting: odd: type: "colour" is none of number, switch, select and text`
	expect("greeting text  -; interval number 60 -" + odd)

	ask(t, s, "PUT", "wanted-settings/type/socket/interval", `{"value":"20"}`, 200, nil)
	hears("interval/set 20")
	expect("greeting text  -; interval number 20 20" + odd)
	ask(t, s, "PATCH", "devices/00c0de/labels", `{"group":"kitchen"}`, 200, nil)
	ask(t, s, "PUT", "wanted-settings/group/kitchen/interval", `{"value":"30"}`, 200, nil)
	hears("interval/set 30")
	ask(t, s, "PUT", "wanted-settings/device/00c0de/greeting", `{"value":"hé"}`, 200, nil)
	hears("greeting/set hé")
	expect("greeting text hé hé; interval number 30 30" + odd)
	ask(t, s, "DELETE", "wanted-settings/group/kitchen/interval", "", 204, nil)
	hears("interval/set 20")

	var all []devicesetting.Wanted
	if ask(t, s, "GET", "wanted-settings/type/socket", "", 200, &all); len(all) != 1 || all[0].Value != "20" {
		t.Errorf("wanted of the type: %+v", all)
	}
	for path, c := range map[string]struct {
		value  string
		status int
		says   string
	}{
		"device/00c0de/interval":                  {"9", 422, "9 is less than 10"},
		"device/00c0de/other":                     {"9", 404, "declares no setting other"},
		"device/00c0de/odd":                       {"9", 404, "declares no setting odd"},
		"device/00beef/interval":                  {"9", 404, "00beef"},
		"device/nonsense/interval":                {"9", 422, "is no chip id"},
		"group/NO/interval":                       {"9", 422, "cannot be a group"},
		"type/NO/interval":                        {"9", 422, "NO"},
		"type/socket/Interval":                    {"9", 422, "cannot be the name of a setting"},
		"house/00c0de/interval":                   {"9", 422, ""},
		"group/kitchen/interval":                  {strings.Repeat("9", 65), 422, ""},
		"group/kitchen/greeting":                  {"0123456789", 422, "at most 9 bytes"},
		"group/kitchen/%20interval":               {"9", 422, ""},
		"group/nobody/later_on":                   {"9", 200, ""},
		"group/" + strings.Repeat("g", 33) + "/a": {"9", 422, ""},
	} {
		if got := ask(t, s, "PUT", "wanted-settings/"+path, `{"value":"`+c.value+`"}`, c.status, nil); !strings.Contains(got, c.says) {
			t.Errorf("%s: %s", path, got)
		}
	}
	ask(t, s, "DELETE", "wanted-settings/device/00c0de/interval", "", 404, nil)
	entries, err := s.Store().AuditLog(t.Context(), access.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if e := entries[0]; e.Action != "set-wanted-setting" || e.Target != "type socket interval" || !strings.Contains(e.Detail, "20") {
		t.Errorf("audit log: %+v", e)
	}

	// One that is removed is told nothing any more when it comes back.
	take = false
	ask(t, s, "DELETE", "devices/00c0de?force=true", "", 200, nil)
	ask(t, s, "DELETE", "wanted-settings/type/socket/interval", "", 204, nil)
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1},"uptime":1}`)
	waitForDevice(t, s, "00c0de", fleet.Online)
	says(t, device, "setting", `{"greeting":{"type":"text","default":"","length":9}}`)
	expect("greeting text  -")
	for len(heard) > 0 {
		if got := <-heard; got != "interval/set 20" {
			t.Errorf("told %s", got)
		}
	}
}

// The values outlive the server.
func TestWantedSettingsOutliveTheServer(t *testing.T) {
	c := config(t)
	c.Database = t.TempDir() + "/esper.db"
	s, stop := start(t, c)
	waitForHealth(t, s, 200)
	ask(t, s, "PUT", "wanted-settings/type/socket/interval", `{"value":"20"}`, 200, nil)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, c)
	waitForHealth(t, s, 200)
	device := dial(t, s.MQTTAddr(), nil)
	heard := make(chan string, 10)
	if err := device.Subscribe("home/00c0de/setting/interval/set", func(m broker.Message) { heard <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	says(t, device, "setting", `{"interval":{"type":"number","default":"60"}}`)
	says(t, device, "setting/interval", "60")
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1},"uptime":1}`)
	says(t, device, "status", "ONLINE")
	select {
	case got := <-heard:
		if got != "20" {
			t.Errorf("told %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the device is not told")
	}
}
