package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/rollout"
	"esper/internal/store"
)

// RolloutHistoryQuery says which events of roll-outs.
type RolloutHistoryQuery struct {
	Kind    rollout.Kind `query:"kind" enum:"rollout-started,stage-begun,stage-passed,stage-unproven,approval-needed,device-offered,device-failed,rollout-stopped,release-general,paused,resumed,aborted,approved,everywhere" doc:"only events of this kind; left out: all but device-offered"`
	Device  string       `query:"device" doc:"only events of this device"`
	Release string       `query:"release" doc:"only events of this version"`
	Since   time.Time    `query:"since" doc:"only events from then on"`
	Limit   int          `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"at most so many, the newest"`
}

func (q RolloutHistoryQuery) of(deviceType string) store.RolloutQuery {
	return store.RolloutQuery{Type: deviceType, Device: q.Device, Release: q.Release, Kind: q.Kind, Since: q.Since, Limit: q.Limit}
}

func (a *api) registerRolloutHistory(on huma.API) {
	const tag = "roll-outs"
	huma.Register(on, operation("list-rollout-history", http.MethodGet, "rollouts/history", "What happened in all roll-outs, the oldest first", tag),
		func(ctx context.Context, q *RolloutHistoryQuery) (*body[[]rollout.Event], error) {
			events, err := a.Store.RolloutHistory(ctx, q.of(""))
			return answer(a, events, err)
		})
	huma.Register(on, operation("get-rollout-history", http.MethodGet, "rollouts/{type}/history", "What happened in the roll-outs of a type, the oldest first", tag),
		func(ctx context.Context, q *struct {
			DeviceType
			RolloutHistoryQuery
		}) (*body[[]rollout.Event], error) {
			events, err := a.Store.RolloutHistory(ctx, q.of(q.Type))
			return answer(a, events, err)
		})
	huma.Register(on, operation("get-adoption", http.MethodGet, "rollouts/{type}/adoption",
		"How a release has spread: at most some hundred points, at which something had changed", tag),
		func(ctx context.Context, q *struct {
			DeviceType
			Release string `query:"release" doc:"the version; left out: the newest"`
		}) (*body[[]store.AdoptionPoint], error) {
			version := q.Release
			if version == "" {
				all := a.conductorOf(q.Type).Rollouts()
				if i := slices.IndexFunc(all, func(s rollout.State) bool { return s.Type == q.Type }); i >= 0 {
					version = all[i].Release.Version
				}
			}
			points, err := a.Store.Adoption(ctx, q.Type, version, time.Now())
			return answer(a, points, err)
		})
}
