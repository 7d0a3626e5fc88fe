package esp8266

// watchdog is the hardware watchdog. It counts whatever the program does; only a
// write of 0x73 to WDT_FEED, or switching it off, keeps it from biting.
//
// It has two stages: the first, of 2^WDT_OP ticks of 819.2 us, raises interrupt 8;
// the second, of 2^WDT_OP_ND ticks, ends with the reset. As the mask ROM leaves it that is 6.7 s + 1.7 s = 8.4 s. The
// tick and the exponents are what users of the chip have measured; the vendor
// documents none of it.
type watchdog struct {
	control       uint32
	first, second uint32 // exponents
	fed           uint64 // cycle
	barked        bool   // the first stage is over
}

// watchdogInterrupt is what the end of the first stage raises, an edge.
const watchdogInterrupt = 8

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

// bark is the cycle at which the first stage ends.
func (w *watchdog) bark() uint64 {
	if w.control&watchdogEnable == 0 || w.barked {
		return never
	}
	return w.fed + 1<<w.first*watchdogTick
}

func (w *watchdog) feed(now uint64) { w.fed, w.barked = now, false }

func (c *Chip) resetWatchdog() {
	c.watchdog = watchdog{control: watchdogEnable, first: 13, second: 11, fed: c.CPU.Cycles}
}

// FeedWatchdog starts the watchdog's time anew, as the SDK does.
func (c *Chip) FeedWatchdog() { c.watchdog.feed(c.CPU.Cycles) }

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
			w.feed(c.CPU.Cycles)
		}
		w.control = v
	case 0x04:
		w.first = v & 0xF
	case 0x08:
		w.second = v & 0xF
	case 0x14:
		if v&0xFF == watchdogFood {
			w.feed(c.CPU.Cycles)
		}
	}
	c.CPU.Halt()
}
