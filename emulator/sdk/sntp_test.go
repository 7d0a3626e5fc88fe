package sdk_test

import (
	"fmt"
	"testing"
	"time"

	"esper/emulator/network"
)

// clock is a program that asks for the time, and says it every ten minutes.
func clock(t *testing.T, servers, more string) *machine {
	return program(t, `
#include <sntp.h>
static ETSTimer timer;
static void tell(void*) { say("time %u\n", sntp_get_current_timestamp()); }
void user_init() {
    `+servers+`
    `+more+`
    sntp_init();
    join();
    start(&timer, 600000, tell, true);
    tell(nullptr);
}`)
}

// times are what the clock has said at rounds of ten minutes, seconds since a time.
func (m *machine) times(since time.Time, minutes int) []int64 {
	m.t.Helper()
	m.serial.Reset()
	m.run(time.Duration(minutes)*time.Minute - m.Now()%(10*time.Minute) + time.Minute)
	var times []int64
	for _, line := range m.said() {
		var at int64
		if _, err := fmt.Sscanf(line, "time %d", &at); err == nil && at != 0 {
			at -= since.Unix()
		} else if err != nil {
			continue
		}
		times = append(times, at)
	}
	return times
}

const aServer = `sntp_setservername(0, (char*)"ntp");`

func TestTheTimeComesFromATimeServer(t *testing.T) {
	begin := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		server, zone string
		hours        int64
	}{
		"by name":             {aServer, "sntp_set_timezone(0);", 0},
		"by address":          {`sntp_setservername(0, (char*)"10.0.0.10");`, "sntp_set_timezone(0);", 0},
		"west":                {aServer, "sntp_set_timezone(-5);", -5},
		"no zone was set":     {aServer, "", 8},
		"the third server":    {`sntp_setservername(1, (char*)"nowhere"); sntp_setservername(2, (char*)"ntp");`, "sntp_set_timezone(0);", 0},
		"the second, by name": {`sntp_setservername(0, (char*)"10.0.0.99"); sntp_setservername(1, (char*)"ntp");`, "sntp_set_timezone(0);", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := clock(t, c.server, c.zone)
			m.net.AddTimeServer("ntp")
			m.net.SetClock(begin)
			got := m.times(begin, 30)
			if len(got) != 4 || got[0] != 0 {
				t.Fatalf("it said %v", got)
			}
			for i, at := range got[1:] {
				if want := int64(i+1)*600 + c.hours*3600; at < want-1 || at > want+1 {
					t.Errorf("time %d is %d, want %d", i+1, at, want)
				}
			}
		})
	}
}

func TestTheTimeIsUnknownWithoutAnAnswer(t *testing.T) {
	for name, build := range map[string]func(*network.Memory) *network.Host{
		"no host":      func(m *network.Memory) *network.Host { return nil },
		"a silent one": func(m *network.Memory) *network.Host { h := m.AddTimeServer("ntp"); h.Silent = true; return h },
		"one that is down": func(m *network.Memory) *network.Host {
			h := m.AddTimeServer("ntp")
			h.Down = true
			return h
		},
		"another host": func(m *network.Memory) *network.Host { return m.AddHost("ntp") },
	} {
		t.Run(name, func(t *testing.T) {
			m := clock(t, aServer, "sntp_set_timezone(0);")
			h := build(m.net)
			begin := m.net.Clock()
			for i, at := range m.times(begin, 20) {
				if at != 0 {
					t.Errorf("time %d is %d", i, at)
				}
			}
			m.expectText("please start sntp first !")
			if h == nil {
				h = m.net.AddHost("ntp")
			}
			h.Silent, h.Down, h.TimeServer = false, false, true
			if got := m.times(begin, 20); len(got) == 0 || got[len(got)-1] < 2000 {
				t.Errorf("when the server is back: %v", got)
			}
		})
	}
}

func TestAClockThatJumpsIsFollowedWithinTheHour(t *testing.T) {
	m := clock(t, aServer, "sntp_set_timezone(0);")
	m.net.AddTimeServer("ntp")
	begin := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	m.net.SetClock(begin)
	m.times(begin, 20)
	back := begin.Add(-24 * time.Hour)
	m.net.SetClock(back)
	got := m.times(back, 60)
	if got[0] < 24*3600 {
		t.Errorf("it follows at once: %v", got)
	}
	if last := got[len(got)-1]; last < 3000 || last > 4000 {
		t.Errorf("after an hour it is %d s after the jump: %v", last, got)
	}
}

func TestStoppingForgetsTheTime(t *testing.T) {
	m := program(t, `
#include <sntp.h>
static ETSTimer timer;
static int n;
void user_init() {
    sntp_setservername(0, (char*)"ntp");
    sntp_setservername(3, (char*)"no such place");
    sntp_init();
    join();
    start(&timer, 10000, [](void*) {
        say("known %d\n", sntp_get_current_timestamp() != 0);
        if (++n == 1) sntp_stop();
        if (n == 2) sntp_init();
    }, true);
}`)
	m.net.AddTimeServer("ntp")
	m.run(35 * time.Second)
	m.expect("known 1", "please start sntp first !", "known 0", "known 1")
}
