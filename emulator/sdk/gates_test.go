package sdk

import "testing"

// A firmware can call what gates.ld binds, so each of these must be answered; and
// what is answered must have a number.
func TestEachGateHasAFunction(t *testing.T) {
	names, err := readGates()
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{}
	for _, name := range names {
		if bound[name] {
			t.Errorf("%s has two gates", name)
		}
		bound[name] = true
		if f, ok := functions[name]; !ok || f == nil && name != "sdk_return" {
			t.Errorf("%s has no function", name)
		}
	}
	for name := range functions {
		if !bound[name] {
			t.Errorf("%s has no gate", name)
		}
	}
	if names[0] != "sdk_return" || names[1] != "sdk_start" {
		t.Errorf("the first gates are %v", names[:2])
	}
}
