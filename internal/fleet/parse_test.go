package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// featured is the specification's info with features.
func featured(features string) string { return change(`"heap"`, `"features":`+features+`,"heap"`) }

// partly are infos of which a part cannot be used: what is said of that, and what the rest of
// the info is then.
var partly = []struct {
	payload, problem string
	rest             string // the info in its place; empty: without features, as the specification's
}{
	{featured(`{"living room":"switch","relay":"switch"}`), `info: features: "living room" cannot be the name of one`, featured(`{"relay":"switch"}`)},
	{featured(`{"":"switch"}`), `info: features: "" cannot be the name of one`, ""},
	{featured(`{"status":"switch"}`), `info: features: "status" cannot be the name of one`, ""},
	{featured(`{"` + strings.Repeat("x", 33) + `":"switch"}`), `info: features: "` + strings.Repeat("x", 33) + `" cannot be the name of one`, ""},
	{featured(`{"\u001b[2J":"switch"}`), `info: features: "�[2J" cannot be the name of one`, ""},
	{featured(`{"relay":"switch","relay":"sensor"}`), `info: features: there are two called "relay"`, featured(`{"relay":"switch"}`)},
	{featured(`{"relay":null}`), `info: features: "" is no kind of feature, so "relay" is left out`, ""},
	{featured(`{"relay":"a b"}`), `info: features: "a b" is no kind of feature, so "relay" is left out`, ""},
	{featured(`{"blinds":"valve"}`), `info: features: "blinds" is a "valve", which nothing is known of`, featured(`{"blinds":"valve"}`)},
	{featured(`null`), `info: features: there are more than have room in it`, ""},
	{featured(`["relay"]`), `info: features: ["relay"] is not an object`, ""},
	{featured(`"relay"`), `info: features: "relay" is not an object`, ""},
	{change("null]", `null,null]`), `info: boot.slots: there are 3, but a device has 2`, specInfo},
	{change(`[{"version":"8a1b2c3d","sequence":42},null]`, `1`), `info: boot.slots: 1 is not a list`, change(`"slots":[{"version":"8a1b2c3d","sequence":42},null]`, `"x":1`)},
	{change(`[{"version":"8a1b2c3d"`, `[{"version":"<script>"`), `info: boot.slots[0].version: "<script>" is not a version`, change(`{"version":"8a1b2c3d","sequence":42},null`, `null,null`)},
	{change(`[{"version":"8a1b2c3d","sequence":42}`, `[5`), `info: boot.slots[0]: 5 is not an object`, change(`{"version":"8a1b2c3d","sequence":42},null`, `null,null`)},
	{change(`"rom":0`, `"rom":2`), `info: boot.rom: 2 is not a slot`, specInfo},
	{change(`"rom":0`, `"rom":256`), `info: boot.rom: 256 is not a slot`, specInfo},
	{change(`"trial":false`, `"trial":"no"`), `info: boot.trial: "no" is not true or false`, specInfo},
	{change("power-on", "pöwer-on"), `info: boot.reset: "pöwer-on" is not a short text of ASCII characters`, change("power-on", "")},
	{change("power-on", "power\xff"), `info: boot.reset: "power�" is not a short text of ASCII characters`, change("power-on", "")},
	{change("192.168.1.23", `\u009b2J`), `info: network.ip: "\u009b2J" is not a short text of ASCII characters`, change("192.168.1.23", "")},
	{change("192.168.1.23", strings.Repeat("1", 65)), `info: network.ip: "` + strings.Repeat("1", 39) + `… is not a short text of ASCII characters`, change("192.168.1.23", "")},
	{change(`"rssi":-61`, `"rssi":-61.5`), `info: wifi.rssi: -61.5 is not a number`, change(`"rssi":-61,`, "")},
	{change(`"rssi":-61`, `"rssi":null`), `info: wifi.rssi: null is not a number`, change(`"rssi":-61,`, "")},
	{change(`"ssid":"home"`, `"ssid":7`), `info: wifi.ssid: 7 is not a text`, change(`"ssid":"home"`, `"ssid":""`)},
	{change(`"heap":41200`, `"heap":-1`), `info: heap: -1 is not a number of bytes`, change(`"heap":41200,`, "")},
	{change(`"boot":1,`, `"boot":"1",`), `info: version.boot: "1" is not a version of the bootloader`, change(`"boot":1,`, "")},
	{change(`"link":"chip"`, `"link":2`), `info: version.link: 2 is not a short text of ASCII characters`, change(`,"link":"chip"`, "")},
	{change(`{"mac":"5c:cf:7f:00:c0:de","ip":"192.168.1.23","mask":"255.255.255.0","gateway":"192.168.1.1"}`, `null`), `info: network: null is not an object`, ""},
	{change(`{"ssid":"home","bssid":"02:00:00:00:00:01","rssi":-61,"channel":6}`, `[]`), `info: wifi: [] is not an object`, ""},
	{change(`"flash_id":"1440ef"`, `"flash_id":null`), `info: flash_id: null is not a short text of ASCII characters`, change("1440ef", "")},
}

func TestOfAnInfoOnlyWhatCannotBeUsedIsLeftOut(t *testing.T) {
	for _, test := range partly {
		var log bytes.Buffer
		f := New("home", slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			f.Handle("home/00c0de/info", []byte(test.payload), now)
		}
		d := only(t, f)
		if d.Malformed != 0 || d.Info == nil || !slices.Equal(d.Problems, []string{test.problem}) {
			t.Errorf("problems %q, want %q", d.Problems, test.problem)
			continue
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%s: logged\n%s", test.problem, log.String())
		}
		if d.Type() != "socket" || d.Version() != "8a1b2c3d" || d.Info.Uptime != 12 {
			t.Errorf("%s: of the rest there is %+v", test.problem, d.Info)
		}
		if test.rest != "" {
			want, problems, err := ParseInfo("00c0de", []byte(test.rest))
			if err != nil || asJSON(t, want) != asJSON(t, d.Info) {
				t.Errorf("%s: left is\n%s, want\n%s (%v, %v)", test.problem, asJSON(t, d.Info), asJSON(t, want), problems, err)
			}
		}
		f.Handle("home/00c0de/info", []byte(specInfo), now)
		if d := only(t, f); len(d.Problems) != 0 {
			t.Errorf("problems are left: %q", d.Problems)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOfTooManyFeaturesTheFirstAreKept(t *testing.T) {
	var all []string
	for n := range maxFeatures + 20 {
		all = append(all, fmt.Sprintf(`"f%d":"sensor"`, n))
	}
	i, problems, err := ParseInfo("00c0de", []byte(featured("{"+strings.Join(all, ",")+"}")))
	if err != nil || len(i.Features) != maxFeatures || i.Features["f31"] != Sensor || i.Features["f32"] != "" {
		t.Errorf("%v; features %v", err, i.Features)
	}
	if len(problems) != maxProblems || problems[0] != `features: there are more than 32: "f32" is left out` {
		t.Errorf("problems %q", problems)
	}
}

func TestOfAnUpdateStatusOnlyWhatCannotBeUsedIsLeftOut(t *testing.T) {
	for sent, problem := range map[string]string{
		`"progress":101`: `update/status: progress: 101 is not a percentage`, `"progress":-1`: `update/status: progress: -1 is not a percentage`,
		`"progress":"40"`: `update/status: progress: "40" is not a percentage`, `"progress":null`: `update/status: progress: null is not a percentage`,
		`"http_status":600`: `update/status: http_status: 600 is not an HTTP status`, `"http_status":"404"`: `update/status: http_status: "404" is not an HTTP status`,
		`"received":-1`: `update/status: received: -1 is not a number of bytes`, `"received":4294967296`: `update/status: received: 4294967296 is not a number of bytes`,
		`"received":1.5`: `update/status: received: 1.5 is not a number of bytes`, `"received":null`: `update/status: received: null is not a number of bytes`,
		`"received":"1234"`: `update/status: received: "1234" is not a number of bytes`,
	} {
		f := newFleet()
		f.Handle("home/00c0de/update/status", []byte(`{"state":"failed","version":"v1","error":"http-status",`+sent+`}`), now)
		d := only(t, f)
		if d.Update == nil || *d.Update != (UpdateStatus{State: "failed", Version: "v1", Error: "http-status"}) || !slices.Equal(d.Problems, []string{problem}) {
			t.Errorf("%s: %+v, problems %q", sent, d.Update, d.Problems)
		}
		f.Handle("home/00c0de/info", []byte(specInfo), now)
		if d := only(t, f); len(d.Problems) != 1 {
			t.Errorf("another message removed it: %q", d.Problems)
		}
		f.Handle("home/00c0de/update/status", nil, now)
		if d := only(t, f); len(d.Problems) != 0 {
			t.Errorf("problems of nothing: %q", d.Problems)
		}
	}
}

func TestWhatADeviceDoesNotSayThatItReceivedIsUnknown(t *testing.T) {
	for sent, want := range map[string]string{
		`"received":0`: `"received":0`, `"received":1234`: `"received":1234`, `"received":4294967295`: `"received":4294967295`, `"progress":40`: ``,
	} {
		u, problems, err := ParseUpdate([]byte(`{"state":"verifying","version":"v1",` + sent + `}`))
		if err != nil || len(problems) != 0 {
			t.Errorf("%s: %q, %v", sent, problems, err)
			continue
		}
		if got := asJSON(t, u); want != "" && !strings.Contains(got, want+"}") || want == "" && strings.Contains(got, "received") {
			t.Errorf("%s: %s", sent, got)
		}
	}
}

// The vendor's SDK says 31 dBm of an access point that it has not heard yet; older firmware
// published that.
func TestASignalStrengthThatIsNotKnownIsNone(t *testing.T) {
	for _, payload := range []string{change(`"rssi":-61`, `"rssi":31`), change(`"rssi":-61,`, "")} {
		i, problems, err := ParseInfo("00c0de", []byte(payload))
		if err != nil || len(problems) > 0 || i.WiFi.RSSI != 0 {
			t.Errorf("%s: %v, %v, %v", payload, i, problems, err)
		}
		if text, err := json.Marshal(i); err != nil || strings.Contains(string(text), "rssi") {
			t.Errorf("passed on as %s, %v", text, err)
		}
	}
}
