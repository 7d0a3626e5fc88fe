package access

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"esper/internal/mosquitto"
)

// DeviceStorage is where it is kept how devices may log in. While a server runs, nobody else
// changes it.
type DeviceStorage interface {
	// DeviceLogins returns what is kept of all devices that are not as any other.
	DeviceLogins(context.Context) ([]DeviceLogin, error)
	// SaveDeviceLogin replaces what is kept of a device.
	SaveDeviceLogin(context.Context, DeviceLogin) error
}

// Devices knows how each device may log in at the broker. Its methods can be called at the same
// time.
//
// All of it is in memory, so a login never waits for the database, in a flood neither: a database
// that hangs or is away changes nothing about who is let in. A change holds once it is stored. Only
// that a device has logged in with a new password holds at once, and is stored by [Devices.Flush].
type Devices struct {
	storage DeviceStorage
	log     *slog.Logger
	now     func() time.Time
	timeout time.Duration // readTimeout, unless a test has no time

	changing chan struct{} // holds an element while something is stored

	mu      sync.Mutex             // guards the following fields
	logins  map[string]DeviceLogin // by id; their slices are never changed
	unsaved map[string]bool        // ids of which something else may be stored
}

// OpenDevices reads how devices may log in.
func OpenDevices(ctx context.Context, from DeviceStorage, log *slog.Logger) (*Devices, error) {
	stored, err := from.DeviceLogins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the devices' own passwords: %w", err)
	}
	d := &Devices{
		storage: from, log: log, now: time.Now, timeout: readTimeout,
		changing: make(chan struct{}, 1),
		logins:   map[string]DeviceLogin{}, unsaved: map[string]bool{},
	}
	for _, l := range stored {
		d.logins[l.ID] = l
	}
	return d, nil
}

// Own lets in a device that shows a password of its own. It returns ErrUnknown if the password is
// not one of the device, and ErrRevoked if the device is revoked.
func (d *Devices) Own(id, password string) error {
	hash, ok := SumDevice(password)
	if !ok {
		return ErrUnknown
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logins[id]
	at := slices.IndexFunc(l.Passwords, func(p DevicePassword) bool { return p.SHA256 == hash })
	switch {
	case at < 0:
		return ErrUnknown
	case !l.Revoked.IsZero():
		return ErrRevoked
	case l.Passwords[at].Used.IsZero():
		d.log.Info("a device logs in with a password of its own", "device", id)
		d.logins[id] = l.use(at, d.moment())
		d.unsaved[id] = true
	}
	return nil
}

// Shared lets in a device that shows the password that all share. It returns ErrRevoked if the
// device is revoked, and ErrOwnPassword if it needs that password no more, so that nobody who has
// it poses as the device.
func (d *Devices) Shared(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logins[id]
	switch {
	case !l.Revoked.IsZero():
		return ErrRevoked
	case !l.Used().IsZero():
		return ErrOwnPassword
	}
	return nil
}

// All returns the devices that have passwords of their own or are revoked, sorted by id.
func (d *Devices) All() []DeviceLogin {
	d.mu.Lock()
	defer d.mu.Unlock()
	byID := func(a, b DeviceLogin) int { return strings.Compare(a.ID, b.ID) }
	return slices.SortedFunc(maps.Values(d.logins), byID)
}

// Find returns how a device may log in, and false if it may as any other.
func (d *Devices) Find(id string) (DeviceLogin, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.logins[id]
	return l, ok
}

// SetPassword registers a password of a device's own. Those before stay valid until the device has
// logged in with it. If the device is revoked it stays so, and only the new password remains for
// the time when it is not. It returns ErrTooManyDevices if there is no room for another device.
func (d *Devices) SetPassword(
	ctx context.Context, id string, hash DeviceHash,
) (DeviceLogin, error) {
	if err := mosquitto.CheckHash(hash.Mosquitto); err != nil {
		return DeviceLogin{}, err
	}
	made := d.moment()
	return d.change(ctx, id, func(l DeviceLogin) (DeviceLogin, error) {
		if l.Empty() && len(d.logins) >= maxDevices {
			return l, ErrTooManyDevices
		}
		return l.add(hash, made), nil
	})
}

// Revoke lets a device in no more, whatever password it shows. [Devices.Restore] ends that.
func (d *Devices) Revoke(ctx context.Context, id string) (DeviceLogin, error) {
	at := d.moment()
	return d.change(ctx, id, func(l DeviceLogin) (DeviceLogin, error) {
		if l.Revoked.IsZero() {
			l.Revoked = at
		}
		return l, nil
	})
}

// Restore lets a revoked device in again, with the passwords that it has.
func (d *Devices) Restore(ctx context.Context, id string) (DeviceLogin, error) {
	return d.change(ctx, id, func(l DeviceLogin) (DeviceLogin, error) {
		l.Revoked = time.Time{}
		return l, nil
	})
}

// Forget removes a device's own passwords, so that it logs in with the shared one again. If it is
// revoked it stays so.
func (d *Devices) Forget(ctx context.Context, id string) (DeviceLogin, error) {
	return d.change(ctx, id, func(l DeviceLogin) (DeviceLogin, error) {
		l.Passwords = nil
		return l, nil
	})
}

// Flush stores which devices have logged in with new passwords.
func (d *Devices) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	d.mu.Lock()
	ids := slices.Sorted(maps.Keys(d.unsaved))
	d.mu.Unlock()
	for _, id := range ids {
		d.mu.Lock()
		l := d.loginLocked(id)
		d.mu.Unlock()
		if err := d.storage.SaveDeviceLogin(ctx, l); err != nil {
			return err
		}
		d.mu.Lock()
		if d.loginLocked(id).equal(l) {
			delete(d.unsaved, id)
		}
		d.mu.Unlock()
	}
	return nil
}

// change stores a device's login with a change, and then lets it hold. The device can log in
// meanwhile, so the change is made once more to what there is then. Next is called with the lock
// held.
func (d *Devices) change(
	ctx context.Context, id string, next func(DeviceLogin) (DeviceLogin, error),
) (DeviceLogin, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := d.begin(ctx); err != nil {
		return DeviceLogin{}, err
	}
	defer d.end()
	d.mu.Lock()
	before, unsaved := d.loginLocked(id), d.unsaved[id]
	wanted, err := next(before)
	d.mu.Unlock()
	if err != nil || wanted.equal(before) && !unsaved {
		return wanted, err
	}
	err = d.storage.SaveDeviceLogin(ctx, wanted)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unsaved[id] = true
	if err != nil { // it may have been stored all the same: then Flush takes it back
		return DeviceLogin{}, err
	}
	now, err := next(d.loginLocked(id))
	if err != nil {
		return DeviceLogin{}, err
	}
	if now.Empty() {
		delete(d.logins, id)
	} else {
		d.logins[id] = now
	}
	if now.equal(wanted) {
		delete(d.unsaved, id)
	}
	return now, nil
}

func (d *Devices) loginLocked(id string) DeviceLogin {
	l := d.logins[id]
	l.ID = id
	return l
}

// moment is the present as the database keeps it.
func (d *Devices) moment() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

func (d *Devices) begin(ctx context.Context) error {
	select {
	case d.changing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Devices) end() { <-d.changing }
