package esp8266

import "esper/emulator/lx106"

// romFunctions are the functions of the mask ROM at their published addresses.
var romFunctions = []romFunction{
	// Interrupts and exceptions.
	{0x40000454, "_xtos_set_exception_handler", setExceptionHandler},
	{0x40000F74, "ets_intr_lock", intrLock},
	{0x40000F80, "ets_intr_unlock", func(c *Chip) { setLevel(c, 0) }},
	{0x40000F88, "ets_isr_attach", isrAttach},
	{0x40000F98, "ets_isr_mask", isrMask},
	{0x40000FA8, "ets_isr_unmask", isrUnmask},
	{0x4000BD28, "_xtos_set_interrupt_handler_arg", isrAttach},
	{0x4000BD84, "_xtos_ints_on", isrUnmask},
	{0x4000BDA4, "_xtos_ints_off", isrMask},
	{romInterrupts, "_xtos_l1int_handler", (*Chip).interrupts},
	{romWrapper, "_xtos_c_wrapper_handler", (*Chip).wrapper},
	{romNoHandler, "_xtos_unhandled_exception", (*Chip).noHandler},
	{romReturnFromIt, "_xtos_return_from_exc", (*Chip).returnFromException},
	{0x4000DD38, "xthal_get_ccount", func(c *Chip) { c.Return(c.CPU.CCOUNT()) }},
	{0x4000DD58, "xthal_get_interrupt", func(c *Chip) { c.Return(c.CPU.INTERRUPT) }},
	{0x4000DD60, "xthal_set_intclear", func(c *Chip) { c.CPU.INTERRUPT &= 0x3F | ^c.Arg(0); c.Return(0) }},

	// Start and reset.
	{0x40000FBC, "ets_set_user_start", func(c *Chip) { c.rom.userStart = c.Arg(0); c.Return(0) }},
	{0x40000FEC, "main", nil},
	{0x400025E0, "rtc_get_reset_reason", func(c *Chip) { c.Return(c.resetCause()) }},
	{0x4000264C, "software_reset", func(c *Chip) { c.ask(EventReset, ResetRestart); c.Return(0) }},
	{0x40002870, "rtc_enter_sleep", nil},

	// Tasks.
	{0x40000DC0, "ets_set_idle_cb", etsSetIdle},
	{0x40000DD0, "ets_task", etsTask},
	{0x40000E04, "ets_run", etsRun},
	{0x40000E24, "ets_post", etsPost},

	// Time and watchdog.
	{0x40002ECC, "ets_delay_us", delay},
	{0x40002F04, "ets_update_cpu_frequency", func(c *Chip) { c.Return(0) }},
	{0x40002F0C, "ets_get_cpu_frequency", func(c *Chip) { c.Return(CyclesPerSecond / 1_000_000) }},
	{0x40002F34, "ets_wdt_get_mode", func(c *Chip) { c.Return(c.watchdog.control & watchdogEnable) }},
	{0x40002FA0, "ets_wdt_enable", func(c *Chip) { c.setWatchdog(true); c.Return(0) }},
	{0x400030F0, "ets_wdt_disable", wdtDisable},
	{0x40003158, "ets_wdt_restore", func(c *Chip) { c.setWatchdog(c.Arg(0) != 0); c.Return(0) }},
	{0x40003170, "ets_wdt_init", func(c *Chip) { c.FeedWatchdog(); c.Return(0) }},

	// Memory and strings.
	{0x400018A4, "ets_memset", memset},
	{0x400018B4, "ets_memcpy", memcpy},
	{0x400018C4, "ets_memmove", memmove},
	{0x400018D4, "ets_memcmp", memcmp},
	{0x40002A88, "ets_strcpy", strcpy},
	{0x40002A98, "ets_strncpy", strncpy},
	{0x40002AA8, "ets_strcmp", strcmp},
	{0x40002AB8, "ets_strncmp", strncmp},
	{0x40002AC8, "ets_strlen", strlen},
	{0x40002AD8, "ets_strstr", strstr},
	{0x40002AE8, "ets_bzero", bzero},
	{0x400006C4, "xthal_memcpy", memcpy},
	{0x4000DE84, "bzero", bzero},
	{0x4000DEA8, "memcmp", memcmp},
	{0x4000DF48, "memcpy", memcpy},
	{0x4000E04C, "memmove", memmove},
	{0x4000E190, "memset", memset},
	{0x4000E1E0, "strstr", strstr},
	{0x4000BDC8, "strcmp", strcmp},
	{0x4000BEC8, "strcpy", strcpy},
	{0x4000BF4C, "strlen", strlen},
	{0x4000BFA8, "strncmp", strncmp},
	{0x4000C0A0, "strncpy", strncpy},

	// UART and printing.
	{0x4000242C, "ets_install_putc1", installPutc1},
	{0x40002438, "ets_install_uart_printf", func(c *Chip) { c.Return(0) }},
	{0x400024CC, "ets_printf", printf},
	{0x40002BCC, "ets_getc", nil},
	{0x40002BE8, "ets_putc", txChar},
	{romWriteChar, "ets_write_char", writeChar},
	{0x40001F00, "ets_vprintf", vprintf},
	{0x40003B30, "uart_tx_one_char", txChar},
	{0x40003B8C, "uart_rx_one_char", rxChar},
	{0x400039D8, "uart_div_modify", divModify},
	{0x4000383C, "uartAttach", func(c *Chip) { c.Return(0) }},
	{0x40003A14, "Uart_Init", func(c *Chip) { c.Return(0) }},

	// Flash.
	{0x40004678, "Cache_Read_Enable", cacheEnable},
	{0x400047F0, "Cache_Read_Disable", cacheDisable},
	{0x400043C8, "SPI_read_status", spiReadStatus},
	{0x40004400, "SPI_write_status", ok},
	{0x4000443C, "SPI_write_enable", ok},
	{0x4000448C, "Wait_SPI_Idle", ok},
	{0x400044C0, "Enable_QMode", ok},
	{0x40004878, "SPIUnlock", ok},
	{0x400048A8, "SPILock", ok},
	{0x400048EC, "SPIReadModeCnfig", ok},
	{0x40004644, "spi_flash_attach", ok},
	{0x40004C2C, "SPIParamCfg", ok},
	{0x40003F58, "SelectSpiFunction", ok},
	{0x40004984, "SPIEraseChip", func(c *Chip) { spiErase(c, 0, uint64(c.Flash.Size())) }},
	{0x400049B4, "SPIEraseBlock", func(c *Chip) { spiErase(c, uint64(c.Arg(0))<<16, 1<<16) }},
	{0x40004A00, "SPIEraseSector", func(c *Chip) { spiErase(c, uint64(c.Arg(0))*SectorSize, SectorSize) }},
	{0x40004B44, "SPIEraseArea", func(c *Chip) { spiErase(c, uint64(c.Arg(0)), uint64(c.Arg(1))) }},
	{0x40004A4C, "SPIWrite", spiWrite},
	{0x40004B1C, "SPIRead", spiRead},

	// Pins.
	{0x40004C50, "gpio_init", func(c *Chip) { c.Return(0) }},
	{0x40004CD0, "gpio_output_set", gpioOutputSet},
	{0x40004CF0, "gpio_input_get", func(c *Chip) { c.Return(c.loadGPIO(0x18)) }},
	{0x40004D04, "gpio_register_set", nil},
	{0x40004D5C, "gpio_register_get", nil},
	{0x40004D88, "gpio_intr_pending", nil},
	{0x40004D90, "gpio_pin_intr_state_set", gpioIntrState},
	{0x40004DCC, "gpio_intr_ack", nil},
	{0x40004E28, "gpio_intr_handler_register", nil},

	// The radio.
	{0x400031B4, "roundup2", func(c *Chip) { c.Return((c.Arg(0) + c.Arg(1) - 1) & -c.Arg(1)) }},
	{0x40004F40, "lldesc_build_chain", buildChain},
	{0x400060D0, "rom_chip_v5_disable_cca", func(c *Chip) { setCCA(c, false) }},
	{0x400060EC, "rom_chip_v5_enable_cca", func(c *Chip) { setCCA(c, true) }},
	{0x400065A4, "rom_mhz2ieee", mhz2ieee},
	{0x40006B08, "phy_get_romfuncs", func(c *Chip) { c.Return(c.data(phyTable)) }},
	{0x40007268, "rom_i2c_readReg", i2cRead},
	{0x4000729C, "rom_i2c_readReg_Mask", i2cReadMask},
	{0x400072D8, "rom_i2c_writeReg", i2cWrite},
	{0x4000730C, "rom_i2c_writeReg_Mask", i2cWriteMask},

	// Arithmetic that the compiler calls.
	{0x40000650, "__muldi3", after(muldi3Cycles, func(c *Chip) { c.Return64(arg64(c, 0) * arg64(c, 2)) })},
	{0x4000DCF0, "__umulsidi3", after(umulsidi3Cycles, func(c *Chip) { c.Return64(uint64(c.Arg(0)) * uint64(c.Arg(1))) })},
	{0x4000DC88, "__divsi3", divideSigned},
	{0x4000E21C, "__udivsi3", divide(divideBitCycles, func(a, b uint32) uint32 { return a / b })},
	{0x4000E268, "__umodsi3", divide(moduloBitCycles, func(a, b uint32) uint32 { return a % b })},
	{0x4000CE60, "__divdi3", divide64(func(a, b uint64) uint64 { return uint64(int64(a) / int64(b)) })},
	{0x4000D310, "__udivdi3", divide64(func(a, b uint64) uint64 { return a / b })},
	{0x4000D770, "__umoddi3", divide64(func(a, b uint64) uint64 { return a % b })},
	{0x4000C180, "__addsf3", float(addFloatCycles, func(a, b float32) float32 { return a + b })},
	{0x4000C268, "__subsf3", float(addFloatCycles, func(a, b float32) float32 { return a - b })},
	{0x4000C3DC, "__mulsf3", float(multiplyFloatCycles, func(a, b float32) float32 { return a * b })},
	{0x4000C538, "__adddf3", double(addDoubleCycles, func(a, b float64) float64 { return a + b })},
	{0x4000C688, "__subdf3", double(addDoubleCycles, func(a, b float64) float64 { return a - b })},
	{0x4000C8F0, "__muldf3", double(multiplyDoubleCycles, func(a, b float64) float64 { return a * b })},
	{0x4000CB94, "__divdf3", double(divideDoubleCycles, func(a, b float64) float64 { return a / b })},
	{0x4000C4C4, "__fixunssfsi", after(convertCycles, func(c *Chip) { c.Return(toUnsigned(float64(argFloat(c, 0)))) })},
	{0x4000CCB8, "__fixdfsi", after(convertCycles, func(c *Chip) { c.Return(toSigned(argDouble(c, 0))) })},
	{0x4000CD00, "__fixunsdfsi", after(convertCycles, func(c *Chip) { c.Return(toUnsigned(argDouble(c, 0))) })},
	{0x4000CD5C, "__truncdfsf2", after(convertCycles, func(c *Chip) { returnFloat(c, float32(argDouble(c, 0))) })},
	{0x4000CDFC, "__extendsfdf2", after(convertCycles, func(c *Chip) { returnDouble(c, float64(argFloat(c, 0))) })},
	{0x4000E2A4, "__floatunsisf", after(convertCycles, func(c *Chip) { returnFloat(c, float32(c.Arg(0))) })},
	{0x4000E2AC, "__floatsisf", after(convertCycles, func(c *Chip) { returnFloat(c, float32(int32(c.Arg(0)))) })},
	{0x4000E2E8, "__floatunsidf", after(convertCycles, func(c *Chip) { returnDouble(c, float64(c.Arg(0))) })},
	{0x4000E2F0, "__floatsidf", after(convertCycles, func(c *Chip) { returnDouble(c, float64(int32(c.Arg(0)))) })},
	{0x40000600, "rand", func(c *Chip) { c.Return(c.romRandom()) }},
	{0x400005F0, "srand", func(c *Chip) { c.rom.seed = uint64(c.Arg(0)); c.Return(0) }},

	// Known by name, so that a call of them says so.
	{0x40001998, "mem_init", nil},
	{0x400019E0, "mem_free", nil},
	{0x40001B40, "mem_malloc", nil},
	{0x40001C2C, "mem_calloc", nil},
	{0x40001C58, "mem_zalloc", nil},
	{0x40001C6C, "mem_realloc", nil},
	{0x40001D14, "eprintf", nil},
	{0x40002544, "ets_uart_printf", printf},
	{0x40002C48, "ets_timer_setfn", nil},
	{0x40002CC4, "ets_timer_arm", nil},
	{0x40002D40, "ets_timer_disarm", nil},
	{0x40002E68, "ets_timer_init", nil},
	{0x400027B8, "ets_enter_sleep", nil},
	{0x400094FC, "base64_encode", nil},
	{0x40009648, "base64_decode", nil},
	{0x40009818, "MD5Init", md5Init},
	{0x40009834, "MD5Update", md5Update},
	{0x40009900, "MD5Final", md5Final},
	{0x4000B584, "SHA1Init", nil},
	{0x4000B5A8, "SHA1Update", nil},
	{0x4000B648, "SHA1Final", nil},
}

func ok(c *Chip) { c.Return(0) }

func setLevel(c *Chip, level uint32) {
	c.CPU.PS = c.CPU.PS&^lx106.PSIntLevel | level
	c.Return(0)
}

func delay(c *Chip) {
	c.Elapse(uint64(c.Arg(0)) * (CyclesPerSecond / 1_000_000))
	c.Return(0)
}

func (c *Chip) setWatchdog(on bool) {
	c.storeWatchdog(0, c.watchdog.control&^watchdogEnable)
	if on {
		c.storeWatchdog(0, c.watchdog.control|watchdogEnable)
	}
}

// wdtDisable returns what ets_wdt_restore takes.
func wdtDisable(c *Chip) {
	before := c.watchdog.control & watchdogEnable
	c.setWatchdog(false)
	c.Return(before)
}

// romRandom is newlib's generator.
func (c *Chip) romRandom() uint32 {
	c.rom.seed = c.rom.seed*6364136223846793005 + 1
	return uint32(c.rom.seed>>32) & 0x7FFFFFFF
}

// txChar (character).
func txChar(c *Chip) {
	c.transmit(byte(c.Arg(0)))
	c.Return(0)
}

// rxChar (pointer) takes a received byte: 0, or 1 if there is none.
func rxChar(c *Chip) {
	b, ok := c.uart[0].pop()
	if !ok {
		c.Return(1)
		return
	}
	c.store(c.Arg(0), 1, uint32(b))
	c.Return(0)
}

// divModify (uart, clock cycles of a bit).
func divModify(c *Chip) {
	if n := c.Arg(0); n < 2 {
		c.storeUART(int(n), 0x14, c.Arg(1))
	}
	c.Return(0)
}

// gpioOutputSet (set, clear, enable, disable), each a mask of pins.
func gpioOutputSet(c *Chip) {
	for i, offset := range [4]uint32{0x04, 0x08, 0x10, 0x14} {
		c.storeGPIO(offset, c.Arg(i))
	}
	c.Return(0)
}

// gpioIntrState (pin, kind of edge or level).
func gpioIntrState(c *Chip) {
	if n := c.Arg(0); n < 16 {
		c.storeGPIO(0x28+4*n, c.gpio.pin[n]&^(7<<pinIntShift)|c.Arg(1)&7<<pinIntShift)
	}
	c.Return(0)
}
