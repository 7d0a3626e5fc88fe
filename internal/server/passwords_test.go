package server_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/api"
	"esper/internal/client"
	"esper/internal/server"
)

// askingAs asks a server's API.
func askingAs(s *server.Server, token string) *client.Client {
	return &client.Client{Server: &url.URL{Scheme: "http", Host: s.HTTPAddr().String()}, Token: token}
}

// Passwords are registered and devices revoked by operators; it is in the audit log, and no hash or
// password is, nor in the list or in the log.
func TestDevicesPasswordsOverTheAPI(t *testing.T) {
	log := &locked{}
	c := config(t)
	c.MQTTUser, c.MQTTPassword = "devices", "shared"
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	operator := addToken(t, s, "ada", access.Operator)
	eventuallyAnswers(t, s, operator, "/api/passwords", 200)
	asks, ctx := askingAs(s, operator), t.Context()

	text, hash := access.NewDevicePassword()
	p, err := asks.SetDevicePassword(ctx, "00c0de", hash)
	if err != nil || p.ID != "00c0de" || p.Made.IsZero() || !p.Used.IsZero() || !p.Pending {
		t.Fatalf("registered: %+v, %v", p, err)
	}
	made, err := asks.MakeDevicePasswords(ctx, []string{"beef00", "beef01", "beef00"})
	if err != nil || len(made) != 2 || made["beef00"] == made["beef01"] {
		t.Fatalf("made %d, %v", len(made), err)
	}
	for range 2 { // the second time changes nothing
		if p, err = asks.RevokeDevice(ctx, "00c0de"); err != nil || p.Revoked.IsZero() {
			t.Fatalf("revoked: %+v, %v", p, err)
		}
	}
	list, err := asks.DevicePasswords(ctx)
	if err != nil || list.Broker != api.EmbeddedBroker || !list.Shared || len(list.Devices) != 3 ||
		list.Devices[0] != p || list.Devices[1].ID != "beef00" || !list.Devices[1].Revoked.IsZero() {
		t.Errorf("listed: %+v, %v", list, err)
	}
	for range 2 {
		if p, err = asks.RestoreDevice(ctx, "00c0de"); err != nil || !p.Revoked.IsZero() || !p.Pending {
			t.Errorf("restored: %+v, %v", p, err)
		}
	}
	if p, err = asks.ForgetDevicePassword(ctx, "beef01"); err != nil || p != (api.DevicePassword{ID: "beef01"}) {
		t.Errorf("forgotten: %+v, %v", p, err)
	}

	entries, err := s.Store().AuditLog(ctx, access.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, e := range entries {
		if e.Who == "ada" {
			did = append(did, e.Action+" "+e.Target)
		}
	}
	if got, want := strings.Join(did, ", "), "set-device-password 00c0de, set-device-password beef00, "+
		"set-device-password beef01, revoke-device 00c0de, revoke-device 00c0de, restore-device 00c0de, "+
		"restore-device 00c0de, forget-device-password beef01"; got != want {
		t.Errorf("audit log: %s", got)
	}
	_, listed := asWho(t, s, operator, "GET", "/api/passwords", "")
	written, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{text, hash.SHA256.String(), hash.SHA256.String()[:16], hash.Mosquitto[8:24], made["beef00"]} {
		for where, content := range map[string]string{"audit log": string(written), "list": listed, "log": log.String()} {
			if strings.Contains(content, secret) {
				t.Errorf("%s is in the %s", secret, where)
			}
		}
	}
}

func TestWrongPasswordsAreRefusedByTheAPI(t *testing.T) {
	s, _ := start(t, config(t))
	waitForHealth(t, s, 200)
	_, hash := access.NewDevicePassword()
	put := func(sum, mosquitto string) string {
		text, _ := json.Marshal(api.PasswordHash{SHA256: sum, Mosquitto: mosquitto})
		return string(text)
	}
	good := hash.SHA256.String()
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"PUT", "00c0de/password", put(good, hash.Mosquitto), 200},
		{"PUT", "00C0DE/password", put(good, hash.Mosquitto), 422},
		{"PUT", "00c0d/password", put(good, hash.Mosquitto), 422},
		{"PUT", "00c0de/password", put(strings.ToUpper(good), hash.Mosquitto), 422},
		{"PUT", "00c0de/password", put(good[1:], hash.Mosquitto), 422},
		{"PUT", "00c0de/password", put("my password", hash.Mosquitto), 422},
		{"PUT", "00c0de/password", put(good, ""), 422},
		{"PUT", "00c0de/password", put(good, "my password"), 422},
		{"PUT", "00c0de/password", put(good, hash.Mosquitto+"\nadmin:x"), 422},
		{"PUT", "00c0de/password", put(good, strings.Repeat("x", 1<<10)), 422},
		{"PUT", "00c0de/password", "{}", 422},
		{"PUT", "00c0de/password", "", 400},
		{"PUT", "00c0de/password", "{" + strings.Repeat(" ", 2<<20), 413},
		{"POST", "beef00/revoke", "", 404},
		{"POST", "beef00/restore", "", 404},
		{"DELETE", "beef00/password", "", 404},
		{"POST", "x/revoke", "", 422},
		{"POST", "00c0de/revoke", "", 200},
	} {
		status, text := asWho(t, s, "", c.method, "/api/devices/"+c.path, c.body)
		if status != c.want || status == 404 && !strings.Contains(text, "no such device") {
			t.Errorf("%s %s %.80s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
	entries, err := s.Store().AuditLog(t.Context(), access.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == "set-device-password" && e.Detail != "" {
			t.Errorf("the audit log has %+v", e)
		}
	}
	if list, err := askingAs(s, "").DevicePasswords(t.Context()); err != nil || list.Broker != api.OpenBroker {
		t.Errorf("%+v, %v", list, err)
	}
	unknown, err := askingAs(s, "").MakeDevicePasswords(t.Context(), []string{"beef02", "x"})
	if problem := new(client.Problem); !errors.As(err, &problem) || len(unknown) != 1 {
		t.Errorf("made for no device: %d, %v", len(unknown), err)
	}
}

// What the API does holds at the broker at once, and after a restart.
func TestTheBrokerObeysTheAPI(t *testing.T) {
	c := config(t)
	c.Database = t.TempDir() + "/esper.db"
	c.MQTTUser, c.MQTTPassword = "devices", "shared"
	s, stop := start(t, c)
	waitForHealth(t, s, 200)
	own, err := askingAs(s, "").MakeDevicePasswords(t.Context(), []string{"00c0de", "beef00"})
	if err != nil {
		t.Fatal(err)
	}
	logsIn := func(id, user, password string, want bool) {
		t.Helper()
		o := paho.NewClientOptions().AddBroker("tcp://" + s.MQTTAddr().String()).SetClientID(id).
			SetUsername(user).SetPassword(password).SetProtocolVersion(4).SetAutoReconnect(false)
		token := paho.NewClient(o).Connect()
		token.Wait()
		if (token.Error() == nil) != want {
			t.Errorf("%s as %s: %v", user, id, token.Error())
		}
	}
	logsIn("00c0de", "00c0de", own["00c0de"], true)
	if _, err := askingAs(s, "").RevokeDevice(t.Context(), "beef00"); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if again {
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			c.MQTTOwnOnly = true
			s, stop = start(t, c)
			waitForHealth(t, s, 200)
		}
		logsIn("00c0de", "00c0de", own["00c0de"], true)
		logsIn("00c0de", "devices", "shared", false)
		logsIn("beef00", "beef00", own["beef00"], false)
		logsIn("beef00", "devices", "shared", false)
		logsIn("beef01", "devices", "shared", !again)
	}
}

// A revoked device that is forgotten is still revoked: it would come back with the shared password.
func TestARevokedDeviceThatIsRemovedIsStillRevoked(t *testing.T) {
	c := config(t)
	c.Database = t.TempDir() + "/esper.db"
	s, stop := start(t, c)
	waitForHealth(t, s, 200)
	device := dial(t, s.MQTTAddr(), nil)
	if err := device.Publish("home/00c0de/status", []byte("OFFLINE"), true); err != nil {
		t.Fatal(err)
	}
	eventuallyAnswers(t, s, "", "/api/devices/00c0de", 200)
	asks := askingAs(s, "")
	if _, err := asks.RevokeDevice(t.Context(), "00c0de"); err != nil {
		t.Fatal(err)
	}
	if err := asks.Remove(t.Context(), "00c0de", false); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, c)
	waitForHealth(t, s, 200)
	list, err := askingAs(s, "").DevicePasswords(t.Context())
	if err != nil || len(list.Devices) != 1 || list.Devices[0].Revoked.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestWhoHasNoPasswordYet(t *testing.T) {
	var devices []api.Device
	for _, id := range []string{"000001", "000002", "000003", "000004", "000005"} {
		var d api.Device
		d.ID = id
		devices = append(devices, d)
	}
	at := devices[0].FirstSeen.AddDate(1, 0, 0)
	passwords := api.DevicePasswords{Devices: []api.DevicePassword{
		{ID: "000001", Made: at, Used: at},
		{ID: "000002", Made: at, Pending: true},           // it never got it
		{ID: "000003", Made: at, Used: at, Pending: true}, // it has an older one
		{ID: "000004", Revoked: at},
	}}
	if got := api.WithoutPassword(devices, passwords); !slices.Equal(got, []string{"000002", "000005"}) {
		t.Errorf("%v", got)
	}
	passwords.Broker = api.ExternalBroker // which does not tell who has it
	if got := api.WithoutPassword(devices, passwords); !slices.Equal(got, []string{"000005"}) {
		t.Errorf("at an external broker %v", got)
	}
}
