package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/wanted"
)

// WantedOf is the path of what is wanted for a device, a group or a device type.
type WantedOf struct {
	Scope devicesetting.Scope `path:"scope" enum:"device,group,type"`
	Of    string              `path:"of" maxLength:"32" example:"kitchen" doc:"chip id, group or device type"`
}

// WantedName is the path of what is wanted of one setting.
type WantedName struct {
	WantedOf
	Name string `path:"name" maxLength:"32" example:"interval"`
}

func (a *api) registerDeviceSettings(on huma.API) {
	const tag = "settings of device code"
	huma.Register(on, operation("list-device-settings", http.MethodGet, "devices/{id}/setting",
		"The settings that the device's firmware declares, with what it uses and what is wanted", tag, http.StatusNotFound),
		func(ctx context.Context, q *DeviceID) (*body[wanted.Device], error) {
			d, err := a.device(ctx, q.ID)
			if err != nil {
				return nil, a.problem(err)
			}
			return answer(a, a.Wanted.Of(d.Device.Device), nil)
		})
	huma.Register(on, operation("list-wanted-settings", http.MethodGet, "wanted-settings/{scope}/{of}",
		"The values that are wanted for a device, a group or a device type", tag, http.StatusNotFound),
		func(ctx context.Context, q *WantedOf) (*body[[]devicesetting.Wanted], error) {
			if err := a.checkTarget(ctx, *q); err != nil {
				return nil, err
			}
			all := []devicesetting.Wanted{}
			for name, value := range a.Wanted.Values(q.Scope, q.Of) {
				all = append(all, devicesetting.Wanted{Scope: q.Scope, Of: q.Of, Name: name, Value: value})
			}
			slices.SortFunc(all, func(a, b devicesetting.Wanted) int { return strings.Compare(a.Name, b.Name) })
			return answer(a, all, nil)
		})
	huma.Register(on, operation("set-wanted-setting", http.MethodPut, "wanted-settings/{scope}/{of}/{name}",
		"Have devices use a value: at once those that are online, the others when they are", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			WantedName
			Body struct {
				Value string `json:"value" maxLength:"64" doc:"a whole number, 1 or 0, an option or a text"`
			}
		}) (*body[devicesetting.Wanted], error) {
			if err := a.checkTarget(ctx, q.WantedOf); err != nil {
				return nil, err
			}
			w := devicesetting.Wanted{Scope: q.Scope, Of: q.Of, Name: q.Name, Value: q.Body.Value}
			return answer(a, w, a.Wanted.Set(ctx, w))
		})
	huma.Register(on, operation("unset-wanted-setting", http.MethodDelete, "wanted-settings/{scope}/{of}/{name}",
		"Want no value any more; devices keep what they use, or get what is wanted for their group or type", tag, http.StatusNotFound),
		func(ctx context.Context, q *WantedName) (*struct{}, error) {
			if err := a.checkTarget(ctx, q.WantedOf); err != nil {
				return nil, err
			}
			if err := a.Wanted.Unset(ctx, q.Scope, q.Of, q.Name); err != nil {
				return nil, a.problem(err)
			}
			return nil, nil
		})
}

var groupName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// checkTarget returns an error unless there can be values for a device, a group or a device type of
// that name. A device must be known.
func (a *api) checkTarget(ctx context.Context, t WantedOf) error {
	switch t.Scope {
	case devicesetting.OfDevice:
		if !fleet.IsID(t.Of) {
			return huma.Error422UnprocessableEntity(fmt.Sprintf("%.40q is no chip id: 6 lower-case hex digits", t.Of))
		}
		if _, err := a.device(ctx, t.Of); err != nil {
			return a.problem(err)
		}
	case devicesetting.OfGroup:
		if !groupName.MatchString(t.Of) {
			return huma.Error422UnprocessableEntity(fmt.Sprintf("%.40q cannot be a group: 1 to 32 of a-z, 0-9, - and _", t.Of))
		}
	case devicesetting.OfType:
		if err := image.CheckDeviceType(t.Of); err != nil {
			return huma.Error422UnprocessableEntity(err.Error())
		}
	}
	return nil
}
