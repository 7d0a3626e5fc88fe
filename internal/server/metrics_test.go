package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"esper/internal/access"
	"esper/internal/server"
)

// scrape reads what the server tells Prometheus: name{labels}, in the order of the labels'
// names, to value. Of histograms it is the count.
func scrape(t *testing.T, s *server.Server, token string) map[string]float64 {
	t.Helper()
	q, err := http.NewRequest("GET", "http://"+s.HTTPAddr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Fatalf("status %d", answer.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		for _, m := range family.Metric {
			values[name+labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func labels(m *dto.Metric) string {
	var all []string
	for _, l := range m.Label {
		all = append(all, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	slices.Sort(all)
	if all == nil {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestMetrics(t *testing.T) {
	s, device := operated(t)
	says(t, device, "update/status", `{"state":"downloading","version":"v2","progress":40,"error":"malformed-delta"}`) // no failure
	says(t, device, "info", `nonsense`)
	publish := func(topic, payload string) {
		if err := device.Publish(topic, []byte(payload), true); err != nil {
			t.Fatal(err)
		}
	}
	// What somebody makes up is nobody's label.
	for i := range 20 {
		id := fmt.Sprintf("home/%06x/", i)
		publish(id+"status", "OFFLINE")
		publish(id+"info", fmt.Sprintf(`{"device":"made-up-%d","chip_id":"%06x","version":{"esper":"made-up-%d","sequence":1}}`, i, i, i))
		publish(id+"update/status", fmt.Sprintf(`{"state":"made-up-%d","version":"v2","progress":40,"error":""}`, i))
	}
	get(t, s, "/firmware/made-up.version")
	_, image := get(t, s, "/firmware/socket.rom0?version=v1")
	_, delta := get(t, s, "/firmware/socket.v1.delta1?version=v2")
	get(t, s, "/firmware/socket.made-up.delta0?version=v2")
	get(t, s, "/api/devices")

	want := map[string]float64{
		`esper_devices{state="online",type="socket",version="v1"}`:        1,
		`esper_devices{state="offline",type="unknown",version="unknown"}`: 20,
		`esper_device_updates{state="downloading",type="socket"}`:         1,
		`esper_device_updates{state="unknown",type="unknown"}`:            20,
		`esper_malformed_messages_total`:                                  1,

		`esper_release_info{type="socket",version="v2"}`:     1,
		`esper_rollout_state{state="running",type="socket"}`: 1,
		`esper_rollout_state{state="stopped",type="socket"}`: 0,
		`esper_rollout_stage{type="socket"}`:                 0,
		`esper_rollout_failed_devices{type="socket"}`:        0,

		`esper_firmware_requests_total{file="rom0",status="200",type="socket"}`:     1,
		`esper_firmware_sent_bytes_total{file="rom0",type="socket"}`:                float64(len(image)),
		`esper_firmware_requests_total{file="delta1",status="200",type="socket"}`:   1,
		`esper_firmware_requests_total{file="delta0",status="404",type="socket"}`:   1,
		`esper_firmware_sent_bytes_total{file="delta1",type="socket"}`:              float64(len(delta)),
		`esper_firmware_requests_total{file="version",status="404",type="unknown"}`: 1,
		`esper_api_requests_total{method="GET",status="200"}`:                       1,
		`esper_api_request_duration_seconds`:                                        1,

		`esper_broker_up`:                                           1,
		`esper_broker_connections`:                                  1,
		`esper_broker_retained_messages`:                            63,
		`esper_broker_messages_total{direction="in"}`:               65,
		`esper_broker_refused_connections_total{reason="password"}`: 0,
		`esper_broker_denied_total{action="publish"}`:               0,
		`esper_broker_dropped_messages_total`:                       0,
		`esper_database_batch_duration_seconds{result="failed"}`:    0,
	}
	var got map[string]float64
	var wrong []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, wrong = scrape(t, s, ""), nil
		for name, value := range want {
			if v, ok := got[name]; !ok || v != value {
				wrong = append(wrong, fmt.Sprintf("%s is %v (%v), want %v", name, v, ok, value))
			}
		}
		if wrong == nil || time.Now().After(deadline) {
			break
		}
	}
	for _, w := range wrong {
		t.Error(w)
	}
	for _, name := range []string{`esper_database_batch_duration_seconds{result="ok"}`, `esper_database_changes_total`,
		`esper_broker_bytes_total{direction="in"}`, `go_goroutines`, `process_open_fds`} {
		if got[name] == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	for name := range got {
		if strings.Contains(name, "made-up") {
			t.Errorf("%s is a label that somebody made up", name)
		}
	}
	problems, err := testutil.GatherAndLint(s.Metrics())
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	documented(t, got)
}

// documented checks that docs/metrics.md names what there is, and nothing else.
func documented(t *testing.T, got map[string]float64) {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	there, named := map[string]bool{}, map[string]bool{}
	for name := range got {
		if name, _, _ = strings.Cut(name, "{"); strings.HasPrefix(name, "esper_") {
			there[name] = true
		}
	}
	for _, name := range regexp.MustCompile(`esper_[a-z_]+`).FindAllString(string(text), -1) {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			name = strings.TrimSuffix(name, suffix)
		}
		named[name] = true
		if !there[name] {
			t.Errorf("docs/metrics.md names %s, which there is not", name)
		}
	}
	for name := range there {
		if !named[name] {
			t.Errorf("docs/metrics.md does not name %s", name)
		}
	}
}

// With tokens, who scrapes shows one of a viewer; the broker takes the same.
func TestMetricsAndBrokerTakeTokens(t *testing.T) {
	c := config(t)
	c.Database, c.MQTTUser, c.MQTTPassword = t.TempDir()+"/esper.db", "devices", "shared"
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	token, stored, err := access.NewToken("prometheus", access.Viewer, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store().AddToken(t.Context(), stored, "test"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // until the server has seen it
		if status, _ := get(t, s, "/metrics"); status == 401 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("without a token: %d", status)
		}
	}
	if up := scrape(t, s, token)["esper_broker_up"]; up != 1 {
		t.Errorf("esper_broker_up is %v", up)
	}
	viewer := dial(t, s.MQTTAddr(), url.UserPassword("prometheus", token))
	if err := viewer.Publish("home/update", nil, false); err == nil {
		t.Error("a viewer tells devices to check")
	}
	if got := scrape(t, s, token); got[`esper_broker_denied_total{action="publish"}`] != 1 {
		t.Errorf("denied: %v", got)
	}
}
