package esp8266

// Interrupt numbers of the CPU, as in the vendor's ets_sys.h.
const (
	gpioInterrupt  = 4 // level
	uartInterrupt  = 5 // level
	timerInterrupt = 6 // of the CPU itself, CCOMPARE0
	frc1Interrupt  = 9 // edge
	frc2Interrupt  = 10
)

// never is a cycle that does not come.
const never = ^uint64(0)

// Bits of FRCn_CTRL.
const (
	timerReload = 1 << 6
	timerEnable = 1 << 7
	timerFired  = 1 << 8 // read only
)

// prescale is the number of cycles of a timer's tick: CTRL bits 2 and 3.
func prescale(control uint32) uint64 {
	return [4]uint64{1, 16, 256, 256}[control>>2&3]
}

// countdown is FRC1: 23 bits, down to 0.
type countdown struct {
	reload, control uint32
	start           uint64 // cycle at which it had value
	value           uint32
	fired           bool
}

const countdownMask = 1<<23 - 1

// due is the cycle at which it reaches 0.
func (t *countdown) due() uint64 {
	if t.control&timerEnable == 0 || t.fired && t.control&timerReload == 0 {
		return never
	}
	return t.start + turns(t.value)*prescale(t.control)
}

// turns is the number of ticks from a count to the next 0.
func turns(count uint32) uint64 { return uint64((count-1)&countdownMask) + 1 }

func (t *countdown) count(now uint64) uint32 {
	if t.control&timerEnable == 0 {
		return t.value
	}
	gone := (now - t.start) / prescale(t.control)
	return (t.value - uint32(gone)) & countdownMask
}

// countup is FRC2: 32 bits, up, with an alarm.
type countup struct {
	alarm, control uint32
	start          uint64 // cycle at which it had value
	value          uint32
	fired          bool
	armed          bool
}

func (t *countup) count(now uint64) uint32 {
	if t.control&timerEnable == 0 {
		return t.value
	}
	return t.value + uint32((now-t.start)/prescale(t.control))
}

// due is the cycle at which it reaches the alarm.
func (t *countup) due() uint64 {
	if t.control&timerEnable == 0 || !t.armed {
		return never
	}
	distance := uint64(t.alarm - t.value)
	if distance == 0 {
		distance = 1 << 32
	}
	return t.start + distance*prescale(t.control)
}

// tick does what has become due: timers raise their interrupts, the watchdog bites.
func (c *Chip) tick() {
	now := c.CPU.Cycles
	for now >= c.frc1.due() {
		due := c.frc1.due()
		c.frc1.fired = true
		c.frc1.start = due
		c.frc1.value = 0
		if c.frc1.control&timerReload != 0 {
			c.frc1.value = c.frc1.reload
			// Periods that passed while the CPU executed nothing are one interrupt.
			period := turns(c.frc1.value) * prescale(c.frc1.control)
			c.frc1.start += (now - due) / period * period
		}
		c.edge(frc1Interrupt, 1<<1)
	}
	if now >= c.frc2.due() {
		c.frc2.armed, c.frc2.fired = false, true
		c.edge(frc2Interrupt, 1<<2)
	}
	c.tickUART(now)
	c.tickMAC(now)
	if now >= c.watchdog.bark() {
		c.watchdog.barked = true
		c.edge(watchdogInterrupt, 1<<0)
	}
	if now >= c.watchdog.due() {
		c.ask(EventReset, ResetWatchdog)
	}
}

// edge raises an edge-triggered interrupt if dport lets it through.
func (c *Chip) edge(n int, mask uint32) {
	if c.dport[(regEdgeInterrupts-dportBase)/4]&mask != 0 {
		c.CPU.SetInterrupt(n, true)
		c.CPU.SetInterrupt(n, false)
	}
}

// nextTick is the cycle at which tick has something to do.
func (c *Chip) nextTick() uint64 {
	return min(c.frc1.due(), c.frc2.due(), c.watchdog.bark(), c.watchdog.due(),
		c.uart[0].due(), c.uart[1].due(), c.mac.due())
}

func (c *Chip) loadTimer(offset uint32) uint32 {
	now := c.CPU.Cycles
	fired := func(f bool) uint32 {
		if f {
			return timerFired
		}
		return 0
	}
	switch offset {
	case 0x00:
		return c.frc1.reload
	case 0x04:
		return c.frc1.count(now)
	case 0x08:
		return c.frc1.control | fired(c.frc1.fired)
	case 0x24:
		return c.frc2.count(now)
	case 0x28:
		return c.frc2.control | fired(c.frc2.fired)
	case 0x30:
		return c.frc2.alarm
	}
	return 0
}

func (c *Chip) storeTimer(offset, v uint32) {
	now := c.CPU.Cycles
	switch one, two := &c.frc1, &c.frc2; offset {
	case 0x00:
		one.reload = v & countdownMask
		one.value, one.start, one.fired = one.reload, now, false
	case 0x08:
		one.value, one.start = one.count(now), now
		one.control = v &^ timerFired
	case 0x0C:
		if one.control&timerReload != 0 {
			one.fired = false
		}
	case 0x20:
		two.value, two.start = v, now
	case 0x28:
		two.value, two.start = two.count(now), now
		two.control = v &^ timerFired
	case 0x2C:
		two.fired = false
	case 0x30:
		two.value, two.start = two.count(now), now
		two.alarm, two.armed = v, true
	}
	c.CPU.Halt() // what comes next may come sooner now
}
