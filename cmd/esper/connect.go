package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"esper/internal/broker"
	"esper/internal/repository"
	"esper/internal/site"
)

// brokerFlags say which broker and realm a command talks to.
type brokerFlags struct {
	Site  string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	MQTT  string `name:"mqtt" env:"ESPER_MQTT" placeholder:"URL" help:"The broker, mqtt://user:password@host:port (default: the site's)."`
	Realm realm  `placeholder:"REALM" help:"First part of every topic (default: the site's)."`
}

// realm is a realm on the command line.
type realm string

// UnmarshalText reads a realm.
func (r *realm) UnmarshalText(text []byte) error {
	*r = realm(text)
	return site.CheckRealm(string(text))
}

// where returns the broker and the realm, from the command line as far as they are
// there, else from the site.
func (f *brokerFlags) where() (u *url.URL, realm string, err error) {
	if f.MQTT != "" {
		if u, err = parseBroker(f.MQTT); err != nil {
			return nil, "", err
		}
	}
	if u != nil && f.Realm != "" {
		return u, string(f.Realm), nil
	}
	opened, err := site.Open(f.Site)
	if errors.Is(err, site.ErrNoSite) {
		return nil, "", hint(err, "outside a site, name the broker and the realm: --mqtt mqtt://host --realm home")
	}
	if err != nil {
		return nil, "", err
	}
	if u == nil {
		if err := opened.Unlocked(site.MQTTPassword); err != nil {
			return nil, "", secretHint(err)
		}
		u = brokerURL(opened.Config.MQTT)
	}
	if realm = string(f.Realm); realm == "" {
		realm = opened.Config.Realm
	}
	return u, realm, nil
}

// parseBroker reads the URL of a broker on the command line.
func parseBroker(text string) (*url.URL, error) {
	u, err := broker.ParseURL(text)
	if err != nil && strings.Contains(text, "@") {
		return nil, hint(err, "%s", site.Escaping)
	}
	return u, err
}

// brokerURL is the URL of a site's broker.
func brokerURL(m site.MQTT) *url.URL {
	u := &url.URL{Scheme: "mqtt", Host: m.Address()}
	if m.User != "" {
		u.User = url.UserPassword(m.User, m.Password.Reveal())
	}
	return u
}

// dialBroker connects to a broker.
func dialBroker(ctx context.Context, u *url.URL, log *slog.Logger) (*broker.Connection, error) {
	c, err := broker.Dial(ctx, u, log)
	if errors.Is(err, broker.ErrNotAuthorised) {
		return nil, hint(err, "those in mqtt.url, esper.toml, are the devices'; 'esper serve' lets others in with an API token: --mqtt mqtt://NAME:TOKEN@host:port")
	}
	if err != nil {
		return nil, hint(err, "is it running? 'esper serve' in the site's folder starts one")
	}
	return c, nil
}

// triggerTopic is where one device, or with an empty id all of them, are told to
// look for a new release.
func triggerTopic(realm, id string) string {
	if id == "" {
		return realm + "/update"
	}
	return fmt.Sprintf("%s/%s/update", realm, id)
}

// dataDir is the folder in a site where esper serve keeps its data.
const dataDir = site.DataDir

// openRepository opens the repository in a folder, or if none is named, that of
// the site.
func openRepository(dir string, s *site.Site) (*repository.Repository, error) {
	if dir == "" {
		data := s.DataPath()
		if err := makeDataDir(data); err != nil {
			return nil, err
		}
		dir = repositoryDir(data)
	}
	return repository.Open(dir)
}

// repositoryDir is the folder of the repository in the server's data.
func repositoryDir(data string) string { return filepath.Join(data, "firmware") }
