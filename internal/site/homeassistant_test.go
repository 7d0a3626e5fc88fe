package site

import (
	"reflect"
	"strings"
	"testing"

	"esper/internal/homeassistant"
)

func TestHomeAssistantIsToldOnlyIfTheSiteSaysSo(t *testing.T) {
	for text, want := range map[string]homeassistant.Options{
		"":                  {},
		"[homeassistant]\n": {Prefix: "homeassistant"},
		"[homeassistant]\ndiscovery_prefix = \"ha/test\"\n": {Prefix: "ha/test"},
	} {
		s, err := Open(newSite(t, good+"\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Config.HomeAssistant; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestWrongOptionsForHomeAssistantAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"discovery_prefix = \"\"":  "homeassistant.discovery_prefix",
		"discovery_prefix = \"#\"": "homeassistant.discovery_prefix",
	} {
		if _, err := Open(newSite(t, good+"\n[homeassistant]\n"+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", text, err, want)
		}
	}
}
