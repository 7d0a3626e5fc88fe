package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/access"
	"esper/internal/conductor"
	"esper/internal/rollout"
	"esper/internal/settings"
)

// DeviceType is the path of what is about a roll-out.
type DeviceType struct {
	Type string `path:"type" example:"socket"`
}

func (a *api) registerRollouts(on huma.API) {
	const tag = "roll-outs"
	huma.Register(on, operation("list-rollouts", http.MethodGet, "rollouts", "How far the releases of each type have come", tag),
		func(context.Context, *struct{}) (*body[[]rollout.State], error) {
			return answer(a, append([]rollout.State{}, a.rollouts()...), nil)
		})
	for _, action := range []struct {
		name, summary string
		do            func(k *conductor.Conductor, ctx context.Context, deviceType, by string) error
	}{
		{"pause", "Begin nothing new; devices that took the release go on", (*conductor.Conductor).Pause},
		{"resume", "End a pause", (*conductor.Conductor).Resume},
		{"abort", "For good: offer the release to no device any more", (*conductor.Conductor).Abort},
		{"approve", "Let the stage begin that waits for it", (*conductor.Conductor).Approve},
		{"everywhere", "Make the release generally available now, whatever the plan says", (*conductor.Conductor).Everywhere},
	} {
		huma.Register(on, operation(action.name+"-rollout", http.MethodPost, "rollouts/{type}/"+action.name, action.summary, tag,
			http.StatusNotFound, http.StatusConflict),
			func(ctx context.Context, q *DeviceType) (*body[rollout.State], error) {
				by := a.conductorOf(q.Type)
				if err := action.do(by, ctx, q.Type, person(ctx)); err != nil {
					return nil, a.problem(err)
				}
				all := by.Rollouts()
				i := slices.IndexFunc(all, func(s rollout.State) bool { return s.Type == q.Type })
				return answer(a, all[i], nil) // it was just acted on, and states stay
			})
	}
}

// rollouts returns how far the releases of each device type have come, and those of its settings.
func (c Config) rollouts() []rollout.State {
	all := append(c.Conductor.Rollouts(), c.Settings.Rollouts()...)
	slices.SortFunc(all, func(a, b rollout.State) int { return strings.Compare(a.Type, b.Type) })
	return all
}

// conductorOf returns the conductor of the roll-out of a device type, or of its settings.
func (c Config) conductorOf(name string) *conductor.Conductor {
	if _, ok := settings.DeviceType(name); ok {
		return c.Settings
	}
	return c.Conductor
}

// of returns the conductor of settings, or that of firmware.
func (q DeviceRollout) of(c Config) *conductor.Conductor {
	if q.Settings {
		return c.Settings
	}
	return c.Conductor
}

// DeviceRollout is a device, and whether it is about its settings.
type DeviceRollout struct {
	DeviceID
	Settings bool `query:"settings" doc:"it is about the settings of the device, not about its firmware"`
}

// person is who asks, as far as that is known.
func person(ctx context.Context) string {
	who, _ := access.From(ctx)
	return who.Name
}

func (a *api) registerDevices(on huma.API) {
	const tag = "devices"
	check := operation("check-all", http.MethodPost, "check", "Tell all devices to look for a release now", tag, http.StatusServiceUnavailable)
	huma.Register(on, check, func(context.Context, *struct{}) (*struct{}, error) {
		if err := a.Tell(""); err != nil {
			return nil, huma.Error503ServiceUnavailable("the devices could not be told: " + err.Error())
		}
		return nil, nil
	})
	huma.Register(on, operation("why", http.MethodGet, "devices/{id}/why", "What the device would get if it asked now, and why", tag, http.StatusNotFound),
		func(_ context.Context, q *DeviceRollout) (*body[conductor.Answer], error) {
			return a.why(q.of(a.Config), q.ID)
		})
	huma.Register(on, operation("retry-device", http.MethodPost, "devices/{id}/retry", "Offer it the release again that it failed with, and tell it so", tag,
		http.StatusConflict, http.StatusServiceUnavailable, http.StatusNotFound),
		func(ctx context.Context, q *DeviceRollout) (*body[conductor.Answer], error) {
			by := q.of(a.Config)
			return a.act(ctx, by, q.ID, func(ctx context.Context, id string) error { return a.retry(ctx, by, id) })
		})
	huma.Register(on, operation("pin-device", http.MethodPost, "devices/{id}/pin", "Offer it this release and no other", tag, http.StatusNotFound),
		func(ctx context.Context, q *struct {
			DeviceID
			Body struct {
				Version string `json:"version" minLength:"1" doc:"of a release that is kept"`
			}
		}) (*body[conductor.Answer], error) {
			return a.act(ctx, a.Conductor, q.ID, func(ctx context.Context, id string) error { return a.Conductor.Pin(ctx, id, q.Body.Version) })
		})
	for _, action := range []struct {
		name, summary string
		do            func(ctx context.Context, id string) error
		errors        []int
	}{
		{"unpin", "Let roll-outs decide again", func(ctx context.Context, id string) error { return a.Conductor.Pin(ctx, id, "") }, nil},
		{"hold", "Let it stay as it is, firmware and settings", func(ctx context.Context, id string) error { return a.hold(ctx, id, true) }, nil},
		{"release", "Hold it no longer", func(ctx context.Context, id string) error { return a.hold(ctx, id, false) }, nil},
		{"restart", "Tell it to restart", a.restart, []int{http.StatusConflict, http.StatusServiceUnavailable}},
		{"check", "Tell it to look for a release now", a.check, []int{http.StatusConflict, http.StatusServiceUnavailable}},
	} {
		huma.Register(on, operation(action.name+"-device", http.MethodPost, "devices/{id}/"+action.name, action.summary, tag,
			append(action.errors, http.StatusNotFound)...),
			func(ctx context.Context, q *DeviceID) (*body[conductor.Answer], error) {
				return a.act(ctx, a.Conductor, q.ID, action.do)
			})
	}
}

// act does something to a device and answers with what it would get now.
func (a *api) act(ctx context.Context, by *conductor.Conductor, id string, do func(ctx context.Context, id string) error) (*body[conductor.Answer], error) {
	if err := do(ctx, id); err != nil {
		if _, known := err.(huma.StatusError); known {
			return nil, err
		}
		return nil, a.problem(err)
	}
	a.Live.Changed(id)
	return a.why(by, id)
}

func (a *api) why(by *conductor.Conductor, id string) (*body[conductor.Answer], error) {
	told, err := by.Why(id)
	return answer(a, told, err)
}

// hold holds the firmware and the settings of a device, or holds them no longer.
func (a *api) hold(ctx context.Context, id string, held bool) error {
	if err := a.Conductor.Hold(ctx, id, held); err != nil {
		return err
	}
	return a.Settings.Hold(ctx, id, held)
}

// retry has the device told, too: it refuses by itself what it has rolled back.
func (a *api) retry(ctx context.Context, by *conductor.Conductor, id string) error {
	if err := a.awake(ctx, id); err != nil {
		return err
	}
	if err := by.Retry(ctx, id); err != nil {
		return err
	}
	if err := a.Tell(id); err != nil {
		return huma.Error503ServiceUnavailable("the release is offered to the device again, but it could not be told so: " +
			err.Error() + "; once the broker is there, 'esper trigger " + id + "' tells it")
	}
	return nil
}

func (a *api) check(ctx context.Context, id string) error {
	if _, err := a.Conductor.Why(id); err != nil {
		return err
	}
	if err := a.awake(ctx, id); err != nil {
		return err
	}
	return told(a.Tell(id))
}
