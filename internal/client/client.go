// Package client asks a server's API (package api), as the commands and other programs of
// the operator do.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"esper/internal/api"
	"esper/internal/pipeline"
)

// Limits on a server's answers.
const (
	answerTimeout = 30 * time.Second
	maxAnswer     = 256 << 20 // bytes
)

// Client asks one server. Its methods can be called at the same time.
type Client struct {
	Server *url.URL // http://host:port or https://…; the API's path goes behind it
	Token  string   // sent as a bearer token (RFC 6750), unless it is empty
}

// UnreachableError says that no server answers.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no server answers at %s: %v", e.Server, e.Err)
}
func (e *UnreachableError) Unwrap() []error { return []error{e.Err, pipeline.ErrUnreached} }

// ForeignError says that what answers is no ESPer server, or one that is older.
type ForeignError struct{ Server, Path, Status string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is no ESPer server: %s answers %s", e.Server, e.Path, e.Status)
}

// Problem is why the server refuses a request (RFC 9457).
type Problem struct {
	Status int // of HTTP
	Detail string
}

func (p *Problem) Error() string { return p.Detail }

// request is what is asked of the server.
type request struct {
	method string
	path   []string   // behind api.Path; each part is escaped
	query  url.Values // empty values are left out
	body   any        // sent as JSON; nil: none
}

// ask asks the server and decodes its answer.
func (c *Client) ask(ctx context.Context, r request, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var text io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(encoded)
	}
	answer, err := c.send(ctx, r, text, "application/json")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s breaks off: %w", c.Server.Redacted(), err)
	}
	if into == nil {
		return answer.Header, nil
	}
	if err := json.Unmarshal(content, into); err != nil {
		return nil, fmt.Errorf("the answer of %s cannot be read: %w", c.Server.Redacted(), err)
	}
	return answer.Header, nil
}

// answers are the kinds of what the API answers when all is well.
var answers = []string{"application/json", "multipart/form-data", "text/event-stream", "application/octet-stream"}

// send sends a request and returns the answer, if it is one that the API gives when all is
// well. The caller closes its body.
func (c *Client) send(ctx context.Context, r request, body io.Reader, contentType string) (*http.Response, error) {
	u := c.Server.JoinPath(api.Path)
	for _, part := range r.path {
		u = u.JoinPath(url.PathEscape(part))
	}
	for key, values := range r.query {
		if len(values) == 0 || values[0] == "" {
			delete(r.query, key)
		}
	}
	u.RawQuery = r.query.Encode()
	q, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		q.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		q.Header.Set("Authorization", "Bearer "+c.Token)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the whole URL again
		}
		return nil, &UnreachableError{c.Server.Redacted(), err}
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch {
	case answer.StatusCode == http.StatusNoContent:
		return answer, nil
	case answer.StatusCode == http.StatusOK && slices.Contains(answers, kind):
		return answer, nil
	}
	defer answer.Body.Close()
	if kind != "application/problem+json" {
		return nil, &ForeignError{c.Server.Redacted(), q.URL.Path, answer.Status}
	}
	return nil, problem(answer)
}

// maxProblem is the longest problem that is read, in bytes.
const maxProblem = 64 << 10

// problem reads a problem.
func problem(answer *http.Response) error {
	var p struct {
		Detail string
		Errors []struct{ Message, Location string }
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil || json.Unmarshal(content, &p) != nil || p.Detail == "" {
		return &Problem{answer.StatusCode, answer.Status}
	}
	for _, e := range p.Errors {
		p.Detail += fmt.Sprintf("; %s: %s", e.Location, e.Message)
	}
	return &Problem{answer.StatusCode, p.Detail}
}

// get asks for something.
func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	var v T
	_, err := c.ask(ctx, request{method: http.MethodGet, path: path, query: query}, &v)
	return v, err
}

// post does something.
func post[T any](ctx context.Context, c *Client, body any, path ...string) (T, error) {
	var v T
	_, err := c.ask(ctx, request{method: http.MethodPost, path: path, body: body}, &v)
	return v, err
}
