package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Summary is a fleet in numbers.
type Summary struct {
	Devices   int               `json:"devices"`
	Online    int               `json:"online"`    // or asleep, and not silent
	Sleeping  int               `json:"sleeping"`  // of those that are online: asleep now
	Types     []TypeSummary     `json:"types"`     // sorted
	Attention map[Condition]int `json:"attention"` // devices of each condition but Updating
	Updating  int               `json:"updating"`
}

// TypeSummary is the devices of a type in numbers.
type TypeSummary struct {
	Type     string         `json:"type"` // empty: those that did not say
	Devices  int            `json:"devices"`
	Online   int            `json:"online"`   // or asleep, and not silent
	Versions map[string]int `json:"versions"` // devices by the version that they run
}

// Summary implements Store.
func (d *database) Summary(ctx context.Context) (Summary, error) {
	s, err := d.summary(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("sum up the devices: %w", err)
	}
	return s, nil
}

func (d *database) summary(ctx context.Context) (Summary, error) {
	s := Summary{Types: []TypeSummary{}, Attention: map[Condition]int{}}
	types := map[string]*TypeSummary{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var deviceType, version string
		var online, sleeping bool
		var n int
		if err := rows.Scan(&deviceType, &version, &online, &sleeping, &n); err != nil {
			return err
		}
		t := types[deviceType]
		if t == nil {
			t = &TypeSummary{Type: deviceType, Versions: map[string]int{}}
			types[deviceType] = t
		}
		s.Devices += n
		t.Devices += n
		t.Versions[version] += n
		if online {
			s.Online += n
			t.Online += n
		}
		if sleeping {
			s.Sleeping += n
		}
		return nil
	}, `SELECT type, version, status IN ('ONLINE', 'SLEEPING') AND NOT silent AS online, status = 'SLEEPING' AND NOT silent AS sleeping, count(*)
		FROM devices GROUP BY 1, 2, 3, 4`)
	if err != nil {
		return s, err
	}
	for _, t := range types {
		s.Types = append(s.Types, *t)
	}
	slices.SortFunc(s.Types, func(a, b TypeSummary) int { return cmp.Compare(a.Type, b.Type) })
	for _, c := range []Condition{FailedUpdate, Vanished, CrashLooping, UnknownVersion, OldBootloader, Lagging} {
		if s.Attention[c], err = d.Count(ctx, Query{Condition: c}); err != nil {
			return s, err
		}
	}
	s.Updating, err = d.Count(ctx, Query{Condition: Updating})
	return s, err
}
