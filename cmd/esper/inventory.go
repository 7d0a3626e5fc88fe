package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"esper/internal/fleet"
	"esper/internal/site"
	"esper/internal/store"
)

// inventory is where commands read what is known of the fleet, and name devices. A
// store.Store is one.
type inventory interface {
	Find(context.Context, store.Query) ([]store.Device, error)
	History(context.Context, store.HistoryQuery) ([]fleet.Event, error)
	Label(context.Context, string, store.LabelChange) error
	Close() error
}

// inventoryFlags say whose inventory a command reads.
type inventoryFlags struct {
	Site     string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Database string `env:"ESPER_DATABASE" placeholder:"FILE|URL" help:"The server's database, a file or postgres://… (default: data/esper.db, in the site)."`
}

// open opens the inventory, also while a server runs.
func (f *inventoryFlags) open(ctx context.Context) (inventory, error) {
	where := f.Database
	if where == "" {
		opened, err := site.Open(f.Site)
		if errors.Is(err, site.ErrNoSite) {
			return nil, hint(err, "outside a site, name the server's database: --database FILE")
		}
		if err != nil {
			return nil, err
		}
		where = databaseFile(opened.DataPath())
	}
	s, err := store.OpenExisting(ctx, where)
	switch {
	case errors.Is(err, store.ErrNoDatabase):
		return nil, hint(err, "'esper serve' makes one, and keeps in it what devices report")
	case errors.Is(err, store.ErrSchema):
		return nil, hint(err, "'esper serve' of a newer version brings an older database up to date")
	case err != nil:
		return nil, err
	}
	return s, nil
}

// databaseFile is the file of the database in the server's data.
func databaseFile(data string) string { return filepath.Join(data, "esper.db") }

// printJSON prints what a script would want.
func printJSON(s *streams, v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// localTime is a time as a person reads it.
func localTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
