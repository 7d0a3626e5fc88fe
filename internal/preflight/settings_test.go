package preflight

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"regexp"
	"testing"

	"esper/internal/settings"
	"esper/internal/site"
)

// The published firmware says itself what it thinks of settings.
func TestSettingsAreTriedByThePublishedFirmware(t *testing.T) {
	w := theWorkshop(t)
	stored := w.release(t, "v3", 3, variant{config: func(c *site.Config) { c.Secrets = site.InSettings }})
	key := bytes.Repeat([]byte{7}, settings.KeySize)
	before := w.site.Config.Settings().Merge(settings.Entries{
		settings.OfBytes(settings.FleetName, key), settings.OfNumber(settings.SequenceName, 4),
	})
	elsewhere := settings.Connection{
		WiFi:   []settings.Network{{SSID: "new", Password: "kryptonite1"}},
		Broker: settings.Server{Host: "10.0.0.99", Port: 1884},
		Update: settings.Server{Host: "new.lan", Port: 81}, UpdatePath: "/elsewhere", FleetKey: key,
	}.Entries()
	header := settings.Header{Type: "socket", Sequence: 5}
	for name, c := range map[string]struct {
		change  func(*SettingsTrial)
		header  settings.Header
		key     []byte
		signer  ed25519.PrivateKey
		refused string
	}{
		"good":             {},
		"for one device":   {header: settings.Header{Type: "*", Chip: "00beef", Sequence: 5}},
		"of a stranger":    {signer: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), refused: "refuses them: bad-signature"},
		"of another fleet": {key: bytes.Repeat([]byte{8}, settings.KeySize), refused: "refuses them: wrong-fleet-key"},
		"older":            {header: settings.Header{Type: "socket", Sequence: 3}, refused: "refuses them: not-newer"},
		"compiled-in":      {change: func(o *SettingsTrial) { o.Firmware = w.good[1] }, refused: "no settings in flash: firmware that has is built with build.secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, sealing, signer := header, key, w.key
			if c.header.Type != "" {
				h = c.header
			}
			if c.key != nil {
				sealing = c.key
			}
			if c.signer != nil {
				signer = c.signer
			}
			file, err := settings.Seal(h, elsewhere, [][]byte{sealing}, []ed25519.PrivateKey{signer}, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			o := SettingsTrial{Config: w.site.Config, Bootloader: w.bootloader, File: file, Firmware: stored, Before: before}
			if c.change != nil {
				c.change(&o)
			}
			err = CheckSettings(t.Context(), o)
			if (err == nil) != (c.refused == "") || err != nil && !regexp.MustCompile(c.refused).MatchString(err.Error()) {
				t.Errorf("%v", err)
			}
		})
	}
}
