package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/fleet"
)

func (a *api) registerFeatures(on huma.API) {
	const tag = "devices"
	huma.Register(on, operation("list-features", http.MethodGet, "devices/{id}/features", "What a device can do and measure, and the state of each", tag, http.StatusNotFound),
		func(ctx context.Context, q *DeviceID) (*body[[]fleet.Feature], error) {
			features, err := a.features(ctx, q.ID)
			return answer(a, features, err)
		})
	huma.Register(on, operation("set-feature", http.MethodPost, "devices/{id}/features/{name}",
		"Send a command to a feature; the device answers with the feature's state", tag,
		http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		func(ctx context.Context, q *struct {
			DeviceID
			Name string `path:"name"`
			Body struct {
				Value FeatureValue `json:"value"`
			}
		}) (*struct{}, error) {
			return nil, a.set(ctx, q.ID, q.Name, string(q.Body.Value))
		})
}

// maxFeatureValue is the longest command to a feature, in bytes: one that a light takes is shorter.
const maxFeatureValue = 128

// FeatureValue is a command to a feature: the text that is sent to the device. In JSON it may be a
// number or an object, too.
type FeatureValue string

// UnmarshalJSON implements json.Unmarshaler.
func (v *FeatureValue) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte(`"`)) {
		*v = FeatureValue(text)
		return nil
	}
	return json.Unmarshal(text, (*string)(v))
}

// Schema implements huma.SchemaProvider.
func (FeatureValue) Schema(huma.Registry) *huma.Schema {
	longest := maxFeatureValue
	return &huma.Schema{
		Description: "1 or 0 for a switch or a light; for a light also an object, such as " +
			"{\"brightness\":128}; a number; an option; press; open, close, stop or a position for a " +
			"cover. An answer that refuses a value says what the feature accepts.",
		OneOf: []*huma.Schema{
			{Type: "string", MaxLength: &longest}, {Type: "number"}, {Type: "object", AdditionalProperties: true},
		},
	}
}

func (a *api) features(ctx context.Context, id string) ([]fleet.Feature, error) {
	d, err := a.device(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.Features.Of(d.Device.Device), nil
}

// hears returns an error unless the device would hear a command: it is not kept for one that is
// away.
func hears(d fleet.Device) error {
	p := d.Presence()
	if p == fleet.Sleeping {
		return huma.Error409Conflict(fmt.Sprintf("device %s sleeps, so it would not hear of it; %s", d.ID, wakes(d, time.Now())))
	}
	if p != fleet.Online {
		return huma.Error409Conflict(fmt.Sprintf("device %s is %s, so it would not hear of it; try again when it is online", d.ID, cmp.Or(strings.ToLower(p), "not known to be online")))
	}
	return nil
}

// awake returns an error if a device sleeps. Any other can be told something without being known to
// be there.
func (a *api) awake(ctx context.Context, id string) error {
	d, err := a.device(ctx, id)
	if err == nil && d.Presence() == fleet.Sleeping {
		err = hears(d.Device.Device)
	}
	return err
}

// wakes says when a sleeping device can hear a command, as the end of a sentence.
func wakes(d fleet.Device, now time.Time) string {
	at := d.WakesBy()
	switch {
	case d.Info == nil || d.Info.Sleep == 0:
		return "try again while it is awake"
	case at.IsZero() || at.Before(now):
		return fmt.Sprintf("it wakes at least every %v: try again while it is online", time.Duration(d.Info.Sleep)*time.Second)
	}
	return fmt.Sprintf("it wakes by %s at the latest, in %v: try again while it is online",
		at.UTC().Format(time.RFC3339), at.Sub(now).Round(time.Second))
}

// set sends a command to a feature that accepts it.
func (a *api) set(ctx context.Context, id, name, value string) error {
	d, err := a.device(ctx, id)
	if err != nil {
		return a.problem(err)
	}
	if err := hears(d.Device.Device); err != nil {
		return err
	}
	if d.Info != nil && d.Info.Boot.Safe {
		return huma.Error409Conflict(fmt.Sprintf("device %s runs in safe mode, without its features, since it crashed five times in a row; a release that mends it ends that, or a restart", id))
	}
	features := a.Features.Of(d.Device.Device)
	i := slices.IndexFunc(features, func(f fleet.Feature) bool { return f.Name == name })
	if i < 0 {
		return huma.Error404NotFound(fmt.Sprintf("device %s has no feature %.40q; it has %s",
			id, name, names(features)))
	}
	command, err := features[i].Command(value)
	if err != nil {
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return a.command(id, name+"/set", command)
}

// names returns what features there are, in words.
func names(features []fleet.Feature) string {
	if len(features) == 0 {
		return "none"
	}
	all := make([]string, len(features))
	for i, f := range features {
		all[i] = f.Name
	}
	return strings.Join(all, ", ")
}

// restart has a device restart. Its id is the password, so that no stray message does it.
func (a *api) restart(ctx context.Context, id string) error {
	d, err := a.device(ctx, id)
	if err != nil {
		return err
	}
	if err := hears(d.Device.Device); err != nil {
		return err
	}
	return a.command(id, "reboot", id)
}

func (a *api) command(id, topic, payload string) error {
	return told(a.Command(id, topic, payload))
}

// told is the answer if a device could not be told what it should be.
func told(err error) error {
	if err != nil {
		err = huma.Error503ServiceUnavailable("the device could not be told: " + err.Error())
	}
	return err
}
