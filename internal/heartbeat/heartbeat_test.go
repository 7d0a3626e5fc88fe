package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"esper/internal/broker"
)

// world is a broker with a clock that the test lets go on, which passes on what it is given.
type world struct {
	away, deaf bool
	handle     func(broker.Message)
	beats      []time.Time
}

func (w *world) Publish(topic string, payload []byte, retain bool) error {
	if w.away {
		return errors.New("no broker")
	}
	if topic != "home/heartbeat" || retain {
		return errors.New("published elsewhere, or retained")
	}
	w.beats = append(w.beats, time.Now())
	if w.handle != nil && !w.deaf {
		w.handle(broker.Message{Topic: topic, Payload: payload})
	}
	return nil
}
func (w *world) Subscribe(_ string, handle func(broker.Message)) error {
	w.handle = handle
	return nil
}
func (w *world) Connected() bool { return !w.away }
func (w *world) Close() error    { return nil }

func TestItBeatsAtEachIntervalAndSaysOnceWhenItCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := &world{}
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		go Send(ctx, w, "home", 10*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if len(w.beats) != 3 || w.beats[0].Sub(began) != 0 || w.beats[2].Sub(began) != 20*time.Second {
			t.Errorf("beats %v, began %v", w.beats, began)
		}
		w.away = true
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.away = false
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(w.beats) != 4 || strings.Count(log.String(), "level=WARN") != 1 || strings.Count(log.String(), "sent again") != 1 {
			t.Errorf("beats %v, logged\n%s", w.beats, &log)
		}
		stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.beats) != 4 {
			t.Error("it goes on")
		}
	})
}

func TestABrokerThatDoesNotPassItOnIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := Probe(t.Context(), &world{}, "home"); err != nil {
			t.Error(err)
		}
		if err := Probe(t.Context(), &world{deaf: true}, "home"); !errors.Is(err, errSilent) {
			t.Error(err)
		}
		if err := Probe(t.Context(), &world{away: true}, "home"); err == nil {
			t.Error("no broker is no error")
		}
	})
}

func TestTheIntervalFitsTheTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Minute: 20 * time.Second, time.Second: time.Second, 30 * 24 * time.Hour: time.Hour} {
		if got := Interval(timeout); got != want {
			t.Errorf("for %v: %v, want %v", timeout, got, want)
		}
	}
	for _, c := range []struct {
		interval, timeout time.Duration
		warning           string
	}{
		{20 * time.Second, time.Minute, ""},
		{21 * time.Second, time.Minute, "more than a third"},
		{time.Minute, time.Minute, "again and again"},
		{time.Second, 0, "no device of this site waits"},
	} {
		if got := Warning(c.interval, c.timeout); got == "" != (c.warning == "") || !strings.Contains(got, c.warning) {
			t.Errorf("%+v: %q", c, got)
		}
	}
	for interval, allowed := range map[time.Duration]bool{
		0: false, time.Second - 1: false, time.Second: true, time.Hour: true, time.Hour + 1: false, -time.Second: false,
	} {
		if err := CheckInterval(interval); (err == nil) != allowed {
			t.Errorf("%v: %v", interval, err)
		}
	}
}
