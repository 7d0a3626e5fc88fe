package main

import (
	"context"
	"errors"

	"esper/internal/site"
	"esper/internal/store"
)

// databaseFlags say which server's database a command opens itself. Who can do that is the
// server's administrator.
type databaseFlags struct {
	Site     string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Database string `env:"ESPER_DATABASE" placeholder:"FILE|URL" help:"The server's database, a file or postgres://… (default: esper.db in the site's data)."`
}

// instead implements siteless.
func (f *databaseFlags) instead() string {
	if f.Database != "" {
		return "--database (or ESPER_DATABASE)"
	}
	return ""
}

// open opens the database, also while a server runs.
func (f *databaseFlags) open(ctx context.Context) (store.Store, error) {
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
		return nil, hint(err, "'esper serve' makes one; if that has its data elsewhere, as a service does, --database names the file")
	case errors.Is(err, store.ErrSchema):
		return nil, hint(err, "'esper serve' of a newer version brings an older database up to date")
	case store.IsDamaged(err):
		return nil, hint(err, damagedHint)
	case err != nil:
		return nil, err
	}
	return s, nil
}
