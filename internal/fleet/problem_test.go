package fleet_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"esper/internal/fleet"
)

func device(sequence uint32, u *fleet.UpdateStatus) fleet.Device {
	d := fleet.Device{ID: "00c0de", Info: &fleet.Info{Device: "socket"}, Update: u}
	d.Info.Version.Sequence = sequence
	return d
}

func TestAnUpdatesProblemIsSaidInWords(t *testing.T) {
	for want, u := range map[string]*fleet.UpdateStatus{
		"the server answered 404: nothing is published for socket":                        {State: "failed", Error: "http-status", HTTPStatus: 404},
		"the server answered 503: it failed by itself":                                    {State: "failed", Error: "http-status", HTTPStatus: 503},
		"the server answered 301: it redirects, which devices do not follow":              {State: "failed", Error: "http-status", HTTPStatus: 301},
		"the server answered 403: it keeps out who does not log in, which devices do not": {State: "failed", Error: "http-status", HTTPStatus: 403},
		"the server answered 418":                                                         {State: "failed", Error: "http-status", HTTPStatus: 418},
		"the update server did not answer 200":                                            {State: "failed", Error: "http-status"}, // by an older firmware
		"of-tomorrow":                                                                     {State: "failed", Error: "of-tomorrow"},
	} {
		if got := device(1, u).UpdateProblem(); got != want {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
	for _, u := range []*fleet.UpdateStatus{nil, {State: "idle"}, {State: "downloading", Error: "bad-signature"}} {
		if got := device(1, u).UpdateProblem(); got != "" {
			t.Errorf("%+v: %q", u, got)
		}
	}
	nothing := &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 404}
	broken := &fleet.UpdateStatus{State: "failed", Error: "http-status", HTTPStatus: 503}
	whole := &fleet.UpdateStatus{State: "downloading", Error: "http-status", HTTPStatus: 404}
	if device(0, whole).Unpublished() {
		t.Error("a development build that downloads a release without a delta finds nothing published")
	}
	if !device(0, nothing).Unpublished() || device(1, nothing).Unpublished() || device(0, broken).Unpublished() {
		t.Error("a development build without a release is told from what is wrong by something else")
	}
}

func TestWhyADeltaWasNotUsedIsNoProblem(t *testing.T) {
	for u, want := range map[fleet.UpdateStatus][2]string{
		{State: "downloading"}:                           {"", ""},
		{State: "downloading", Error: "malformed-delta"}: {"malformed-delta", ""},
		{State: "failed", Error: "bad-signature"}:        {"", "bad-signature"},
		{State: "trial", Error: "unreachable"}:           {"", "unreachable"},
	} {
		if got := [2]string{u.WithoutDelta(), u.Problem()}; got != want || u.State == "downloading" && u.AtRest() {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
}

func TestEachErrorOfTheSpecificationHasWords(t *testing.T) {
	text, err := os.ReadFile("../../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(text), "| error | meaning |")[1:]
	if len(tables) != 2 {
		t.Fatalf("%d tables of errors, not those of updates and of settings", len(tables))
	}
	for i, least := range []int{15, 15} {
		table, _, _ := strings.Cut(tables[i], "\n\n")
		names := 0
		for line := range strings.Lines(table) {
			first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(first, -1) {
				names++
				d := device(1, &fleet.UpdateStatus{State: "failed", Error: m[1]})
				d.Settings = &fleet.SettingsStatus{State: "failed", Error: m[1]}
				got := []string{d.UpdateProblem(), d.SettingsProblem()}[i]
				if got == m[1] || got == "" {
					t.Errorf("%s: %q", m[1], got)
				}
			}
		}
		if names < least {
			t.Errorf("only %d errors are found", names)
		}
	}
}
