package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/fleet"
)

// ErrNoBroker is what Config.Remove returns when what the broker retains cannot be removed.
var ErrNoBroker = errors.New("there is no MQTT broker")

func (a *api) registerRemove(on huma.API) {
	o := operation("remove-device", http.MethodDelete, "devices/{id}", "Forget a device; one that is alive comes back when it next reports", "devices",
		http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)
	huma.Register(on, o, func(ctx context.Context, q *struct {
		DeviceID
		Force bool `query:"force" doc:"also if it is online or sleeps"`
	}) (*body[Removed], error) {
		d, err := a.device(ctx, q.ID)
		if err != nil {
			return nil, a.problem(err)
		}
		if p := d.Presence(); (p == fleet.Online || p == fleet.Sleeping) && !q.Force {
			return nil, huma.Error409Conflict(fmt.Sprintf("device %s is %s: it would come back at its next report", q.ID, strings.ToLower(p)))
		}
		err = a.Remove(ctx, q.ID)
		if errors.Is(err, ErrNoBroker) {
			return nil, huma.Error503ServiceUnavailable(err.Error() + ", so what it retains of the device cannot be removed")
		}
		if err != nil {
			return nil, a.problem(err)
		}
		a.Live.Changed(q.ID)
		return answer(a, Removed{q.ID}, nil)
	})
}
