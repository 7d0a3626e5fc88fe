package repository

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"esper/internal/settings"
)

var trusted = []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}

// testSettings returns a settings release.
func testSettings(t testing.TB, deviceType, chip string, sequence uint32) []byte {
	t.Helper()
	return settingsBy(t, key, deviceType, chip, sequence)
}

func settingsBy(t testing.TB, signer ed25519.PrivateKey, deviceType, chip string, sequence uint32) []byte {
	t.Helper()
	file, err := settings.Seal(settings.Header{Type: deviceType, Chip: chip, Sequence: sequence},
		settings.Entries{settings.OfTexts("wifi.1", "barn", "")}, [][]byte{make([]byte, settings.KeySize)},
		[]ed25519.PrivateKey{signer}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func mustPublishSettings(t testing.TB, r *Repository, deviceType string, file []byte) {
	t.Helper()
	if err := r.PublishSettings(deviceType, file, trusted); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsThatAreNotPublished(t *testing.T) {
	r := open(t, t.TempDir())
	fifth := testSettings(t, "socket", "", 5)
	mustPublishSettings(t, r, "socket", fifth)
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "00c0de", 7))
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	for what, c := range map[string]struct {
		file []byte
		want error
	}{
		"damaged":             {fifth[:len(fifth)-1], settings.ErrMalformed},
		"for another type":    {testSettings(t, "sensor", "", 6), settings.ErrWrongDevice},
		"by a stranger":       {settingsBy(t, stranger, "socket", "", 6), settings.ErrBadSignature},
		"older":               {testSettings(t, "socket", "", 4), ErrNotNewer},
		"same number":         {testSettings(t, "socket", "", 5), ErrConflict},
		"too far ahead":       {testSettings(t, "socket", "", 1_000_006), ErrJump},
		"older, of a device":  {testSettings(t, "socket", "00c0de", 6), ErrNotNewer},
		"first, but too far":  {testSettings(t, "socket", "00c0df", 1_000_001), ErrJump},
		"same, of the device": {testSettings(t, "*", "00c0de", 7), ErrConflict},
	} {
		if err := r.PublishSettings("socket", c.file, trusted); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if _, _, err := r.CheckSettings("socket", c.file, trusted); !errors.Is(err, c.want) {
			t.Errorf("%s, checked: %v", what, err)
		}
	}
	if err := r.PublishSettings("../socket", fifth, trusted); err == nil {
		t.Error("published outside")
	}
	if got, err := r.CurrentSettings("socket", ""); err != nil || !bytes.Equal(got, fifth) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if next, err := r.NextSettings("socket"); err != nil || next != 8 {
		t.Errorf("next is %d, %v", next, err)
	}
	if next, err := r.NextSettings("sensor"); err != nil || next != 1 {
		t.Errorf("next is %d, %v", next, err)
	}
	if h, before, err := r.CheckSettings("socket", testSettings(t, "*", "", 6), trusted); err != nil || before != 5 || h.Sequence != 6 {
		t.Errorf("%+v, %d, %v", h, before, err)
	}
}

// Settings disturb neither the firmware nor its lists.
func TestSettingsBesideFirmware(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	mustPublish(t, r, testRelease(t, "v1", 1, ""))
	for sequence := uint32(1); sequence <= kept+2; sequence++ {
		file := testSettings(t, "socket", "", sequence)
		mustPublishSettings(t, r, "socket", file)
		mustPublishSettings(t, r, "socket", file) // changes nothing
		if top, err := os.ReadFile(filepath.Join(dir, "socket.settings")); err != nil || !bytes.Equal(top, file) {
			t.Fatalf("a static web server has %d bytes, %v", len(top), err)
		}
	}
	mustPublishSettings(t, r, "sensor", testSettings(t, "*", "", 3))
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "00c0de", 9))
	mustPublish(t, r, testRelease(t, "v2", 2, ""))
	if types, err := r.Types(); err != nil || !slices.Equal(types, []string{"socket"}) {
		t.Errorf("types %q, %v", types, err)
	}
	if entries, err := r.List(); err != nil || len(entries) != 2 || entries[0].Version != "v2" {
		t.Errorf("%+v, %v", entries, err)
	}
	entries, err := r.ListSettings()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Type, " ", e.Version, " ", e.Sequence, " ", e.Current))
	}
	want := []string{
		"sensor.settings 3 3 true", "socket.settings 7 7 true", "socket.settings 6 6 false", "socket.settings 5 5 false",
		"socket.settings 4 4 false", "socket.settings 3 3 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	single, err := r.ListDeviceSettings()
	if err != nil || len(single) != 1 || single[0].Header != (settings.Header{Type: "socket", Chip: "00c0de", Sequence: 9}) {
		t.Errorf("%+v, %v", single, err)
	}
	if version, err := served(dir); err != nil || version != "v2" {
		t.Errorf("firmware: %s, %v", version, err)
	}
}

func TestWhatCannotBeReadIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "", 1))
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "", 2))
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "00c0de", 1))
	for path, content := range map[string][]byte{
		"releases/socket.settings/1/socket.settings": []byte("damaged"),
		"devices/00c0df.settings":                    testSettings(t, "socket", "00c0de", 1),
		"devices/README":                             []byte("not settings"),
	} {
		if err := os.WriteFile(filepath.Join(dir, path), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := r.ListSettings(); !errors.Is(err, settings.ErrMalformed) || len(entries) != 1 || entries[0].Version != "2" {
		t.Errorf("%+v, %v", entries, err)
	}
	if single, err := r.ListDeviceSettings(); err == nil || len(single) != 1 || single[0].Chip != "00c0de" {
		t.Errorf("%+v, %v", single, err)
	}
}

// Wherever a publication ends, the old or the new settings are served whole, and it can be repeated.
func TestPublicationOfSettingsThatIsInterrupted(t *testing.T) {
	for _, chip := range []string{"", "00c0de"} {
		for stop := 0; ; stop++ {
			dir := t.TempDir()
			r := open(t, dir)
			old, next := testSettings(t, "socket", chip, 1), testSettings(t, "socket", chip, 2)
			mustPublishSettings(t, r, "socket", old)
			left := stop
			r.step = func(string) error {
				if left--; left < 0 {
					return fs.ErrClosed
				}
				return nil
			}
			err := r.PublishSettings("socket", next, trusted)
			if err != nil && !errors.Is(err, fs.ErrClosed) {
				t.Fatal(err)
			}
			got, readErr := r.CurrentSettings("socket", chip)
			if readErr != nil || !bytes.Equal(got, next) && (err == nil || !bytes.Equal(got, old)) {
				t.Errorf("stopped at %d: %d bytes, %v", stop, len(got), readErr)
			}
			again := open(t, dir)
			mustPublishSettings(t, again, "socket", next)
			if got, err := again.CurrentSettings("socket", chip); err != nil || !bytes.Equal(got, next) {
				t.Errorf("repeated after %d: %v", stop, err)
			}
			if err == nil {
				if stop < 2 {
					t.Errorf("only %d steps", stop)
				}
				break
			}
		}
	}
}

func TestSettingsAreServed(t *testing.T) {
	r := open(t, t.TempDir())
	first, second, own := testSettings(t, "socket", "", 1), testSettings(t, "socket", "", 2), testSettings(t, "socket", "00c0de", 5)
	mustPublishSettings(t, r, "socket", first)
	mustPublishSettings(t, r, "socket", second)
	mustPublishSettings(t, r, "socket", own)
	var seen []Request
	chosen := "1"
	h := r.HandlerFor(func(q Request) string { return chosen }, func(q Request) { seen = append(seen, q) })
	device := func(settings string) []string {
		return []string{"X-Esper-Device", "00c0de", "X-Esper-Settings", settings}
	}
	for what, c := range map[string]struct {
		path    string
		headers []string
		code    int
		body    []byte
	}{
		"what was chosen":           {"/socket.settings", []string{"X-Esper-Device", "00c0df", "X-Esper-Settings", "0 0"}, 200, first},
		"a version":                 {"/socket.settings?version=2", device("0 0"), 200, second},
		"its own":                   {"/socket.settings", device("1 4"), 200, own},
		"its own, which it has":     {"/socket.settings", device("1 5"), 200, first},
		"its own, and no header":    {"/socket.settings", []string{"X-Esper-Device", "00c0de"}, 200, own},
		"its own, and a bad header": {"/socket.settings", device("9 9 9"), 200, own},
		"another type":              {"/sensor.settings", device("0 0"), 404, nil},
		"a version that is gone":    {"/socket.settings?version=9", device("0 0"), 404, nil},
		"a range":                   {"/socket.settings", append(device("0 5"), "Range", "bytes=4-7"), 206, first[4:8]},
	} {
		w := request(h, "GET", c.path, c.headers...)
		if w.Code != c.code || c.body != nil && !bytes.Equal(w.Body.Bytes(), c.body) {
			t.Errorf("%s: status %d, %d bytes", what, w.Code, w.Body.Len())
		}
	}
	seen = nil
	w := request(h, "GET", "/socket.settings", device("7 8")...)
	if q := seen[0]; *q.Settings != (settings.Sequences{Fleet: 7, Device: 8}) || q.Served != "1" || q.Own || q.File != "settings" || q.Type != "socket" {
		t.Errorf("%+v", q)
	}
	if w := request(h, "GET", "/socket.settings", append(device("7 8"), "If-None-Match", w.Header().Get("ETag"))...); w.Code != 304 {
		t.Errorf("status %d for what it has", w.Code)
	}
	if q := seen[0]; q.Sent != int64(len(first)) {
		t.Errorf("%d bytes sent", q.Sent)
	}
	if chosen = ""; request(h, "GET", "/socket.settings", device("0 9")...).Code != 404 {
		t.Error("what was not chosen is served")
	}
	// Without roll-outs, the newest.
	if w := request(r.Handler(nil), "GET", "/socket.settings"); !bytes.Equal(w.Body.Bytes(), second) {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

func TestFeedOfSettings(t *testing.T) {
	r := open(t, t.TempDir())
	mustPublish(t, r, testRelease(t, "v1", 1, ""))
	heard := 0
	feed := NewSettingsFeed(r, func(*Published) { heard++ })
	look := func(want int, newest string) {
		t.Helper()
		if err := feed.Check("socket.settings"); err != nil {
			t.Error(err)
		}
		e, _ := feed.Published().Newest("socket.settings")
		if heard != want || e.Version != newest {
			t.Errorf("heard %d times, newest is %q", heard, e.Version)
		}
	}
	look(0, "")
	mustPublishSettings(t, r, "socket", testSettings(t, "socket", "", 3))
	look(1, "3")
	mustPublish(t, r, testRelease(t, "v2", 2, ""))
	look(1, "3")
	if err := r.Keep("socket.settings", []string{"3"}); err != nil {
		t.Error(err)
	}
	for sequence := uint32(4); sequence < 12; sequence++ {
		mustPublishSettings(t, r, "socket", testSettings(t, "socket", "", sequence))
	}
	look(2, "11")
	if _, kept := feed.Published().Find("socket.settings", "3"); !kept {
		t.Error("what was to be kept is gone")
	}
}
