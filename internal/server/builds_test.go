package server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/pipeline"
	"esper/internal/server"
	"esper/internal/watch"
)

// buildServer is a server that is pushed to, whose builds publish nothing.
func buildServer(t *testing.T) *server.Server {
	c := config(t)
	c.Database = filepath.Join(t.TempDir(), "esper.db")
	s, err := server.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	w, err := watch.Open(t.Context(), watch.Config{
		Data: t.TempDir(), Interval: time.Hour, Log: slog.New(slog.DiscardHandler),
		Make: func(_ context.Context, m watch.Making) ([]pipeline.Outcome, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	push, err := w.Push()
	if err != nil {
		t.Fatal(err)
	}
	s.Builds(w, push, w.Hook("the webhook's secret"))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	waitForHealth(t, s, 200)
	return s
}

func TestAPushNeedsAPublishersToken(t *testing.T) {
	s := buildServer(t)
	dir := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.org"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	push := func(user *url.Userinfo) (string, error) {
		u := url.URL{Scheme: "http", User: user, Host: s.HTTPAddr().String(), Path: "/git/site.git"}
		return git("push", "--quiet", u.String(), "main")
	}
	if err := os.WriteFile(filepath.Join(dir, "esper.toml"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "--initial-branch=main"}, {"add", "."}, {"commit", "-q", "-m", "First"}} {
		if out, err := git(args...); err != nil {
			t.Fatalf("%v: %s", args, out)
		}
	}
	viewer, publisher := addToken(t, s, "eve", access.Viewer), addToken(t, s, "ada", access.Publisher)
	for name, user := range map[string]*url.Userinfo{
		"no token": nil, "a viewer's token": url.UserPassword("eve", viewer), "another's name": url.UserPassword("eve", publisher),
		"a wrong token": url.UserPassword("ada", "esper_wrong"),
	} {
		if out, err := push(user); err == nil {
			t.Errorf("%s: pushed: %s", name, out)
		}
	}
	var builds []watch.Build
	status, text := asWho(t, s, viewer, http.MethodGet, "/api/builds", "")
	if status != 200 || strings.TrimSpace(text) != "[]" {
		t.Errorf("%d %s %v", status, text, builds)
	}
	if out, err := push(url.UserPassword("ada", publisher)); err != nil {
		t.Fatalf("%s", out)
	}
	status, text = asWho(t, s, viewer, http.MethodGet, "/api/builds/1", "")
	if status != 200 || !strings.Contains(text, `"subject":"First"`) {
		t.Errorf("%d %s", status, text)
	}

	// To ask for a build takes the same role.
	if status, text := asWho(t, s, viewer, http.MethodPost, "/api/builds", "{}"); status != 403 {
		t.Errorf("%d %s", status, text)
	}
	if status, text := asWho(t, s, publisher, http.MethodPost, "/api/builds", "{}"); status != 200 || !strings.Contains(text, `"number":2`) {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := asWho(t, s, viewer, http.MethodGet, "/api/builds/9/log", ""); status != 404 {
		t.Errorf("%d", status)
	}
}

func TestAWebhookNeedsNoTokenButItsSignature(t *testing.T) {
	s := buildServer(t)
	addToken(t, s, "ada", access.Publisher)
	for secret, status := range map[string]int{"the webhook's secret": 202, "wrong": 403} {
		q, err := http.NewRequest(http.MethodPost, "http://"+s.HTTPAddr().String()+"/hooks/git", bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-Gitlab-Token", secret)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != status {
			t.Errorf("%s: %s", secret, a.Status)
		}
	}
}
