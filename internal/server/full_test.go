package server_test

import (
	"path/filepath"
	"testing"

	"esper/internal/access"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/server"
	"esper/internal/store/storetest"
)

// A server that starts on a full disk has firmware and a broker for the devices, and lets in who
// may be let in, and nobody else.
func TestAServerStartsOnAFullDisk(t *testing.T) {
	dir, fill := storetest.SmallDisk(t)
	c := config(t)
	c.Database, c.RepositoryDir = filepath.Join(dir, "esper.db"), filepath.Join(dir, "firmware")
	s, stop := start(t, c)
	token := addToken(t, s, "ada", access.Operator)
	if err := s.Repository().Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the release is general", func() bool { status, _ := get(t, s, "/firmware/socket.version"); return status == 200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	fill()

	s, err := server.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, _ = start(t, c)
	device := dial(t, s.MQTTAddr(), nil)
	says(t, device, "status", "ONLINE")
	waitForDevice(t, s, "00c0de", "ONLINE")
	for _, file := range []string{"version", "rom0", "rom1"} {
		if status, _ := get(t, s, "/firmware/socket."+file); status != 200 {
			t.Errorf("%s: status %d", file, status)
		}
	}
	eventuallyAnswers(t, s, token, "/api/releases", 200)
	if status, _ := asWho(t, s, "", "GET", "/api/releases", ""); status != 401 {
		t.Errorf("without a token: status %d", status)
	}
}
