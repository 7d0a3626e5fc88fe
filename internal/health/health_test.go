package health

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthNamesWhatDoesNotWork(t *testing.T) {
	var log strings.Builder
	h := New(slog.New(slog.NewTextHandler(&log, nil)))
	var more []string
	expect := func(status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.Handler(func() []string { return more }).ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != status || w.Body.String() != body {
			t.Errorf("%d %q, want %d %q", w.Code, w.Body, status, body)
		}
	}
	expect(200, "ok\n")
	for range 3 {
		h.Note("database", errors.New("secret detail"))
	}
	more = []string{"broker"}
	expect(503, "does not work: broker, database\n")
	more = nil
	h.Note("database", nil)
	h.Note("database", nil)
	expect(200, "ok\n")
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "secret detail") {
		t.Errorf("%d lines logged, want 2: %s", n, log.String())
	}
}

func TestWhatIsDoneAgainAndAgainIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		times := 0
		go h.Every(ctx, time.Minute, "x", func(context.Context) error {
			if times++; times == 2 {
				return errors.New("it failed")
			}
			return nil
		})
		for i, failing := range []int{0, 1, 0} {
			synctest.Wait()
			if len(h.problems) != failing || times != i+1 {
				t.Errorf("after %d minutes: %v, done %d times", i, h.problems, times)
			}
			time.Sleep(time.Minute)
		}
		cancel()
	})
}

func TestADiskWithoutRoomIsNoted(t *testing.T) {
	if err := CheckDisks(t.TempDir() + "/missing"); err == nil {
		t.Error("a folder that is not there has room")
	}
}
