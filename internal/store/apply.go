package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"esper/internal/fleet"
)

// How many rows a statement inserts. On PostgreSQL a statement is a journey; SQLite's
// driver takes a time for the parameters of a statement that grows with their square.
const (
	rowsAtOncePostgres = 50
	rowsAtOnceSQLite   = 1
)

var upsertDevices = insert{
	columns: strings.Fields(`id type version sequence slot default_slot boot_version sdk reset safe info status silent
		update_state update_version update_progress update_error update_http_status update_received settings
		first_seen seen malformed problems rssi loops_until`),
	into: "devices",
	conflict: `ON CONFLICT (id) DO UPDATE SET
		type = excluded.type, version = excluded.version, sequence = excluded.sequence, slot = excluded.slot,
		default_slot = excluded.default_slot, boot_version = excluded.boot_version, sdk = excluded.sdk,
		reset = excluded.reset, safe = excluded.safe, info = excluded.info, status = excluded.status, silent = excluded.silent,
		update_state = excluded.update_state, update_version = excluded.update_version,
		update_progress = excluded.update_progress, update_error = excluded.update_error,
		update_http_status = excluded.update_http_status, update_received = excluded.update_received,
		settings = excluded.settings,
		seen = excluded.seen, malformed = excluded.malformed, problems = excluded.problems, rssi = excluded.rssi,
		loops_until = excluded.loops_until`,
}

var insertEvents = insert{
	columns:  strings.Fields("device at kind late before after version error received"),
	into:     "events",
	conflict: "ON CONFLICT DO NOTHING",
}

// insert is a statement that inserts rows.
type insert struct {
	into     string
	columns  []string
	conflict string
}

// text is the statement for a number of rows.
func (i insert) text(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", i.into, strings.Join(i.columns, ", "))
	for n := range rows * len(i.columns) {
		switch {
		case n == 0:
			b.WriteString("(")
		case n%len(i.columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", n+1)
	}
	b.WriteString(") " + i.conflict)
	return b.String()
}

// prepared is an insert of many rows, and of one.
type prepared struct {
	many, one *sql.Stmt
	rows      int // of many
	columns   int
}

func (i insert) prepare(ctx context.Context, handle *sql.DB, rows int) (p prepared, err error) {
	p.rows, p.columns = rows, len(i.columns)
	if p.many, err = handle.PrepareContext(ctx, i.text(rows)); err == nil {
		p.one, err = handle.PrepareContext(ctx, i.text(1))
	}
	return p, err
}

// exec inserts rows, whose values come one behind the other.
func (p prepared) exec(ctx context.Context, tx *sql.Tx, values []any) error {
	many, one := tx.StmtContext(ctx, p.many), tx.StmtContext(ctx, p.one)
	for len(values) > 0 {
		statement, n := one, p.columns
		if len(values) >= p.rows*p.columns {
			statement, n = many, p.rows*p.columns
		}
		if _, err := statement.ExecContext(ctx, values[:n]...); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// A device that is forgotten stays if people have named it.
const forgetDevice = `
DELETE FROM devices WHERE id = $1 AND status = '' AND info IS NULL AND update_state IS NULL AND settings IS NULL
    AND name = '' AND group_name = '' AND NOT EXISTS (SELECT 1 FROM tags WHERE device = $1)`

// Apply implements Store.
func (d *database) Apply(ctx context.Context, changes []fleet.Change) error {
	var devices, events []any
	now := micros(time.Now())
	last := map[string]int{} // by device: only its last state matters
	for i, c := range changes {
		last[c.Device.ID] = i
	}
	for i, c := range changes {
		for _, e := range c.Events {
			events = append(events, e.Device, micros(e.At), string(e.Kind), e.Late, e.Before, e.After, e.Version, e.Error, e.Received)
		}
		if last[c.Device.ID] != i {
			continue
		}
		row, err := deviceRow(c.Device, now)
		if err != nil {
			return fmt.Errorf("store what devices reported: %w", err)
		}
		devices = append(devices, row...)
	}
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := d.devices.exec(ctx, tx, devices); err != nil {
			return err
		}
		if err := d.events.exec(ctx, tx, events); err != nil {
			return err
		}
		for i, c := range changes {
			if last[c.Device.ID] == i && c.Device.Forgotten() {
				if _, err := tx.ExecContext(ctx, forgetDevice, c.Device.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store what devices reported: %w", err)
	}
	return nil
}

// deviceRow returns the values for upsertDevices.
func deviceRow(d fleet.Device, now int64) ([]any, error) {
	var sequence, boot uint32
	var slot, defaultSlot, info, rssi, state, version, progress, failure, httpStatus, received, settings any
	var sdk, reset string
	var safe bool
	if i := d.Info; i != nil {
		text, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		info, slot, defaultSlot = string(text), int64(i.Boot.ROM), int64(i.Boot.Default)
		sequence, boot, sdk = i.Version.Sequence, i.Version.Boot, i.Version.SDK
		reset, safe = i.Boot.Reset, i.Boot.Safe
		if i.WiFi.RSSI != 0 {
			rssi = int64(i.WiFi.RSSI)
		}
	}
	if u := d.Update; u != nil {
		state, version, progress, failure = u.State, u.Version, u.Progress, u.Error
		if u.HTTPStatus != 0 {
			httpStatus = u.HTTPStatus
		}
		received = u.Received
	}
	if d.Settings != nil {
		text, err := json.Marshal(d.Settings)
		if err != nil {
			return nil, err
		}
		settings = string(text)
	}
	problems, err := json.Marshal(slices.Concat([]string{}, d.Problems))
	if err != nil {
		return nil, err
	}
	return []any{
		d.ID, d.Type(), d.Version(), sequence, slot, defaultSlot, boot, sdk, reset, safe, info, d.Status, d.Silent,
		state, version, progress, failure, httpStatus, received, settings, now, micros(d.Seen), d.Malformed, string(problems), rssi,
		micros(d.LoopsUntil),
	}, nil
}

// micros is a time as it is stored; 0 is no time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
