// Package heartbeat publishes the message that devices with a heartbeat timeout wait for
// (docs/SPEC.md section 7): a device that misses it for that long while it is connected restarts.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"esper/internal/broker"
)

// Limits on the interval, and the interval where no timeout is known.
const (
	MinInterval     = time.Second
	MaxInterval     = time.Hour
	DefaultInterval = 10 * time.Second
)

// share is how many beats there are in the timeout of the devices, so that one or two may be lost.
const share = 3

// Topic returns where the beat is published.
func Topic(realm string) string { return realm + "/heartbeat" }

// Interval returns how often the beat is due for devices that restart after a timeout without it; 0:
// they do not.
func Interval(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return DefaultInterval
	}
	return min(max(timeout/share, MinInterval), MaxInterval)
}

// CheckInterval returns an error if an interval is out of range.
func CheckInterval(interval time.Duration) error {
	if interval < MinInterval || interval > MaxInterval {
		return fmt.Errorf("%v is no interval of a heartbeat: it is %v to %v", interval, MinInterval, MaxInterval)
	}
	return nil
}

// Warning returns what is wrong with an interval for devices with a timeout, as a sentence; empty if
// nothing is.
func Warning(interval, timeout time.Duration) string {
	switch {
	case timeout == 0:
		return "heartbeat.timeout in esper.toml is 0s, so no device of this site waits for a heartbeat"
	case interval >= timeout:
		return fmt.Sprintf("the heartbeat comes every %v, and devices restart after %v without (heartbeat.timeout in esper.toml): "+
			"they will restart again and again", interval, timeout)
	case interval > timeout/share:
		return fmt.Sprintf("the heartbeat comes every %v, more than a third of heartbeat.timeout in esper.toml (%v): "+
			"devices restart when few beats are lost", interval, timeout)
	}
	return ""
}

// errSilent is returned when the broker does not pass the beat on.
var errSilent = errors.New("the broker takes the heartbeat and does not pass it on: this user may not publish there")

// probePatience is how long a broker may take to pass the first beat on.
const probePatience = 5 * time.Second

// Probe publishes a beat, and returns an error if the broker does not pass it on. Brokers acknowledge
// what a user may not publish (MQTT 3.1.1, 3.3.5). It stays subscribed.
func Probe(ctx context.Context, client broker.Client, realm string) error {
	heard := make(chan struct{}, 1)
	err := client.Subscribe(Topic(realm), func(m broker.Message) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	if err := client.Publish(Topic(realm), nil, false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probePatience, errSilent)
	defer cancel()
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Send publishes the beat at each interval until the context ends. It logs when that fails, and when
// it succeeds again.
func Send(ctx context.Context, client broker.Client, realm string, interval time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		err := client.Publish(Topic(realm), nil, false)
		switch {
		case err != nil && !failing && ctx.Err() == nil:
			log.Warn("no heartbeat: devices that wait for it and are connected will restart", "error", err)
		case err == nil && failing:
			log.Info("the heartbeat is sent again", "topic", Topic(realm))
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}
