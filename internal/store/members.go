package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Member is a device as one of its group and of its tags.
type Member struct {
	ID, Group string
	Tags      []string // sorted
	Online    bool     // or asleep, and not silent
}

// Members implements Store.
func (d *database) Members(ctx context.Context) ([]Member, error) {
	members, err := d.members(ctx)
	if err != nil {
		return nil, fmt.Errorf("read groups and tags: %w", err)
	}
	return members, nil
}

func (d *database) members(ctx context.Context) ([]Member, error) {
	var members []Member
	err := d.read(ctx, func(rows *sql.Rows) error {
		var m Member
		var tag sql.NullString
		if err := rows.Scan(&m.ID, &m.Group, &m.Online, &tag); err != nil {
			return err
		}
		if n := len(members); n == 0 || members[n-1].ID != m.ID {
			members = append(members, m)
		}
		if last := &members[len(members)-1]; tag.Valid {
			last.Tags = append(last.Tags, tag.String)
		}
		return nil
	}, `
		SELECT d.id, d.group_name, d.status IN ('ONLINE', 'SLEEPING') AND NOT d.silent, t.tag
		FROM devices d LEFT JOIN tags t ON t.device = d.id ORDER BY d.id, t.tag`)
	return members, err
}
