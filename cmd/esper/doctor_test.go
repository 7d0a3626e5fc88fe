package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"esper/internal/serialport"
)

// A warning is no failure, and what could not be checked is none either.
func TestOnlyFailuresMakeTheDoctorFail(t *testing.T) {
	good := []diagnosis{{"a", ok, "", ""}, {"b", warn, "", ""}, {"c", notChecked, "", ""}}
	if err := worst(good); err != nil {
		t.Error(err)
	}
	if err := worst(append(good, diagnosis{"d", fail, "", ""})); err == nil || err.Error() != "1 of 4 checks failed" {
		t.Error(err)
	}
}

// A check that does not end, whatever its context says, keeps nothing from the others.
func TestACheckThatHangsIsLeftAlone(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	list := runChecks(t.Context(), time.Millisecond, []check{
		{"hangs", func(context.Context) []diagnosis { <-end; return nil }},
		{"two", func(context.Context) []diagnosis { return []diagnosis{{"x", ok, "", ""}, {"y", ok, "", ""}} }},
	})
	if len(list) != 3 || list[0].what != "hangs" || list[0].state != fail || list[1].what != "x" || list[2].what != "y" {
		t.Errorf("%v", list)
	}
}

func TestEachSerialPortIsNamed(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/dev/ttyUSB9", Err: fs.ErrPermission}
	list := portDiagnoses([]serialport.Port{
		{Path: "/dev/ttyACM9", Name: "/dev/serial/by-id/usb-x"}, {Path: "/dev/ttyUSB9", Err: denied},
	})
	if len(list) != 2 || list[0] != (diagnosis{"serial port", ok, "/dev/ttyACM9, usb-x", ""}) {
		t.Fatalf("%v", list)
	}
	if list[1].state != fail || !strings.Contains(list[1].detail, "/dev/ttyUSB9") || !strings.Contains(list[1].next, "usermod -aG dialout ") {
		t.Errorf("%v", list[1])
	}
	if list := portDiagnoses(nil); len(list) != 1 || list[0].state != warn {
		t.Errorf("%v", list)
	}
}

func TestWhatAServersAnswerMeans(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "10.0.0.7"}
	for _, test := range []struct {
		status int
		text   string
		err    error
		want   state
		says   string
	}{
		{200, "ok", nil, ok, "is well"},
		{200, "<html>", nil, warn, "no 'esper serve'"},
		{404, "", nil, warn, "no 'esper serve'"},
		{503, "does not work: \x1b[2Jbroker", nil, fail, "does not work: .[2Jbroker"},
		{0, "", errors.New("no answer in 5s"), fail, "no answer"},
	} {
		got := serverDiagnosis(u, &http.Response{StatusCode: test.status}, test.text, test.err)
		if got.state != test.want || !strings.Contains(got.detail, test.says) {
			t.Errorf("%d %q %v: %v", test.status, test.text, test.err, got)
		}
	}
	for ahead, want := range map[time.Duration]state{0: ok, -9 * time.Second: ok, 11 * time.Second: warn, -time.Hour: warn} {
		if got := clockDiagnosis("the server's", ahead); got.state != want {
			t.Errorf("%s: %v", ahead, got)
		}
	}
}
