package build

import (
	"slices"
	"testing"
)

func TestTheStepsOfADriverAreRead(t *testing.T) {
	steps, err := readSteps("Target: xtensa-lx106-elf\nCOLLECT_GCC_OPTIONS='-c' ' /bin/x'\n" +
		` /lib/cc1 -quiet ./x.c "-D=a b\"\\\$c" "" -o /tmp/x.s` + "\n" + " /lib/as \"/a b/x.s\"\n")
	want := [][]string{{"/lib/cc1", "-quiet", "./x.c", `-D=a b"\$c`, "", "-o", "/tmp/x.s"}, {"/lib/as", "/a b/x.s"}}
	if err != nil || !slices.EqualFunc(steps, want, slices.Equal) {
		t.Errorf("%q, %v", steps, err)
	}
	for _, said := range []string{"", "nothing\n", " as x.s\n", " \"/lib/as\n", " \n", " \"\\"} {
		if steps, err := readSteps(said); err == nil {
			t.Errorf("%q: %q", said, steps)
		}
	}
}
