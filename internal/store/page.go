package store

import (
	"context"
	"fmt"
	"strings"
)

// Order is what devices are sorted by; with a - in front, the other way round.
type Order string

// orders are the columns for each order. Devices that are alike in them are sorted by id.
var orders = map[Order]string{
	"":         "d.type",
	"type":     "d.type",
	"id":       "d.id",
	"name":     "lower(d.name)",
	"group":    "d.group_name",
	"version":  "d.sequence",
	"presence": "CASE WHEN d.silent THEN 'SILENT' ELSE d.status END",
	"seen":     "d.seen",
	"signal":   "coalesce(d.rssi, 0)", // the weakest first, and last who did not say
}

// page is the end of a statement that asks for a part of the devices, in their order.
func (q Query) page(f *filter) (string, error) {
	name, descending := strings.CutPrefix(string(q.Sort), "-")
	by, ok := orders[Order(name)]
	if !ok {
		return "", fmt.Errorf("%q is nothing that devices can be sorted by", name)
	}
	if descending {
		by += " DESC"
	}
	text := " ORDER BY " + by + ", d.id"
	if q.Limit > 0 {
		text += " LIMIT " + f.arg(q.Limit) + " OFFSET " + f.arg(q.Offset)
	}
	return text, nil
}

// searched is what a search looks into, and what it looks for: a part of any of it, whatever
// the case.
const searched = `lower(d.id || ' ' || d.name || ' ' || d.group_name || ' ' || d.type || ' ' || d.version) LIKE %[1]s ESCAPE '!'
	OR d.id IN (SELECT device FROM tags WHERE tag LIKE %[1]s ESCAPE '!')`

// pattern is what LIKE takes for a part of a text.
func pattern(part string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(part)) + "%"
}

// Count implements Store.
func (d *database) Count(ctx context.Context, q Query) (int, error) {
	where, err := q.where()
	n := 0
	if err == nil {
		err = d.readOne(ctx, []any{&n}, `SELECT count(*) FROM devices d`+where.String(), where.args...)
	}
	if err != nil {
		return 0, fmt.Errorf("count devices: %w", err)
	}
	return n, nil
}
