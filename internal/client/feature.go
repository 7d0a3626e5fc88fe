package client

import (
	"context"
	"net/http"

	"esper/internal/fleet"
)

// Features returns the features of a device.
func (c *Client) Features(ctx context.Context, id string) ([]fleet.Feature, error) {
	return get[[]fleet.Feature](ctx, c, nil, "devices", id, "features")
}

// SetFeature sends a command to a feature of a device.
func (c *Client) SetFeature(ctx context.Context, id, name, value string) error {
	_, err := c.ask(ctx, request{
		method: http.MethodPost, path: []string{"devices", id, "features", name},
		body: map[string]string{"value": value},
	}, nil)
	return err
}
