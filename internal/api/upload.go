package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/image"
	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/repository"
)

// Limits on uploads.
const (
	uploadTimeout = 2 * time.Minute
	maxUploads    = 4               // at a time
	tellDelay     = 2 * time.Second // further releases are awaited so long before the devices are told
)

const uploadDescription = `The body is multipart/form-data with three files, in this order: version, rom0 and rom1. The release is
verified as a device does it, by the public keys that the server trusts. Nothing else can publish a
release: the role is not enough. The server makes the deltas itself, which may take a minute. To send the
same release again makes those that are missing, and changes nothing else. Devices are told, once for
releases that come shortly one after the other.`

func (a *api) registerReleases(on huma.API) {
	const tag = "releases"
	get := operation("get-release", http.MethodGet, "releases/{type}", "The release of a device type that was published last", tag, http.StatusNotFound)
	get.Responses = map[string]*huma.Response{"200": {
		Description: "version file and images, as publish takes them",
		Content:     map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
	}}
	huma.Register(on, get, func(_ context.Context, q *DeviceType) (*bundle, error) {
		b, err := a.bundle(q.Type)
		if err != nil {
			return nil, a.problem(err)
		}
		return b, nil
	})

	put := operation("publish", http.MethodPost, "releases/{type}", "Publish a signed release", tag,
		http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable)
	put.Description = uploadDescription
	put.MaxBodyBytes, put.BodyReadTimeout = release.MaxBundle, uploadTimeout
	put.Middlewares = huma.Middlewares{atMost(on, maxUploads)}
	huma.Register(on, put, func(_ context.Context, q *struct {
		DeviceType
		Check       bool   `query:"check" doc:"say only whether it could be published"`
		Force       bool   `query:"force" doc:"publish it even if its sequence is not one that devices take next"`
		ChangeLink  bool   `query:"change_link" doc:"publish it even if it is linked for the emulator and the published release for the chip, or the reverse"`
		Quiet       bool   `query:"quiet" doc:"do not tell the devices; they find it at their next check"`
		ContentType string `header:"Content-Type"`
		RawBody     []byte `contentType:"multipart/form-data"`
	}) (*body[pipeline.Outcome], error) {
		r, err := a.accept(q.RawBody, q.ContentType, q.Type)
		if err != nil {
			return nil, err
		}
		done, err := a.publish(r, q.Check, repository.Allow{NotNewer: q.Force, OtherLink: q.ChangeLink}, q.Quiet)
		return answer(a, done, err)
	})
}

// bundle is a release as an answer.
type bundle struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) bundle(deviceType string) (*bundle, error) {
	current, err := a.Repository.Current(deviceType)
	if err != nil {
		return nil, err
	}
	content, contentType, err := current.Bundle()
	return &bundle{contentType, content}, err
}

// atMost lets so many requests be answered at a time.
func atMost(on huma.API, most int) func(huma.Context, func(huma.Context)) {
	places := make(chan struct{}, most)
	return func(c huma.Context, next func(huma.Context)) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next(c)
		default:
			huma.WriteErr(on, c, http.StatusServiceUnavailable, "the server is taking in other releases; try again in a minute")
		}
	}
}

// accept reads a release that was sent, and verifies it.
func (a *api) accept(content []byte, contentType, deviceType string) (*release.Release, error) {
	if err := a.trusts(); err != nil {
		return nil, err
	}
	if err := image.CheckDeviceType(deviceType); err != nil {
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	r, err := release.ParseBundle(content, contentType, deviceType)
	if err == nil {
		err = r.Verify(a.Trusted)
	}
	if err != nil {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("%s: %v; nothing was published", deviceType, err))
	}
	return r, nil
}

// publish publishes a verified release and has the devices told unless it is quiet, or only says
// what would come of it.
func (a *api) publish(r *release.Release, check bool, allow repository.Allow, quiet bool) (pipeline.Outcome, error) {
	to := uploading{a.Repository, check}
	done, err := pipeline.Publish(to, []*release.Release{r}, allow)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	if !check && done[0].Before != r.Version {
		if err := a.Feed.Look(); err != nil {
			a.Log.Warn("not all releases can be read", "error", err)
		}
		a.Log.Info("published", "type", r.Type, "version", r.Version, "sequence", r.Sequence, "before", done[0].Before,
			"deltas", deltas(done[0]))
		if !quiet {
			a.telling.soon(a.tellAll)
		}
	}
	return done[0], nil
}

// deltas returns what is logged of the deltas of a release.
func deltas(o pipeline.Outcome) string {
	if o.Deltas == nil {
		return "none"
	}
	return o.Deltas.String()
}

// tellAll tells the devices to look.
func (a *api) tellAll() {
	if err := a.Tell(""); err != nil {
		a.Log.Warn("the devices are not told of a release; they find it at their next check", "error", err)
	}
}

// uploading is a repository, in which nothing is published if it is only to check.
type uploading struct {
	*repository.Repository
	checks bool
}

func (t uploading) Publish(r *release.Release, allow repository.Allow) error {
	if t.checks {
		return nil
	}
	return t.Repository.Publish(r, allow)
}

// delayed does something once, a while after it was first asked for.
type delayed struct {
	mu      sync.Mutex
	waiting bool
}

func (d *delayed) soon(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting {
		return
	}
	d.waiting = true
	time.AfterFunc(tellDelay, func() {
		d.mu.Lock()
		d.waiting = false
		d.mu.Unlock()
		do()
	})
}

// publishProblem is the answer for an error of a publication, or nil if it is none.
func publishProblem(err error) error {
	for _, reason := range repository.Refusals {
		if errors.Is(err, reason) {
			return huma.Error409Conflict(err.Error())
		}
	}
	return nil
}
