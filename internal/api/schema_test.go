package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/conductor"
	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/wanted"
)

// What is sent is what the description says, also of devices of which little is known.
func TestAnswersAreAsDescribed(t *testing.T) {
	described := (&api{}).register(http.NewServeMux())
	schemas := described.Components.Schemas
	informed := store.Device{Device: fleet.Device{ID: "00c0de", Info: &fleet.Info{}, Update: &fleet.UpdateStatus{Received: new(uint32)}, Seen: time.Now(), Settings: &fleet.SettingsStatus{}}}
	informed.Info.Boot.Slots = []*fleet.Slot{nil, {Version: "v1"}}
	staged := rollout.State{Plan: rollout.Plan{Stages: []rollout.Stage{{Percent: 10}, {Group: "x", Approve: true}}}, Opened: time.Now()}
	least, value := int32(1), "2"
	tuned := wanted.Setting{Name: "a", Declaration: devicesetting.Declaration{Type: "number", Min: &least, Options: []string{"x"}}, Value: &value, Wanted: &value, From: devicesetting.OfType}
	for _, v := range []any{
		Device{}, Device{informed, &conductor.Answer{}, "the flash reported an error", &conductor.Answer{}, "the settings are damaged"}, SettingsRelease{}, SettingsRelease{Device: "00c0de"}, PublishedSettings{}, Summary{Summary: store.Summary{Types: []store.TypeSummary{}, Attention: map[store.Condition]int{}}}, Group{Kind: "tag"}, rollout.Event{}, store.AdoptionPoint{}, fleet.Event{}, fleet.Event{Received: new(uint32)}, fleet.Update{}, fleet.Update{WithoutDelta: "flash", Received: new(uint64), Seconds: 1.4}, rollout.State{}, staged, Release{ReleaseContent: ReleaseContent{Keys: []string{}}},
		DevicePasswords{MQTTAccess{Broker: OpenBroker}, []DevicePassword{{ID: "00c0de"}, {ID: "00c0df", Revoked: time.Now()}}},
		conductor.Answer{}, conductor.Answer{Device: rollout.Device{Held: true, Last: rollout.Try{Release: "v1"}}},
		wanted.Device{Settings: []wanted.Setting{}}, wanted.Device{Settings: []wanted.Setting{tuned, {Declaration: devicesetting.Declaration{Type: "text"}}}, Problems: []string{"x"}}, devicesetting.Wanted{Scope: devicesetting.OfGroup},
		fleet.Feature{}, fleet.Feature{At: time.Now(), Kind: fleet.EventFeature, Attributes: fleet.Attributes{Options: []string{"single"}}},
		fleet.Feature{Attributes: fleet.Attributes{Enabled: new(bool), Precision: new(int), Min: new(float64), Max: new(float64), Step: new(float64), Category: "config"}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var sent any
		if err := json.Unmarshal(text, &sent); err != nil {
			t.Fatal(err)
		}
		result := &huma.ValidateResult{}
		huma.Validate(schemas, schemas.Schema(reflect.TypeOf(v), true, ""), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, sent, result)
		if len(result.Errors) > 0 {
			t.Errorf("%T is sent as %s: %v", v, text, result.Errors)
		}
	}
}
