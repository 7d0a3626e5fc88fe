package api

import (
	"cmp"
	"context"
	"slices"
)

// Group is a group or a tag, and how many devices have it.
type Group struct {
	Kind    string `json:"kind" enum:"group,tag"`
	Name    string `json:"name" doc:"of a group empty: the devices that have none"`
	Devices int    `json:"devices"`
	Online  int    `json:"online" doc:"so many are there"`
	Current int    `json:"current" doc:"so many run the release that their roll-out means them to run, and do not try it out"`
}

// groups counts the devices of each group, and then of each tag.
func (a *api) groups(ctx context.Context) ([]Group, error) {
	members, err := a.Store.Members(ctx)
	if err != nil {
		return nil, err
	}
	type key struct{ kind, name string }
	counted := map[key]*Group{}
	for _, m := range members {
		keys := []key{{"group", m.Group}}
		for _, tag := range m.Tags {
			keys = append(keys, key{"tag", tag})
		}
		current := a.Conductor.Current(m.ID)
		for _, k := range keys {
			g := counted[k]
			if g == nil {
				g = &Group{Kind: k.kind, Name: k.name}
				counted[k] = g
			}
			g.Devices++
			if m.Online {
				g.Online++
			}
			if current {
				g.Current++
			}
		}
	}
	groups := make([]Group, 0, len(counted))
	for _, g := range counted {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return groups, nil
}
