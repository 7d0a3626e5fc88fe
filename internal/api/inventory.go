package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/fleet"
	"esper/internal/store"
)

// DeviceID is the path of what is about one device. Only exported types can be embedded.
type DeviceID struct {
	ID string `path:"id" pattern:"^[0-9a-f]{6}$" patternDescription:"chip id, 6 lower-case hex digits" example:"00c0de"`
}

// DeviceQuery says which devices.
type DeviceQuery struct {
	Type      string          `query:"type" doc:"only devices of this type"`
	Group     string          `query:"group" doc:"only devices of this group"`
	Tag       string          `query:"tag" doc:"only devices with this tag"`
	Condition store.Condition `query:"condition" enum:"vanished,crash-looping,unknown-version,old-bootloader,lagging" doc:"only devices like that"`
}

// HistoryQuery says which events.
type HistoryQuery struct {
	Kind  fleet.Kind `query:"kind" enum:"presence,type,version,slot,update,restart" doc:"only events of this kind"`
	Since time.Time  `query:"since" doc:"only events from then on"`
	Limit int        `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"at most so many, the newest"`
}

func (q HistoryQuery) of(device string) store.HistoryQuery {
	return store.HistoryQuery{Device: device, Kind: q.Kind, Since: q.Since, Limit: q.Limit}
}

// labels are what people call a device. It is put as a whole: what is left out is removed.
type labels struct {
	Name  string   `json:"name,omitempty" doc:"at most 64 bytes"`
	Group string   `json:"group,omitempty" doc:"a-z, 0-9, - and _"`
	Tags  []string `json:"tags,omitempty" nullable:"false" doc:"each of a-z, 0-9, - and _"`
}

// Release is a release that is kept.
type Release struct {
	Type     string `json:"type"`
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
	Newest   bool   `json:"newest" doc:"it was published last"`
	General  bool   `json:"general" doc:"it is generally available"`
}

func (a *api) registerInventory(on huma.API) {
	const tag = "inventory"
	huma.Register(on, operation("list-devices", http.MethodGet, "devices", "Find devices", tag),
		func(ctx context.Context, q *DeviceQuery) (*body[[]store.Device], error) {
			found, err := a.Store.Find(ctx, store.Query{Type: q.Type, Group: q.Group, Tag: q.Tag, Condition: q.Condition})
			return answer(a, found, err)
		})
	huma.Register(on, operation("get-device", http.MethodGet, "devices/{id}", "What is known of a device", tag, http.StatusNotFound),
		func(ctx context.Context, q *DeviceID) (*body[store.Device], error) {
			d, err := a.device(ctx, q.ID)
			return answer(a, d, err)
		})
	huma.Register(on, operation("get-device-history", http.MethodGet, "devices/{id}/history", "What happened to a device, the oldest first", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			DeviceID
			HistoryQuery
		}) (*body[[]fleet.Event], error) {
			if _, err := a.device(ctx, q.ID); err != nil {
				return nil, a.problem(err)
			}
			events, err := a.Store.History(ctx, q.of(q.ID))
			return answer(a, events, err)
		})
	huma.Register(on, operation("get-history", http.MethodGet, "history", "What happened to all devices, the oldest first", tag),
		func(ctx context.Context, q *HistoryQuery) (*body[[]fleet.Event], error) {
			events, err := a.Store.History(ctx, q.of(""))
			return answer(a, events, err)
		})
	huma.Register(on, operation("put-labels", http.MethodPut, "devices/{id}/labels", "Set a device's name, group and tags; roll-outs know of it in a few seconds", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			DeviceID
			Body labels
		}) (*body[store.Device], error) {
			d, err := a.relabel(ctx, q.ID, q.Body)
			return answer(a, d, err)
		})
	huma.Register(on, operation("list-releases", http.MethodGet, "releases", "The releases that are kept", tag),
		func(context.Context, *struct{}) (*body[[]Release], error) {
			kept, err := a.releases()
			return answer(a, kept, err)
		})
}

func (a *api) device(ctx context.Context, id string) (store.Device, error) {
	found, err := a.Store.Find(ctx, store.Query{ID: id})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("device %s: %w", id, store.ErrNoDevice)
	}
	if err != nil {
		return store.Device{}, err
	}
	return found[0], nil
}

func (a *api) relabel(ctx context.Context, id string, to labels) (store.Device, error) {
	d, err := a.device(ctx, id)
	if err != nil {
		return d, err
	}
	change := store.LabelChange{Name: &to.Name, Group: &to.Group, Tag: to.Tags}
	for _, tag := range d.Tags {
		if !slices.Contains(to.Tags, tag) {
			change.Untag = append(change.Untag, tag)
		}
	}
	if err := a.Store.Label(ctx, id, change); err != nil {
		return d, err
	}
	return a.device(ctx, id)
}

func (a *api) releases() ([]Release, error) {
	entries, err := a.Repository.List()
	if err != nil {
		return nil, err
	}
	general := map[string]string{}
	for _, s := range a.Conductor.Rollouts() {
		general[s.Type] = s.General.Version
	}
	kept := make([]Release, len(entries))
	for i, e := range entries {
		kept[i] = Release{e.Type, e.Version, e.Sequence, e.Current, e.Version == general[e.Type]}
	}
	return kept, nil
}
