package client

import (
	"context"
	"strconv"

	"net/url"

	"esper/internal/watch"
)

// Builds lists the builds that are kept, the newest first.
func (c *Client) Builds(ctx context.Context) ([]watch.Build, error) {
	return get[[]watch.Build](ctx, c, nil, "builds")
}

// Build tells about one build.
func (c *Client) Build(ctx context.Context, number int) (watch.Build, error) {
	return get[watch.Build](ctx, c, nil, "builds", strconv.Itoa(number))
}

// BuildLog reads a part of a build's log, from an offset in bytes on.
func (c *Client) BuildLog(ctx context.Context, number int, offset int64) (watch.LogPart, error) {
	return get[watch.LogPart](ctx, c, url.Values{"offset": {strconv.FormatInt(offset, 10)}}, "builds", strconv.Itoa(number), "log")
}

// RequestBuild builds a commit of the followed branch, or with an empty one the newest.
func (c *Client) RequestBuild(ctx context.Context, commit string) (watch.Build, error) {
	return post[watch.Build](ctx, c, map[string]string{"commit": commit}, "builds")
}
