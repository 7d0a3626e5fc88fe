package server_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/server"
	"esper/internal/settings"
)

func sealSettings(t *testing.T, signer ed25519.PrivateKey, chip string, sequence uint32) []byte {
	t.Helper()
	file, err := settings.Seal(settings.Header{Type: "socket", Chip: chip, Sequence: sequence},
		settings.Entries{settings.OfTexts("wifi.1", "barn", "")}, [][]byte{make([]byte, settings.KeySize)},
		[]ed25519.PrivateKey{signer}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// settingsFor asks for settings as a device does that has those of a sequence.
func settingsFor(t *testing.T, s *server.Server, id, has string) []byte {
	t.Helper()
	q, _ := http.NewRequest("GET", "http://"+s.HTTPAddr().String()+"/firmware/socket.settings", nil)
	q.Header.Set("X-Esper-Device", id)
	q.Header.Set("X-Esper-Version", "v1")
	q.Header.Set("X-Esper-Settings", has)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil
	}
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestSettingsArePublishedAndRolledOut(t *testing.T) {
	c := config(t)
	c.Trusted = []ed25519.PublicKey{repositorytest.Key.Public().(ed25519.PublicKey)}
	c.Plan = func(string) rollout.Plan {
		return rollout.Plan{Stages: []rollout.Stage{{Group: "nobody", Watch: time.Hour}}, ReportWithin: time.Hour, Patience: time.Hour}
	}
	s, _ := start(t, c)
	waitForHealth(t, s, 200)
	by := clientOf(s)
	device := dial(t, s.MQTTAddr(), nil)
	heard := make(chan string, 10)
	for _, topic := range []string{"home/update", "home/00c0de/update"} {
		if err := device.Subscribe(topic, func(m broker.Message) { heard <- m.Topic }); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(want string) {
		t.Helper()
		for deadline := time.After(10 * time.Second); ; {
			select {
			case got := <-heard:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("not told at %s", want)
			}
		}
	}
	says(t, device, "info", `{"device":"socket","chip_id":"00c0de","version":{"esper":"v1","sequence":1}}`)
	says(t, device, "status", "ONLINE")
	says(t, device, "settings", `{"state":"idle","sequence":0,"own":0,"candidate":0,"from":"flash","error":""}`)
	until(t, "it is stored", func() bool {
		d, err := by.Device(t.Context(), "00c0de")
		return err == nil && d.Settings != nil && d.Settings.State == "idle" && d.SettingsWhy != nil && d.Info != nil
	})
	if err := s.Repository().Publish(repositorytest.Release(t, "socket", "v1", 1), repository.Allow{}); err != nil {
		t.Fatal(err)
	}

	get(t, s, "/firmware/socket.version") // then it is known
	first := sealSettings(t, repositorytest.Key, "", 1)
	if done, err := by.PublishSettings(t.Context(), "socket", first, true, false); err != nil || done.Sequence != 1 || done.Before != 0 {
		t.Errorf("checked: %+v, %v", done, err)
	}
	if _, err := by.CurrentSettings(t.Context(), "socket", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	if kept, err := by.SettingsReleases(t.Context()); err != nil || len(kept) != 0 {
		t.Errorf("a check published %+v, %v", kept, err)
	}
	for range 2 { // to send it again changes nothing
		if done, err := by.PublishSettings(t.Context(), "socket", first, false, false); err != nil || done.Type != "socket" || done.Sequence != 1 {
			t.Errorf("%+v, %v", done, err)
		}
	}
	hear("home/update")
	for what, c := range map[string]struct {
		file   []byte
		status int
		want   error
	}{
		"by a stranger": {sealSettings(t, ed25519.NewKeyFromSeed(make([]byte, 32)), "", 2), http.StatusUnprocessableEntity, nil},
		"damaged":       {first[:len(first)-1], http.StatusUnprocessableEntity, nil},
		"too large":     {make([]byte, settings.MaxRelease+1), http.StatusRequestEntityTooLarge, nil},
		"same number":   {sealSettings(t, repositorytest.Key, "", 1), http.StatusConflict, repository.ErrConflict},
	} {
		_, err := by.PublishSettings(t.Context(), "socket", c.file, false, false)
		if !isProblem(err, c.status) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}

	// Its roll-out is beside that of the firmware, and steered as that.
	states, err := by.Rollouts(t.Context())
	if err != nil || len(states) != 2 || states[0].Type != "socket" || states[1].Type != "socket.settings" || states[1].Status != rollout.Running {
		t.Errorf("%+v, %v", states, err)
	}
	if got := settingsFor(t, s, "00c0de", "0 0"); got != nil {
		t.Error("a device gets settings before its stage")
	}
	if why, err := by.WhySettings(t.Context(), "00c0de"); err != nil || why.Reason != rollout.StageNotReached {
		t.Errorf("%+v, %v", why, err)
	}
	for _, action := range []string{"pause", "resume", "everywhere"} {
		if state, err := by.SteerRollout(t.Context(), "socket.settings", action); err != nil || state.Type != "socket.settings" {
			t.Errorf("%s: %+v, %v", action, state, err)
		}
	}
	if history, err := by.RolloutHistory(t.Context(), "socket.settings"); err != nil || history[len(history)-1].Kind != rollout.ReleaseGeneral {
		t.Errorf("%+v, %v", history, err)
	}
	if _, err := by.Steer(t.Context(), "00c0de", "hold"); err != nil {
		t.Fatal(err)
	}
	if got := settingsFor(t, s, "00c0de", "0 0"); got != nil {
		t.Error("a device that is held gets settings")
	}
	if _, err := by.Steer(t.Context(), "00c0de", "release"); err != nil {
		t.Fatal(err)
	}
	if got := settingsFor(t, s, "00c0de", "0 0"); !bytes.Equal(got, first) {
		t.Errorf("the device gets %d bytes", len(got))
	}
	says(t, device, "settings", `{"state":"rolled-back","sequence":0,"own":0,"candidate":1,"from":"flash","error":"no-broker"}`)
	until(t, "it has failed", func() bool {
		d, err := by.Device(t.Context(), "00c0de")
		return err == nil && d.SettingsWhy.Reason == rollout.HasFailed && strings.Contains(d.SettingsProblem, "could not reach the broker")
	})
	if _, err := by.Steer(t.Context(), "00c0de", "retry"); !isProblem(err, http.StatusConflict) {
		t.Errorf("its firmware has not failed: %v", err)
	}
	if told, err := by.RetrySettings(t.Context(), "00c0de"); err != nil || told.Release != "1" {
		t.Errorf("%+v, %v", told, err)
	}
	hear("home/00c0de/update")

	own := sealSettings(t, repositorytest.Key, "00c0de", 2)
	if done, err := by.PublishSettings(t.Context(), "socket", own, false, false); err != nil || done.Device != "00c0de" {
		t.Errorf("%+v, %v", done, err)
	}
	hear("home/00c0de/update")
	if got := settingsFor(t, s, "00c0de", "0 0"); !bytes.Equal(got, own) {
		t.Error("the device does not get what is for it alone")
	}
	if got := settingsFor(t, s, "00c0df", "0 0"); !bytes.Equal(got, first) {
		t.Error("another device gets what is not for it")
	}
	for chip, want := range map[string][]byte{"": first, "00c0de": own} {
		if got, err := by.CurrentSettings(t.Context(), "socket", chip); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", chip, len(got), err)
		}
	}
	kept, err := by.SettingsReleases(t.Context())
	var got []string
	for _, r := range kept {
		got = append(got, fmt.Sprintf("%s/%s %d %t %t", r.Type, r.Device, r.Sequence, r.Newest, r.General))
	}
	if want := []string{"socket/ 1 true true", "socket/00c0de 2 true true"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if err := by.Remove(t.Context(), "00c0de", true); err != nil {
		t.Fatal(err)
	}
	if _, err := by.WhySettings(t.Context(), "00c0de"); !isProblem(err, http.StatusNotFound) {
		t.Errorf("after it was removed: %v", err)
	}
}

func TestAServerThatTrustsNobodyTakesNoSettings(t *testing.T) {
	s, _ := start(t, config(t))
	waitForHealth(t, s, 200)
	_, err := clientOf(s).PublishSettings(t.Context(), "socket", sealSettings(t, repositorytest.Key, "", 1), false, false)
	if !isProblem(err, http.StatusForbidden) {
		t.Error(err)
	}
}
