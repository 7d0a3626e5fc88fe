package esp8266

import (
	"errors"
	"strings"
	"testing"
)

func TestTheHostReachesMemoryAtAnyAlignment(t *testing.T) {
	m := newMachine(t, new(code).exit())
	for _, addr := range []uint32{dramBase + 1, iramBase + 0x6001, rtcBase + 0x201} {
		must(t, m.Write(addr, []byte("some bytes\x00")))
		if s, err := m.String(addr, 20); s != "some bytes" || err != nil {
			t.Errorf("at 0x%08x lies %q, %v", addr, s, err)
		}
		must(t, m.Store32(addr, 0x01020304))
		if v := m.word(addr); v != 0x01020304 {
			t.Errorf("at 0x%08x lies %#x", addr, v)
		}
	}
}

func TestTheHostIsToldWhatItCannotReach(t *testing.T) {
	m := newMachine(t, new(code).exit())
	var access *AccessError
	for name, err := range map[string]error{
		"read of nothing":         second(m.Read(0x70000000, 1)),
		"read over the end":       second(m.Read(0x3FFFFFFF, 2)),
		"read of unmapped flash":  second(m.Read(flashBase, 1)),
		"read of a negative size": second(m.Read(dramBase, -1)),
		"write to ROM":            m.Write(romBase, []byte{1}),
		"write to null":           m.Write(0, []byte{1}),
		"word of nothing":         second(m.Load32(0x70000000)),
		"word of ROM, written":    m.Store32(romBase, 1),
		"string at null":          second(m.String(0, 10)),
	} {
		if !errors.As(err, &access) {
			t.Errorf("%s gave %v, want an AccessError", name, err)
		}
	}
	must(t, m.Write(dramBase, []byte("long")))
	if _, err := m.String(dramBase, 3); err == nil || !strings.Contains(err.Error(), "3 bytes") {
		t.Errorf("a string that is too long gave %v", err)
	}
	m.rom("Cache_Read_Enable", 0, 0, 1)
	if err := m.Write(flashBase, []byte{1}); !errors.As(err, &access) {
		t.Errorf("a write to mapped flash gave %v", err)
	}
	if b, err := m.Read(flashBase, 1); err != nil || b[0] != imageMagic {
		t.Errorf("mapped flash reads % x, %v", b, err)
	}
}

func second[T any](_ T, err error) error { return err }
