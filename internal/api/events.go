package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// How events are sent.
const (
	eventsAlive   = 15 * time.Second // a comment is sent when there was no event for so long
	eventsTimeout = 10 * time.Second // who does not take what is sent for so long is dropped
)

const eventsDescription = `A stream of server-sent events (text/event-stream) that does not end by itself. The data of each is JSON:

- ` + "`hello`" + `: it comes first, and whenever events may be missing; read anew what you show
- ` + "`device`" + `: a device as get-device returns it, since it has changed or is new
- ` + "`device-removed`" + `: the id of a device that is known no more
- ` + "`rollout`" + `: a roll-out as list-rollouts returns it; what devices of the type get may have changed, too
- ` + "`release`" + `: type, version and sequence of what was published
- ` + "`feature`" + `: a feature as list-features returns it, without its attributes, since its state has changed or an event happened
- ` + "`build`" + `: a build as build returns it

Changes come within a second. After a break, connect again; hello says what to do.`

func (a *api) registerEvents(on huma.API) {
	o := operation("follow", http.MethodGet, "events", "What changes, while it changes", "inventory", http.StatusServiceUnavailable)
	o.Description = eventsDescription
	o.Responses = map[string]*huma.Response{"200": {
		Description: "OK", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	huma.Register(on, o, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		heard, err := a.Live.listen()
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer a.Live.leave(heard)
			r, w := humago.Unwrap(c)
			stream(r.Context(), w, heard.events)
		}}, nil
	})
}

// stream sends events until there are no more, or the reader is gone or does not read.
func stream(ctx context.Context, w http.ResponseWriter, events <-chan event) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is to pass it on at once
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // the server's are for requests that end
	alive := time.NewTicker(eventsAlive)
	defer alive.Stop()
	for number := 1; ; {
		text := ":\n\n"
		select {
		case <-ctx.Done():
			return
		case <-alive.C:
		case e, ok := <-events:
			if !ok {
				return
			}
			text = fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", number, e.name, e.data)
			number++
			alive.Reset(eventsAlive)
		}
		control.SetWriteDeadline(time.Now().Add(eventsTimeout))
		if _, err := io.WriteString(w, text); err != nil || control.Flush() != nil {
			return
		}
	}
}
