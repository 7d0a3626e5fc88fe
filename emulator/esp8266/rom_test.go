package esp8266

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"esper/emulator/lx106"
)

func TestTheROMHasAllThatFirmwareIsLinkedAgainst(t *testing.T) {
	script, err := os.ReadFile("../../firmware/link/rom.ld")
	must(t, err)
	lines := regexp.MustCompile(`PROVIDE \( (\w+) = (0x[0-9a-f]+) \)`).FindAllStringSubmatch(string(script), -1)
	if len(lines) < 10 {
		t.Fatalf("rom.ld names %d functions", len(lines))
	}
	for _, line := range lines {
		addr, err := strconv.ParseUint(line[2], 0, 32)
		must(t, err)
		if f := romByAddr[uint32(addr)]; f == nil || f.name != line[1] {
			t.Errorf("%s at %s is %v here", line[1], line[2], f)
		}
	}
}

func TestEachROMFunctionHasAPlaceOfItsOwn(t *testing.T) {
	for i, f := range romFunctions {
		if f.addr%4 != 0 || f.addr < romBase || f.addr >= romBase+romSize {
			t.Errorf("%s lies at 0x%08x", f.name, f.addr)
		}
		if i > 0 && f.addr < romFunctions[i-1].addr+8 {
			t.Errorf("%s and %s overlap", f.name, romFunctions[i-1].name)
		}
	}
}

func TestACallOfWhatIsNotEmulatedNamesIt(t *testing.T) {
	for addr, want := range map[uint32]string{
		romAddr("mem_malloc"):     "mem_malloc",
		romAddr("mem_malloc") + 8: "somewhere after mem_malloc",
	} {
		m := newMachine(t, new(code).call(addr).exit())
		m.run(1000, EventStopped)
		if len(m.faults) != 1 || !strings.Contains(m.faults[0], want) {
			t.Errorf("faults: %q, want one that names %q", m.faults, want)
		}
		if len(m.exceptions) != 1 || m.exceptions[0].Cause != lx106.IllegalInstruction {
			t.Errorf("exceptions: %v, want an illegal instruction", m.exceptions)
		}
	}
}

func TestPrintfFormatsAsC(t *testing.T) {
	m := newMachine(t, new(code).exit())
	format, text := uint32(dramBase+0x200), m.put(dramBase+0x300, "text")
	minus := func(v int32) uint32 { return uint32(v) }
	for _, test := range []struct {
		format string
		args   []uint32
		want   string
	}{
		{"plain", nil, "plain"},
		{"%d %d %u", []uint32{minus(-5), 7, minus(-1)}, "-5 7 4294967295"},
		{"%x %X %u %p", []uint32{0xabc, 0xabc, 8, 0x3ffe8000}, "abc ABC 8 0x3ffe8000"},
		{"%08x|%8x|%-8x|", []uint32{0xabc, 0xabc, 0xabc}, "00000abc|     abc|abc     |"},
		{"%05d|%5d|%+d|%.3d|", []uint32{minus(-42), minus(-42), 42, 4}, "-0042|  -42|+42|004|"},
		{"%s|%6s|%-6s|%.2s|%c%%", []uint32{text, text, text, text, 'c'}, "text|  text|text  |te|c%"},
		{"%s", []uint32{0}, "(null)"},
		{"%*d", []uint32{4, 1}, "   1"},
		{"%ld %hd %lu", []uint32{1, 2, 3}, "1 2 3"},
		{"%d %lld", []uint32{1, minus(-2), minus(-1)}, "1 -2"},
		{"%d %d %llx", []uint32{1, 2, 0xBAD, 0x89abcdef, 0x01234567}, "1 2 123456789abcdef"},
		{"%d %d %d %d %d %d %d", []uint32{1, 2, 3, 4, 5, 6, 7}, "1 2 3 4 5 6 7"},
		{"end %", nil, "end "},
	} {
		m.put(format, test.format)
		m.serial.Reset()
		m.rom("ets_printf", append([]uint32{format}, test.args...)...)
		if got := m.serial.String(); got != test.want {
			t.Errorf("%q gave %q, want %q", test.format, got, test.want)
		}
	}
}

func TestStringsOutsideDRAMFaultAsOnTheChip(t *testing.T) {
	for _, test := range []struct {
		name string
		at   uint32
	}{{"ets_printf", iramBase + 0x6000}, {"strlen", iramBase + 0x6001}, {"ets_strlen", iramBase + 0x6003}} {
		m := newMachine(t, new(code).exit())
		m.put(test.at, "in IRAM")
		m.rom(test.name, test.at)
		if len(m.exceptions) != 1 || m.exceptions[0].Cause != lx106.LoadStoreError || m.exceptions[0].Addr != test.at {
			t.Errorf("%s of a string at 0x%08x gave %v, want a LoadStoreError", test.name, test.at, m.exceptions)
		}
	}
}

func TestStrlenReadsWordsWhereTheAddressIsEven(t *testing.T) {
	const at = iramBase + 0x6000
	for _, text := range []string{"", "a", "ab", "abc", "abcd", "abcdefgh"} {
		for _, offset := range []uint32{0, 2} {
			m := newMachine(t, new(code).exit())
			m.put(at+offset, text)
			if got := m.rom("strlen", at+offset); got != uint32(len(text)) || len(m.exceptions) != 0 {
				t.Errorf("strlen of %q at 0x%08x gave %d, %v", text, at+offset, got, m.exceptions)
			}
		}
	}
}

func TestMemcpyLoadsWordsWhereTheDestinationIsAligned(t *testing.T) {
	const from, to = iramBase + 0x6000, dramBase + 0x200
	for _, test := range []struct {
		name           string
		to, from, n    uint32
		want           string
		faultsAtLength bool
	}{
		{"words out of IRAM", to, from, 8, "01234567", false},
		{"words out of IRAM, unaligned", to, from + 3, 8, "3456789a", false},
		{"a byte too many", to, from, 9, "", true},
		{"an unaligned destination", to + 1, from, 8, "", true},
		{"within DRAM", to + 1, dramBase + 0x303, 7, "3456789", false},
	} {
		m := newMachine(t, new(code).exit())
		m.put(from, "0123456789abcdef")
		m.put(dramBase+0x300, "0123456789abcdef")
		got := m.rom("memcpy", test.to, test.from, test.n)
		if faults := len(m.exceptions) > 0; faults != test.faultsAtLength {
			t.Errorf("%s: exceptions %v", test.name, m.exceptions)
			continue
		} else if faults {
			continue
		}
		if b, _ := m.Read(test.to, int(test.n)); string(b) != test.want || got != test.to {
			t.Errorf("%s: copied %q and returned %#x", test.name, b, got)
		}
	}
}

func TestStringAndMemoryFunctions(t *testing.T) {
	m := newMachine(t, new(code).exit())
	abc, abd, empty := m.put(dramBase+0x200, "abc"), m.put(dramBase+0x210, "abd"), m.put(dramBase+0x220, "")
	buffer := uint32(dramBase + 0x300)
	sign := func(v uint32) int {
		switch {
		case int32(v) < 0:
			return -1
		case v == 0:
			return 0
		}
		return 1
	}
	for _, test := range []struct {
		name string
		args []uint32
		want int
	}{
		{"strcmp", []uint32{abc, abd}, -1}, {"strcmp", []uint32{abd, abc}, 1}, {"strcmp", []uint32{abc, abc}, 0},
		{"strcmp", []uint32{abc, empty}, 1}, {"strncmp", []uint32{abc, abd, 2}, 0},
		{"strncmp", []uint32{abc, abd, 3}, -1}, {"memcmp", []uint32{abc, abd, 3}, -1},
		{"memcmp", []uint32{abc, abd, 2}, 0}, {"ets_strcmp", []uint32{abc, abd}, -1},
	} {
		if got := sign(m.rom(test.name, test.args...)); got != test.want {
			t.Errorf("%s(%#x) gave %d, want %d", test.name, test.args, got, test.want)
		}
	}
	if got := m.rom("strlen", abc); got != 3 {
		t.Errorf("strlen gave %d", got)
	}
	if got := m.rom("strstr", abc, m.put(buffer, "bc")); got != abc+1 {
		t.Errorf("strstr gave %#x", got)
	}
	if got := m.rom("strstr", abc, abd); got != 0 {
		t.Errorf("strstr gave %#x for what is not there", got)
	}
	holds := func(want string) {
		t.Helper()
		if b, _ := m.Read(buffer, len(want)); string(b) != want {
			t.Errorf("the buffer holds %q, want %q", b, want)
		}
	}
	m.rom("memset", buffer, 'x', 7)
	holds("xxxxxxx")
	m.rom("strcpy", buffer, abc)
	holds("abc\x00xxx")
	m.rom("strncpy", buffer+1, abc, 5)
	holds("aabc\x00\x00x")
	m.rom("memmove", buffer+1, buffer, 4)
	holds("aaabc")
	m.rom("memmove", buffer, buffer+2, 3)
	holds("abcbc")
	m.rom("ets_bzero", buffer, 2)
	holds("\x00\x00cbc")
}

func TestArithmeticForTheCompiler(t *testing.T) {
	m := newMachine(t, new(code).exit())
	minus := func(v int32) uint32 { return uint32(v) }
	for _, test := range []struct {
		name      string
		args      []uint32
		want, top uint32
		wide      bool
	}{
		{"__divsi3", []uint32{minus(-7), 2}, minus(-3), 0, false},
		{"__divsi3", []uint32{0x80000000, minus(-1)}, 0x80000000, 0, false},
		{"__udivsi3", []uint32{minus(-7), 2}, 0x7FFFFFFC, 0, false},
		{"__umodsi3", []uint32{17, 5}, 2, 0, false},
		{"__umulsidi3", []uint32{0xFFFFFFFF, 0xFFFFFFFF}, 1, 0xFFFFFFFE, true},
		{"__muldi3", []uint32{0xFFFFFFFF, 0, 2, 1}, 0xFFFFFFFE, 0, true}, // (2^32-1)(2^32+2) = 2^64 + 2^32 - 2
		{"__udivdi3", []uint32{0, 1, 2, 0}, 0x80000000, 0, true},
		{"__umoddi3", []uint32{1, 1, 2, 0}, 1, 0, true},
		{"__divdi3", []uint32{minus(-10), minus(-1), 3, 0}, minus(-3), 0xFFFFFFFF, true},
		{"__addsf3", []uint32{0x3FC00000, 0x40200000}, 0x40800000, 0, false},      // 1.5 + 2.5
		{"__muldf3", []uint32{0, 0x3FF80000, 0, 0x40000000}, 0, 0x40080000, true}, // 1.5 * 2
		{"__fixdfsi", []uint32{0, 0xC0080000}, minus(-3), 0, false},               // -3.0
		{"__fixunsdfsi", []uint32{0xFFE00000, 0x41EFFFFF}, 0xFFFFFFFF, 0, false},  // 2^32-1
		{"__floatsidf", []uint32{minus(-3)}, 0, 0xC0080000, true},                 // -3.0
		{"__truncdfsf2", []uint32{0, 0x3FF80000}, 0x3FC00000, 0, false},           // 1.5
	} {
		got := m.rom(test.name, test.args...)
		if got != test.want || test.wide && m.CPU.A[3] != test.top {
			t.Errorf("%s(%#x) gave %#x, %#x, want %#x, %#x", test.name, test.args, got, m.CPU.A[3], test.want, test.top)
		}
	}
	m.rom("__udivsi3", 1, 0)
	if len(m.exceptions) != 1 || m.exceptions[0].Cause != lx106.IllegalInstruction {
		t.Errorf("division by zero gave %v, want an illegal instruction", m.exceptions)
	}
}

func TestAnExceptionHandlerCanMendTheProgram(t *testing.T) {
	p := new(code)
	handle := p.here()
	// a2 is the frame: step over the instruction, give a5 a value, note the cause.
	p.emit(l32i(4, 2, 0), addi(4, 4, 3), s32i(4, 2, 0))
	p.set(4, 0x5A5).emit(s32i(4, 2, 12+4*5))
	p.set(4, result).emit(s32i(3, 4, 0), retOp)
	start := p.here()
	p.call(romAddr("_xtos_set_exception_handler"), uint32(lx106.LoadStoreError), handle)
	p.set(6, iramBase).set(7, 7).emit(l8ui(5, 6, 0)).set(4, result+4).emit(s32i(5, 4, 0), s32i(7, 4, 4)).exit()
	m := newMachine(t, p)
	m.CPU.PC = start
	sp := m.CPU.A[1]
	m.run(1000, EventStopped)
	if len(m.exceptions) != 0 {
		t.Fatalf("the exception was not handled: %v", m.exceptions)
	}
	if cause, a5, a7 := m.word(result), m.word(result+4), m.word(result+8); cause != 3 || a5 != 0x5A5 || a7 != 7 {
		t.Errorf("cause %d, a5 %#x, a7 %d; want 3, 0x5a5, 7", cause, a5, a7)
	}
	if m.CPU.A[1] != sp {
		t.Errorf("the stack moved from %#x to %#x", sp, m.CPU.A[1])
	}
}

func TestWithoutAHookTheROMTellsTheExceptionAndTheWatchdogBites(t *testing.T) {
	m := newMachine(t, new(code).set(2, 0).emit(s32i(3, 2, 0)).exit())
	m.Exception = nil
	m.run(20*CyclesPerSecond, EventReset)
	if want := "Fatal exception (29): \nepc1=0x40100403,"; !strings.Contains(m.serial.String(), want) {
		t.Errorf("the ROM printed %q, want %q", m.serial.String(), want)
	}
	if m.WantedReset() != ResetWatchdog {
		t.Errorf("the reset wanted is %d", m.WantedReset())
	}
}

func TestAGateCallsTheHost(t *testing.T) {
	p := new(code).call(GateBase+GateSize*5, 1, 2, 3).set(4, result).emit(s32i(2, 4, 0), s32i(3, 4, 4)).exit()
	m := newMachine(t, p)
	var gate uint32
	m.Gate = func(addr uint32) {
		gate = addr
		m.Return64(uint64(m.Arg(0)+m.Arg(1)+m.Arg(2)) | 9<<32)
	}
	m.run(1000, EventStopped)
	if gate != GateBase+GateSize*5 || m.word(result) != 6 || m.word(result+4) != 9 {
		t.Errorf("gate 0x%08x returned %d, %d", gate, m.word(result), m.word(result+4))
	}
}

func TestBreakEndsTheRunAfterTheGate(t *testing.T) {
	m := newMachine(t, new(code).call(GateBase).store(result, 1).exit())
	m.mustStore(result, 0)
	m.Gate = func(uint32) {
		m.Return(0)
		m.Break()
	}
	m.run(CyclesPerSecond, EventBudget)
	if m.word(result) != 0 {
		t.Error("the program went on")
	}
	m.run(CyclesPerSecond, EventStopped)
	if m.word(result) != 1 {
		t.Error("the program did not go on at the next run")
	}
}

func TestNegativeNumbersBecomeUnsignedAsOnTheChip(t *testing.T) {
	m := newMachine(t, new(code).exit())
	for _, test := range []struct {
		v    float64
		want uint32
	}{
		{-1, 0xFFFFFFFF}, {-0.5, 0}, {-3.9, 0xFFFFFFFD}, {-1 << 31, 1 << 31}, {-1 << 33, 1 << 31},
		{4294967040, 4294967040}, {1 << 33, 0xFFFFFFFF}, {math.NaN(), 0xFFFFFFFF},
	} {
		if got := m.rom("__fixunssfsi", math.Float32bits(float32(test.v))); got != test.want {
			t.Errorf("__fixunssfsi(%v) is 0x%08x, want 0x%08x", test.v, got, test.want)
		}
		b := math.Float64bits(test.v)
		if got := m.rom("__fixunsdfsi", uint32(b), uint32(b>>32)); got != test.want {
			t.Errorf("__fixunsdfsi(%v) is 0x%08x, want 0x%08x", test.v, got, test.want)
		}
	}
}
