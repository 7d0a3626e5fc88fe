package esp8266

// mac is the radio's controller (WDEV) as far as a chip without a radio needs it: its clock,
// timer 1 and its interrupt, with which the vendor's software watchdog watches the program.
// All its other registers keep what was written.
type mac struct {
	enabled uint32 // interrupts that reach the CPU
	raw     uint32
	target  uint64 // microsecond at which timer 1 raises its interrupt, if armed
	armed   bool
}

// Registers of the MAC, by what the vendor's library does with them; it documents none.
const (
	macBase = 0x3FF20000
	macSize = 0x2000

	macIntEnable  = macBase + 0x0C18
	macIntRaw     = macBase + 0x0C1C
	macIntStatus  = macBase + 0x0C20
	macIntClear   = macBase + 0x0C24
	macClock      = macBase + 0x1048 // of timer 1: microseconds, 64 bits
	macClockHigh  = macClock + 4
	macTimer      = macBase + 0x10C8 // bit 31: armed
	macTarget     = macBase + 0x10CC
	macTargetHigh = macTarget + 4

	macTimerArmed = 1 << 31
	macTimerFired = 1 << 26 // in the interrupt registers
)

// macInterrupt is the CPU's interrupt, a level.
const macInterrupt = 0

const cyclesPerMicrosecond = CyclesPerSecond / 1_000_000

func (m *mac) due() uint64 {
	if !m.armed {
		return never
	}
	return m.target * cyclesPerMicrosecond
}

func (c *Chip) tickMAC(now uint64) {
	if m := &c.mac; now >= m.due() {
		m.armed = false
		m.raw |= macTimerFired
		c.macInterrupts()
	}
}

func (c *Chip) macInterrupts() {
	c.CPU.SetInterrupt(macInterrupt, c.mac.raw&c.mac.enabled != 0)
}

func (c *Chip) resetMAC() {
	c.mac = mac{}
	c.macInterrupts()
}

func (c *Chip) loadMAC(addr uint32) uint32 {
	now := c.CPU.Cycles / cyclesPerMicrosecond
	switch addr {
	case regMicroseconds, macClock:
		return uint32(now)
	case macClockHigh:
		return uint32(now >> 32)
	case regRandom:
		return c.randomWord()
	case macIntEnable:
		return c.mac.enabled
	case macIntRaw:
		return c.mac.raw
	case macIntStatus:
		return c.mac.raw & c.mac.enabled
	}
	return c.radio[(addr-macBase)/4]
}

func (c *Chip) storeMAC(addr, v uint32) {
	m := &c.mac
	c.radio[(addr-macBase)/4] = v
	switch addr {
	case macIntEnable:
		m.enabled = v
	case macIntClear:
		m.raw &^= v
	case macTimer:
		m.armed = v&macTimerArmed != 0
		m.target = uint64(c.radio[(macTargetHigh-macBase)/4])<<32 | uint64(c.radio[(macTarget-macBase)/4])
	default:
		return
	}
	c.macInterrupts()
	c.CPU.Halt()
}
