package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"esper/internal/rollout"
)

// maxPoints is into how many parts the time of a roll-out is divided.
const maxPoints = 200

// AdoptionPoint is how far a release had come at a time.
type AdoptionPoint struct {
	At time.Time `json:"at"`
	// OnRelease is the number of devices that ran it; Offered and Failed, of those that had
	// been told of it and that had failed with it until then.
	OnRelease int `json:"on_release"`
	Offered   int `json:"offered"`
	Failed    int `json:"failed"`
}

// Adoption implements Store.
func (d *database) Adoption(ctx context.Context, deviceType, version string, now time.Time) ([]AdoptionPoint, error) {
	points, err := d.adoption(ctx, deviceType, version, micros(now))
	if err != nil {
		return nil, fmt.Errorf("count the devices that run %s %s: %w", deviceType, version, err)
	}
	return points, nil
}

func (d *database) adoption(ctx context.Context, deviceType, version string, now int64) ([]AdoptionPoint, error) {
	points := []AdoptionPoint{}
	var began, running sql.NullInt64
	err := d.readOne(ctx, []any{&began, &running}, `
		SELECT (SELECT min(at) FROM rollout_events WHERE type = $1 AND release = $2),
		    (SELECT count(*) FROM devices WHERE type = $1 AND version = $2)`, deviceType, version)
	if err != nil || !began.Valid || began.Int64 > now {
		return points, err
	}
	width := max((now-began.Int64)/maxPoints, 1) + 1 // so that there are not more
	changes := make([]AdoptionPoint, (now-began.Int64)/width+1)

	// What devices ran is counted back from what they run now: events may be older than what
	// is kept.
	before := int(running.Int64)
	err = d.read(ctx, func(rows *sql.Rows) error {
		var place, n int
		if err := rows.Scan(&place, &n); err != nil {
			return err
		}
		changes[place].OnRelease = n
		before -= n
		return nil
	}, `SELECT (at - $3) / $4, sum(n) FROM (
			SELECT device, at, 1 AS n FROM events WHERE kind = 'version' AND after = $2 AND at BETWEEN $3 AND $5
			UNION ALL
			SELECT device, at, -1 FROM events WHERE kind = 'version' AND before = $2 AND at BETWEEN $3 AND $5
		) AS changes JOIN devices d ON d.id = changes.device WHERE d.type = $1 GROUP BY 1`,
		deviceType, version, began.Int64, width, now)
	if err != nil {
		return nil, err
	}
	err = d.read(ctx, func(rows *sql.Rows) error {
		var place, n int
		var kind rollout.Kind
		if err := rows.Scan(&kind, &place, &n); err != nil {
			return err
		}
		if kind == rollout.DeviceOffered {
			changes[place].Offered = n
		} else {
			changes[place].Failed = n
		}
		return nil
	}, `SELECT kind, (first - $3) / $4, count(*) FROM (
			SELECT kind, device, min(at) AS first FROM rollout_events
			WHERE type = $1 AND release = $2 AND kind IN ('device-offered', 'device-failed') AND at BETWEEN $3 AND $5
			GROUP BY kind, device
		) AS firsts GROUP BY 1, 2`,
		deviceType, version, began.Int64, width, now)
	if err != nil {
		return nil, err
	}

	at := AdoptionPoint{At: fromMicros(began.Int64), OnRelease: max(before, 0)}
	points = append(points, at)
	for i, c := range changes {
		last := i == len(changes)-1
		if (cmp.Or(c.OnRelease, c.Offered, c.Failed) == 0) && !last {
			continue
		}
		at.At = fromMicros(min(began.Int64+int64(i+1)*width, now))
		at.OnRelease, at.Offered, at.Failed = max(at.OnRelease+c.OnRelease, 0), at.Offered+c.Offered, at.Failed+c.Failed
		points = append(points, at)
	}
	return points, nil
}
