package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"esper/internal/logging"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
)

// A person can read the log while many devices update: the log of thousands is as long as that of
// a few.
func TestTheLogOfAnUpdateOfManyDevices(t *testing.T) {
	const devices = 400
	log := &locked{}
	c := config(t)
	c.Log = logging.New(log, slog.LevelInfo)
	s, stop := start(t, c)
	waitForHealth(t, s, 200)
	for i, version := range []string{"v1", "v2"} {
		if err := s.Repository().Publish(repositorytest.Release(t, "socket", version, uint32(i+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	speaks := dial(t, s.MQTTAddr(), nil)
	for i := range devices {
		id := fmt.Sprintf("%06x", i)
		say := func(topic, text string) {
			if err := speaks.Publish("home/"+id+"/"+topic, []byte(text), true); err != nil {
				t.Fatal(err)
			}
		}
		fetch := func(file string) {
			q, err := http.NewRequest("GET", "http://"+s.HTTPAddr().String()+"/firmware/socket."+file, nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("X-Esper-Device", id)
			q.Header.Set("X-Esper-Version", "v1")
			a, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
		}
		info := func(version string, sequence, uptime int) string {
			return fmt.Sprintf(`{"device":"socket","chip_id":"%s","flash_id":"1440ef","version":{"esper":"%s","sequence":%d,"sdk":"3.0.5","boot":1},`+
				`"boot":{"rom":0,"default":0,"trial":false,"safe":false,"reset":"restart","slots":[null,null]},"heap":1,"uptime":%d}`, id, version, sequence, uptime)
		}
		say("status", "ONLINE")
		say("info", info("v1", 1, 100))
		fetch("version")
		say("update/status", `{"state":"downloading","version":"v2","progress":0,"error":""}`)
		fetch("rom1?version=v2")
		say("status", "OFFLINE")
		say("status", "ONLINE")
		if i%2 == 0 {
			say("info", info("v2", 2, 1))
			say("update/status", `{"state":"confirmed","version":"v2","progress":100,"error":""}`)
		} else {
			say("update/status", `{"state":"failed","version":"v2","progress":0,"error":"bad-signature"}`)
			say("info", `{"not":"info"}`)
		}
	}
	waitForDevice(t, s, fmt.Sprintf("%06x", devices-1), "ONLINE")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "\n"); n > 60 {
		t.Errorf("%d lines for %d devices, the first of them:\n%.3000s", n, devices, log)
	}
	for _, want := range []string{"serving MQTT", "roll-out: ", "bad-signature", "malformed message ignored", "stopping"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}
