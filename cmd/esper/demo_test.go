package main

import (
	"slices"
	"strings"
	"testing"

	"esper/emulator/hands"
)

func TestTheDemosScriptsAreForItsDevices(t *testing.T) {
	for deviceType, text := range demoHands {
		if !slices.Contains(demoTypes, deviceType) {
			t.Errorf("there is no %s", deviceType)
		}
		if _, err := hands.Parse(strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", deviceType, err)
		}
	}
}
