package site

import (
	"slices"
	"strings"
	"testing"
)

func TestTheTimesServerAndZoneAreRead(t *testing.T) {
	berlin := Zone{3600, 7200, Change{3, 5, 0, 7200}, Change{10, 5, 0, 10800}}
	for text, want := range map[string]Time{
		"": {}, "[time]": {}, "[time]\nserver = \"\"\nzone = \"\"": {},
		"[time]\nserver = \"10.0.0.9\"":                                            {Server: "10.0.0.9"},
		"[time]\nserver = \"pool.ntp.org\"\nzone = \"CET-1CEST,M3.5.0,M10.5.0/3\"": {"pool.ntp.org", berlin},
	} {
		s, err := Open(newSite(t, good+text))
		if err != nil || s.Config.Time != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAZoneIsReadAsPOSIXSays(t *testing.T) {
	for text, want := range map[string]Zone{
		"UTC0":                                    {},
		"<+0545>-5:45":                            {Standard: 20700, Daylight: 20700},
		"LMT+1:02:03":                             {Standard: -3723, Daylight: -3723},
		"<-03>3":                                  {Standard: -10800, Daylight: -10800},
		"XYZ24":                                   {Standard: -86400, Daylight: -86400},
		"EST5EDT,M3.2.0,M11.1.0":                  {-18000, -14400, Change{3, 2, 0, 7200}, Change{11, 1, 0, 7200}},
		"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0":    {37800, 39600, Change{10, 1, 0, 7200}, Change{4, 1, 0, 7200}},
		"IST-1GMT0,M10.5.0,M3.5.0/1":              {3600, 0, Change{10, 5, 0, 7200}, Change{3, 5, 0, 3600}},
		"<-02>2<-01>,M3.5.0/-1,M10.5.0/0":         {-7200, -3600, Change{3, 5, 0, -3600}, Change{10, 5, 0, 0}},
		"EET-2EEST,M3.4.4/50,M10.4.4/167":         {7200, 10800, Change{3, 4, 4, 180000}, Change{10, 4, 4, 601200}},
		"AAA+00:30BBB,M1.1.6/-167,M12.5.6/1:02:3": {-1800, 1800, Change{1, 1, 6, -601200}, Change{12, 5, 6, 3723}},
	} {
		if z, err := ParseZone(text); err != nil || z != want {
			t.Errorf("%q: %+v, %v", text, z, err)
		}
	}
}

func TestWrongTimesAreErrors(t *testing.T) {
	for text, want := range map[string]string{
		`zone = "UTC0"`:                         "time.server: missing",
		`server = "a b"`:                        "time.server: \"a b\" is not a host name",
		`server = "10.0.0"`:                     "is not a host name",
		`server = "2001:db8::1"`:                "is not a host name",
		`server = "` + strings.Repeat("a", 65):  "time.server: 65 characters",
		`zone = "Europe/Berlin"`:                "is the name of a zone",
		`zone = "E"`:                            "begins with no name",
		`zone = "<+1>-1"`:                       "begins with no name",
		`zone = "<+01-1"`:                       "begins with no name",
		`zone = "<a.b>1"`:                       "begins with no name",
		`zone = "CET"`:                          "has no offset behind the first name",
		`zone = "CET-25"`:                       "has no offset behind the first name",
		`zone = "CET24:00:01"`:                  "has no offset behind the first name",
		`zone = "CET-1:60"`:                     "has no offset behind the first name",
		`zone = "CET-1 "`:                       "has neither an end nor a name",
		`zone = "CET-1CEST"`:                    "does not say when clocks change",
		`zone = "CET-1CEST-,M3.5.0,M10.5.0"`:    "has no offset behind the second name",
		`zone = "CET-1CEST,M3.5.0"`:             "does not say when clocks change",
		`zone = "CET-1CEST,J60,J300"`:           "not in the form Mm.w.d",
		`zone = "CET-1CEST,60,300"`:             "not in the form Mm.w.d",
		`zone = "CET-1CEST,M13.5.0,M10.5.0"`:    "a month of 1 to 12",
		`zone = "CET-1CEST,M0.5.0,M10.5.0"`:     "a month of 1 to 12",
		`zone = "CET-1CEST,M3.6.0,M10.5.0"`:     "a month of 1 to 12",
		`zone = "CET-1CEST,M3.5.7,M10.5.0"`:     "a month of 1 to 12",
		`zone = "CET-1CEST,M3,M10.5.0"`:         "a month of 1 to 12",
		`zone = "CET-1CEST,M3.5.0/168,M10.5.0"`: "a time of day that is not -167 to 167",
		`zone = "CET-1CEST,M3.5.0/,M10.5.0"`:    "a time of day",
		`zone = "CET-1CEST,M3.5.0,M10.5.0/3x"`:  "goes on with \"x\"",
		`zone = "` + strings.Repeat("a", 65):    "time.zone: 65 characters",
		`Zone2 = ""`:                            "line",
	} {
		server := "server = \"pool.ntp.org\"\n"
		if strings.HasPrefix(text, "server") || strings.HasSuffix(want, "server: missing") {
			server = ""
		}
		if !strings.HasSuffix(text, `"`) {
			text += `"`
		}
		_, err := Open(newSite(t, good+"[time]\n"+server+text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnEnvironmentHasATimeOfItsOwn(t *testing.T) {
	dir := houseSite(t, house+"[time]\nserver = \"10.0.0.1\"\nzone = \"UTC0\"\n[environment.lab.time]\nserver = \"127.0.0.1\"\n[environment.attic.time]\nzone = \"<+01>-1\"\n")
	lab, err := OpenFor(dir, "lab")
	must(t, err)
	if got := lab.Config.Unreachable(); lab.Config.Time.Server != "127.0.0.1" ||
		!slices.ContainsFunc(got, func(w string) bool { return strings.HasPrefix(w, "time.server: 127.0.0.1 is") }) {
		t.Errorf("%+v, warnings %q", lab.Config.Time, got)
	}
	attic, err := OpenFor(dir, "attic")
	must(t, err)
	if attic.Config.Time != (Time{"10.0.0.1", Zone{Standard: 3600, Daylight: 3600}}) {
		t.Errorf("%+v", attic.Config.Time)
	}
}

// FuzzZone: whatever is taken has offsets and changes within their limits.
func FuzzZone(f *testing.F) {
	for _, text := range []string{"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "A-", "<>1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		z, err := ParseZone(text)
		if err != nil {
			if !strings.Contains(err.Error(), "POSIX") && len(text) <= maxZone {
				t.Errorf("%q: an error that does not help: %v", text, err)
			}
			return
		}
		for _, offset := range []int{z.Standard, z.Daylight} {
			if offset < -24*3600 || offset > 25*3600 {
				t.Errorf("%q: offset %d", text, offset)
			}
		}
		for _, c := range []Change{z.ToDaylight, z.ToStandard} {
			if c.Month < 0 || c.Month > 12 || c.Month > 0 && c.Week == 0 || c.Week > 5 || c.Weekday > 6 || c.Seconds < -167*3600 || c.Seconds > 167*3600 {
				t.Errorf("%q: %+v", text, c)
			}
		}
	})
}
