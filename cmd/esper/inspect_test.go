package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"esper/internal/image"
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
