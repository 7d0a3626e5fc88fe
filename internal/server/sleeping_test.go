package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"esper/internal/broker"
	"esper/internal/broker/brokertest"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/server"
)

// sleepyInfo is what a device says that wakes every 10 minutes.
const sleepyInfo = `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1},"sleep":600,"uptime":2,"boot":{"reset":"deep-sleep"}}`

func publishes(t *testing.T, s *server.Server, version string, sequence uint32) {
	t.Helper()
	if err := s.Repository().Publish(repositorytest.Release(t, "socket", version, sequence), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	get(t, s, "/firmware/socket.version")
}

// A device that sleeps finds at the broker that a release waits for it, until it has it; also after a
// restart of the server, and nothing is left when it is removed.
func TestADeviceThatSleepsFindsThatAReleaseWaits(t *testing.T) {
	for name, external := range map[string]bool{"embedded broker": false, "Mosquitto": true} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Database = t.TempDir() + "/esper.db"
			if external {
				c.ExternalMQTT = &url.URL{Scheme: "mqtt", Host: brokertest.Mosquitto(t, "esper", "secret"), User: url.UserPassword("esper", "secret")}
			}
			s, stop := start(t, c)
			waitForHealth(t, s, 200)
			at := func() *url.URL {
				if external {
					return c.ExternalMQTT
				}
				return &url.URL{Scheme: "mqtt", Host: s.MQTTAddr().String()}
			}
			device, err := broker.Dial(t.Context(), at(), discard)
			if err != nil {
				t.Fatal(err)
			}
			defer device.Close()
			waits := func() bool {
				return strings.Contains(strings.Join(retains(t, at()), " "), "home/00c0de/update/waiting")
			}
			publishes(t, s, "v1", 1)
			says(t, device, "info", sleepyInfo)
			says(t, device, "status", fleet.Sleeping)
			waitForDevice(t, s, "00c0de", fleet.Sleeping)
			publishes(t, s, "v2", 2)
			until(t, "a release waits", waits)

			if external { // it goes away while the server does not run: what is left is removed
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				says(t, device, "info", strings.NewReplacer("v1", "v2", `"sequence":1`, `"sequence":2`).Replace(sleepyInfo))
				says(t, device, "update/waiting", "") // for the next line to be about the server
				says(t, device, "update/waiting", "1")
				s, _ = start(t, c)
				waitForHealth(t, s, 200)
			} else {
				says(t, device, "info", strings.NewReplacer("v1", "v2", `"sequence":1`, `"sequence":2`).Replace(sleepyInfo))
			}
			until(t, "nothing waits any more", func() bool { return !waits() })

			publishes(t, s, "v3", 3)
			until(t, "another waits", waits)
			if err := clientOf(s).Remove(t.Context(), "00c0de", true); err != nil {
				t.Fatal(err)
			}
			if waits() {
				t.Error("something is left of a device that was removed")
			}
		})
	}
}

func TestADeviceThatSleepsHearsNoCommand(t *testing.T) {
	s, _ := start(t, config(t))
	waitForHealth(t, s, 200)
	device := dial(t, s.MQTTAddr(), nil)
	says(t, device, "info", sleepyInfo)
	says(t, device, "status", fleet.Sleeping)
	by := clientOf(s)
	until(t, "it sleeps", func() bool {
		d, err := by.Device(t.Context(), "00c0de")
		return err == nil && d.Presence() == fleet.Sleeping
	})
	for _, command := range []string{"restart", "check", "retry"} {
		_, err := by.Steer(t.Context(), "00c0de", command)
		if !isProblem(err, http.StatusConflict) || !strings.Contains(err.Error(), "sleeps") ||
			!strings.Contains(err.Error(), "it wakes by 20") {
			t.Errorf("%s: %v", command, err)
		}
	}
	if err := by.Remove(t.Context(), "00c0de", false); !isProblem(err, http.StatusConflict) {
		t.Errorf("it would come back: %v", err)
	}
	says(t, device, "status", fleet.Online)
	until(t, "it is awake, and hears", func() bool {
		_, err := by.Steer(t.Context(), "00c0de", "check")
		return err == nil
	})
}
