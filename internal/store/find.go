package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"esper/internal/fleet"
)

// filter collects what a WHERE asks for.
type filter struct {
	terms []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (f *filter) arg(value any) string {
	f.args = append(f.args, value)
	return fmt.Sprintf("$%d", len(f.args))
}

// and adds a term.
func (f *filter) and(term string) { f.terms = append(f.terms, "("+term+")") }

func (f *filter) String() string {
	if len(f.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.terms, " AND ")
}

// now is the time to look back from.
func (q Query) now() time.Time {
	if q.Now.IsZero() {
		return time.Now()
	}
	return q.Now
}

// limit is the end of a statement that asks for at most so many rows; 0 or less: for all.
func (f *filter) limit(n int) string {
	if n <= 0 {
		return ""
	}
	return " LIMIT " + f.arg(n)
}

// ahead is the condition Ahead. To refuse the release is no failure of a device that is ahead of it; neither
// is to be told that there is nothing for it.
const ahead = `d.version <> '' AND d.sequence > 0 AND EXISTS (SELECT 1 FROM releases r
	WHERE r.type = d.type AND r.served AND r.version <> d.version AND d.sequence >= r.sequence)`

// where returns the filter of a query, on devices d.
func (q Query) where() (*filter, error) {
	f := &filter{}
	for column, value := range map[string]string{"d.id": q.ID, "d.type": q.Type, "d.group_name": q.Group} {
		if value != "" {
			f.and(column + " = " + f.arg(value))
		}
	}
	if len(q.IDs) > 0 {
		places := make([]string, len(q.IDs))
		for i, id := range q.IDs {
			places[i] = f.arg(id)
		}
		f.and("d.id IN (" + strings.Join(places, ", ") + ")")
	}
	if q.Search != "" {
		f.and(fmt.Sprintf(searched, f.arg(pattern(q.Search))))
	}
	if q.Tag != "" {
		f.and("d.id IN (SELECT device FROM tags WHERE tag = " + f.arg(q.Tag) + ")")
	}
	switch q.Presence {
	case "":
	case fleet.Online, fleet.Offline, fleet.Sleeping:
		f.and("d.status = " + f.arg(q.Presence) + " AND NOT d.silent")
	case fleet.Silent:
		f.and("d.silent")
	default:
		return nil, fmt.Errorf("%q is no presence", q.Presence)
	}
	switch q.Condition {
	case "":
	case FailedUpdate:
		// The state is another one from the next check on, but what came of it stays so.
		// A development build to which nothing is published is no failure ([fleet.Device.Unpublished]).
		const unpublished = "d.info IS NOT NULL AND d.sequence = 0 AND d.update_error = 'http-status' AND COALESCE(d.update_http_status, 0) = 404"
		f.and("d.update_state = 'rolled-back' OR NOT (" + ahead + ") AND (d.update_state = 'failed' AND NOT (" + unpublished + ") OR d.id IN (SELECT e.device FROM rollout_events e" +
			" JOIN releases r ON r.type = e.type AND r.version = e.release JOIN devices f ON f.id = e.device AND f.type = e.type" +
			" WHERE e.kind = 'device-failed' AND r.served AND r.version <> f.version))")
	case Ahead:
		f.and(ahead)
	case Updating:
		f.and("d.status = 'ONLINE' AND d.update_state IN ('downloading', 'verifying', 'trial')")
	case Vanished:
		f.and("d.silent")
	case CrashLooping:
		f.and("d.safe OR d.loops_until > " + f.arg(micros(q.now()))) // fleet.Device.CrashLooping
	case UnknownVersion:
		f.and("d.version <> '' AND d.sequence > 0 AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.type = d.type AND r.version = d.version)")
	case OldBootloader:
		lowest := "(SELECT max(boot_version) FROM devices)"
		if q.OldBoot != 0 {
			lowest = f.arg(int64(q.OldBoot))
		}
		f.and("d.info IS NOT NULL AND d.boot_version < " + lowest)
	case Lagging:
		// Newer as the device decides it, docs/SPEC.md section 5.
		f.and("EXISTS (SELECT 1 FROM targets t JOIN releases r ON r.version = t.version WHERE t.device = d.id AND r.type = d.type" +
			" AND r.version <> d.version AND (r.sequence > d.sequence OR r.sequence = 0 AND d.sequence = 0)" +
			" AND t.since <= " + f.arg(micros(q.now().Add(-LagsAfter))) + ")")
	default:
		return nil, fmt.Errorf("%q is no condition", q.Condition)
	}
	return f, nil
}

// Find implements Store.
func (d *database) Find(ctx context.Context, q Query) ([]Device, error) {
	devices, err := d.find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("find devices: %w", err)
	}
	return devices, nil
}

func (d *database) find(ctx context.Context, q Query) ([]Device, error) {
	where, err := q.where()
	if err != nil {
		return nil, err
	}
	page, err := q.page(where)
	if err != nil {
		return nil, err
	}
	devices := []Device{}
	place := map[string]int{}
	err = d.read(ctx, func(rows *sql.Rows) error {
		found, err := scanDevice(rows)
		place[found.ID] = len(devices)
		devices = append(devices, found)
		return err
	}, `
		SELECT d.id, d.info, d.status, d.silent, d.update_state, d.update_version, d.update_progress, d.update_error, d.update_http_status, d.update_received, d.settings,
		    d.first_seen, d.seen, d.malformed, d.problems, d.loops_until, d.name, d.group_name, COALESCE(m.version, '')
		FROM devices d LEFT JOIN targets m ON m.device = d.id`+where.String()+page, where.args...)
	if err != nil {
		return nil, err
	}
	err = d.read(ctx, func(rows *sql.Rows) error {
		var id, tag string
		err := rows.Scan(&id, &tag)
		if i, ok := place[id]; ok {
			devices[i].Tags = append(devices[i].Tags, tag)
		}
		return err
	}, `SELECT device, tag FROM tags WHERE device IN (SELECT d.id FROM devices d`+where.String()+page+`) ORDER BY tag`, where.args...)
	return devices, err
}

func scanDevice(rows *sql.Rows) (Device, error) {
	var d Device
	var info, state, version, failure, settings sql.NullString
	var progress, httpStatus sql.NullInt64
	var received sql.Null[uint32]
	var first, seen, loops int64
	var problems string
	err := rows.Scan(&d.ID, &info, &d.Status, &d.Silent, &state, &version, &progress, &failure, &httpStatus, &received, &settings,
		&first, &seen, &d.Malformed, &problems, &loops, &d.Name, &d.Group, &d.Target)
	if err != nil {
		return d, err
	}
	d.FirstSeen, d.Seen, d.LoopsUntil = fromMicros(first), fromMicros(seen), fromMicros(loops)
	if err := json.Unmarshal([]byte(problems), &d.Problems); err != nil {
		return d, fmt.Errorf("the problems of device %s: %w", d.ID, err)
	}
	if len(d.Problems) == 0 {
		d.Problems = nil
	}
	if info.Valid {
		d.Info = new(fleet.Info)
		if err := json.Unmarshal([]byte(info.String), d.Info); err != nil {
			return d, fmt.Errorf("the info of device %s: %w", d.ID, err)
		}
	}
	if settings.Valid {
		d.Settings = new(fleet.SettingsStatus)
		if err := json.Unmarshal([]byte(settings.String), d.Settings); err != nil {
			return d, fmt.Errorf("the settings of device %s: %w", d.ID, err)
		}
	}
	if state.Valid {
		d.Update = &fleet.UpdateStatus{
			State: state.String, Version: version.String, Progress: int(progress.Int64), Error: failure.String,
			HTTPStatus: int(httpStatus.Int64), Received: known(received),
		}
	}
	return d, nil
}

// known returns a pointer to a value, nil for NULL.
func known[T any](value sql.Null[T]) *T {
	if !value.Valid {
		return nil
	}
	return &value.V
}
