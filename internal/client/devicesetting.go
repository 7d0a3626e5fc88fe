package client

import (
	"context"
	"net/http"

	"esper/internal/devicesetting"
	"esper/internal/wanted"
)

// DeviceSettings returns the settings that a device's firmware declares, with what it uses and what is
// wanted.
func (c *Client) DeviceSettings(ctx context.Context, id string) (wanted.Device, error) {
	return get[wanted.Device](ctx, c, nil, "devices", id, "setting")
}

// WantedSettings returns the values that are wanted for a device, a group or a device type.
func (c *Client) WantedSettings(ctx context.Context, scope devicesetting.Scope, of string) ([]devicesetting.Wanted, error) {
	return get[[]devicesetting.Wanted](ctx, c, nil, "wanted-settings", string(scope), of)
}

// SetWantedSetting has devices use a value.
func (c *Client) SetWantedSetting(ctx context.Context, w devicesetting.Wanted) error {
	_, err := c.ask(ctx, request{
		method: http.MethodPut, path: []string{"wanted-settings", string(w.Scope), w.Of, w.Name},
		body: map[string]string{"value": w.Value},
	}, nil)
	return err
}

// UnsetWantedSetting has no value wanted any more.
func (c *Client) UnsetWantedSetting(ctx context.Context, scope devicesetting.Scope, of, name string) error {
	_, err := c.ask(ctx, request{
		method: http.MethodDelete, path: []string{"wanted-settings", string(scope), of, name},
	}, nil)
	return err
}
