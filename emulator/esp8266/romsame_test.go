package esp8266

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// deliberate are the ways in which an emulated function of the ROM is not as the chip's, on
// purpose. The comparison below leaves these, and only these, out.
//
//   - Strings must lie where bytes can be read; the chip's strcmp and strcpy read words as far
//     as they can. Which of them do so where is nothing to rely on, but for strlen, on which the
//     vendor's software does.
//   - A NaN is some NaN.
//   - memcmp, strcmp and strncmp return a number of the right sign.
//   - What a function without a result leaves in a2 is not compared.
//   - SPIWrite refuses a flash address and a length that are not multiples of 4, with which
//     the chip's writes something else than was meant.
//   - What lies behind the end of the flash is refused; the chip's takes each for one of 4 MB,
//     and begins again at its start.
//   - An exception that nobody handles is told to the emulator. The chip's own handlers of
//     them print a line each.
//
// notCompared are the functions that are not called like others: why, for each.
var notCompared = map[string]string{
	"ets_delay_us":              "takes its time without executing anything",
	"software_reset":            "asks for the reset, which the chip makes",
	"ets_run":                   "does not return",
	"_xtos_l1int_handler":       "is entered by a vector",
	"_xtos_c_wrapper_handler":   "is entered by a vector",
	"_xtos_unhandled_exception": "is entered by a vector",
	"_xtos_return_from_exc":     "is entered by a handler",
	"ets_write_char":            "prints through what the program installs",
	"ets_vprintf":               "prints through what the program installs",
	"xthal_get_ccount":          "tells the time",
	"xthal_get_interrupt":       "tells what waits",
	"ets_update_cpu_frequency":  "has no effect here",
	"ets_install_uart_printf":   "has no effect here",
	"uartAttach":                "has no effect here",
	"Uart_Init":                 "has no effect here",
	"gpio_init":                 "has no effect here",
	"SelectSpiFunction":         "has no effect here",
	"spi_flash_attach":          "has no effect here",
	"SPIParamCfg":               "has no effect here",
	"ets_set_user_start":        "keeps what it is given out of memory",
	"SPI_read_status":           "knows no write enable here",
	"SPI_write_enable":          "knows no write enable here",
	"SPI_write_status":          "has no effect here",
	"SPIReadModeCnfig":          "has no effect here",
	"Enable_QMode":              "has no effect here",
	"SPIUnlock":                 "has no effect here",
	"SPILock":                   "has no effect here",
	"ets_wdt_get_mode":          "knows on and off here",
	"ets_wdt_enable":            "only switches the watchdog here; the chip's takes its interrupt, too",
	"ets_wdt_disable":           "only switches the watchdog here",
	"ets_wdt_restore":           "only switches the watchdog here",
	"ets_wdt_init":              "only feeds the watchdog here",
	"SPIEraseChip":              "erases this program",
	"ets_uart_printf":           "is ets_printf here",
}

// sameCall is a call to be compared.
type sameCall struct {
	name    string
	args    []uint32
	results int                                 // words that it returns
	same    func(name string, a, b uint32) bool // of the first; nil: equal
	watch   []uint32                            // registers and words of the ROM's to be compared, too
	texts   []string                            // that lie at areaA, 64 bytes apart
}

func sameSign(_ string, a, b uint32) bool {
	sign := func(v uint32) int { return min(max(int(int32(v)), -1), 1) }
	return sign(a) == sign(b)
}

func sameFloat(_ string, a, b uint32) bool {
	x, y := math.Float32frombits(a), math.Float32frombits(b)
	return a == b || x != x && y != y
}

// area is where arguments lie: three buffers, filled anew for each call.
const (
	areaA    = result + 0x1000
	areaB    = result + 0x1400
	areaC    = result + 0x1800
	areaSize = 0x400
)

// generator makes arguments.
type generator struct{ *rand.Rand }

// word is a number at which things change, or any.
func (g generator) word() uint32 {
	edges := []uint32{0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
		0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF}
	switch g.Intn(4) {
	case 0:
		return edges[g.Intn(len(edges))]
	case 1:
		return g.Uint32() >> g.Intn(32)
	}
	return g.Uint32()
}

func (g generator) nonzero() uint32 {
	for {
		if v := g.word(); v != 0 {
			return v
		}
	}
}

func (g generator) words(n int) []uint32 {
	var w []uint32
	for range n {
		w = append(w, g.word())
	}
	return w
}

// float is a number at which things change, or any, that is no NaN.
func (g generator) float() float64 {
	edges := []float64{0, math.Copysign(0, -1), 1, -1, 0.5, -0.5, 1.5, 2, 1e9, -1e9, 2147483647, 2147483648,
		-2147483648, 4294967295, 3e38, 1e-30, math.Pi}
	switch g.Intn(3) {
	case 0:
		return edges[g.Intn(len(edges))]
	case 1:
		return (g.Float64() - 0.5) * math.Pow(2, float64(g.Intn(40)))
	}
	return (g.Float64() - 0.5) * math.Pow(2, float64(g.Intn(120)-60))
}

func (g generator) float32() uint32 { return math.Float32bits(float32(g.float())) }
func (g generator) float64() []uint32 {
	b := math.Float64bits(g.float())
	return []uint32{uint32(b), uint32(b >> 32)}
}

// at is an address in a buffer, with room behind it.
func (g generator) at(area uint32) uint32 { return area + uint32(g.Intn(32)) }
func (g generator) length() uint32        { return uint32(g.Intn(200)) }

// pair is a copy of the test for one ROM: a chip that has booted.
func sameMachine(t *testing.T, rom []byte) *machine {
	t.Helper()
	m := &machine{t: t, Chip: New(NewFlash(FlashSize))}
	m.ROM = rom
	m.attach()
	p := new(code).loop()
	must(t, m.Flash.Put(0, p.image()))
	m.PowerOn()
	m.run(CyclesPerSecond/4, EventBudget)
	return m
}

const sameReturn = GateBase + 0x3FE0

// call calls a function of the ROM and reports whether it returned.
func (m *machine) callROM(addr uint32, args []uint32) bool {
	returned := false
	m.SetHooks(map[uint32]func(){sameReturn: func() { returned = true; m.Break() }})
	cpu := m.CPU
	cpu.A[1] = 0x3FFFFE00
	for i := 2; i < 8; i++ {
		cpu.A[i] = 0
	}
	copy(cpu.A[2:8], args)
	for i := 6; i < len(args); i++ {
		m.mustStore(cpu.A[1]+uint32(4*(i-6)), args[i])
	}
	cpu.PS, cpu.A[0], cpu.PC, cpu.Waiting = 0x20, sameReturn, addr, false
	m.exceptions, m.stopped = nil, false
	m.FeedWatchdog()
	for end := cpu.Cycles + 3*CyclesPerSecond; !returned && cpu.Cycles < end; {
		if e := m.Run(end); e != EventBudget {
			return returned
		}
	}
	return returned
}

// calls makes one of each kind.
func (g generator) calls() []sameCall {
	var all []sameCall
	add := func(results int, same func(string, uint32, uint32) bool, args []uint32, names ...string) {
		for _, name := range names {
			all = append(all, sameCall{name: name, args: args, results: results, same: same})
		}
	}
	// Arithmetic.
	add(2, nil, g.words(4), "__muldi3")
	add(2, nil, g.words(2), "__umulsidi3")
	add(1, nil, []uint32{g.word(), g.nonzero()}, "__divsi3", "__udivsi3", "__umodsi3")
	add(2, nil, []uint32{g.word(), g.word(), g.nonzero(), g.word()}, "__divdi3", "__udivdi3", "__umoddi3")
	add(1, sameFloat, []uint32{g.float32(), g.float32()}, "__addsf3", "__subsf3", "__mulsf3")
	doubles := append(g.float64(), g.float64()...)
	add(2, nil, doubles, "__adddf3", "__subdf3", "__muldf3")
	if doubles[2] != 0 || doubles[3]<<1 != 0 {
		add(2, nil, doubles, "__divdf3")
	}
	add(1, nil, []uint32{g.float32()}, "__fixunssfsi")
	add(1, nil, g.float64(), "__fixdfsi", "__fixunsdfsi")
	add(1, sameFloat, g.float64(), "__truncdfsf2")
	add(2, nil, []uint32{g.float32()}, "__extendsfdf2")
	add(1, nil, g.words(1), "__floatunsisf", "__floatsisf")
	add(2, nil, g.words(1), "__floatunsidf", "__floatsidf")
	add(1, nil, []uint32{g.word(), 1 << g.Intn(12)}, "roundup2")

	// Memory and strings.
	to, from, n := g.at(areaA), g.at(areaB), g.length()
	add(1, nil, []uint32{to, from, n}, "memcpy", "ets_memcpy", "memmove", "ets_memmove")
	add(1, nil, []uint32{to, to + uint32(g.Intn(40)) - 20, n}, "memmove", "ets_memmove")
	add(1, nil, []uint32{to, g.word(), n}, "memset", "ets_memset")
	add(0, nil, []uint32{to, n}, "bzero", "ets_bzero")
	add(0, nil, []uint32{areaA}, "MD5Init")
	add(0, nil, []uint32{areaA, g.at(areaB), g.length()}, "MD5Update")
	add(0, nil, []uint32{areaB, areaA}, "MD5Final")
	add(1, sameSign, []uint32{to, from, n}, "memcmp", "ets_memcmp", "strncmp", "ets_strncmp")
	add(1, sameSign, []uint32{to, from}, "strcmp", "ets_strcmp")
	add(1, nil, []uint32{to, from}, "strcpy", "ets_strcpy", "strstr", "ets_strstr")
	add(1, nil, []uint32{to, from, n}, "strncpy", "ets_strncpy")
	add(1, nil, []uint32{to}, "strlen", "ets_strlen")

	// Tasks and interrupts.
	priority, queue := uint32(1+g.Intn(32)), uint32(areaC)
	all = append(all, sameCall{name: "ets_task", args: []uint32{g.word(), priority, queue, 2}, watch: taskWords(priority)})
	for range 3 {
		all = append(all, sameCall{name: "ets_post", args: []uint32{priority, g.word(), g.word()}, results: 1, watch: taskWords(priority)})
	}
	all = append(all,
		sameCall{name: "ets_set_idle_cb", args: []uint32{0, g.word()}, watch: []uint32{taskIdle, taskIdle + 4}},
		sameCall{name: "ets_intr_lock", watch: []uint32{lockedPS}},
		sameCall{name: "ets_intr_unlock"},
		sameCall{name: "ets_isr_attach", args: []uint32{uint32(g.Intn(14)), g.word() & 1 * codeBase, g.word()}, watch: xtosWords()},
		sameCall{name: "_xtos_set_interrupt_handler_arg", args: []uint32{uint32(g.Intn(20)), codeBase, g.word()}, results: 1, watch: xtosWords()},
		sameCall{name: "_xtos_ints_on", args: []uint32{1 << (9 + g.Intn(5))}, results: 1, watch: xtosWords()},
		sameCall{name: "_xtos_ints_off", args: []uint32{g.word()}, results: 1, watch: xtosWords()},
		sameCall{name: "ets_isr_unmask", args: []uint32{1 << (9 + g.Intn(5))}, watch: xtosWords()},
		sameCall{name: "ets_isr_mask", args: []uint32{0x3FFF}, watch: xtosWords()},
		sameCall{name: "_xtos_set_exception_handler", args: []uint32{uint32(sameCause + g.Intn(40)), g.word() & 1 * codeBase}, results: 1, watch: xtosWords()},
	)

	// Pins, the radio, the rest.
	pins := []uint32{regGPIO, regGPIO + 0x0C, regGPIO + 0x1C, regGPIO + 0x28 + 4*5}
	all = append(all,
		sameCall{name: "gpio_output_set", args: []uint32{g.word() & 0xFFFF, g.word() & 0xFFFF, g.word() & 0xFFFF, g.word() & 0xFFFF}, watch: pins},
		sameCall{name: "gpio_pin_intr_state_set", args: []uint32{5, uint32(g.Intn(6))}, watch: pins},
		sameCall{name: "gpio_input_get", results: 1},
		sameCall{name: "rom_chip_v5_disable_cca", watch: []uint32{0x60009B00}},
		sameCall{name: "rom_chip_v5_enable_cca", watch: []uint32{0x60009B00}},
		sameCall{name: "rom_mhz2ieee", args: []uint32{uint32(2412 + g.Intn(150)), 1 << 7}, results: 1},
		sameCall{name: "rom_i2c_writeReg", args: []uint32{uint32(g.Intn(256)), 1, uint32(g.Intn(256)), uint32(g.Intn(256))}, watch: []uint32{i2cBase + 4}},
		sameCall{name: "rom_i2c_readReg", args: []uint32{uint32(g.Intn(256)), 1, uint32(g.Intn(256))}, results: 1, watch: []uint32{i2cBase + 4}},
		sameCall{name: "rom_i2c_readReg_Mask", args: []uint32{uint32(g.Intn(256)), 1, 7, 5, 2}, results: 1, watch: []uint32{i2cBase + 4}},
		sameCall{name: "rom_i2c_writeReg_Mask", args: []uint32{uint32(g.Intn(256)), 1, 7, 5, 2, uint32(g.Intn(16))}, watch: []uint32{i2cBase + 4}},
		sameCall{name: "lldesc_build_chain", args: []uint32{areaA, 120, areaB, uint32(100 + g.Intn(300)), 100, uint32(g.Intn(2)), areaC, areaC + 4}},
		sameCall{name: "uart_div_modify", args: []uint32{0, uint32(500 + g.Intn(1000))}, watch: []uint32{regUART0 + 0x14}},
		sameCall{name: "ets_get_cpu_frequency", results: 1},
		sameCall{name: "rtc_get_reset_reason", results: 1},
		sameCall{name: "srand", args: g.words(1)},
		sameCall{name: "rand", results: 1},
	)

	// What is printed.
	formats := []string{"%d", "%5d|", "%-5d|", "%05d", "%u", "%x", "%8x|", "%08X", "%c", "%%", "plain\n", "%p", "%o", "%i"}
	format := formats[g.Intn(len(formats))]
	all = append(all,
		sameCall{name: "ets_printf", args: []uint32{areaA, g.word()}, texts: []string{format}},
		sameCall{name: "ets_printf", args: []uint32{areaA, areaA + 64, g.word()}, texts: []string{"<%s> %d", "text"}},
		sameCall{name: "ets_putc", args: []uint32{uint32(' ' + g.Intn(90))}},
		sameCall{name: "uart_tx_one_char", args: []uint32{uint32(g.Intn(256))}},
		sameCall{name: "uart_rx_one_char", args: []uint32{areaA}, results: 1},
		sameCall{name: "ets_install_putc1", args: []uint32{romPutc1}, watch: []uint32{putc1}},
		sameCall{name: "phy_get_romfuncs", results: 1},
		sameCall{name: "xthal_set_intclear", args: g.words(1)},
		sameCall{name: "Wait_SPI_Idle", args: []uint32{flashChipStruct}, results: 1},
		sameCall{name: "SPIEraseArea", args: []uint32{0x50000, 0x3000}, results: 1},
		sameCall{name: "xthal_memcpy", args: []uint32{to, from, n}, results: 1},
	)

	// Flash.
	address := uint32(0x40000 + 4*g.Intn(0x3000))
	all = append(all,
		sameCall{name: "SPIRead", args: []uint32{address &^ 3, areaC, 4 * uint32(g.Intn(64))}, results: 1},
		sameCall{name: "SPIWrite", args: []uint32{address, areaC, 4 * uint32(g.Intn(64))}, results: 1},
		sameCall{name: "SPIEraseSector", args: []uint32{address / SectorSize}, results: 1},
		sameCall{name: "SPIEraseBlock", args: []uint32{5}, results: 1},
		sameCall{name: "Cache_Read_Enable", args: []uint32{uint32(g.Intn(2)), 0, uint32(g.Intn(2))}, watch: []uint32{regCache}},
		sameCall{name: "Cache_Read_Disable", watch: []uint32{regCache}},
	)
	return all
}

func taskWords(priority uint32) []uint32 {
	t := taskEntry(priority)
	return []uint32{taskReady, t, t + 4, t + 8, t + 12}
}

// sameCause is the first of the causes that the chip's ROM has no handlers of its own for.
const sameCause = 40

// xtosWords are what the ROM knows of exceptions and interrupts.
func xtosWords() []uint32 {
	var w []uint32
	for at := uint32(xtosVectors); at < xtosMasks; at += 4 {
		if at >= xtosEnabled || at%(xtosHandlers-xtosVectors) >= 4*sameCause {
			w = append(w, at)
		}
	}
	return w
}

func TestTheEmulatedROMIsAsTheChips(t *testing.T) {
	rom := romDump(t)
	theirs, ours := sameMachine(t, rom), sameMachine(t, nil)
	g := generator{rand.New(rand.NewSource(1))}
	m := []uint32{flashChip, flashChipStruct, flashChipStruct + 4, phyTable}
	for _, at := range append(xtosWords(), m...) {
		uart := at&^7 == interruptEntry(uartInterrupt)&^7 // which the chip's serves itself
		if a, b := theirs.word(at), ours.word(at); a != b && !uart {
			t.Errorf("after the start 0x%08x holds 0x%08x on the chip, 0x%08x here", at, a, b)
		}
	}
	for _, m := range []*machine{theirs, ours} { // the chip's ROM serves the UART itself
		m.callROM(romAddr("ets_isr_attach"), []uint32{uartInterrupt, codeBase, 0})
	}
	rounds, wrong := 60, map[string]int{}
	compared := map[string]bool{}
	for range rounds {
		for _, c := range g.calls() {
			fill := make([]byte, 3*areaSize)
			for i := range fill {
				fill[i] = byte(g.Intn(256))
				if g.Intn(8) == 0 {
					fill[i] = byte(g.Intn(3))
				}
			}
			for area := range 3 { // strings end
				copy(fill[area*areaSize+100+g.Intn(100):], []byte{0, 0, 0, 0})
			}
			if wrong[c.name] > 2 {
				continue
			}
			compared[c.name] = true
			if why := compare(theirs, ours, c, fill); why != "" {
				wrong[c.name]++
				t.Errorf("%s(%#x): %s", c.name, c.args, why)
			}
		}
	}
	for _, f := range romFunctions {
		if f.call != nil && compared[f.name] == (notCompared[f.name] != "") {
			t.Errorf("%s is compared: %v; the list says %q", f.name, compared[f.name], notCompared[f.name])
		}
	}
}

// compare calls a function on both, and says how they differ.
func compare(theirs, ours *machine, c sameCall, fill []byte) string {
	addr := romAddr(c.name)
	for _, m := range []*machine{theirs, ours} {
		must(m.t, m.Write(areaA, fill))
		for i, text := range c.texts {
			m.put(uint32(areaA+64*i), text)
		}
		m.serial.Reset()
		if !m.callROM(addr, c.args) {
			return fmt.Sprintf("does not return; pc 0x%08x, exceptions %v, faults %q", m.CPU.PC, m.exceptions, m.faults)
		}
	}
	a, b := theirs.CPU, ours.CPU
	same := c.same
	if same == nil {
		same = func(_ string, a, b uint32) bool { return a == b }
	}
	switch {
	case c.results >= 1 && !same(c.name, a.A[2], b.A[2]):
		return fmt.Sprintf("the chip returns 0x%08x, we 0x%08x", a.A[2], b.A[2])
	case c.results == 2 && a.A[3] != b.A[3]:
		return fmt.Sprintf("the chip returns 0x%08x in a3, we 0x%08x", a.A[3], b.A[3])
	case a.A[1] != b.A[1] || a.PS&0x1F != b.PS&0x1F || a.INTENABLE != b.INTENABLE:
		return fmt.Sprintf("the chip leaves SP 0x%08x PS 0x%x INTENABLE 0x%x, we 0x%08x 0x%x 0x%x",
			a.A[1], a.PS, a.INTENABLE, b.A[1], b.PS, b.INTENABLE)
	}
	for _, at := range c.watch {
		if x, y := theirs.word(at), ours.word(at); x != y {
			return fmt.Sprintf("0x%08x holds 0x%08x on the chip, 0x%08x here", at, x, y)
		}
	}
	const begin, n = areaA - 0x100, 3*areaSize + 0x200
	x, _ := theirs.Read(begin, n)
	y, _ := ours.Read(begin, n)
	for i := range x {
		if x[i] != y[i] {
			return fmt.Sprintf("the byte at 0x%08x is 0x%02x on the chip, 0x%02x here", begin+i, x[i], y[i])
		}
	}
	if x, y := theirs.serial.String(), ours.serial.String(); x != y {
		return fmt.Sprintf("the chip prints %q, we %q", x, y)
	}
	if !bytes.Equal(theirs.Flash.Bytes()[0x40000:], ours.Flash.Bytes()[0x40000:]) {
		return "the flash differs"
	}
	return ""
}
