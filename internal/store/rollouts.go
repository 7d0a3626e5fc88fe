package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"esper/internal/rollout"
	"esper/internal/settings"
)

var upsertRollouts = insert{
	columns: strings.Fields("type state"), into: "rollouts",
	conflict: "ON CONFLICT (type) DO UPDATE SET state = excluded.state",
}

// rolloutTables are where the roll-outs of firmware, or those of settings, keep what they know of each
// device. Their states and events are in the same tables, as their types have other names.
type rolloutTables struct {
	devicesTable, targetsTable string
	of                         string // the condition on the types
	devices, targets           prepared
}

var (
	firmwareTables = rolloutTables{
		devicesTable: "rollout_devices", targetsTable: "targets", of: "type NOT LIKE '%" + settings.Suffix + "'",
	}
	settingsTables = rolloutTables{
		devicesTable: "settings_devices", targetsTable: "settings_targets", of: "type LIKE '%" + settings.Suffix + "'",
	}
)

func (t rolloutTables) upsertDevices() insert {
	return insert{
		columns: strings.Fields("device state"), into: t.devicesTable,
		conflict: "ON CONFLICT (device) DO UPDATE SET state = excluded.state",
	}
}

func (t rolloutTables) upsertTargets() insert {
	return insert{
		columns: strings.Fields("device version since"), into: t.targetsTable,
		conflict: "ON CONFLICT (device) DO UPDATE SET version = excluded.version, since = excluded.since",
	}
}

var insertRolloutEvents = insert{
	columns: strings.Fields("type at kind release stage device failure person"), into: "rollout_events",
	conflict: "ON CONFLICT DO NOTHING",
}

// SaveRollouts implements Store.
func (d *database) SaveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	return kept{d, &d.firmware}.SaveRollouts(ctx, changed)
}

// LoadRollouts implements Store.
func (d *database) LoadRollouts(ctx context.Context) (rollout.Snapshot, error) {
	return kept{d, &d.firmware}.LoadRollouts(ctx)
}

// SettingsRollouts implements Store.
func (d *database) SettingsRollouts() Rollouts { return kept{d, &d.settings} }

// kept implements Rollouts: the roll-outs of firmware, or those of settings.
type kept struct {
	*database
	tables *rolloutTables
}

// SaveRollouts implements Rollouts.
func (d kept) SaveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	err := d.saveRollouts(ctx, changed)
	if err != nil {
		return fmt.Errorf("save the roll-outs: %w", err)
	}
	return nil
}

func (d kept) saveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	var states, devices, targets, events []any
	for _, s := range changed.States {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		states = append(states, s.Type, string(text))
	}
	for _, m := range changed.Devices {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		devices = append(devices, m.ID, string(text))
	}
	for _, t := range changed.Targets {
		targets = append(targets, t.Device, t.Release, micros(t.Since))
	}
	for _, e := range changed.Events {
		events = append(events, e.Type, micros(e.At), string(e.Kind), e.Release, e.Stage, e.Device, string(e.Failure), e.By)
	}
	return d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, step := range []struct {
			into   prepared
			values []any
		}{{d.rollouts, states}, {d.tables.devices, devices}, {d.tables.targets, targets}, {d.rolloutEvents, events}} {
			if err := step.into.exec(ctx, tx, step.values); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadRollouts implements Rollouts.
func (d kept) LoadRollouts(ctx context.Context) (rollout.Snapshot, error) {
	var all rollout.Snapshot
	err := readJSON(ctx, d.database, `SELECT state FROM rollouts WHERE `+d.tables.of, &all.States)
	if err == nil {
		err = readJSON(ctx, d.database, `SELECT state FROM `+d.tables.devicesTable, &all.Devices)
	}
	if err == nil {
		err = d.read(ctx, func(rows *sql.Rows) error {
			var t rollout.Target
			var since int64
			err := rows.Scan(&t.Device, &t.Release, &since)
			t.Since = fromMicros(since)
			all.Targets = append(all.Targets, t)
			return err
		}, `SELECT device, version, since FROM `+d.tables.targetsTable)
	}
	if err != nil {
		return rollout.Snapshot{}, fmt.Errorf("load the roll-outs: %w", err)
	}
	return all, nil
}

// readJSON appends what the only column of a query holds.
func readJSON[T any](ctx context.Context, d *database, query string, into *[]T) error {
	return d.read(ctx, func(rows *sql.Rows) error {
		var text sql.RawBytes
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		*into = append(*into, v)
		return nil
	}, query)
}

// RolloutQuery says which events of roll-outs: those for which all holds that is not empty.
type RolloutQuery struct {
	Type, Device, Release string
	// Kind is what they are about. Empty: all but that devices were told of a release, which
	// are as many as there are devices.
	Kind  rollout.Kind
	Since time.Time
	Limit int // at most so many, the newest
}

// RolloutHistory implements Store.
func (d *database) RolloutHistory(ctx context.Context, q RolloutQuery) ([]rollout.Event, error) {
	f := &filter{}
	for column, value := range map[string]string{"type": q.Type, "device": q.Device, "release": q.Release} {
		if value != "" {
			f.and(column + " = " + f.arg(value))
		}
	}
	if q.Kind != "" {
		f.and("kind = " + f.arg(string(q.Kind)))
	} else {
		f.and("kind <> " + f.arg(string(rollout.DeviceOffered)))
	}
	if !q.Since.IsZero() {
		f.and("at >= " + f.arg(micros(q.Since)))
	}
	query := `SELECT type, at, kind, release, stage, device, failure, person FROM rollout_events` +
		f.String() + ` ORDER BY at DESC, type DESC` + f.limit(q.Limit)
	events := []rollout.Event{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var e rollout.Event
		var at int64
		err := rows.Scan(&e.Type, &at, &e.Kind, &e.Release, &e.Stage, &e.Device, &e.Failure, &e.By)
		e.At = fromMicros(at)
		events = append(events, e)
		return err
	}, query, f.args...)
	if err != nil {
		return nil, fmt.Errorf("read the history of the roll-outs: %w", err)
	}
	slices.Reverse(events)
	return events, nil
}
