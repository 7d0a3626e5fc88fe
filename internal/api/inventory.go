package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/homeassistant"
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
	Condition store.Condition `query:"condition" enum:"failed,vanished,crash-looping,unknown-version,old-bootloader,lagging,ahead,updating" doc:"only devices like that"`
	Presence  string          `query:"presence" enum:"ONLINE,OFFLINE,SLEEPING,SILENT" doc:"only devices that are there, that are not, that sleep, or that should be heard of and are not"`
	OldBoot   uint32          `query:"old_boot" minimum:"0" maximum:"4294967295" doc:"with old-bootloader: the oldest that is good; else the newest that any device has"`
	Search    string          `query:"search" maxLength:"100" doc:"a part of id, name, group, type, version or a tag, in any case"`
	Sort      store.Order     `query:"sort" enum:"type,-type,id,-id,name,-name,group,-group,version,-version,presence,-presence,seen,-seen,signal,-signal" default:"type" doc:"with a - in front, the other way round"`
	Limit     int             `query:"limit" minimum:"0" maximum:"100000" doc:"at most so many; 0: all"`
	Offset    int             `query:"offset" minimum:"0" maximum:"100000" doc:"with a limit: without the first so many"`
}

// Of is the query to the store.
func (q DeviceQuery) of() store.Query {
	return store.Query{
		Type: q.Type, Group: q.Group, Tag: q.Tag, Presence: q.Presence, Condition: q.Condition, OldBoot: q.OldBoot,
		Search: q.Search, Sort: q.Sort, Limit: q.Limit, Offset: q.Offset,
	}
}

// devicePage is some of the devices that a query finds.
type devicePage struct {
	Total int `header:"X-Total-Count" doc:"how many devices there are like that, whatever the limit"`
	Body  []Device
}

// Device is all that is known of a device, and what it would get now.
type Device struct {
	store.Device
	Why *conductor.Answer `json:"why,omitempty"` // nil if roll-outs know nothing of it
	// Problem is UpdateProblem, for who has no Go.
	Problem string `json:"problem,omitempty" doc:"what is wrong with its last update, in words"`
	// SettingsWhy and SettingsProblem are the same for its settings.
	SettingsWhy     *conductor.Answer `json:"settings_why,omitempty"`
	SettingsProblem string            `json:"settings_problem,omitempty" doc:"what is wrong with its last settings, in words"`
}

// Summary is the fleet in numbers, and what the server does.
type Summary struct {
	store.Summary
	Builds bool `json:"builds" doc:"it is a build server, too"`
}

// LabelChange is what to change of a device's labels.
type LabelChange struct {
	Name  *string  `json:"name,omitempty" doc:"at most 64 bytes; empty: none"`
	Group *string  `json:"group,omitempty" doc:"a-z, 0-9, - and _; empty: none"`
	Tag   []string `json:"tag,omitempty" nullable:"false" doc:"tags to add"`
	Untag []string `json:"untag,omitempty" nullable:"false" doc:"tags to remove"`
}

// HistoryQuery says which events.
type HistoryQuery struct {
	Kind  fleet.Kind `query:"kind" enum:"presence,type,version,slot,update,settings,restart" doc:"only events of this kind"`
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

func (a *api) registerInventory(on huma.API) {
	const tag = "inventory"
	huma.Register(on, operation("list-devices", http.MethodGet, "devices", "Find devices", tag),
		func(ctx context.Context, q *DeviceQuery) (*devicePage, error) {
			page, err := a.page(ctx, q.of())
			if err != nil {
				return nil, a.problem(err)
			}
			return page, nil
		})
	huma.Register(on, operation("get-summary", http.MethodGet, "summary", "The fleet in numbers", tag),
		func(ctx context.Context, _ *struct{}) (*body[Summary], error) {
			s, err := a.Store.Summary(ctx)
			return answer(a, Summary{s, a.Builds != nil}, err)
		})
	huma.Register(on, operation("get-device-updates", http.MethodGet, "devices/{id}/updates", "How the updates of a device went, the oldest first", tag, http.StatusNotFound),
		func(ctx context.Context, q *DeviceID) (*body[[]fleet.Update], error) {
			if _, err := a.device(ctx, q.ID); err != nil {
				return nil, a.problem(err)
			}
			events, err := a.Store.History(ctx, store.HistoryQuery{Device: q.ID})
			return answer(a, fleet.Updates(events), err)
		})
	huma.Register(on, operation("get-device", http.MethodGet, "devices/{id}", "What is known of a device", tag, http.StatusNotFound),
		func(ctx context.Context, q *DeviceID) (*body[Device], error) {
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
	huma.Register(on, operation("put-labels", http.MethodPut, "devices/{id}/labels", "Set a device's name, group and tags", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			DeviceID
			Body labels
		}) (*body[Device], error) {
			d, err := a.relabel(ctx, q.ID, q.Body)
			return answer(a, d, err)
		})
	huma.Register(on, operation("change-labels", http.MethodPatch, "devices/{id}/labels", "Change some of a device's name, group and tags", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			DeviceID
			Body LabelChange
		}) (*body[Device], error) {
			d, err := a.label(ctx, q.ID, store.LabelChange(q.Body))
			return answer(a, d, err)
		})
	huma.Register(on, operation("list-groups", http.MethodGet, "groups", "The groups and the tags, with how many devices have them", tag),
		func(ctx context.Context, _ *struct{}) (*body[[]Group], error) {
			groups, err := a.groups(ctx)
			return answer(a, groups, err)
		})
	huma.Register(on, operation("list-releases", http.MethodGet, "releases", "The releases that are kept", tag),
		func(context.Context, *struct{}) (*body[[]Release], error) {
			kept, err := a.releases()
			return answer(a, kept, err)
		})
}

// page is the devices that a query finds.
func (a *api) page(ctx context.Context, q store.Query) (*devicePage, error) {
	found, err := a.find(ctx, q)
	page := &devicePage{Total: len(found), Body: found}
	if err == nil && q.Limit > 0 && (q.Offset > 0 || len(found) == q.Limit) {
		page.Total, err = a.Store.Count(ctx, q)
	}
	return page, err
}

// find is the devices that a query finds, and what they would get.
func (c Config) find(ctx context.Context, q store.Query) ([]Device, error) {
	found, err := c.Store.Find(ctx, q)
	devices := make([]Device, len(found))
	for i, d := range found {
		devices[i].Device, devices[i].Problem, devices[i].SettingsProblem = d, d.UpdateProblem(), d.SettingsProblem()
		if c.Features != nil {
			devices[i].Problems = append(slices.Clip(d.Problems), c.Features.Problems(d.Device)...)
			if c.HomeAssistant {
				devices[i].Problems = append(devices[i].Problems, homeassistant.Problems(d.Device, c.Features.Attributes(d.Device))...)
			}
		}
		if why, err := c.Conductor.Why(d.ID); err == nil {
			devices[i].Why = &why
		}
		if why, err := c.Settings.Why(d.ID); err == nil && d.Settings != nil {
			devices[i].SettingsWhy = &why
		}
	}
	return devices, err
}

func (a *api) device(ctx context.Context, id string) (Device, error) {
	found, err := a.find(ctx, store.Query{ID: id})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("device %s: %w", id, store.ErrNoDevice)
	}
	if err != nil {
		return Device{}, err
	}
	return found[0], nil
}

func (a *api) relabel(ctx context.Context, id string, to labels) (Device, error) {
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
	return a.label(ctx, id, change)
}

func (a *api) label(ctx context.Context, id string, change store.LabelChange) (Device, error) {
	if err := a.Label(ctx, id, change); err != nil {
		return Device{}, err
	}
	a.Live.Changed(id)
	return a.device(ctx, id)
}
