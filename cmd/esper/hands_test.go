package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// locked is an output that several may write to.
type locked struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

// emulated runs a device without firmware until it ends, and returns what it prints.
func emulated(t *testing.T, in string, c emulateCommand) (out, notes string, err error) {
	t.Helper()
	c.Flash, c.Count, c.ChipID = filepath.Join(t.TempDir(), "erased.flash"), 1, "00c0de"
	if err := os.WriteFile(c.Flash, bytes.Repeat([]byte{0xFF}, 1<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var printed, noted locked
	err = c.run(ctx, &streams{in: strings.NewReader(in), out: &output{to: &printed}, err: &noted})
	if ctx.Err() != nil {
		t.Error("it does not end")
	}
	return printed.String(), noted.String(), err
}

func TestEmulateObeysItsConsole(t *testing.T) {
	_, notes, err := emulated(t, `help
pins
set gpio4=1
pins
jump
00beef: pins
00c0de: expect gpio4=0
00c0de: pins
`+strings.Repeat("\n", 3)+"end\n", emulateCommand{handsFlags: handsFlags{Console: true, Set: []string{"gpio5=1"}}})
	if err != nil {
		t.Error(err)
	}
	for want, n := range map[string]int{
		"press gpio0 [200ms]":                         1,
		"gpio5   1  input, driven from outside to 1":  3,
		"gpio4   1  input, driven from outside to 1":  2,
		`"jump" is no command`:                        1,
		"there is no device 00beef; there are 00c0de": 1,
		"device 00c0de: gpio4 is not 0":               1,
	} {
		if strings.Count(notes, want) != n {
			t.Errorf("%q is not %d times in\n%s", want, n, notes)
		}
	}
}

func TestEmulateFollowsAScript(t *testing.T) {
	for text, wrong := range map[string]string{
		"10ms set gpio4=1 # no comment here":              "line 1: set: ",
		"10ms set gpio4=1\n+10ms expect gpio4=1\n+0s end": "",
		"10ms reset\n+10ms expect gpio4=1\n":              "line 2: device 00c0de: gpio4 is not 1",
	} {
		script := filepath.Join(t.TempDir(), "hands.txt")
		if err := os.WriteFile(script, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		out, _, err := emulated(t, "", emulateCommand{handsFlags: handsFlags{Script: script, JSON: true}})
		var invalid *invalidError
		switch {
		case wrong == "":
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
		case err == nil || !strings.Contains(err.Error(), wrong):
			t.Errorf("%q: %v, want %s", text, err, wrong)
		case errors.As(err, &invalid) != strings.Contains(text, "expect"):
			t.Errorf("%q: the exit code would be wrong: %v", text, err)
		}
		var last event
		decoder := json.NewDecoder(strings.NewReader(out))
		n := 0
		for ; ; n++ {
			var e event
			if err := decoder.Decode(&e); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, out)
			}
			if e.Device != "00c0de" || e.Time < last.Time {
				t.Errorf("%+v after %+v", e, last)
			}
			last = e
		}
		if wrong == "" && (last.Event != "command" || last.Text != "end" || n < 4) {
			t.Errorf("%q: %d events, the last is %+v", text, n, last)
		}
		if strings.Contains(text, "reset") && !strings.Contains(out, `"event":"reset","reason":"reset-pin"`) {
			t.Errorf("%q: no reset in\n%s", text, out)
		}
	}
}

func TestEmulateEndsAfterItsTime(t *testing.T) {
	out, _, err := emulated(t, "", emulateCommand{handsFlags: handsFlags{For: 50 * time.Millisecond}})
	if err != nil || !strings.Contains(out, "no image at flash 0") {
		t.Errorf("%v, %q", err, out)
	}
}

func TestEmulateRefusesWrongHands(t *testing.T) {
	for want, f := range map[string]handsFlags{
		"--set gpio0: ":      {Set: []string{"gpio0"}},
		"--set gpio0=2: ":    {Set: []string{"gpio4=1", "gpio0=2"}},
		"--watch: ":          {Watch: "gpio12,all"},
		"not a time to come": {For: -time.Second},
	} {
		c := emulateCommand{handsFlags: f, Count: 1}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	c := emulateCommand{handsFlags: handsFlags{Script: filepath.Join(t.TempDir(), "none")}, Count: 1, ChipID: "1"}
	if err := c.run(t.Context(), &streams{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
