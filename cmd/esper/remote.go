package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"esper/internal/api"
	"esper/internal/site"
)

// serverFlags say which server a command talks to.
type serverFlags struct {
	Site   string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Server string `env:"ESPER_SERVER" placeholder:"URL" help:"The server (default: http://127.0.0.1 with the port in the site's update.url)."`
}

// url returns where the server is.
func (f *serverFlags) url() (*url.URL, error) {
	if f.Server != "" {
		u, err := url.Parse(f.Server)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("server %q should be http://host:port", f.Server)
		}
		return u, nil
	}
	opened, err := site.Open(f.Site)
	if errors.Is(err, site.ErrNoSite) {
		return nil, hint(err, "outside a site, name the server: --server http://127.0.0.1:8080")
	}
	if err != nil {
		return nil, err
	}
	port := opened.Config.Update.Port
	if opened.Config.Update.URL == "" {
		port = 8080
	}
	return &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(int(port))}, nil
}

// Limits on a server's answers.
const (
	answerTimeout = 30 * time.Second
	maxAnswer     = 256 << 20 // bytes
)

// ask asks the server's API and decodes its answer. The path's parts are escaped; a body
// that is nil is none.
func (f *serverFlags) ask(method string, path []string, body, into any) error {
	server, err := f.url()
	if err != nil {
		return err
	}
	u := server.JoinPath(api.Path)
	for _, part := range path {
		u = u.JoinPath(url.PathEscape(part))
	}
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, u.String(), text)
	if err != nil {
		return err
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the whole URL again
		}
		return hint(fmt.Errorf("no server answers at %s: %w", server.Redacted(), err),
			"is it running? 'esper serve' in the site's folder starts one; --server names another")
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer of %s breaks off: %w", server.Redacted(), err)
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch {
	case answer.StatusCode == http.StatusOK && kind == "application/json":
		if err := json.Unmarshal(content, into); err != nil {
			return fmt.Errorf("the answer of %s cannot be read: %w", server.Redacted(), err)
		}
		return nil
	case kind == "application/problem+json":
		return problem(content, answer.Status)
	}
	return hint(fmt.Errorf("%s is no ESPer server: %s answers %s", server.Redacted(), u.Path, answer.Status),
		"an older 'esper serve' has no API; --server names another server")
}

// problem is the error that a server's problem (RFC 9457) tells of.
func problem(content []byte, status string) error {
	var p struct {
		Detail string
		Errors []struct{ Message, Location string }
	}
	if json.Unmarshal(content, &p) != nil || p.Detail == "" {
		return errors.New(status)
	}
	for _, e := range p.Errors {
		p.Detail += fmt.Sprintf("; %s: %s", e.Location, e.Message)
	}
	return errors.New(p.Detail)
}
