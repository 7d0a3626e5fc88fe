package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/repository"
)

// uploadTimeout is how long a release may take to be sent and published.
const uploadTimeout = 3 * time.Minute

// Repository is what a server publishes, as a [pipeline.Target].
type Repository struct {
	*Client
	Context context.Context
	Quiet   bool // the devices are not told of what is published
	checked map[*release.Release]bool
	deltas  map[string]repository.DeltaSizes // by device type: of the release that was published last
}

// Current implements pipeline.Target.
func (r *Repository) Current(deviceType string) (*release.Release, error) {
	ctx, cancel := context.WithTimeout(r.Context, uploadTimeout)
	defer cancel()
	answer, err := r.send(ctx, request{method: http.MethodGet, path: []string{"releases", deviceType}}, nil, "")
	if problem := new(Problem); errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", deviceType, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, release.MaxBundle+1))
	if err != nil {
		return nil, &UnreachableError{r.Server.Redacted(), fmt.Errorf("its answer breaks off: %w", err)}
	}
	current, err := release.ParseBundle(content, answer.Header.Get("Content-Type"), deviceType)
	if err != nil {
		return nil, fmt.Errorf("the answer of %s cannot be read: %w", r.Server.Redacted(), err)
	}
	return current, nil
}

// Check implements pipeline.Target. The server looks at the whole release; once is enough.
func (r *Repository) Check(rel *release.Release, allow repository.Allow) error {
	if r.checked[rel] {
		return nil
	}
	if _, err := r.upload(rel, true, allow); err != nil {
		return err
	}
	if r.checked == nil {
		r.checked = map[*release.Release]bool{}
	}
	r.checked[rel] = true
	return nil
}

// Publish implements pipeline.Target.
func (r *Repository) Publish(rel *release.Release, allow repository.Allow) error {
	done, err := r.upload(rel, false, allow)
	if r.deltas == nil {
		r.deltas = map[string]repository.DeltaSizes{}
	}
	delete(r.deltas, rel.Type)
	if done.Deltas != nil {
		r.deltas[rel.Type] = *done.Deltas
	}
	return err
}

// DeltaSizes implements pipeline.Target: it returns what the server said of the release that was
// published last.
func (r *Repository) DeltaSizes(deviceType, _ string) (repository.DeltaSizes, error) {
	return r.deltas[deviceType], nil
}

func (r *Repository) upload(rel *release.Release, check bool, allow repository.Allow) (pipeline.Outcome, error) {
	var done pipeline.Outcome
	content, contentType, err := rel.Bundle()
	if err != nil {
		return done, err
	}
	ctx, cancel := context.WithTimeout(r.Context, uploadTimeout)
	defer cancel()
	query := url.Values{}
	if check {
		query.Set("check", "true")
	}
	if allow.NotNewer {
		query.Set("force", "true")
	}
	if allow.OtherLink {
		query.Set("change_link", "true")
	}
	if r.Quiet {
		query.Set("quiet", "true")
	}
	answer, err := r.send(ctx, request{method: http.MethodPost, path: []string{"releases", rel.Type}, query: query}, bytes.NewReader(content), contentType)
	if err != nil {
		return done, refusal(err)
	}
	defer answer.Body.Close()
	err = json.NewDecoder(io.LimitReader(answer.Body, maxProblem)).Decode(&done)
	return done, err
}

// refusal makes the error of a server that refuses a release the one that a repository has.
func refusal(err error) error {
	problem := new(Problem)
	if !errors.As(err, &problem) || problem.Status != http.StatusConflict {
		return err
	}
	for _, reason := range repository.Refusals {
		if strings.Contains(problem.Detail, reason.Error()) {
			return &refusedError{problem, reason}
		}
	}
	return err
}

// refusedError is a problem with its reason.
type refusedError struct {
	*Problem
	reason error
}

func (e *refusedError) Unwrap() []error { return []error{e.Problem, e.reason} }
