package client

import (
	"context"
	"fmt"
	"net/http"

	"esper/internal/access"
	"esper/internal/api"
)

// DevicePasswords returns how devices log in over MQTT.
func (c *Client) DevicePasswords(ctx context.Context) (api.DevicePasswords, error) {
	return get[api.DevicePasswords](ctx, c, nil, "passwords")
}

// SetDevicePassword registers a password of a device's own. Those before stay valid until the
// device has logged in with it. A revoked device stays so, as the answer says; what it had is valid
// no more.
func (c *Client) SetDevicePassword(
	ctx context.Context, id string, hash access.DeviceHash,
) (api.DevicePassword, error) {
	sent := api.PasswordHash{SHA256: hash.SHA256.String(), Mosquitto: hash.Mosquitto}
	return c.login(ctx, http.MethodPut, id, "password", sent)
}

// MakeDevicePasswords makes a password for each device, registers it, and returns them by the
// devices' ids. With an error it returns those that were registered before: they do no harm, since
// a device that is not given one goes on with what it has.
func (c *Client) MakeDevicePasswords(ctx context.Context, ids []string) (map[string]string, error) {
	made := map[string]string{}
	for _, id := range ids {
		if made[id] != "" {
			continue
		}
		text, hash := access.NewDevicePassword()
		if _, err := c.SetDevicePassword(ctx, id, hash); err != nil {
			return made, fmt.Errorf("register a password of device %s: %w", id, err)
		}
		made[id] = text
	}
	return made, nil
}

// ForgetDevicePassword removes a device's own passwords, so that it logs in with the shared one
// again.
func (c *Client) ForgetDevicePassword(ctx context.Context, id string) (api.DevicePassword, error) {
	return c.login(ctx, http.MethodDelete, id, "password", nil)
}

// RevokeDevice has the broker let a device in no more.
func (c *Client) RevokeDevice(ctx context.Context, id string) (api.DevicePassword, error) {
	return c.login(ctx, http.MethodPost, id, "revoke", nil)
}

// RestoreDevice has the broker let a revoked device in again.
func (c *Client) RestoreDevice(ctx context.Context, id string) (api.DevicePassword, error) {
	return c.login(ctx, http.MethodPost, id, "restore", nil)
}

// login changes how a device logs in, and returns how it does then.
func (c *Client) login(
	ctx context.Context, method, id, what string, body any,
) (p api.DevicePassword, err error) {
	path := []string{"devices", id, what}
	_, err = c.ask(ctx, request{method: method, path: path, body: body}, &p)
	return p, err
}
