package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/access"
)

// Broker is what decides who is let in over MQTT.
type Broker string

// The brokers.
const (
	// EmbeddedBroker is the server's own, which asks for passwords.
	EmbeddedBroker Broker = "embedded"
	// OpenBroker is the server's own, which asks nobody for a password: devices' own mean nothing.
	OpenBroker Broker = "open"
	// ExternalBroker is another program, which has a list of its own.
	ExternalBroker Broker = "external"
)

// MQTTAccess is what the server does about devices that log in over MQTT.
type MQTTAccess struct {
	Broker Broker `json:"broker" enum:"embedded,open,external" doc:"embedded: what is here holds; open: nobody is asked for a password; external: that broker has to be told"`
	Shared bool   `json:"shared" doc:"devices without a password of their own are let in with the one that all share"`
}

// DevicePasswords are the devices that log in otherwise than with the shared password only.
type DevicePasswords struct {
	MQTTAccess
	Devices []DevicePassword `json:"devices" nullable:"false" doc:"those that have own passwords or are revoked, by id"`
}

// DevicePassword says how a device logs in over MQTT.
type DevicePassword struct {
	ID      string    `json:"id" example:"00c0de"`
	Made    time.Time `json:"made,omitzero" doc:"when its newest own password was registered; without: it has none"`
	Used    time.Time `json:"used,omitzero" doc:"since when it logs in with one of its own, so that the shared one is refused; without: it does not"`
	Pending bool      `json:"pending" doc:"it has not logged in with the newest one"`
	Revoked time.Time `json:"revoked,omitzero" doc:"since when it is not let in; without: it is"`
}

func passwordOf(l access.DeviceLogin) DevicePassword {
	newest, ok := l.Newest()
	return DevicePassword{
		ID: l.ID, Made: newest.Made, Used: l.Used(), Revoked: l.Revoked,
		Pending: ok && newest.Used.IsZero(),
	}
}

// WithoutPassword returns the ids of the devices that have never logged in with a password of their
// own, and are not revoked. At an external broker it is not known who has logged in: there, a
// device that has been given a password counts as one that has it.
func WithoutPassword(devices []Device, passwords DevicePasswords) []string {
	has := map[string]bool{}
	for _, p := range passwords.Devices {
		given := passwords.Broker == ExternalBroker && !p.Made.IsZero()
		has[p.ID] = given || !p.Used.IsZero() || !p.Revoked.IsZero()
	}
	ids := []string{}
	for _, d := range devices {
		if !has[d.ID] {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// PasswordHash is what is registered of a device's own password, which itself is sent to nobody.
type PasswordHash struct {
	SHA256    string `json:"sha256" pattern:"^[0-9a-f]{64}$" patternDescription:"64 lower-case hex digits"`
	Mosquitto string `json:"mosquitto" minLength:"1" maxLength:"128" doc:"the same as Mosquitto keeps it: $7$…"`
}

func (a *api) registerPasswords(on huma.API) {
	const tag = "access"
	huma.Register(on, operation("list-device-passwords", http.MethodGet, "passwords",
		"How devices log in over MQTT that do not with the shared password only", tag),
		func(context.Context, *struct{}) (*body[DevicePasswords], error) {
			list := DevicePasswords{MQTTAccess: a.MQTT, Devices: []DevicePassword{}}
			for _, l := range a.Devices.All() {
				list.Devices = append(list.Devices, passwordOf(l))
			}
			return answer(a, list, nil)
		})
	huma.Register(on, operation("set-device-password", http.MethodPut, "devices/{id}/password",
		"Register a password of the device's own; the last one is valid until it has shown this one",
		tag, http.StatusConflict),
		func(ctx context.Context, q *struct {
			DeviceID
			Body PasswordHash
		}) (*body[DevicePassword], error) {
			sum, err := access.ParseHash(q.Body.SHA256)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			hash := access.DeviceHash{SHA256: sum, Mosquitto: q.Body.Mosquitto}
			return a.login(a.Devices.SetPassword(ctx, q.ID, hash))
		})
	for _, o := range []struct {
		id, method, path, summary string

		do func(context.Context, string) (access.DeviceLogin, error)
	}{
		{"forget-device-password", http.MethodDelete, "password",
			"Forget the device's own passwords; it logs in with the shared one again", a.Devices.Forget},
		{"revoke-device", http.MethodPost, "revoke",
			"Let the device in over MQTT no more, whatever it shows", a.Devices.Revoke},
		{"restore-device", http.MethodPost, "restore",
			"Let a revoked device in again", a.Devices.Restore},
	} {
		path := "devices/{id}/" + o.path
		huma.Register(on, operation(o.id, o.method, path, o.summary, tag, http.StatusNotFound),
			func(ctx context.Context, q *DeviceID) (*body[DevicePassword], error) {
				if err := a.knows(ctx, q.ID); err != nil {
					return nil, a.problem(err)
				}
				return a.login(o.do(ctx, q.ID))
			})
	}
}

// knows returns an error if a device has neither reported nor been given a password.
func (a *api) knows(ctx context.Context, id string) error {
	if _, ok := a.Devices.Find(id); ok {
		return nil
	}
	_, err := a.device(ctx, id)
	return err
}

func (a *api) login(l access.DeviceLogin, err error) (*body[DevicePassword], error) {
	return answer(a, passwordOf(l), err)
}
