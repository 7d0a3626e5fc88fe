package site

import (
	"slices"
	"strings"
	"testing"
)

func TestAnAddressThatNoChipReachesIsNamed(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "is each device itself", "LOCALHOST": "is each device itself", "esper.localhost": "is each device itself",
		"127.0.0.1": "is each device itself", "127.1.2.3": "is each device itself",
		"0.0.0.0": "is the address of no server", "224.0.0.1": "is the address of no server", "255.255.255.255": "is the address of no server",
		"broker.local": "is a name of mDNS", "Broker.Local": "is a name of mDNS",
		"192.168.1.10": "", "10.0.0.7": "", "broker": "", "broker.lan": "", "local": "", "broker.example.org": "", "mylocalhost": "",
	} {
		s, err := Open(newSite(t, strings.ReplaceAll(good, "192.168.1.10", host)))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		got := s.Config.Unreachable()
		if want == "" && len(got) != 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "mqtt.url and update.url: "+host+" "+want)) {
			t.Errorf("%s: %q, want one that says %q", host, got, want)
		}
	}
	s, err := Open(newSite(t, strings.Replace(strings.Replace(good, "192.168.1.10", "127.0.0.1", 1), "192.168.1.10", "server.local", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Warnings(); len(got) != 2 || !strings.HasPrefix(got[0], "mqtt.url: 127.0.0.1 is ") || !strings.HasPrefix(got[1], "update.url: server.local is ") {
		t.Errorf("%q", got)
	}
	s, err = Open(newSite(t, strings.Replace(strings.Replace(good, "password = \"correct horse\"", "", 1), "192.168.1.10", "localhost", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Warnings(); len(got) != 2 || !slices.ContainsFunc(got, func(w string) bool { return strings.HasPrefix(w, "there is no WiFi password") }) {
		t.Errorf("%q", got)
	}
}
