package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	"esper/internal/api"
	"esper/internal/conductor"
	"esper/internal/settings"
)

// SettingsReleases returns the settings releases that the server keeps.
func (c *Client) SettingsReleases(ctx context.Context) ([]api.SettingsRelease, error) {
	return get[[]api.SettingsRelease](ctx, c, nil, "settings")
}

// CurrentSettings returns the settings release of a device type that was published last or, with a
// chip id, that for the device alone. It returns an fs.ErrNotExist if there is none.
func (c *Client) CurrentSettings(ctx context.Context, deviceType, chip string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answer, err := c.send(ctx, request{
		method: http.MethodGet, path: []string{"settings", deviceType},
		query: url.Values{"device": {chip}},
	}, nil, "")
	if problem := new(Problem); errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", settings.FileName(deviceType), fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, settings.MaxRelease+1))
}

// PublishSettings publishes a settings release, or only checks whether it could be. If it is
// quiet, the devices are not told.
func (c *Client) PublishSettings(
	ctx context.Context, deviceType string, file []byte, check, quiet bool,
) (api.PublishedSettings, error) {
	var done api.PublishedSettings
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	query := url.Values{}
	for name, on := range map[string]bool{"check": check, "quiet": quiet} {
		if on {
			query.Set(name, "true")
		}
	}
	answer, err := c.send(ctx, request{
		method: http.MethodPost, path: []string{"settings", deviceType}, query: query,
	}, bytes.NewReader(file), "application/octet-stream")
	if err != nil {
		return done, refusal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxProblem)).Decode(&done); err != nil {
		return done, fmt.Errorf("the answer of %s cannot be read: %w", c.Server.Redacted(), err)
	}
	return done, nil
}

// WhySettings returns which settings a device would get if it asked now.
func (c *Client) WhySettings(ctx context.Context, id string) (conductor.Answer, error) {
	return get[conductor.Answer](ctx, c, url.Values{"settings": {"true"}}, "devices", id, "why")
}

// RetrySettings lets a device that failed with settings have them again.
func (c *Client) RetrySettings(ctx context.Context, id string) (conductor.Answer, error) {
	var told conductor.Answer
	_, err := c.ask(ctx, request{
		method: http.MethodPost, path: []string{"devices", id, "retry"},
		query: url.Values{"settings": {"true"}},
	}, &told)
	return told, err
}
