package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/access"
)

func (a *api) registerAudit(on huma.API) {
	huma.Register(on, operation("get-audit", http.MethodGet, "audit", "What was done over the API and to the tokens, or refused, and by whom, the oldest first", "access"),
		func(ctx context.Context, q *struct {
			Since time.Time `query:"since" doc:"only entries from then on"`
			Limit int       `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"at most so many, the newest"`
		}) (*body[[]access.Entry], error) {
			entries, err := a.Store.AuditLog(ctx, access.AuditQuery{Since: q.Since, Limit: q.Limit})
			return answer(a, entries, err)
		})
}
