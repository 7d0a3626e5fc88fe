package server_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/client"
	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/server"
)

// trusting is a server that trusts the key of the tests' releases.
func trusting(t *testing.T) *server.Server {
	c := config(t)
	c.Trusted = []ed25519.PublicKey{repositorytest.Key.Public().(ed25519.PublicKey)}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	return s
}

func remote(t *testing.T, s *server.Server) *client.Repository {
	return &client.Repository{Client: clientOf(s), Context: t.Context()}
}

func TestReleasesAreUploaded(t *testing.T) {
	s := trusting(t)
	heard := make(chan string, 10)
	device := dial(t, s.MQTTAddr(), nil)
	if err := device.Subscribe("home/update", func(m broker.Message) { heard <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	if _, err := remote(t, s).Current("socket"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	lamp, socket := repositorytest.Release(t, "lamp", "v1", 1), repositorytest.Release(t, "socket", "v1", 1)
	for range 2 { // to send it again changes nothing
		done, err := pipeline.Publish(remote(t, s), []*release.Release{lamp, socket}, repository.Allow{})
		if err != nil || len(done) != 2 || done[1].Type != "socket" || done[1].Version != "v1" {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	current, err := remote(t, s).Current("socket")
	if err != nil || !bytes.Equal(current.VersionFile.Marshal(), socket.VersionFile.Marshal()) || !bytes.Equal(current.Images[1], socket.Images[1]) {
		t.Errorf("published is %+v, %v", current, err)
	}
	if status, text := get(t, s, "/firmware/socket.version"); status != 200 || text != string(socket.VersionFile.Marshal()) {
		t.Errorf("served: %d %s", status, text)
	}
	select {
	case <-heard:
	case <-time.After(10 * time.Second):
		t.Fatal("the devices are not told")
	}
	if len(heard) > 0 {
		t.Error("the devices are told more than once")
	}

	// One that is refused keeps back the others.
	old := repositorytest.Release(t, "socket", "v0", 1)
	_, err = pipeline.Publish(remote(t, s), []*release.Release{repositorytest.Release(t, "lamp", "v2", 2), old}, repository.Allow{})
	if err == nil || s.Repository().NewestVersion("lamp") != "v1" {
		t.Errorf("published half: %v, the lamp is %s", err, s.Repository().NewestVersion("lamp"))
	}
	if _, err := pipeline.Publish(remote(t, s), []*release.Release{old}, repository.Allow{NotNewer: true}); err != nil || s.Repository().NewestVersion("socket") != "v0" {
		t.Errorf("by force: %v", err)
	}
}

// An upload has no deltas: the server makes them, and the sender hears of them.
func TestAServerMakesDeltasOfWhatIsUploaded(t *testing.T) {
	t.Parallel()
	s := trusting(t)
	v1, v2 := repositorytest.Relocatable(t, "socket", "v1", 1), repositorytest.Relocatable(t, "socket", "v2", 2)
	to := remote(t, s)
	for _, r := range []*release.Release{v1, v2, v2} {
		done, err := pipeline.Publish(to, []*release.Release{r}, repository.Allow{})
		if err != nil || (done[0].Deltas != nil) != (r == v2) || done[0].Deltas != nil && done[0].Deltas.Releases != 1 {
			t.Fatalf("%s: %+v, %v", r.Version, done, err)
		}
	}
	for slot := range v2.Images {
		status, content := get(t, s, fmt.Sprintf("/firmware/socket.v1.delta%d?version=v2", slot))
		image, err := delta.Apply(v1.Images[1-slot], []byte(content))
		if status != 200 || err != nil || !bytes.Equal(image, v2.Images[slot]) {
			t.Errorf("slot %d: status %d, %v", slot, status, err)
		}
	}
	// A check makes none.
	v3 := repositorytest.Relocatable(t, "socket", "v3", 3)
	if err := to.Check(v3, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	if sizes, err := s.Repository().DeltaSizes("socket", "v3"); err != nil || sizes.Releases != 0 {
		t.Errorf("%+v, %v", sizes, err)
	}
}

func TestAnUploadOfAnotherLinkIsRefusedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	s := trusting(t)
	if err := s.Repository().Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	other := repositorytest.Linked(t, repositorytest.Release(t, "socket", "v2", 2), image.LinkEmulator)
	publish := func(allow repository.Allow) error {
		_, err := pipeline.Publish(remote(t, s), []*release.Release{other}, allow)
		return err
	}
	for _, allow := range []repository.Allow{{}, {NotNewer: true}} {
		if err := publish(allow); !errors.Is(err, repository.ErrLink) || s.Repository().NewestVersion("socket") != "v1" {
			t.Errorf("%+v: %v, and the socket is %s", allow, err, s.Repository().NewestVersion("socket"))
		}
	}
	if err := publish(repository.Allow{OtherLink: true}); err != nil || s.Repository().NewestVersion("socket") != "v2" {
		t.Errorf("asked for: %v, and the socket is %s", err, s.Repository().NewestVersion("socket"))
	}
}

func TestAQuietUploadTellsNoDevice(t *testing.T) {
	t.Parallel()
	s := trusting(t)
	heard := make(chan string, 10)
	if err := dial(t, s.MQTTAddr(), nil).Subscribe("home/update", func(m broker.Message) { heard <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	quiet := remote(t, s)
	quiet.Quiet = true
	if _, err := pipeline.Publish(quiet, []*release.Release{repositorytest.Release(t, "socket", "v1", 1)}, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
		t.Error("the devices are told")
	case <-time.After(3 * time.Second): // longer than further releases are awaited
	}
	if s.Repository().NewestVersion("socket") != "v1" {
		t.Error("nothing was published")
	}
}

// What an attacker could send who may publish, but has no key.
func TestUploadsAreNotTrusted(t *testing.T) {
	s := trusting(t)
	good := repositorytest.Release(t, "socket", "v5", 5)
	if err := s.Repository().Publish(good, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	next := func() *release.Release { return repositorytest.Release(t, "socket", "v6", 6) }
	_, stranger, _ := ed25519.GenerateKey(nil)
	foreign, err := release.Sign(next().Images, stranger)
	if err != nil {
		t.Fatal(err)
	}
	swapped := next()
	swapped.Images[0], swapped.Images[1] = swapped.Images[1], swapped.Images[0]
	swapped.Signatures[0], swapped.Signatures[1] = swapped.Signatures[1], swapped.Signatures[0]
	truncated := next()
	truncated.Images[1] = truncated.Images[1][:len(truncated.Images[1])-4]
	flipped := next()
	flipped.Images[0][len(flipped.Images[0])/2] ^= 1
	large := next()
	large.Images[0] = append(large.Images[0], make([]byte, image.SlotSize)...)
	renamed := next()
	renamed.Version = "v7"
	mixed := next()
	mixed.Images[1], mixed.Signatures[1] = good.Images[1], good.Signatures[1]
	otherType := repositorytest.Release(t, "lamp", "v6", 6)
	otherType.Type = "socket"
	content := repositorytest.Release(t, "socket", "v5", 6)
	for name, c := range map[string]struct {
		release *release.Release
		status  int
		detail  string
	}{
		"another key":           {foreign, 422, "bad signature"},
		"another type":          {otherType, 422, "wrong device type: lamp, not socket"},
		"swapped slots":         {swapped, 422, "wrong slot"},
		"a truncated image":     {truncated, 422, "malformed image"},
		"a flipped bit":         {flipped, 422, "malformed image"},
		"an image too large":    {large, 422, "too large"},
		"another version name":  {renamed, 422, "wrong version"},
		"images of two":         {mixed, 422, "wrong version"},
		"an older one again":    {repositorytest.Release(t, "socket", "v4", 4), 409, "not greater"},
		"the same sequence":     {repositorytest.Release(t, "socket", "v5b", 5), 409, "not greater"},
		"a jump":                {repositorytest.Release(t, "socket", "v9", 5+1_000_001), 409, "no device takes it"},
		"a version's content":   {content, 409, "already published with other content"},
		"a name out of the way": {&release.Release{Type: "../x", VersionFile: good.VersionFile, Images: good.Images}, 422, "../x"},
	} {
		err := remote(t, s).Publish(c.release, repository.Allow{})
		problem := new(client.Problem)
		if !errors.As(err, &problem) || problem.Status != c.status || !strings.Contains(problem.Detail, c.detail) {
			t.Errorf("%s: %v, want %d with %q", name, err, c.status, c.detail)
		}
		if got := s.Repository().NewestVersion("socket"); got != "v5" {
			t.Fatalf("%s: published is %s", name, got)
		}
	}
	// Not even a release: the first is longer than anything that is read.
	for _, body := range []string{strings.Repeat("x", release.MaxBundle+1), "", "--x\r\n", "{}"} {
		a, err := http.Post("http://"+s.HTTPAddr().String()+"/api/releases/socket", "multipart/form-data; boundary=x", strings.NewReader(body))
		if err != nil {
			continue // cut off while it was sent
		}
		a.Body.Close()
		if a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("%d bytes of nothing: %s", len(body), a.Status)
		}
	}
	if err := remote(t, s).Publish(next(), repository.Allow{}); err != nil || s.Repository().NewestVersion("socket") != "v6" {
		t.Errorf("after all that: %v", err)
	}
}

func TestOnlyAPublisherUploads(t *testing.T) {
	s := trusting(t)
	tokens := map[access.Role]string{}
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Publisher} {
		tokens[role] = addToken(t, s, "the-"+string(role), role)
	}
	for role, token := range tokens {
		to := remote(t, s)
		to.Token = token
		err := to.Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{})
		if (err == nil) != (role == access.Publisher) {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestWithoutTrustedKeysNothingIsUploaded(t *testing.T) {
	s, _ := start(t, config(t))
	err := remote(t, s).Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{})
	if err == nil || !strings.Contains(err.Error(), "--trust") {
		t.Errorf("%v", err)
	}
}

// Uploads that never end take the place of other uploads only.
func TestSlowUploads(t *testing.T) {
	s := trusting(t)
	r := repositorytest.Release(t, "socket", "v1", 1)
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", s.HTTPAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/releases/socket HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n--x")
		err = remote(t, s).Check(r, repository.Allow{})
		if problem := new(client.Problem); errors.As(err, &problem) && problem.Status == 503 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no limit: %v", err)
		}
	}
	waitForHealth(t, s, 200)
	if _, err := clientOf(s).Releases(t.Context()); err != nil {
		t.Error(err)
	}
}
