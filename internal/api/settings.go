package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/settings"
)

// SettingsRelease is a settings release that is kept. What it holds only devices can read.
type SettingsRelease struct {
	Type      string    `json:"type" doc:"the device type"`
	Device    string    `json:"device,omitempty" doc:"chip id of the only device that it is for"`
	Sequence  uint32    `json:"sequence"`
	Newest    bool      `json:"newest" doc:"it was published last"`
	General   bool      `json:"general" doc:"it is generally available; one for a single device is so to that one"`
	Published time.Time `json:"published"`
}

// PublishedSettings is what came of a settings release.
type PublishedSettings struct {
	Type     string `json:"type"`
	Device   string `json:"device,omitempty" doc:"chip id of the only device that it is for"`
	Sequence uint32 `json:"sequence" doc:"what is published now"`
	Before   uint32 `json:"before" doc:"what was published before; 0: nothing"`
}

const settingsDescription = `The body is the file <type>.settings (docs/SPEC.md, 12.4). Its signature is verified by the public keys
that the server trusts. It is sealed: the server cannot read it, and needs no key of the fleet. To send the
same file again changes nothing.`

func (a *api) registerSettings(on huma.API) {
	const tag = "settings"
	list := operation("list-settings", http.MethodGet, "settings",
		"The settings releases that are kept", tag)
	huma.Register(on, list,
		func(context.Context, *struct{}) (*body[[]SettingsRelease], error) {
			kept, err := a.settingsReleases()
			return answer(a, kept, err)
		})
	get := operation("get-settings", http.MethodGet, "settings/{type}",
		"The settings release of a device type that was published last", tag, http.StatusNotFound)
	get.Responses = map[string]*huma.Response{"200": {
		Description: "the file, as publish-settings takes it",
		Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		},
	}}
	huma.Register(on, get, func(_ context.Context, q *struct {
		DeviceType
		Device string `query:"device" pattern:"^[0-9a-f]{6}$" doc:"chip id: that for this device alone"`
	}) (*bundle, error) {
		file, err := a.Repository.CurrentSettings(q.Type, q.Device)
		if err != nil {
			return nil, a.problem(err)
		}
		return &bundle{"application/octet-stream", file}, nil
	})
	put := operation("publish-settings", http.MethodPost, "settings/{type}",
		"Publish a signed settings release", tag, http.StatusConflict, http.StatusRequestEntityTooLarge)
	put.Description = settingsDescription
	put.MaxBodyBytes, put.BodyReadTimeout = settings.MaxRelease, uploadTimeout
	put.Middlewares = huma.Middlewares{atMost(on, maxUploads)}
	huma.Register(on, put, func(_ context.Context, q *struct {
		DeviceType
		Check   bool   `query:"check" doc:"say only whether it could be published"`
		Quiet   bool   `query:"quiet" doc:"do not tell the devices; they find it at their next check"`
		RawBody []byte `contentType:"application/octet-stream"`
	}) (*body[PublishedSettings], error) {
		done, err := a.publishSettings(q.Type, q.RawBody, q.Check, q.Quiet)
		return answer(a, done, err)
	})
}

func (a *api) settingsReleases() ([]SettingsRelease, error) {
	if err := a.SettingsFeed.Look(); err != nil {
		a.Log.Warn("not all settings releases can be read", "error", err)
	}
	general := map[string]string{}
	for _, s := range a.Settings.Rollouts() {
		general[s.Type] = s.General.Version
	}
	kept := []SettingsRelease{}
	for _, e := range a.SettingsFeed.Published().Entries() {
		deviceType, _ := settings.DeviceType(e.Type)
		kept = append(kept, SettingsRelease{
			Type: deviceType, Sequence: e.Sequence, Newest: e.Current,
			General: e.Version == general[e.Type], Published: e.Published,
		})
	}
	single, err := a.Repository.ListDeviceSettings()
	if err != nil {
		a.Log.Warn("not all settings for single devices can be read", "error", err)
	}
	for _, d := range single {
		kept = append(kept, SettingsRelease{
			Type: d.Type, Device: d.Chip, Sequence: d.Sequence,
			Newest: true, General: true, Published: d.Published,
		})
	}
	return kept, nil
}

// publishSettings publishes settings and has the devices told unless it is quiet, or only says
// what would come of it.
func (a *api) publishSettings(
	deviceType string, file []byte, check, quiet bool,
) (PublishedSettings, error) {
	if err := a.trusts(); err != nil {
		return PublishedSettings{}, err
	}
	h, before, err := a.Repository.CheckSettings(deviceType, file, a.Trusted)
	done := PublishedSettings{Type: deviceType, Device: h.Chip, Sequence: h.Sequence, Before: before}
	if err == nil && !check {
		err = a.Repository.PublishSettings(deviceType, file, a.Trusted)
	}
	if settings.ErrorName(err) != "" {
		return done, huma.Error422UnprocessableEntity(err.Error() + "; nothing was published")
	}
	if err != nil || check || before == h.Sequence {
		return done, err
	}
	if err := a.SettingsFeed.Look(); err != nil {
		a.Log.Warn("not all settings releases can be read", "error", err)
	}
	a.Log.Info("published settings", "type", deviceType, "device", h.Chip, "sequence", h.Sequence,
		"before", before)
	switch {
	case quiet:
	case h.Chip == "":
		a.telling.soon(a.tellAll)
	default:
		if err := a.Tell(h.Chip); err != nil {
			a.Log.Warn("the device is not told of its settings; it finds them at its next check",
				"device", h.Chip, "error", err)
		}
	}
	return done, nil
}

// trusts returns an error if the server trusts no key.
func (a *api) trusts() error {
	if len(a.Trusted) > 0 {
		return nil
	}
	return huma.Error403Forbidden("this server trusts no key, so it cannot know whose release that is: " +
		"start it in the site's folder, whose update.keys it then trusts, or with 'esper serve --trust release.pub'")
}
