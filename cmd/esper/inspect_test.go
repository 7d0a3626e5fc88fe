package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"esper/internal/image"
	"esper/internal/settings"
)

func TestADumpTellsWhatWasRolledBack(t *testing.T) {
	flash, err := image.NewFlash(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := flash[image.BootConfigurationAddress+image.RefusalSize:][:image.RefusalSize]
	clear(b)
	copy(b, "ERBK")
	binary.LittleEndian.PutUint32(b[4:], 42)
	copy(b[8:], "8a1b2c3d")
	b[44] = 2
	digest := sha256.Sum256(b[:60])
	copy(b[60:], digest[:4])

	var out bytes.Buffer
	inspect(flash).print(&out)
	if want := "8a1b2c3d, sequence 42, hung: not tried again"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is missing in\n%s", want, out.String())
	}
}

func TestADumpShowsWhatDeviceCodeKeeps(t *testing.T) {
	flash, err := image.NewFlash(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := settings.Record{Generation: 5, Entries: settings.Entries{
		settings.OfPersisted("total", 2, []byte{0x39, 5, 0, 0}),
		settings.OfNumber("other", 1), // of another kind
	}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	inspect(flash).print(&out)
	if strings.Contains(out.String(), "version") {
		t.Errorf("an erased journal is shown as\n%s", out.String())
	}
	copy(flash[image.ApplicationDataAddress:], b)
	out.Reset()
	inspect(flash).print(&out)
	if want := "total: 39050000 (version 2)"; !strings.Contains(out.String(), want) ||
		strings.Contains(out.String(), "other") {
		t.Errorf("%q is missing in\n%s", want, out.String())
	}
}
