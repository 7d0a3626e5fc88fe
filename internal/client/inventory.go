package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"esper/internal/api"
	"esper/internal/fleet"
)

// Devices returns the devices that a query finds.
func (c *Client) Devices(ctx context.Context, q api.DeviceQuery) ([]api.Device, error) {
	return get[[]api.Device](ctx, c, url.Values{
		"type": {q.Type}, "group": {q.Group}, "tag": {q.Tag}, "presence": {q.Presence}, "condition": {string(q.Condition)}, "old_boot": {number(int(q.OldBoot))},
		"search": {q.Search}, "sort": {string(q.Sort)}, "limit": {number(q.Limit)}, "offset": {number(q.Offset)},
	}, "devices")
}

// Device returns what is known of a device.
func (c *Client) Device(ctx context.Context, id string) (api.Device, error) {
	return get[api.Device](ctx, c, nil, "devices", id)
}

// History returns what happened to a device, or with an empty id to all; the oldest first.
func (c *Client) History(ctx context.Context, id string, q api.HistoryQuery) ([]fleet.Event, error) {
	query := url.Values{"kind": {string(q.Kind)}, "limit": {number(q.Limit)}}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if id == "" {
		return get[[]fleet.Event](ctx, c, query, "history")
	}
	return get[[]fleet.Event](ctx, c, query, "devices", id, "history")
}

// Label changes what people call a device.
func (c *Client) Label(ctx context.Context, id string, change api.LabelChange) (api.Device, error) {
	var d api.Device
	_, err := c.ask(ctx, request{method: http.MethodPatch, path: []string{"devices", id, "labels"}, body: change}, &d)
	return d, err
}

// Remove forgets a device, with force even one that is online.
func (c *Client) Remove(ctx context.Context, id string, force bool) error {
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	_, err := c.ask(ctx, request{method: http.MethodDelete, path: []string{"devices", id}, query: query}, nil)
	return err
}

// Groups returns the groups and the tags.
func (c *Client) Groups(ctx context.Context) ([]api.Group, error) {
	return get[[]api.Group](ctx, c, nil, "groups")
}

// number is a number as a query has it, empty for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
