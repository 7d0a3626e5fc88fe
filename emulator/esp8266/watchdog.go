package esp8266

// watchdog is the hardware watchdog. It counts whatever the program does; only a
// write of 0x73 to WDT_FEED, or switching it off, keeps it from biting.
//
// It has two stages: the first, of 2^WDT_OP ticks of 819.2 us, would tell the
// program by an NMI, which nobody uses; the second, of 2^WDT_OP_ND ticks, ends
// with the reset. As the mask ROM leaves it that is 6.7 s + 1.7 s = 8.4 s. The
// tick and the exponents are what users of the chip have measured; the vendor
// documents none of it.
type watchdog struct {
	control       uint32
	first, second uint32 // exponents
	fed           uint64 // cycle
}

const (
	watchdogTick   = 65536 // cycles: 819.2 us
	watchdogEnable = 1
	watchdogFood   = 0x73
)

func (w *watchdog) due() uint64 {
	if w.control&watchdogEnable == 0 {
		return never
	}
	return w.fed + (1<<w.first+1<<w.second)*watchdogTick
}

func (c *Chip) resetWatchdog() {
	c.watchdog = watchdog{control: watchdogEnable, first: 13, second: 11, fed: c.CPU.Cycles}
}

// FeedWatchdog starts the watchdog's time anew, as the SDK does.
func (c *Chip) FeedWatchdog() { c.watchdog.fed = c.CPU.Cycles }

func (w *watchdog) load(offset uint32) uint32 {
	switch offset {
	case 0x00:
		return w.control
	case 0x04:
		return w.first
	case 0x08:
		return w.second
	}
	return 0
}

func (c *Chip) storeWatchdog(offset, v uint32) {
	w := &c.watchdog
	switch offset {
	case 0x00:
		if v&watchdogEnable != 0 && w.control&watchdogEnable == 0 {
			w.fed = c.CPU.Cycles
		}
		w.control = v
	case 0x04:
		w.first = v & 0xF
	case 0x08:
		w.second = v & 0xF
	case 0x14:
		if v&0xFF == watchdogFood {
			w.fed = c.CPU.Cycles
		}
	}
	c.CPU.Halt()
}
