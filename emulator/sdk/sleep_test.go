package sdk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator/esp8266"
)

// sleeper is a program that sleeps for some time in its first start, and then says what it finds.
func sleeper(t *testing.T, us, option string) *machine {
	return program(t, `
static ETSTimer timer;
static uint32_t inRAM;
void user_init() {
    uint32_t kept[2] = {0, 0};
    system_rtc_mem_read(64, kept, 8);
    say("reason %u kept %x ram %x\n", system_get_rst_info()->reason, kept[1], inRAM);
    if (kept[0] == 0x600D) return;
    kept[0] = 0x600D;
    kept[1] = 0xCAFE;
    inRAM = 0xBEEF;
    system_rtc_mem_write(64, kept, 8);
    say("option %u sleep %u\n", system_deep_sleep_set_option(`+option+`), system_deep_sleep(`+us+`));
    start(&timer, 50, [](void*) { say("still here\n"); });
}`)
}

func TestADeepSleepEndsWithAResetAndKeepsRTCMemoryAlone(t *testing.T) {
	m := sleeper(t, "3000000", "1")
	m.run(3 * time.Second)
	m.expectText("option 1 sleep 1\nstill here\nenter deep sleep\n")
	if len(m.resets) != 0 || !m.Chip.Asleep() {
		t.Errorf("after 3 s: resets %v, asleep %v", m.resets, m.Chip.Asleep())
	}
	m.run(time.Second)
	m.expect("reason 5 kept cafe ram 0")
	if !slices.Equal(m.resets, []esp8266.ResetReason{esp8266.ResetDeepSleep}) {
		t.Errorf("resets: %v", m.resets)
	}
}

func TestADeepSleepMayTakeHoursButNotFour(t *testing.T) {
	m := sleeper(t, "10800000000ull", "0")
	begin := m.Now()
	m.run(3 * time.Hour)
	if !m.Chip.Asleep() {
		t.Error("it woke too early")
	}
	m.run(time.Second)
	m.expect("reason 5 kept cafe ram 0")
	if took := m.Now() - begin; took < 3*time.Hour {
		t.Errorf("it took %v", took)
	}
	m = sleeper(t, "14400000000ull", "0")
	m.run(time.Second)
	m.expectText("deep sleep too long\noption 1 sleep 0\nstill here\n")
	if m.Chip.Asleep() {
		t.Error("it sleeps")
	}
}

func TestASleepWithoutAnEndIsEndedByAReset(t *testing.T) {
	for name, c := range map[string]struct {
		us   string
		open bool
		end  func(*machine)
		want string
	}{
		"no time, the reset pin": {"0", false, func(m *machine) { m.PinReset() }, "reason 5 kept cafe ram 0"},
		"GPIO16 is open, power":  {"1000000", true, func(m *machine) { m.PowerOn() }, "enter deep sleep"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sleeper(t, c.us, "0")
			m.Chip.WakeOpen = c.open
			m.run(100 * time.Hour)
			if !m.Chip.Asleep() || len(m.resets) != 0 {
				t.Fatalf("asleep %v, resets %v", m.Chip.Asleep(), m.resets)
			}
			if next := m.Next(); next < 1000*time.Hour {
				t.Errorf("it would wake at %v", next)
			}
			c.end(m)
			m.run(time.Second)
			if got := m.said(); !slices.Contains(got, c.want) {
				t.Errorf("it said %q", got)
			}
		})
	}
}

func TestTheResetPinIsAReasonOfItsOwn(t *testing.T) {
	m := program(t, `void user_init() { say("reason %u\n", system_get_rst_info()->reason); }`)
	m.run(time.Second)
	m.PinReset()
	m.run(time.Second)
	m.expect("reason 6")
}

func TestTheRadioStaysOffAfterASleepIfThatIsAskedFor(t *testing.T) {
	for option, want := range map[string]bool{"2": true, "4": false} {
		m := program(t, `
static void event(System_Event_t* e) { if (e->event == 3) say("connected\n"); }
void user_init() {
    wifi_set_event_handler_cb(event);
    join();
    if (system_get_rst_info()->reason) return;
    say("%u%u\n", system_deep_sleep_set_option(3), system_deep_sleep_set_option(`+option+`));
    system_deep_sleep(1000000);
}`)
		m.run(5 * time.Second)
		m.expectText("01\n")
		if got := slices.Contains(m.said(), "connected"); got != want {
			t.Errorf("option %s: connected %v; %s", option, got, strings.Join(m.said(), "|"))
		}
	}
}

func TestPinsFloatInADeepSleep(t *testing.T) {
	m := program(t, `
void user_init() {
    if (system_get_rst_info()->reason) return;
    *(volatile uint32_t*)0x60000310 = 1 << 12;
    *(volatile uint32_t*)0x60000304 = 1 << 12;
    system_deep_sleep(1000000);
}`)
	m.run(90 * time.Millisecond)
	on := m.Chip.Pin(12)
	m.run(500 * time.Millisecond)
	if !on || m.Chip.Pin(12) {
		t.Errorf("before %v, asleep %v", on, m.Chip.Pin(12))
	}
}
