package dashboard_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"esper/internal/repository/repositorytest"
	"esper/internal/server"
	"esper/internal/settings"
	"esper/internal/store"
)

// The roll-out of settings is shown as that of firmware, and a device says what its settings are at.
func TestSettingsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.Plan = staged })
	w.publish("socket", "v1")
	w.joins("00c001", "socket", "v1", -61)
	w.says("00c001", "settings", `{"state":"rolled-back","sequence":0,"own":0,"candidate":1,"from":"flash","error":"no-broker"}`)
	w.knows(1, store.Query{Type: "socket"})
	file, err := settings.Seal(settings.Header{Type: "socket", Sequence: 1}, settings.Entries{settings.OfTexts("wifi.1", "barn", "")},
		[][]byte{bytes.Repeat([]byte{1}, settings.KeySize)}, []ed25519.PrivateKey{repositorytest.Key}, rand.Reader)
	if err == nil {
		err = w.server.Repository().PublishSettings("socket", file, []ed25519.PublicKey{repositorytest.Key.Public().(ed25519.PublicKey)})
	}
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, w.url())
	b.visit("/")
	b.clickAt(`document.querySelector("a.tile.warn[href='/rollouts/socket.settings']")`)
	b.says("Roll-out of socket.settings")
	b.says("0 of 1")
	b.click("Approve")
	b.says("Let the next stage begin?")
	b.fine()
	b.visit("/devices/00c001")
	b.says("Settings: with the new settings it could not reach the broker")
	b.says("from no release")
	b.fine()
}
