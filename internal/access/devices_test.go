package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/mosquitto"
)

// logins is a database of how devices log in. It can be away, or hang.
type logins struct {
	mu     sync.Mutex
	kept   map[string]DeviceLogin
	err    error
	hangs  bool // until the context ends
	writes int
	saving func(DeviceLogin) // called while one is saved
}

func (s *logins) DeviceLogins(context.Context) ([]DeviceLogin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []DeviceLogin
	for _, l := range s.kept {
		all = append(all, l)
	}
	return all, s.err
}

func (s *logins) SaveDeviceLogin(ctx context.Context, l DeviceLogin) error {
	s.mu.Lock()
	hangs, err, saving := s.hangs, s.err, s.saving
	s.writes++
	if err == nil && !hangs {
		s.kept[l.ID] = l
	}
	s.mu.Unlock()
	if saving != nil {
		saving(l)
	}
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *logins) is(err error, hangs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.hangs = err, hangs
}

// devices are those of an empty database, at a time that does not pass.
func devices(t *testing.T) (*Devices, *logins) {
	t.Helper()
	from := &logins{kept: map[string]DeviceLogin{}}
	return reopened(t, from), from
}

func reopened(t *testing.T, from *logins) *Devices {
	t.Helper()
	d, err := OpenDevices(t.Context(), from, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.now = func() time.Time { return now }
	return d
}

// sets registers a new password of a device and returns it.
func sets(t *testing.T, d *Devices, id string) string {
	t.Helper()
	text, hash := NewDevicePassword()
	if _, err := d.SetPassword(t.Context(), id, hash); err != nil {
		t.Fatal(err)
	}
	return text
}

func must(t *testing.T, _ DeviceLogin, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expects checks how a device that shows a password is answered, and one that shows the shared one.
func expects(t *testing.T, when string, d *Devices, id, password string, own, shared error) {
	t.Helper()
	// The shared one first: to log in with the other changes what it is good for.
	if err := d.Shared(id); !errors.Is(err, shared) || (err == nil) != (shared == nil) {
		t.Errorf("%s: with the shared password: %v, want %v", when, err, shared)
	}
	if err := d.Own(id, password); !errors.Is(err, own) || (err == nil) != (own == nil) {
		t.Errorf("%s: with its own password: %v, want %v", when, err, own)
	}
}

func TestADevicesPasswordIsRandomAndOnlyHashesAreKept(t *testing.T) {
	text, kept := NewDevicePassword()
	other, _ := NewDevicePassword()
	if text == other || len(text) != len("esper_device_")+43 || len(text) > 64 {
		t.Errorf("made %d and %d characters", len(text), len(other))
	}
	hash, ok := SumDevice(text)
	if !ok || hash != kept.SHA256 || !mosquitto.Matches(kept.Mosquitto, text) {
		t.Error("what is kept is not of the password")
	}
	if _, ok := Sum(text); ok {
		t.Error("it could be a token")
	}
	if got := Redact("x " + text + " y"); got != "x esper_… y" {
		t.Errorf("redacted: %s", got)
	}
	token, _ := made(t, "ada", Viewer, time.Time{})
	for _, wrong := range []string{
		"", token, text[1:], text + "x", text[:len(text)-1], strings.ToUpper(text),
	} {
		if _, ok := SumDevice(wrong); ok {
			t.Errorf("%q could be a device's password", wrong)
		}
	}
}

// A device logs in with the shared password until it has shown one of its own.
func TestADeviceComesToItsOwnPassword(t *testing.T) {
	d, from := devices(t)
	expects(t, "without one", d, "00c0de", "x", ErrUnknown, nil)
	first := sets(t, d, "00c0de")
	expects(t, "with one", d, "00c0de", first, nil, nil)
	expects(t, "when it has shown it", d, "00c0de", first, nil, ErrOwnPassword)
	expects(t, "another device", d, "00c0df", first, ErrUnknown, nil)
	if l, _ := d.Find("00c0de"); l.Used() != now.Truncate(time.Microsecond) {
		t.Errorf("it is used since %v", l.Used())
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	expects(t, "after a restart", reopened(t, from), "00c0de", first, nil, ErrOwnPassword)
}

// A board whose flashing fails, also several times, is not locked out.
func TestTheLastPasswordIsGoodUntilTheNewOneIsShown(t *testing.T) {
	d, from := devices(t)
	first := sets(t, d, "00c0de")
	d.Own("00c0de", first)
	var lost []string
	for range 5 {
		lost = append(lost, sets(t, d, "00c0de"))
		expects(t, "before the new one is shown", d, "00c0de", first, nil, ErrOwnPassword)
	}
	l, _ := d.Find("00c0de")
	if n := len(l.Passwords); n != 1+maxUnused {
		t.Errorf("%d passwords are kept", n)
	}
	expects(t, "the oldest that was never shown", d, "00c0de", lost[0], ErrUnknown, ErrOwnPassword)
	expects(t, "one that was flashed after all", d, "00c0de", lost[3], nil, ErrOwnPassword)
	expects(t, "those before", d, "00c0de", first, ErrUnknown, ErrOwnPassword)
	expects(t, "those before", d, "00c0de", lost[2], ErrUnknown, ErrOwnPassword)
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = reopened(t, from)
	expects(t, "those before, after a restart", d, "00c0de", first, ErrUnknown, ErrOwnPassword)
	expects(t, "the one after", d, "00c0de", lost[4], nil, ErrOwnPassword)
}

func TestARevokedDeviceIsNotLetIn(t *testing.T) {
	d, from := devices(t)
	ctx := t.Context()
	old := sets(t, d, "00c0de")
	d.Own("00c0de", old)
	for range 2 { // the second time changes nothing
		l, err := d.Revoke(ctx, "00c0de")
		must(t, l, err)
		expects(t, "revoked", d, "00c0de", old, ErrRevoked, ErrRevoked)
		again := reopened(t, from)
		expects(t, "revoked, after a restart", again, "00c0de", old, ErrRevoked, ErrRevoked)
		expects(t, "revoked, with a wrong one", d, "00c0de", "x", ErrUnknown, ErrRevoked)
	}
	writes := from.writes
	l, err := d.Revoke(ctx, "00c0de")
	must(t, l, err)
	if from.writes != writes {
		t.Error("what changes nothing is stored")
	}
	l, err = d.Restore(ctx, "00c0de")
	must(t, l, err)
	expects(t, "let in again", d, "00c0de", old, nil, ErrOwnPassword)

	// Whoever took it may have read its password: a new one replaces it while it is revoked.
	l, err = d.Revoke(ctx, "00c0de")
	must(t, l, err)
	fresh := sets(t, d, "00c0de")
	expects(t, "with a new one", d, "00c0de", fresh, ErrRevoked, ErrRevoked)
	l, err = d.Restore(ctx, "00c0de")
	must(t, l, err)
	expects(t, "then the old one", d, "00c0de", old, ErrUnknown, nil)
	expects(t, "then the new one", d, "00c0de", fresh, nil, nil)

	l, err = d.Revoke(ctx, "beef00") // which never had one
	must(t, l, err)
	expects(t, "with the shared one only", d, "beef00", "x", ErrUnknown, ErrRevoked)
	l, err = d.Forget(ctx, "beef00")
	must(t, l, err)
	expects(t, "forgotten while revoked", d, "beef00", "x", ErrUnknown, ErrRevoked)
	l, err = d.Restore(ctx, "beef00")
	must(t, l, err)
	if _, ok := d.Find("beef00"); ok || len(d.All()) != 1 {
		t.Error("something of it is left")
	}
}

func TestAForgottenPasswordBringsBackTheSharedOne(t *testing.T) {
	d, from := devices(t)
	text := sets(t, d, "00c0de")
	d.Own("00c0de", text)
	l, err := d.Forget(t.Context(), "00c0de")
	must(t, l, err)
	for _, d := range []*Devices{d, reopened(t, from)} {
		expects(t, "forgotten", d, "00c0de", text, ErrUnknown, nil)
	}
}

// While the database is away or hangs, everybody is answered as before, at once, and nothing
// changes.
func TestADatabaseThatIsAwayChangesNothingForDevices(t *testing.T) {
	d, from := devices(t)
	d.timeout = 10 * time.Millisecond
	known, revoked := sets(t, d, "00c0de"), sets(t, d, "beef00")
	l, err := d.Revoke(t.Context(), "beef00")
	must(t, l, err)
	for _, c := range []struct {
		err   error
		hangs bool
	}{{errors.New("away"), false}, {nil, true}} {
		from.is(c.err, c.hangs)
		text, hash := NewDevicePassword()
		if _, err := d.SetPassword(t.Context(), "00c0de", hash); err == nil {
			t.Error("a password is registered")
		}
		if _, err := d.Revoke(t.Context(), "00c0de"); err == nil {
			t.Error("a device is revoked")
		}
		if _, err := d.Restore(t.Context(), "beef00"); err == nil {
			t.Error("a device is let in again")
		}
		began := time.Now()
		for range 1000 {
			d.Own("00c0de", "x")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("1,000 logins took %v", took)
		}
		if err := d.Own("00c0de", text); !errors.Is(err, ErrUnknown) {
			t.Errorf("a password that is not registered: %v", err)
		}
		if err := d.Own("beef00", revoked); !errors.Is(err, ErrRevoked) {
			t.Errorf("one that is revoked: %v", err)
		}
		if err := d.Own("00c0de", known); err != nil {
			t.Errorf("one that is known: %v", err)
		}
		if err := d.Shared("00c0de"); !errors.Is(err, ErrOwnPassword) {
			t.Errorf("the shared one: %v", err)
		}
		if err := d.Shared("aaaaaa"); err != nil {
			t.Errorf("another device's: %v", err)
		}
		if d.Flush(t.Context()) == nil {
			t.Error("it is stored")
		}
	}
	from.is(nil, false)
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := reopened(t, from)
	expects(t, "when it is there again", again, "00c0de", known, nil, ErrOwnPassword)
	expects(t, "when it is there again", again, "beef00", revoked, ErrRevoked, ErrRevoked)
	writes := from.writes
	if err := d.Flush(t.Context()); err != nil || from.writes != writes {
		t.Errorf("it is stored again: %v", err)
	}
}

// A change that was stored although an error was reported is taken back.
func TestAChangeThatFailsDoesNotHold(t *testing.T) {
	d, from := devices(t)
	text := sets(t, d, "00c0de")
	from.saving = func(l DeviceLogin) {
		from.mu.Lock()
		defer from.mu.Unlock()
		from.kept[l.ID] = l
	}
	from.is(errors.New("the connection broke"), false)
	if _, err := d.Revoke(t.Context(), "00c0de"); err == nil {
		t.Fatal("no error")
	}
	if err := d.Shared("00c0de"); err != nil { // not its own, which would be stored anyway
		t.Errorf("before the restart: %v", err)
	}
	from.saving = nil
	from.is(nil, false)
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	expects(t, "after the restart", reopened(t, from), "00c0de", text, nil, nil)
}

// A device that logs in with its new password while it is being revoked, or gets another one, is
// used and revoked.
func TestALoginDuringAChangeIsNotLost(t *testing.T) {
	d, from := devices(t)
	text := sets(t, d, "00c0de")
	from.saving = func(DeviceLogin) {
		from.saving = nil
		if err := d.Own("00c0de", text); err != nil {
			t.Error(err)
		}
	}
	sets(t, d, "00c0de")
	if err := d.Shared("00c0de"); !errors.Is(err, ErrOwnPassword) {
		t.Errorf("its login is lost: %v", err)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l, _ := reopened(t, from).Find("00c0de"); l.Used().IsZero() || len(l.Passwords) != 2 {
		t.Errorf("stored: %+v", l)
	}
}

func TestLoginsAndChangesAtTheSameTime(t *testing.T) {
	d, from := devices(t)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("%06x", i%5)
				text, hash := NewDevicePassword()
				_, err := d.SetPassword(t.Context(), id, hash)
				switch {
				case err != nil:
					t.Error(err)
				case worker == 0:
					d.Revoke(t.Context(), id)
				case worker == 1:
					d.Restore(t.Context(), id)
				case worker == 2:
					d.Flush(t.Context())
				}
				d.Own(id, text)
				d.Shared(id)
				d.All()
			}
		})
	}
	wait.Wait()
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := reopened(t, from)
	for _, l := range d.All() {
		if stored, _ := again.Find(l.ID); !stored.equal(l) {
			t.Errorf("stored %+v, in memory %+v", stored, l)
		}
	}
}

func TestOnlySoManyDevicesHavePasswords(t *testing.T) {
	d, _ := devices(t)
	text := sets(t, d, "00c0de")
	for i := len(d.logins); i < maxDevices; i++ {
		d.logins[fmt.Sprint("x", i)] = DeviceLogin{}
	}
	_, hash := NewDevicePassword()
	if _, err := d.SetPassword(t.Context(), "beef00", hash); !errors.Is(err, ErrTooManyDevices) {
		t.Errorf("one more: %v", err)
	}
	sets(t, d, "00c0de") // another one of the same device
	expects(t, "the others", d, "00c0de", text, nil, nil)
	hash.Mosquitto = "$7$secret"
	if _, err := d.SetPassword(t.Context(), "00c0de", hash); !errors.Is(err, mosquitto.ErrHash) {
		t.Errorf("a hash that is none: %v", err)
	}
}

// A password that is registered again, since the answer was lost, is the same.
func TestRegisteringAgainChangesNothing(t *testing.T) {
	d, _ := devices(t)
	text, hash := NewDevicePassword()
	for range 3 {
		if _, err := d.SetPassword(t.Context(), "00c0de", hash); err != nil {
			t.Fatal(err)
		}
		if err := d.Own("00c0de", text); err != nil {
			t.Fatal(err)
		}
	}
	if l, _ := d.Find("00c0de"); len(l.Passwords) != 1 || l.Used().IsZero() {
		t.Errorf("%+v", l)
	}
}

func TestWithoutKnowingThePasswordsNothingBegins(t *testing.T) {
	from := &logins{err: errors.New("damaged")}
	if _, err := OpenDevices(t.Context(), from, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it begins")
	}
}
