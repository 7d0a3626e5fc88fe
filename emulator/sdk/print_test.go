package sdk_test

import (
	"bytes"
	"testing"
	"time"
)

func TestWhatIsPrintedGoesWhereTheProgramWantsIt(t *testing.T) {
	m := program(t, `
static void uart1(char c) { *(volatile uint32_t*)0x60000F00 = c; }
static int n;
static void nested(char c) {
    if (c == '!' && n++ == 0) say("(in %d)", 1);
    uart1(c == '!' ? '.' : c);
}
void user_init() {
    say("to 0\n");
    ets_install_putc1(uart1);
    say("to %d%s", 1, "");
    int length = say(" text %s", "twelve");
    say(", %d\n", length);
    ets_install_putc1(nested);
    say("x!y\n");
    ets_install_putc1(nullptr);
    say("%d\n", say("nowhere"));
    ets_install_putc1(uart1);
    system_set_os_print(0);
    say("silence\n");
    system_set_os_print(1);
    say("end %d\n", system_get_os_print());
}`)
	var second bytes.Buffer
	m.Chip.Serial1 = &second
	m.run(time.Second)
	m.expect("to 0")
	const want = "to 1 text twelve, 12\nx(in 1).y\nend 1\n"
	if got := second.String(); got != want {
		t.Errorf("UART 1 sent %q, want %q", got, want)
	}
}
