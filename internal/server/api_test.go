package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/server"
	"esper/internal/store"
)

// answerOf asks the API and returns the status and the body of the answer. That of an error is a
// problem with a detail.
func answerOf(t *testing.T, s *server.Server, method, path, body string) (int, []byte) {
	t.Helper()
	q, err := http.NewRequest(method, "http://"+s.HTTPAddr().String()+"/api/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode >= 400 {
		var problem struct{ Detail string }
		if err := json.Unmarshal(text, &problem); err != nil || problem.Detail == "" || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: no problem, but %s %s", method, path, a.Header.Get("Content-Type"), text)
		}
	}
	return a.StatusCode, text
}

// ask asks the API: the answer must have the status, and its body is decoded. It returns the
// detail of a problem.
func ask(t *testing.T, s *server.Server, method, path, body string, status int, into any) string {
	t.Helper()
	got, text := answerOf(t, s, method, path, body)
	if got != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	if status >= 400 {
		return string(text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return ""
}

// operated is a server with a type in the middle of a roll-out, and a device of the last stage.
func operated(t *testing.T) (*server.Server, *broker.Connection) {
	c := config(t)
	c.Database = filepath.Join(t.TempDir(), "esper.db")
	c.Plan = func(string) rollout.Plan {
		plan := rollout.AllAtOnce
		plan.Stages = []rollout.Stage{{Group: "canary", Approve: true}, {Percent: 100, Approve: true}}
		return plan
	}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	for sequence, version := range []string{"v1", "v2"} {
		if err := s.Repository().Publish(repositorytest.Relocatable(t, "socket", version, uint32(sequence+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
		get(t, s, "/firmware/socket.version") // so that it is seen
	}
	device := dial(t, s.MQTTAddr(), nil)
	says(t, device, "status", "ONLINE")
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1}}`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		found, err := s.Store().Find(t.Context(), store.Query{Type: "socket"})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 {
			return s, device
		}
		if time.Now().After(deadline) {
			t.Fatal("the device is not stored")
		}
	}
}

func says(t *testing.T, device *broker.Connection, topic, payload string) {
	t.Helper()
	if err := device.Publish("home/00c0de/"+topic, []byte(payload), true); err != nil {
		t.Fatal(err)
	}
}

func TestAPIShowsTheInventory(t *testing.T) {
	s, _ := operated(t)
	var devices []store.Device
	for query, want := range map[string]int{
		"": 1, "?type=socket": 1, "?type=sensor": 0, "?tag=x": 0, "?group=canary": 0, "?condition=vanished": 0,
	} {
		if ask(t, s, "GET", "devices"+query, "", 200, &devices); len(devices) != want || devices == nil {
			t.Errorf("%q: %d devices, want %d", query, len(devices), want)
		}
	}
	var d store.Device
	ask(t, s, "PUT", "devices/00c0de/labels", `{"name":"Kettle","group":"kitchen","tags":["a","b"]}`, 200, nil)
	ask(t, s, "PUT", "devices/00c0de/labels", `{"name":"Kettle","tags":["b","c"]}`, 200, nil)
	var told conductor.Answer
	if ask(t, s, "GET", "devices/00c0de/why", "", 200, &told); !slices.Equal(told.Device.Tags, []string{"b", "c"}) {
		t.Errorf("the roll-out does not know of the tags: %+v", told.Device)
	}
	ask(t, s, "GET", "devices/00c0de", "", 200, &d)
	if d.ID != "00c0de" || d.Version() != "v1" || d.Name != "Kettle" || d.Group != "" || !slices.Equal(d.Tags, []string{"b", "c"}) {
		t.Errorf("device: %+v", d)
	}
	var events []fleet.Event
	ask(t, s, "GET", "devices/00c0de/history?kind=version", "", 200, &events)
	if len(events) != 1 || events[0].After != "v1" {
		t.Errorf("history: %+v", events)
	}
	ask(t, s, "GET", "history?limit=1", "", 200, &events)
	if len(events) != 1 {
		t.Errorf("%d events, want the newest", len(events))
	}
	ask(t, s, "GET", "history?since=2999-01-01T00:00:00Z", "", 200, &events)
	if len(events) != 0 || events == nil {
		t.Errorf("events of the future: %+v", events)
	}
	var releases []struct {
		Version         string
		Newest, General bool
	}
	ask(t, s, "GET", "releases", "", 200, &releases)
	if len(releases) != 2 || !releases[0].Newest || releases[0].General || releases[1].Newest || !releases[1].General {
		t.Errorf("releases: %+v", releases)
	}
}

func TestAPIShowsWhatUpdatesCost(t *testing.T) {
	s, device := operated(t)
	for _, status := range []string{
		`"downloading","version":"v2","received":0`, `"downloading","version":"v2","error":"wrong-source","received":20`,
		`"verifying","version":"v2","received":267082`,
	} {
		says(t, device, "update/status", `{"state":`+status+`}`)
	}
	says(t, device, "status", "OFFLINE")
	says(t, device, "update/status", `{"state":"trial","version":"v2"}`)
	says(t, device, "update/status", `{"state":"failed","version":"v3","error":"unreachable"}`)
	var updates []fleet.Update
	for deadline := time.Now().Add(10 * time.Second); len(updates) != 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		ask(t, s, "GET", "devices/00c0de/updates", "", 200, &updates)
	}
	if len(updates) != 2 || updates[0].Received == nil || *updates[0].Received != 267082 || updates[0].Seconds <= 0 ||
		updates[0].WithoutDelta != "wrong-source" || updates[0].Error != "" || updates[1].Received != nil || updates[1].Seconds != 0 {
		t.Errorf("updates: %+v", updates)
	}
	var events []fleet.Event
	ask(t, s, "GET", "devices/00c0de/history?kind=update", "", 200, &events)
	if len(events) != 5 || events[2].Received == nil || *events[2].Received != 267082 || events[3].Received != nil {
		t.Errorf("history: %+v", events)
	}
}

// What browsers make of answers: what these say that they are, and nothing that is kept.
func TestAnswersAreTakenForWhatTheySay(t *testing.T) {
	s, _ := operated(t)
	for path, kept := range map[string]string{
		"/": "no-cache", "/assets/app.js": "no-cache", "/session": "no-store", "/healthz": "no-store", "/firmware/socket.version": "no-cache",
		"/api/devices": "no-store", "/api/openapi.json": "no-store", "/api/nothing": "no-store",
	} {
		a, err := http.Get("http://" + s.HTTPAddr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options %q", path, got)
		}
		if got := a.Header.Get("Cache-Control"); got != kept {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, kept)
		}
	}
}

func TestAPIActsOnARollout(t *testing.T) {
	s, _ := operated(t)
	var all []rollout.State
	ask(t, s, "GET", "rollouts", "", 200, &all)
	if len(all) != 1 || all[0].Release.Version != "v2" || all[0].General.Version != "v1" {
		t.Fatalf("rollouts: %+v", all)
	}
	var state rollout.State
	for _, step := range []struct {
		action string
		want   rollout.Status
	}{{"pause", rollout.Paused}, {"resume", rollout.Running}, {"approve", rollout.Running}, {"abort", rollout.Aborted}} {
		if ask(t, s, "POST", "rollouts/socket/"+step.action, "", 200, &state); state.Status != step.want {
			t.Errorf("%s: %s, want %s", step.action, state.Status, step.want)
		}
	}
	if state.Opened.IsZero() {
		t.Error("the stage was approved and has not begun")
	}
	if why := ask(t, s, "POST", "rollouts/socket/everywhere", "", 409, nil); !strings.Contains(why, "it is aborted") {
		t.Errorf("everywhere after an abort: %s", why)
	}
}

func TestAPIEverywhere(t *testing.T) {
	s, _ := operated(t)
	var told conductor.Answer
	if ask(t, s, "GET", "devices/00c0de/why", "", 200, &told); told.Release != "v1" || told.Reason != rollout.StageNotReached {
		t.Errorf("before: %+v", told)
	}
	ask(t, s, "POST", "rollouts/socket/everywhere", "", 200, nil)
	ask(t, s, "GET", "devices/00c0de/why", "", 200, &told)
	if told.Release != "v2" || told.Reason != rollout.GenerallyAvailable || !strings.Contains(told.Explanation, "all devices") {
		t.Errorf("after: %+v", told)
	}
}

func TestAPIActsOnADevice(t *testing.T) {
	s, device := operated(t)
	var told conductor.Answer
	for _, step := range []struct {
		action, body string
		want         rollout.Reason
	}{
		{"hold", "", rollout.IsHeld}, {"release", "", rollout.StageNotReached},
		{"pin", `{"version":"v2"}`, rollout.IsPinned}, {"unpin", "", rollout.StageNotReached},
	} {
		if ask(t, s, "POST", "devices/00c0de/"+step.action, step.body, 200, &told); told.Reason != step.want {
			t.Errorf("%s: %s, want %s", step.action, told.Reason, step.want)
		}
	}
	heard := make(chan string, 10)
	for _, topic := range []string{"home/00c0de/update", "home/update"} {
		if err := device.Subscribe(topic, func(m broker.Message) { heard <- m.Topic }); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(what, where string) {
		t.Helper()
		for topic := ""; topic != where; {
			select {
			case topic = <-heard:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the device hears nothing at %s", what, where)
			}
		}
	}
	ask(t, s, "POST", "devices/00c0de/check", "", 200, nil)
	hears("check", "home/00c0de/update")
	ask(t, s, "POST", "check", "", 204, nil)
	hears("check all", "home/update")

	ask(t, s, "POST", "devices/00c0de/retry", "", 409, nil)
	ask(t, s, "POST", "rollouts/socket/everywhere", "", 200, nil)
	says(t, device, "update/status", `{"state":"rolled-back","version":"v2","progress":100,"error":"not-confirmed"}`)
	for deadline := time.Now().Add(10 * time.Second); told.Reason != rollout.HasFailed; time.Sleep(10 * time.Millisecond) {
		if ask(t, s, "GET", "devices/00c0de/why", "", 200, &told); time.Now().After(deadline) {
			t.Fatalf("it has not failed: %+v", told)
		}
	}
	if ask(t, s, "POST", "devices/00c0de/retry", "", 200, &told); told.Release != "v2" || told.Reason != rollout.GenerallyAvailable {
		t.Errorf("retry: %+v", told)
	}
	hears("retry", "home/00c0de/update")
}

// A device is not told without a broker, and the answer says so. The server knows the device
// from its last run.
func TestAPIWithoutABroker(t *testing.T) {
	c := config(t)
	c.Database = filepath.Join(t.TempDir(), "esper.db")
	first, stop := start(t, c)
	waitForHealth(t, first, 200)
	if err := first.Repository().Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	device := dial(t, first.MQTTAddr(), nil)
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1}}`)
	for deadline := time.Now().Add(10 * time.Second); first.Conductor().Hold(t.Context(), "00c0de", true) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the device is not known")
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	c.ExternalMQTT = &url.URL{Scheme: "mqtt", Host: first.MQTTAddr().String()} // where nobody listens any more
	again, _ := start(t, c)
	var told conductor.Answer
	if ask(t, again, "GET", "devices/00c0de/why", "", 200, &told); told.Reason != rollout.IsHeld {
		t.Errorf("after a restart: %+v", told)
	}
	if why := ask(t, again, "POST", "devices/00c0de/check", "", 503, nil); !strings.Contains(why, "no MQTT broker") {
		t.Errorf("check: %s", why)
	}
}

// What would do nothing is not done, and the answer says why.
func TestAPITellsOnlyADeviceThatWouldObey(t *testing.T) {
	s, device := operated(t)
	var heard atomic.Int32
	if err := device.Subscribe("home/00c0de/relay/set", func(broker.Message) { heard.Add(1) }); err != nil {
		t.Fatal(err)
	}
	info := func(safe bool, features string) string {
		return fmt.Sprintf(`{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1},"boot":{"safe":%v}%s}`, safe, features)
	}
	for _, step := range []struct {
		topic, payload    string
		switched, restart int // answers, at once or soon
		why               string
	}{
		{"info", info(false, `,"features":{"relay":"switch"}`), 204, 200, ""},
		{"info", info(true, ""), 409, 200, "safe mode"},
		{"status", "OFFLINE", 409, 409, "is offline"},
		{"status", "ONLINE", 409, 200, "safe mode"},
		{"info", info(false, `,"features":{"relay":"switch"}`), 204, 200, ""},
	} {
		says(t, device, "relay", "0")
		says(t, device, step.topic, step.payload)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			status, why := answerOf(t, s, "POST", "devices/00c0de/features/relay", `{"value":"1"}`)
			if status == step.switched && strings.Contains(string(why), step.why) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %s %s: %d %s", step.topic, step.payload, status, why)
			}
		}
		if status, why := answerOf(t, s, "POST", "devices/00c0de/restart", ""); status != step.restart {
			t.Errorf("restart after %s %s: %d %s", step.topic, step.payload, status, why)
		}
	}
	if heard.Load() == 0 {
		t.Error("it was never told")
	}
}

func TestAPISaysWhatIsWrong(t *testing.T) {
	s, _ := operated(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		detail             string
	}{
		{"GET", "devices/00beef", "", 404, "no such device"},
		{"GET", "devices/00beef/history", "", 404, "no such device"},
		{"GET", "devices/00beef/why", "", 404, "no such device"},
		{"POST", "devices/00beef/check", "", 404, "no such device"},
		{"PUT", "devices/00beef/labels", `{}`, 404, "no such device"},
		{"GET", "devices/00C0DE", "", 422, "chip id"},
		{"GET", "devices?condition=broken", "", 422, "vanished"},
		{"GET", "history?since=yesterday", "", 422, "query.since"},
		{"GET", "history?limit=-1", "", 422, "query.limit"},
		{"POST", "rollouts/kettle/pause", "", 404, "nothing is published for this device type"},
		{"POST", "rollouts/socket/resume", "", 409, "not paused"},
		{"POST", "rollouts/socket/explode", "", 404, "openapi.json"},
		{"POST", "devices/00c0de/pin", `{"version":"v9"}`, 422, "no such release is kept"},
		{"POST", "devices/00c0de/pin", `{"version":""}`, 422, "body.version"},
		{"POST", "devices/00c0de/pin", "", 400, "body"},
		{"PUT", "devices/00c0de/labels", `{"group":"a b"}`, 422, "not a label"},
		{"PUT", "devices/00c0de/labels", `{"colour":"red"}`, 422, "colour"},
		{"PATCH", "devices/00c0de/labels", `{"untag":["\u0000"]}`, 422, "not a label"},
		{"GET", "devices?search=%00", "", 400, "NUL"},
		{"GET", "devices?group=%ff", "", 400, "UTF-8"},
		{"GET", "rollouts/%00/history", "", 400, "NUL"},
		{"DELETE", "devices/00beef", "", 404, "no such device"},
		{"DELETE", "devices/00c0de", "", 409, "is online"},
	} {
		if got := ask(t, s, c.method, c.path, c.body, c.status, nil); !strings.Contains(got, c.detail) {
			t.Errorf("%s %s: %s, want %q", c.method, c.path, got, c.detail)
		}
	}
}

// The document is of this version of OpenAPI, lists every operation with a name of its own,
// and refers to nothing that it does not have.
func TestOpenAPIDocument(t *testing.T) {
	s, _ := operated(t)
	status, text := get(t, s, "/api/openapi.json")
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", document.OpenAPI)
	}
	ids := map[string]bool{}
	for path, methods := range document.Paths {
		for method, o := range methods {
			if ids[o.OperationID] || o.OperationID == "" || o.Summary == "" || o.Responses["200"] == nil && o.Responses["204"] == nil || o.Responses["403"] == nil {
				t.Errorf("%s %s: %+v", method, path, o)
			}
			ids[o.OperationID] = true
		}
	}
	for _, id := range []string{"list-devices", "get-device", "get-device-history", "get-history", "list-releases", "list-rollouts",
		"why", "pause-rollout", "everywhere-rollout", "pin-device", "release-device", "check-device", "put-labels"} {
		if !ids[id] {
			t.Errorf("no operation %s in %v", id, slices.Sorted(maps.Keys(ids)))
		}
	}
	for _, part := range strings.Split(text, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if document.Components.Schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
}
