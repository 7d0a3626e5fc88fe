package pipeline_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esper/firmware"
	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

// cut is a repository whose publisher ends before a device type.
type cut struct {
	*repository.Repository
	before string
}

var errCut = errors.New("the process ended")

func (c cut) Publish(r *release.Release, allow repository.Allow) error {
	if r.Type == c.before {
		return errCut
	}
	return c.Repository.Publish(r, allow)
}

// job is the first release of a site with a sensor and a socket.
func job(t *testing.T) (pipeline.Job, *repository.Repository) {
	t.Helper()
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err = site.Create(dir, site.Template{Realm: "home", SSID: "x", MQTT: "mqtt://10.0.0.7", UpdateURL: "http://10.0.0.7/firmware",
		Devices: devices, Types: []string{"sensor", "socket"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, err := release.LoadPrivateKey(filepath.Join(dir, site.KeyName+".key"))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Job{
		Site: s, Version: site.Version{Name: "v1", Sequence: 1}, Keys: []ed25519.PrivateKey{key},
		Untried: true, Target: repo, Log: t.Output(),
	}, repo
}

// versions are what devices of each type find.
func versions(repo *repository.Repository) string {
	return repo.NewestVersion("sensor") + " " + repo.NewestVersion("socket")
}

func TestAReleaseThatWasCutOffIsFinishedByTheNextRun(t *testing.T) {
	j, repo := job(t)
	j.Target = cut{repo, "socket"}
	done, err := j.Run(t.Context())
	if !errors.Is(err, errCut) || len(done) != 1 || done[0].Type != "sensor" || versions(repo) != "v1 " {
		t.Fatalf("%+v, %v, %s", done, err, versions(repo))
	}
	j.Target = repo
	done, err = j.Run(t.Context())
	if err != nil || len(done) != 2 || versions(repo) != "v1 v1" {
		t.Fatalf("%+v, %v, %s", done, err, versions(repo))
	}
	if done[0].Version != "v1" || !done[0].Unchanged || done[1].Version != "v1" || done[1].Unchanged {
		t.Errorf("%+v", done)
	}
}

func TestNothingIsPublishedIfOneReleaseIsRefused(t *testing.T) {
	j, repo := job(t)
	j.Types = []string{"socket"}
	j.Version = site.Version{Name: "v5", Sequence: 5}
	if _, err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Types = nil
	j.Version = site.Version{Name: "v2", Sequence: 2} // new for the sensor, too old for the socket
	source := filepath.Join(j.Site.Dir, site.DevicesDir, "socket", "more.cpp")
	if err := os.WriteFile(source, []byte("int more = 1; static struct S { S() { more++; } } s;"), 0o666); err != nil {
		t.Fatal(err)
	}
	var err error
	if j.Site, err = site.Open(j.Site.Dir); err != nil {
		t.Fatal(err)
	}
	done, err := j.Run(t.Context())
	var refused *pipeline.RefusedError
	if !errors.As(err, &refused) || !pipeline.IsNotNewer(err) || !strings.Contains(err.Error(), "published is v5 with 5") || len(done) > 0 || versions(repo) != " v5" {
		t.Errorf("%+v, %v, %s", done, err, versions(repo))
	}
}

// A release says what devices can get it by.
func TestAReleaseSaysWhatDeltasItHas(t *testing.T) {
	j, _ := job(t)
	var log bytes.Buffer
	j.Log, j.All = &log, true
	done, err := j.Run(t.Context())
	if err != nil || done[0].Deltas != nil || strings.Contains(log.String(), "deltas") {
		t.Fatalf("the first has deltas: %+v, %v\n%s", done, err, log.String())
	}
	j.Version = site.Version{Name: "v2", Sequence: 2}
	if done, err = j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range done {
		line := fmt.Sprintf("%s v2: deltas from 1 release, ", o.Type)
		if o.Deltas == nil || o.Deltas.Releases != 1 || !strings.Contains(log.String(), line) {
			t.Errorf("%+v, without %q in\n%s", o, line, log.String())
		}
	}
}
