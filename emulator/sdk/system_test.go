package sdk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator/esp8266"
)

func TestTheProgramIsStartedAsTheSDKDoes(t *testing.T) {
	m := program(t, `
static void done() { say("done\n"); }
static uint32_t zero;
void user_init() {
    say("init %u\n", zero);
    system_init_done_cb(done);
    say("id %06x flash %06x\n", system_get_chip_id(), spi_flash_get_id());
    say("sdk %s\n", system_get_sdk_version());
}`)
	m.run(time.Second)
	m.expect("init 0", "id abcdef flash 1440ef", "sdk 3.0.5(emulator)", "done")
}

func TestAProgramThatSaysNothingOpensAnAccessPoint(t *testing.T) {
	for body, opens := range map[string]bool{`say("init\n");`: true, `join(); say("init\n");`: false} {
		m := program(t, `void user_init() { `+body+` }`)
		m.run(100 * time.Millisecond)
		m.expect("init")
		if got := m.OpenedAccessPoint(); got != opens {
			t.Errorf("%s opens one: %v", body, got)
		}
	}
}

func TestAProgramThatRegistersNoPartitionTableIsStopped(t *testing.T) {
	m := program(t, `void user_pre_init() {} void user_init() { say("init\n"); }`, "-DNO_PARTITIONS")
	m.run(100 * time.Millisecond)
	m.expectText("user_pre_init has not registered a partition table")
	if strings.Contains(m.serial.String(), "init\r\n") {
		t.Error("it went on")
	}
}

func TestPrintfConvertsAsC(t *testing.T) {
	m := program(t, `
void user_init() {
    say("%d %i %u %x %X %05d %-4d| %4d %s %c %%\n", -1, 2, 3000000000u, 0xABCu, 0xABCu, 42, 7, 7, "text", 'c');
    char out[8];
    int n = ets_snprintf(out, sizeof out, "%s", "too long for it");
    say("%d %s %08lx %.3s\n", n, out, 0x12345UL, "abcdef");
}`)
	m.run(100 * time.Millisecond)
	m.expect("-1 2 3000000000 abc ABC 00042 7   |    7 text c %", "15 too lon 00012345 abc")
}

func TestTimersFireWhenTheyAreDue(t *testing.T) {
	m := program(t, `
static ETSTimer once, often, never;
static int count;
static void onOnce(void*) { say("once %u\n", (system_get_time() + 500) / 1000); }
static void onNever(void*) { say("never\n"); }
static void onOften(void*) {
    say("often %d\n", ++count);
    if (count == 3) ets_timer_disarm(&often);
}
void user_init() {
    uint32_t begin = system_get_time();
    start(&often, 100, onOften, true);
    start(&once, 250, onOnce);
    start(&never, 200, onNever);
    ets_timer_disarm(&never);
    say("%s\n", begin < 100000 ? "soon" : "late");
}`)
	m.run(time.Second)
	got := m.said()
	if len(got) != 5 || got[0] != "soon" || got[1] != "often 1" || got[2] != "often 2" ||
		!strings.HasPrefix(got[3], "once 2") || got[4] != "often 3" {
		t.Errorf("it said %q", got)
	}
}

func TestTasksRunByPriorityAfterTheCallback(t *testing.T) {
	m := program(t, `
static uint32_t low[4], high[4];
static void task(uint32_t* event) { say("task %u %u\n", event[0], event[1]); }
void user_init() {
    say("%d%d%d\n", system_os_task(task, 0, low, 2), system_os_task(task, 2, high, 2), system_os_task(task, 3, low, 2));
    say("%d%d", system_os_post(0, 1, 10), system_os_post(0, 2, 20));
    say("%d%d\n", system_os_post(0, 3, 30), system_os_post(2, 4, 40));
}`)
	m.run(time.Second)
	m.expect("110", "1101", "task 4 40", "task 1 10", "task 2 20")
}

func TestAPinInterruptComesWhileTheSDKIsIdle(t *testing.T) {
	m := program(t, `
static uint32_t queue[4];
static void task(uint32_t* event) { say("pressed %u\n", event[0]); }
static void isr(void*) {
    volatile uint32_t* status = (uint32_t*)0x6000031C;
    volatile uint32_t* clear = (uint32_t*)0x60000324;
    uint32_t pins = *status;
    *clear = pins;
    system_os_post(0, pins, 0);
}
void user_init() {
    system_os_task(task, 0, queue, 2);
    ets_isr_attach(4, isr, nullptr);
    gpio_pin_intr_state_set(4, 2);
    ets_isr_unmask(1 << 4);
}`)
	m.Chip.SetPin(4, true)
	m.run(time.Second)
	m.Chip.SetPin(4, false)
	m.run(time.Second)
	m.expect("pressed 16")
}

func TestTheHeapIsFiniteAndAllOfItComesBack(t *testing.T) {
	m := program(t, `
void user_init() {
    uint32_t before = system_get_free_heap_size();
    void* a = allocate(1000);
    say("%d\n", before - system_get_free_heap_size() >= 1000);
    say("%d %d\n", allocate(before) == nullptr, allocate(0) == nullptr);
    void* b = allocate(system_get_free_heap_size() - 64);
    say("%d %d\n", b != nullptr, ((uint32_t)b & 7) == 0);
    release(a);
    a = allocate(500);
    release(b);
    release(a);
    release(nullptr);
    say("%d\n", system_get_free_heap_size() == before);
}`)
	m.run(time.Second)
	m.expect("1", "1 1", "1 1", "1")
	if now, least := m.HeapFree(); now < 40<<10 || least > 200 {
		t.Errorf("%d bytes free, at least %d", now, least)
	}
}

func TestWrongUseOfTheSDKCrashesAndSaysWhy(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"free twice", `void* a = allocate(8); release(a); release(a);`, "is freed, which is not allocated"},
		{"write behind a block", `char* a = (char*)allocate(8); a[8] = 1; release(a);`, "written behind the 8 bytes"},
		{"write in front of a block", `char* a = (char*)allocate(8); a[-1] = 1; release(a);`, "written in front of the 8 bytes"},
		{"timer without function", `static ETSTimer t; ets_timer_arm_new(&t, 1, false, true);`, "a timer without a function"},
		{"timer set while armed", `static ETSTimer t; auto f = [](void*) {}; start(&t, 9, f); ets_timer_setfn(&t, f, nullptr);`, "a timer that is armed"},
		{"timer too long", `static ETSTimer t; start(&t, 7000000, [](void*) {});`, "a timer of 7000000 ms"},
		{"bad pointer", `system_get_rst_info(); wifi_get_macaddr(0, (uint8_t*)0x1234);`, "wifi_get_macaddr is given a bad pointer"},
		{"stack", `static ETSTimer t; start(&t, 1, [](void*) { volatile char big[6000]; for (unsigned i = 0; i < sizeof big; i++) big[i] = 1; });`,
			"the stack of 5248 bytes has overflowed"},
		{"stack of user_init", `volatile char big[2400]; for (unsigned i = 0; i < sizeof big; i++) big[i] = 1;`,
			"the 2144 bytes of stack that constructors have, and user_init, have overflowed"},
		{"flash from flash", `spi_flash_write(0x80000, (uint32_t*)0x40200000, 4);`, "buffer that is not in RAM"},
		{"float", `say("%f\n", 1.0);`, "conversion %f is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := program(t, "void user_init() { if (system_get_rst_info()->reason == 2) { say(\"again\\n\"); return; }\n"+c.code+"\n}")
			m.run(time.Second)
			m.expectText("emulator: ", c.want)
			m.expect("again")
		})
	}
}

func TestACrashIsReportedWithTheFunctionAndSurvivesTheReset(t *testing.T) {
	m := program(t, `
static void store(volatile int* where) { *where = 1; }
static void deeper(int n) { store((int*)(n * 0x10)); say("not here\n"); }
void user_init() {
    rst_info* info = system_get_rst_info();
    say("reason %u cause %u address %x\n", info->reason, info->exccause, info->excvaddr);
    if (info->reason == 0) deeper(2);
}`)
	m.run(time.Second)
	m.expectText("Fatal exception 29(StoreProhibitedCause):\nepc1=0x401", "excvaddr=0x00000020, depc=",
		"store(int volatile*)+0x", "from 0x401", "deeper(int)+0x", "user_init+0x")
	m.expect("reason 2 cause 29 address 20")
	if !slices.Equal(m.resets, []esp8266.ResetReason{esp8266.ResetException}) {
		t.Errorf("resets: %v", m.resets)
	}
}

func TestTheSoftWatchdogEndsACallbackThatHangs(t *testing.T) {
	m := program(t, `
static void spin() { while (true) asm volatile(""); }
void user_init() {
    say("reason %u\n", system_get_rst_info()->reason);
    if (system_get_rst_info()->reason == 0) spin();
}`)
	m.run(3 * time.Second)
	if len(m.resets) != 0 {
		t.Errorf("it bit too early")
	}
	m.run(time.Second)
	m.expectText("Soft WDT reset", "spin()+0x")
	m.expect("reason 4") // as the vendor's says
}

func TestTheHardwareWatchdogEndsAHangWithInterruptsOff(t *testing.T) {
	m := program(t, `
void user_init() {
    say("reason %u\n", system_get_rst_info()->reason);
    ets_intr_lock();
    while (system_get_rst_info()->reason == 0) asm volatile("");
    ets_intr_unlock();
}`)
	m.run(8 * time.Second)
	if len(m.resets) != 0 {
		t.Errorf("it bit too early")
	}
	m.run(2 * time.Second)
	m.expect("reason 1")
}

func TestAFedCallbackMayTakeLong(t *testing.T) {
	m := program(t, `
void user_init() {
    for (int i = 0; i < 10; i++) { ets_delay_us(1000000); system_soft_wdt_feed(); }
    say("reason %u\n", system_get_rst_info()->reason);
}`)
	m.run(11 * time.Second)
	m.expect("reason 0")
}

func TestARestartComesAWhileAfterItIsAskedFor(t *testing.T) {
	m := program(t, `
static ETSTimer timer;
void user_init() {
    say("reason %u\n", system_get_rst_info()->reason);
    if (system_get_rst_info()->reason == 0) {
        start(&timer, 50, [](void*) { say("still here\n"); });
        system_restart();
        say("returned\n");
    }
}`)
	m.run(time.Second)
	m.expectText("returned\nstill here\n")
	m.expect("reason 4")
}

func TestTheFlashWantsWholeWords(t *testing.T) {
	m := program(t, `
static uint32_t words[4] = {0x11111111, 0x22222222, 0x33333333, 0x44444444}, back[4];
void user_init() {
    say("%u %u\n", spi_flash_erase_sector(0x80), spi_flash_write(0x80000, words, 16));
    say("%u %x %x\n", spi_flash_read(0x80004, back, 8), back[0], back[1]);
    say("%u%u%u\n", spi_flash_write(0x80001, words, 4), spi_flash_write(0x80000, words, 3),
        spi_flash_read(0x80000, (uint32_t*)((char*)back + 1), 4));
    say("%u%u\n", spi_flash_erase_sector(0x100), spi_flash_read(0xFFFFC, back, 8));
}`)
	m.run(time.Second)
	m.expect("0 0", "0 22222222 33333333", "111", "11")
}
