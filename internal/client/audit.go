package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"esper/internal/access"
)

// Audit returns who did what, the oldest first.
func (c *Client) Audit(ctx context.Context, q access.AuditQuery) ([]access.Entry, error) {
	query := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	return get[[]access.Entry](ctx, c, query, "audit")
}
