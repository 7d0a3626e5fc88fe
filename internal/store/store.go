// Package store keeps the inventory of a fleet and its history in a database:
// SQLite in a file, or PostgreSQL. Both are a [Store] and pass the same suite
// (storetest).
package store

import (
	"context"
	"errors"
	"time"

	"esper/internal/access"
	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/rollout"
)

// Store is the database. What a method has stored when it returns without an error
// outlives the end of the process, by whatever. Its methods can be called at the
// same time, and by several processes; but only the one that has it from [Open] may call
// Apply, SetReleases, SaveDeviceLogin, SaveRollouts and Prune.
type Store interface {
	// Apply stores what messages changed: all of it or, with an error, nothing. To
	// apply the same again changes nothing.
	Apply(context.Context, []fleet.Change) error
	// SetReleases makes known what is published. A release that was known once stays
	// so; served are those that say so now.
	SetReleases(context.Context, []Release) error
	// Label changes what people call a device. It is not known: [ErrNoDevice].
	Label(ctx context.Context, id string, change LabelChange) error
	// Find returns the devices that a query asks for, sorted by type and then id unless it
	// says otherwise. Count says how many they are, whatever their limit and offset.
	Find(context.Context, Query) ([]Device, error)
	Count(context.Context, Query) (int, error)
	// Summary returns the whole in numbers.
	Summary(context.Context) (Summary, error)
	// Members returns for each device which group and tags it has, and whether it is there.
	Members(context.Context) ([]Member, error)
	// History returns events, the oldest first.
	History(context.Context, HistoryQuery) ([]fleet.Event, error)
	// Remove removes a device, its history, and what roll-outs know of it. It is not known: [ErrNoDevice].
	Remove(ctx context.Context, id string) error
	// Tokens returns what is kept of all tokens, sorted by name.
	Tokens(context.Context) ([]access.Token, error)
	// AddToken keeps a token, and notes in the audit log who added it. There is one of the
	// name: [access.ErrExists].
	AddToken(ctx context.Context, t access.Token, by string) error
	// RemoveToken removes a token, and notes in the audit log who did. There is none:
	// [access.ErrNoToken].
	RemoveToken(ctx context.Context, name, by string) error
	// UseToken notes when a token was used last, if there is one.
	UseToken(ctx context.Context, name string, at time.Time) error
	// DeviceLogins returns how devices log in that do not as all do, sorted by id.
	DeviceLogins(context.Context) ([]access.DeviceLogin, error)
	// SaveDeviceLogin replaces how a device logs in. Remove leaves it: a revoked device that is
	// forgotten is still revoked.
	SaveDeviceLogin(context.Context, access.DeviceLogin) error
	// Audit adds to the audit log, AuditLog reads it, the oldest first.
	Audit(context.Context, access.Entry) error
	AuditLog(context.Context, access.AuditQuery) ([]access.Entry, error)
	// Prune removes from the history and the audit log what retention does not keep, and
	// says how many events and entries that were.
	Prune(context.Context, Retention) (int, error)
	// Rollouts are those of firmware, and SettingsRollouts those of settings, whose types are named
	// <type>.settings.
	Rollouts
	SettingsRollouts() Rollouts
	// RolloutHistory returns what happened in roll-outs, the oldest first.
	RolloutHistory(context.Context, RolloutQuery) ([]rollout.Event, error)
	// Adoption returns how a release of a type spread, from the beginning of its roll-out to a
	// time: a few hundred points at most, those at which something had changed.
	Adoption(ctx context.Context, deviceType, version string, until time.Time) ([]AdoptionPoint, error)
	// WantedSettings returns the values that people want settings to have, sorted by scope, target and
	// name.
	WantedSettings(context.Context) ([]devicesetting.Wanted, error)
	// SetWantedSetting stores such a value, in place of one of the same scope, target and name. It
	// returns [ErrNoDevice] if the device is unknown, [ErrSetting] if there would be too many.
	SetWantedSetting(context.Context, devicesetting.Wanted) error
	// UnsetWantedSetting removes such a value. It returns [ErrNoSetting] if there is none.
	UnsetWantedSetting(ctx context.Context, scope devicesetting.Scope, of, name string) error
	// KeepLock checks that no other server has taken the database, as it could while
	// PostgreSQL was away: [ErrInUse].
	KeepLock(context.Context) error
	Close() error
}

// Rollouts keeps roll-outs.
type Rollouts interface {
	// LoadRollouts returns all that SaveRollouts saved, but for the events.
	LoadRollouts(context.Context) (rollout.Snapshot, error)
	// SaveRollouts saves what has changed of the roll-outs, all of it or nothing. Each state,
	// device and target replaces the one of the same type or id; no two may be of the same.
	SaveRollouts(context.Context, rollout.Snapshot) error
}

// Errors that methods wrap.
var (
	ErrNoDevice   = errors.New("no such device")
	ErrNoDatabase = errors.New("there is no database")
	ErrSchema     = errors.New("the database is of another version of esper")
	ErrLabel      = errors.New("not a label")
	ErrSetting    = errors.New("not a setting that can be wanted")
	ErrNoSetting  = errors.New("no such value is wanted")
	ErrInUse      = errors.New("another server uses it")
)

// Device is all that is known of a device now.
type Device struct {
	fleet.Device
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Target is the version that its roll-out means it to run, empty if that is not known.
	Target string `json:"target,omitempty"`
}

// Release is a release that is or was published.
type Release struct {
	Type, Version string
	Sequence      uint32
	Served        bool
}

// Query says which devices to find: those for which all holds that is not empty.
type Query struct {
	ID, Type, Group, Tag string
	IDs                  []string // one of them
	Search               string   // part of id, name, group, type, version or a tag, in any case
	Presence             string   // [fleet.Online] or [fleet.Sleeping], and not silent; [fleet.Offline]; or [fleet.Silent]
	Condition            Condition
	// OldBoot is the bootloader version below which OldBootloader finds a device.
	// Zero: the highest that any device reports.
	OldBoot uint32
	// Now is the time to look back from; zero: the present.
	Now time.Time
	// Sort is their order, and which of them: Limit of them, or with 0 all, behind the first
	// Offset ones.
	Sort          Order
	Limit, Offset int
}

// Condition is something that a person would want to know of.
type Condition string

// The conditions.
const (
	// Vanished devices are online or asleep by their status, but say nothing any more.
	Vanished Condition = "vanished"
	// CrashLooping devices are in a crash loop ([fleet.Device.CrashLooping]).
	CrashLooping Condition = "crash-looping"
	// UnknownVersion devices run what was never released here, and no development build.
	UnknownVersion Condition = "unknown-version"
	// OldBootloader devices have a bootloader that should be replaced.
	OldBootloader Condition = "old-bootloader"
	// Lagging devices have been meant to run a newer release for [LagsAfter], and do not. Those that
	// sleep have twice their rhythm and a minute more.
	Lagging Condition = "lagging"
	// FailedUpdate devices have reported that their last update failed or was rolled back; or they
	// failed with the newest release of their type, and do not run it. A development build that finds
	// nothing published has not failed.
	FailedUpdate Condition = "failed"
	// Ahead devices run something that is newer than the release of their type that was published
	// last, or as new ([rollout.Device.AheadOf]).
	Ahead Condition = "ahead"
	// Updating devices are at an update now, or on trial.
	Updating Condition = "updating"
)

// LagsAfter is how long a device may take to get to the release that is meant for it: it may
// be off at night, and a maintenance window may open once a day.
const LagsAfter = 24 * time.Hour

// HistoryQuery says which events: those for which all holds that is not empty.
type HistoryQuery struct {
	Device string
	Kind   fleet.Kind
	Since  time.Time
	Limit  int // at most so many, the newest
}

// Retention says what history is kept.
type Retention struct {
	// Since is before when nothing is kept.
	Since time.Time
	// Routine is before when nothing of checks that found nothing is kept.
	Routine time.Time
	// PerDevice is how many events of one device are kept at most, PerType how many of the
	// roll-outs of one device type.
	PerDevice, PerType int
	// Refused is how many entries of the audit log are kept at most that were refused.
	Refused int
}

// Keep is the retention that the server has: a year, a week for routine.
func Keep(now time.Time) Retention {
	return Retention{Since: now.AddDate(-1, 0, 0), Routine: now.AddDate(0, 0, -7), PerDevice: 10_000, PerType: 1_000_000, Refused: 100_000}
}
