package storetest

import (
	"errors"
	"fmt"
	"testing"

	"esper/internal/devicesetting"
	"esper/internal/store"
)

func keepsWantedSettings(t *testing.T, b *bench) {
	ctx := t.Context()
	b.says(now, "00c0de/status", "ONLINE")
	expect := func(want string) {
		t.Helper()
		b.open()
		all, err := b.store.WantedSettings(ctx)
		b.must(err)
		got := ""
		for _, w := range all {
			got += fmt.Sprintf("%s %s %s %q|", w.Scope, w.Of, w.Name, w.Value)
		}
		if got != want {
			t.Errorf("wanted: %s, not %s", got, want)
		}
	}
	expect("")
	set := func(scope devicesetting.Scope, of, name, value string) {
		t.Helper()
		b.must(b.store.SetWantedSetting(ctx, devicesetting.Wanted{Scope: scope, Of: of, Name: name, Value: value}))
	}
	set(devicesetting.OfType, "socket", "interval", "1")
	set(devicesetting.OfGroup, "kitchen", "interval", "2")
	set(devicesetting.OfDevice, "00c0de", "interval", "3")
	set(devicesetting.OfDevice, "00c0de", "greeting", "")
	set(devicesetting.OfDevice, "00c0de", "interval", "4")
	expect(`device 00c0de greeting ""|device 00c0de interval "4"|group kitchen interval "2"|type socket interval "1"|`)
	b.must(b.store.UnsetWantedSetting(ctx, devicesetting.OfGroup, "kitchen", "interval"))
	if err := b.store.UnsetWantedSetting(ctx, devicesetting.OfGroup, "kitchen", "interval"); !errors.Is(err, store.ErrNoSetting) {
		t.Errorf("unset twice: %v", err)
	}
	if err := b.store.SetWantedSetting(ctx, devicesetting.Wanted{Scope: devicesetting.OfDevice, Of: "00beef", Name: "a"}); !errors.Is(err, store.ErrNoDevice) {
		t.Errorf("of an unknown device: %v", err)
	}
	b.must(b.store.Remove(ctx, "00c0de"))
	expect(`type socket interval "1"|`)
	for i := range devicesetting.MaxWanted - 1 {
		set(devicesetting.OfType, "socket", fmt.Sprint("s", i), "1")
	}
	err := b.store.SetWantedSetting(ctx, devicesetting.Wanted{Scope: devicesetting.OfType, Of: "socket", Name: "more", Value: "1"})
	if !errors.Is(err, store.ErrSetting) {
		t.Errorf("one too many: %v", err)
	}
	all, err := b.store.WantedSettings(ctx)
	if b.must(err); len(all) != devicesetting.MaxWanted {
		t.Errorf("%d wanted settings", len(all))
	}
	set(devicesetting.OfType, "socket", "interval", "5") // replaces one
}
