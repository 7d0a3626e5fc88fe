package client

import (
	"context"
	"net/http"

	"esper/internal/api"
	"esper/internal/conductor"
	"esper/internal/rollout"
)

// Releases returns the releases that the server keeps.
func (c *Client) Releases(ctx context.Context) ([]api.Release, error) {
	return get[[]api.Release](ctx, c, nil, "releases")
}

// Rollouts returns how far the releases of each device type have come.
func (c *Client) Rollouts(ctx context.Context) ([]rollout.State, error) {
	return get[[]rollout.State](ctx, c, nil, "rollouts")
}

// RolloutHistory returns what happened in the roll-outs of a device type, or of all if it is
// empty; the oldest first.
func (c *Client) RolloutHistory(ctx context.Context, deviceType string) ([]rollout.Event, error) {
	if deviceType == "" {
		return get[[]rollout.Event](ctx, c, nil, "rollouts", "history")
	}
	return get[[]rollout.Event](ctx, c, nil, "rollouts", deviceType, "history")
}

// SteerRollout does something to the roll-out of a device type: pause, resume, abort, approve
// or everywhere.
func (c *Client) SteerRollout(ctx context.Context, deviceType, action string) (rollout.State, error) {
	return post[rollout.State](ctx, c, nil, "rollouts", deviceType, action)
}

// Why returns what a device would get if it asked now.
func (c *Client) Why(ctx context.Context, id string) (conductor.Answer, error) {
	return get[conductor.Answer](ctx, c, nil, "devices", id, "why")
}

// Steer does something to a device: unpin, hold, release, retry or check. It returns what the
// device would get then.
func (c *Client) Steer(ctx context.Context, id, action string) (conductor.Answer, error) {
	return post[conductor.Answer](ctx, c, nil, "devices", id, action)
}

// CheckAll tells all devices to look for a release.
func (c *Client) CheckAll(ctx context.Context) error {
	_, err := c.ask(ctx, request{method: http.MethodPost, path: []string{"check"}}, nil)
	return err
}

// Pin lets a device be offered this version and no other.
func (c *Client) Pin(ctx context.Context, id, version string) (conductor.Answer, error) {
	return post[conductor.Answer](ctx, c, map[string]string{"version": version}, "devices", id, "pin")
}
