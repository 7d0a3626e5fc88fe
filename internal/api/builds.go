package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/watch"
)

// BuildNumber is the path of what is about a build.
type BuildNumber struct {
	Number int `path:"number" minimum:"1"`
}

// noBuilds is the answer of a server that is no build server.
func noBuilds() error {
	return huma.Error404NotFound("this server builds nothing: 'esper serve' does with --follow or --push")
}

func (a *api) registerBuilds(on huma.API) {
	const tag = "builds"
	huma.Register(on, operation("list-builds", http.MethodGet, "builds", "The builds that are kept, the newest first", tag, http.StatusNotFound),
		func(context.Context, *struct{}) (*body[[]watch.Build], error) {
			if a.Builds == nil {
				return nil, noBuilds()
			}
			builds, err := watch.List(a.Builds.Dir())
			return answer(a, builds, err)
		})
	huma.Register(on, operation("build", http.MethodGet, "builds/{number}", "One build", tag, http.StatusNotFound),
		func(_ context.Context, q *BuildNumber) (*body[watch.Build], error) {
			if a.Builds == nil {
				return nil, noBuilds()
			}
			b, err := watch.Read(a.Builds.Dir(), q.Number)
			return answer(a, b, err)
		})
	huma.Register(on, operation("build-log", http.MethodGet, "builds/{number}/log",
		"A part of a build's log, also while it runs: ask again with the offset that it names as next, until it has ended", tag, http.StatusNotFound),
		func(_ context.Context, q *struct {
			BuildNumber
			Offset int64 `query:"offset" minimum:"0" doc:"in bytes"`
		}) (*body[watch.LogPart], error) {
			if a.Builds == nil {
				return nil, noBuilds()
			}
			part, err := watch.ReadLog(a.Builds.Dir(), q.Number, q.Offset)
			return answer(a, part, err)
		})
	huma.Register(on, operation("request-build", http.MethodPost, "builds", "Build a commit of the followed branch, also again", tag,
		http.StatusNotFound, http.StatusUnprocessableEntity),
		func(ctx context.Context, q *struct {
			Body struct {
				Commit string `json:"commit,omitempty" pattern:"^([0-9a-f]{7,64})?$" doc:"its hash, or the beginning; empty: the newest"`
			}
		}) (*body[watch.Build], error) {
			if a.Builds == nil {
				return nil, noBuilds()
			}
			b, err := a.Builds.Request(ctx, q.Body.Commit)
			return answer(a, b, err)
		})
}
