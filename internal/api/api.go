// Package api is the operator's side of a server over HTTP: the inventory, its history, and
// what a person can do to roll-outs and devices. It describes itself at /api/openapi.json.
package api

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"esper/internal/access"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/mosquitto"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/wanted"
	"esper/internal/watch"
)

// Path is the path that everything here is under.
const Path = "/api/"

// Config is what the API works on.
type Config struct {
	Store store.Store
	// Label changes what people call a device, in the store and for all that follows.
	Label      func(ctx context.Context, id string, change store.LabelChange) error
	Repository *repository.Repository
	Feed       *repository.Feed // of the repository
	Conductor  *conductor.Conductor
	// Settings are the roll-outs of settings, whose types are named <type>.settings, and SettingsFeed
	// is what is published of them.
	Settings     *conductor.Conductor
	SettingsFeed *repository.Feed
	// Tell tells a device to look for a release now, even one that it has refused; without
	// an id, all devices, but not for what they have refused.
	Tell func(id string) error
	// Command sends a device a message, at a topic after <realm>/<id>/.
	Command func(id, topic, payload string) error
	// Features is what devices have published of their features.
	Features *fleet.States
	// HomeAssistant says that Home Assistant is told of the devices: what it would not take of them is
	// a problem.
	HomeAssistant bool
	// Wanted are the settings that device types declare, and what people want them to be.
	Wanted *wanted.Settings
	// Devices knows the devices' own passwords and which are revoked, MQTT what the server makes of that.
	Devices *access.Devices
	MQTT    MQTTAccess
	// Guard lets in who may.
	Guard *access.Guard
	// Remove forgets a device; it waits for the broker and the database. See [ErrNoBroker].
	Remove func(ctx context.Context, id string) error
	// Trusted are the public keys whose releases may be published.
	Trusted []ed25519.PublicKey
	// Builds is the build server, or nil.
	Builds *watch.Watcher
	Live   *Live // tells who follows
	Log    *slog.Logger
}

// api answers requests.
type api struct {
	Config
	telling  delayed
	contents sync.Map // ReleaseContent by releaseName
}

// Handler answers everything under [Path], to whom the guard lets in.
func Handler(c Config) http.Handler {
	mux := http.NewServeMux()
	a := &api{Config: c}
	a.register(mux)
	mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) {
		access.Problem(w, http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path+"; "+Path+"openapi.json lists what there is")
	})
	return lingering(c.Guard.Protect(textOnly(unkept(mux))))
}

// unkept has nobody keep the answers: they are of this moment, and for who asked.
func unkept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// register adds the operations to a multiplexer and to their description, which it returns.
func (a *api) register(mux *http.ServeMux) *huma.OpenAPI {
	described := humago.New(mux, description())
	described.UseMiddleware(checkRole(described), checkQuery(described))
	a.registerInventory(described)
	a.registerRollouts(described)
	a.registerRolloutHistory(described)
	a.registerDevices(described)
	a.registerFeatures(described)
	a.registerDeviceSettings(described)
	a.registerAudit(described)
	a.registerBuilds(described)
	a.registerEvents(described)
	a.registerReleases(described)
	a.registerSettings(described)
	a.registerRemove(described)
	a.registerPasswords(described)
	schemas := described.OpenAPI().Components.Schemas.Map()
	device := schemas["Device"].Properties
	for _, name := range []string{"info", "update", "settings"} {
		device[name] = orNull(device[name])
	}
	slots := schemas["InfoBootStruct"].Properties["slots"]
	slots.Items = orNull(slots.Items)
	return described.OpenAPI()
}

// orNull is the schema of what may be null. Huma takes pointers to structs for never nil.
func orNull(s *huma.Schema) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{s, {Type: "null"}}}
}

// description is the head of the OpenAPI document, which the operations add themselves to.
func description() huma.Config {
	c := huma.DefaultConfig("ESPer", "1")
	c.Info.Description = "The operator's side of an ESPer server. Durations are in nanoseconds, times in RFC 3339. " +
		"As long as the server has no tokens it answers its own machine only, which needs none; " +
		"once it has one, each request needs one whose role allows the operation."
	c.OpenAPIPath = Path + "openapi"
	c.DocsPath, c.SchemasPath = "", "" // the page would fetch scripts from elsewhere
	c.CreateHooks = nil                // no $schema in each answer
	c.Components.SecuritySchemes = securitySchemes
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	return c
}

// schemaName names a type's schema with its package, since several have a Device.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if from := t.PkgPath(); strings.HasPrefix(from, "esper/") && from != "esper/internal/api" {
		from = path.Base(from)
		name = strings.ToUpper(from[:1]) + from[1:] + name
	}
	return name
}

// problem is the answer for an error.
func (a *api) problem(err error) error {
	if status := huma.StatusError(nil); errors.As(err, &status) {
		return err // it is an answer already
	}
	if conflict := publishProblem(err); conflict != nil {
		return conflict
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return huma.Error404NotFound("nothing is published for this device type")
	case errors.Is(err, conductor.ErrNoDevice), errors.Is(err, store.ErrNoDevice), errors.Is(err, conductor.ErrNoType),
		errors.Is(err, watch.ErrNoBuild), errors.Is(err, wanted.ErrNoSetting), errors.Is(err, store.ErrNoSetting):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return huma.Error503ServiceUnavailable("the database does not answer in time; nothing was changed, and devices are served all the same")
	case errors.Is(err, rollout.ErrNotNow), errors.Is(err, access.ErrTooManyDevices):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, conductor.ErrNoRelease), errors.Is(err, store.ErrLabel), errors.Is(err, watch.ErrNotFollowed),
		errors.Is(err, wanted.ErrValue), errors.Is(err, store.ErrSetting), errors.Is(err, mosquitto.ErrHash):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	a.Log.Error("a request cannot be answered", "error", err)
	return huma.Error500InternalServerError("the server failed; its log says how")
}

// body is an answer with a body.
type body[T any] struct{ Body T }

// answer is the answer with a body, or for an error.
func answer[T any](a *api, v T, err error) (*body[T], error) {
	if err != nil {
		return nil, a.problem(err)
	}
	return &body[T]{v}, nil
}

// operation describes an operation by its id, such as list-devices. Its role is in [roles].
func operation(id, method, path, summary, tag string, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: Path + path, Summary: summary, Tags: []string{tag},
		Errors: append(errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
			http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable),
		Security: security(id),
	}
}
