package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
)

// specInfo is the example in docs/SPEC.md section 7.1.
const specInfo = `{"device":"socket","chip_id":"00c0de","flash_id":"1440ef",
 "version":{"esper":"8a1b2c3d","sequence":42,"sdk":"3.0.5","boot":1,"link":"chip"},
 "boot":{"rom":0,"default":0,"trial":false,"safe":false,"reset":"power-on",
         "slots":[{"version":"8a1b2c3d","sequence":42},null]},
 "network":{"mac":"5c:cf:7f:00:c0:de","ip":"192.168.1.23","mask":"255.255.255.0","gateway":"192.168.1.1"},
 "wifi":{"ssid":"home","bssid":"02:00:00:00:00:01","rssi":-61,"channel":6},
 "heap":41200,"uptime":12}`

// specSettings is the example in section 12.5.
const specSettings = `{"state":"confirmed","sequence":7,"own":0,"candidate":0,"from":"flash","error":""}`

// specUpdate is the example in section 7.2.
const specUpdate = `{"state":"downloading","version":"9c0d1e2f","progress":40,"error":""}`

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newFleet() *Fleet { return New("home", slog.New(slog.DiscardHandler)) }

// only returns the one device that there is.
func only(t *testing.T, f *Fleet) Device {
	t.Helper()
	devices := f.Devices()
	if len(devices) != 1 {
		t.Fatalf("%d devices, want 1", len(devices))
	}
	return devices[0]
}

func TestADeviceIsWhatItReports(t *testing.T) {
	f := newFleet()
	f.Handle("home/00c0de/status", []byte("ONLINE"), now)
	f.Handle("home/00c0de/info", []byte(specInfo), now)
	f.Handle("home/00c0de/update/status", []byte(specUpdate), now)
	f.Handle("home/00c0de/settings", []byte(specSettings), now)
	d := only(t, f)
	if d.ID != "00c0de" || d.Status != Online || d.Type() != "socket" || d.Version() != "8a1b2c3d" || !d.Seen.Equal(now) || d.Malformed != 0 {
		t.Errorf("device %+v", d)
	}
	// Written again, each is what the device sent: no field is lost.
	for _, test := range []struct {
		what string
		sent string
		got  any
	}{{"info", specInfo, d.Info}, {"update status", specUpdate, d.Update}, {"settings", specSettings, d.Settings}} {
		got, err := json.Marshal(test.got)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(test.sent)); err != nil {
			t.Fatal(err)
		}
		if string(got) != want.String() {
			t.Errorf("%s\n got %s\nwant %s", test.what, got, want.String())
		}
	}
}

func TestRetainedMessagesDoNotTellWhenADeviceWasSeen(t *testing.T) {
	f := newFleet()
	f.Handle("home/00c0de/info", []byte(specInfo), time.Time{})
	if d := only(t, f); !d.Seen.IsZero() {
		t.Errorf("seen at %v", d.Seen)
	}
	f.Handle("home/00c0de/info", []byte(specInfo), now)
	f.Handle("home/00c0de/status", []byte("OFFLINE"), now.Add(time.Minute)) // the broker says that
	if d := only(t, f); !d.Seen.Equal(now) || d.Status != Offline {
		t.Errorf("status %s, seen at %v; want OFFLINE, %v", d.Status, d.Seen, now)
	}
}

func TestAnEmptyPayloadForgets(t *testing.T) {
	f := newFleet()
	f.Handle("home/00c0de/status", []byte("ONLINE"), now)
	f.Handle("home/00c0de/info", []byte(specInfo), now)
	f.Handle("home/00c0de/info", nil, now)
	if d := only(t, f); d.Info != nil || d.Status != Online {
		t.Errorf("device %+v, want only its status", d)
	}
	f.Handle("home/00c0de/status", nil, now)
	if n := len(f.Devices()); n != 0 {
		t.Errorf("%d devices, want none", n)
	}
	for _, topic := range []string{"update/status", "settings"} {
		f.Handle("home/00c0de/"+topic, nil, now)
		if n := len(f.Devices()); n != 0 {
			t.Errorf("%d devices, want none", n)
		}
	}
	f.Handle("home/00c0de/settings", []byte(specSettings), time.Time{})
	if d := only(t, f); d.Settings == nil || d.Forgotten() {
		t.Errorf("device %+v, want only its settings", d)
	}
	f.Handle("home/00c0de/settings", nil, now)
	if n := len(f.Devices()); n != 0 {
		t.Errorf("%d devices, want none", n)
	}
}

func TestOtherTopicsAreIgnored(t *testing.T) {
	f := newFleet()
	for _, topic := range []string{
		"", "home", "home/", "home/00c0de", "home/00c0de/", "home/00c0de/socket", "home/00c0de/status/", "home/00c0de/update",
		"home/00c0de/update/status/x", "home/00C0DE/status", "home/0c0de/status", "home/000c0de/status", "home//status",
		"home/../status", "homes/00c0de/status", "work/00c0de/status", "/home/00c0de/status", "home/00c0d\x00/status",
	} {
		f.Handle(topic, []byte("ONLINE"), now)
	}
	if devices := f.Devices(); len(devices) != 0 {
		t.Errorf("devices %+v, want none", devices)
	}
}

// hostile are payloads that a device would never send.
var hostile = map[string][]struct{ name, payload string }{
	"status": {
		{"other word", "HELLO"}, {"lower case", "online"}, {"space", "ONLINE "}, {"zero", "\x00"}, {"long", strings.Repeat("ONLINE", 10_000)},
	},
	"info": {
		{"no JSON", "hello"}, {"ends early", specInfo[:100]}, {"null", "null"}, {"array", "[]"}, {"number", "1"}, {"empty object", "{}"},
		{"more behind", specInfo + "{}"}, {"too long", specInfo + strings.Repeat(" ", maxPayload)}, {"deep", strings.Repeat(`{"a":`, 3000)},
		{"another device", change(`"00c0de"`, `"c0ffee"`)}, {"no id", change(`"chip_id"`, `"chip"`)},
		{"no type", change(`"device":"socket"`, `"device":""`)}, {"type with a path", change("socket", "../socket")},
		{"type with escape codes", change("socket", `\u001b[2J`)}, {"type not a string", change(`"socket"`, "5")},
		{"long type", change("socket", strings.Repeat("s", 32))}, {"long version", change(`"esper":"8a1b2c3d"`, `"esper":"`+strings.Repeat("8", 33)+`"`)},
		{"version with a line end", change(`"esper":"8a1b2c3d"`, `"esper":"8a\n1b"`)}, {"negative sequence", change(`"sequence":42`, `"sequence":-1`)},
		{"sequence too large", change(`"sequence":42`, `"sequence":4294967296`)}, {"sequence not whole", change(`"sequence":42`, `"sequence":1.5`)},
		{"negative uptime", change(`"uptime":12`, `"uptime":-1`)}, {"no uptime", change(`"uptime":12`, `"uptime":null`)},
	},
	"update/status": {
		{"no JSON", "downloading"}, {"empty object", "{}"},
		{"version", `{"state":"idle","version":"a b"}`}, {"error with a line end", `{"state":"failed","error":"x\ny"}`},
		{"long state", `{"state":"` + strings.Repeat("x", 65) + `"}`}, {"list", `[{"state":"idle"}]`},
	},
	"settings": {
		{"no JSON", "idle"}, {"empty object", "{}"}, {"list", `[{"state":"idle"}]`}, {"empty state", `{"state":""}`},
		{"negative sequence", `{"state":"idle","sequence":-1}`}, {"sequence too large", `{"state":"idle","own":4294967296}`},
		{"a text as candidate", `{"state":"trial","candidate":"7"}`}, {"error with a line end", `{"state":"failed","error":"x\ny"}`},
		{"long state", `{"state":"` + strings.Repeat("x", 65) + `"}`}, {"too long", specSettings + strings.Repeat(" ", maxPayload)},
	},
}

// change is the specification's info with one thing in it replaced.
func change(old, new string) string {
	changed := strings.Replace(specInfo, old, new, 1)
	if changed == specInfo {
		panic("nothing changed: " + old)
	}
	return changed
}

func TestMalformedMessagesAreCountedAndChangeNothing(t *testing.T) {
	for what, payloads := range hostile {
		for _, p := range payloads {
			t.Run(what+"/"+p.name, func(t *testing.T) {
				var log bytes.Buffer
				f := New("home", slog.New(slog.NewTextHandler(&log, nil)))
				f.Handle("home/00c0de/"+what, []byte(p.payload), now)
				if devices := f.Devices(); len(devices) != 0 {
					t.Errorf("of a device not known before: devices %+v, want none", devices)
				}

				f.Handle("home/00c0de/status", []byte(Online), now)
				f.Handle("home/00c0de/info", []byte(specInfo), now)
				f.Handle("home/00c0de/update/status", []byte(specUpdate), now)
				want := only(t, f)
				log.Reset()
				for range 3 {
					f.Handle("home/00c0de/"+what, []byte(p.payload), now.Add(time.Hour))
				}
				got := only(t, f)
				if len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0], what+": ") || !strings.HasSuffix(got.Problems[0], "; all of it is ignored") {
					t.Errorf("problems %q", got.Problems)
				}
				if got.Info != want.Info || got.Update != want.Update || got.Settings != want.Settings {
					t.Error("what it said before is gone")
				}
				want.Malformed, want.Problems = 3, got.Problems
				if !reflect.DeepEqual(got, want) {
					t.Errorf("device %+v, want %+v", got, want)
				}
				// What comes right afterwards ends the problem.
				f.Handle("home/00c0de/status", []byte(Online), now)
				f.Handle("home/00c0de/info", []byte(specInfo), now)
				f.Handle("home/00c0de/update/status", []byte(specUpdate), now)
				f.Handle("home/00c0de/settings", []byte(specSettings), now)
				if got := only(t, f); len(got.Problems) != 0 {
					t.Errorf("problems are left: %q", got.Problems)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 {
					t.Errorf("%d lines logged, want 1:\n%s", n, log.String())
				}
			})
		}
	}
}

func TestMalformedMessagesOfManyUnknownDevicesAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	f := New("home", slog.New(slog.NewTextHandler(&log, nil)))
	for i := range 1000 {
		f.Handle(fmt.Sprintf("home/%06x/status", i), []byte("x"), now)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines logged, want 1", n)
	}
}

func TestWhatIsNewerThanThisProgramIsRead(t *testing.T) {
	f := newFleet()
	f.Handle("home/00c0de/info", []byte(change(`"heap"`, `"future":{"a":[1,2]},"heap"`)), now)
	f.Handle("home/00c0de/update/status", []byte(`{"state":"refreshing","version":"v1","progress":1,"error":"","eta":5}`), now)
	if d := only(t, f); d.Type() != "socket" || d.Update.State != "refreshing" {
		t.Errorf("device %+v", d)
	}
}

func TestTheStatusThatAnUpdateServerAnsweredIsKept(t *testing.T) {
	for sent, want := range map[string]int{"404": 404, "100": 100, "599": 599, "99": 0, "600": 0, "-1": 0, "0": 0, "null": 0} {
		f := newFleet()
		f.Handle("home/00c0de/update/status", []byte(`{"state":"failed","version":"v1","progress":0,"error":"http-status","http_status":`+sent+`}`), now)
		if got := only(t, f).Update.HTTPStatus; got != want {
			t.Errorf("%s: kept as %d, want %d", sent, got, want)
		}
	}
}

func TestANetworkNameIsShownHarmlessly(t *testing.T) {
	for ssid, want := range map[string]string{
		`Café ☕`:                  "Café ☕",
		`x\u001b[2Jy`:             "x\uFFFD[2Jy",
		`a\u202eb`:                "a\uFFFDb",
		strings.Repeat("ä", 1000): strings.Repeat("ä", maxText/2),
	} {
		f := newFleet()
		f.Handle("home/00c0de/info", []byte(change(`"ssid":"home"`, `"ssid":"`+ssid+`"`)), now)
		if got := only(t, f).Info.WiFi.SSID; got != want {
			t.Errorf("%q: shown as %q, want %q", ssid, got, want)
		}
	}
}

func TestDevicesAreSortedByTypeAndID(t *testing.T) {
	f := newFleet()
	for _, d := range []string{"sensor 000003", "socket 000002", "sensor 000001"} {
		deviceType, id, _ := strings.Cut(d, " ")
		info := strings.NewReplacer("00c0de", id, "socket", deviceType).Replace(specInfo)
		f.Handle("home/"+id+"/info", []byte(info), now)
	}
	got := ""
	for _, d := range f.Devices() {
		got += d.Type() + " " + d.ID + "; "
	}
	if want := "sensor 000001; sensor 000003; socket 000002; "; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestChangesAreTold(t *testing.T) {
	f := newFleet()
	changed := f.Changed()
	f.Handle("home/00c0de/button", []byte("1"), now)
	select {
	case <-changed:
		t.Error("a change was told where there is none")
	default:
	}
	f.Handle("home/00c0de/status", []byte("ONLINE"), now)
	select {
	case <-changed:
	default:
		t.Error("a change was not told")
	}
	select {
	case <-f.Changed():
		t.Error("a change was told twice")
	default:
	}
}

func TestWhatMattersIsLogged(t *testing.T) {
	var log bytes.Buffer
	f := New("home", slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	f.Handle("home/00c0de/status", []byte("ONLINE"), now)
	f.Handle("home/00c0de/info", []byte(specInfo), now)
	f.Handle("home/00c0de/info", []byte(specInfo), now) // nothing new
	f.Handle("home/00c0de/update/status", []byte(specUpdate), now)
	f.Handle("home/00c0de/update/status", []byte(strings.Replace(specUpdate, "40", "50", 1)), now)
	f.Handle("home/00c0de/info", []byte(change(`"esper":"8a1b2c3d"`, `"esper":"9c0d1e2f"`)), now)
	want := []string{
		`"device online" device=00c0de type=""`,
		`"device runs" device=00c0de type=socket version=8a1b2c3d before=""`,
		`"device update" device=00c0de type=socket state=downloading version=9c0d1e2f error=""`,
		`"device runs" device=00c0de type=socket version=9c0d1e2f before=8a1b2c3d`,
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines logged, want %d:\n%s", len(lines), len(want), log.String())
	}
	for i := range want {
		if !strings.HasSuffix(lines[i], "level=DEBUG msg="+want[i]) {
			t.Errorf("line %d: %s\nwant %s", i, lines[i], want[i])
		}
	}
	log.Reset()
	f.Handle("home/00c0de/update/status", []byte(`{"state":"downloading","version":"aaaa0000","error":"malformed-delta"}`), now)
	if strings.Contains(log.String(), "WARN") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("an update without a delta: %s", log.String())
	}
	f.Handle("home/00c0de/update/status", []byte(`{"state":"failed","version":"9c0d1e2f","progress":0,"error":"bad-signature"}`), now)
	if !strings.Contains(log.String(), `level=WARN msg="device update" device=00c0de type=socket state=failed version=9c0d1e2f error=bad-signature`) {
		t.Errorf("a failure: %s", log.String())
	}
}

func TestTheNumberOfDevicesIsLimited(t *testing.T) {
	f := newFleet()
	for i := range maxDevices + 2 {
		f.Handle(fmt.Sprintf("home/%06x/status", i), []byte("ONLINE"), now)
	}
	if n := len(f.Devices()); n != maxDevices {
		t.Errorf("%d devices, want %d", n, maxDevices)
	}
}

// Whatever arrives, what is shown of a device is short and harmless to a terminal,
// and a message that is not counted as malformed can be written again.
func FuzzHandle(f *testing.F) {
	for what, payloads := range hostile {
		for _, p := range payloads {
			f.Add("home/00c0de/"+what, []byte(p.payload))
		}
	}
	for _, p := range partly {
		f.Add("home/00c0de/info", []byte(p.payload))
	}
	f.Add("home/00c0de/info", []byte(specInfo))
	f.Add("home/00c0de/update/status", []byte(specUpdate))
	for _, received := range []string{"0", "1234", "4294967295", "4294967296", "-1", "1e3", "null"} {
		f.Add("home/00c0de/update/status", []byte(strings.Replace(specUpdate, "}", `,"received":`+received+"}", 1)))
	}
	f.Add("home/00c0de/status", []byte("ONLINE"))
	f.Add("home/00c0de/settings", []byte(specSettings))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		fleet := newFleet()
		fleet.Handle(topic, payload, now)
		for _, d := range fleet.Devices() {
			if !IsID(d.ID) || !strings.HasPrefix(topic, "home/"+d.ID+"/") {
				t.Errorf("%q: a device %q", topic, d.ID)
			}
			texts := []string{d.Status, d.Type(), d.Version()}
			if i := d.Info; i != nil {
				texts = append(texts, i.FlashID, i.Version.SDK, i.Version.Link, i.Boot.Reset, i.Network.MAC, i.Network.IP, i.WiFi.SSID, i.WiFi.BSSID)
			}
			if u := d.Update; u != nil {
				texts = append(texts, u.State, u.Version, u.Error)
			}
			if s := d.Settings; s != nil {
				texts = append(texts, s.State, s.From, s.Error)
			}
			for _, text := range texts {
				if len(text) > maxText+8 || strings.ContainsFunc(text, unicode.IsControl) {
					t.Errorf("text %q", text)
				}
			}
			for _, problem := range d.Problems {
				if len(problem) > 200 || strings.ContainsFunc(problem, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }) {
					t.Errorf("problem %q", problem)
				}
			}
			if _, err := json.Marshal(d); err != nil {
				t.Error(err)
			}
		}
	})
}
