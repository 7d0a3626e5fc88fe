package esp8266

// gpio are the pins 0 to 15, and 16 that belongs to the RTC.
type gpio struct {
	out, enable, status uint32
	pin                 [16]uint32
	outside             [17]drive // what is connected to each pin
	out16, enable16     uint32
	level, outputs      uint32 // of all pins, as last seen, for edges
	strapping           uint32 // GPIO15, 0 and 2 as they were, as a number
}

// strapping is what the boot pins were when the chip was last switched on or reset by its pin, in the
// upper half of the pins' levels: boot from the flash (3) or wait for a program on UART 0 (1), no
// SDIO (6).
const (
	strappingShift = 16
	strappingFlash = 3
	strappingUART  = 1
	noSDIO         = 6 << 29
)

// drive is what the outside does to a pin.
type drive uint8

const (
	driveNone drive = iota
	driveLow
	driveHigh
	pulledLow // by a resistor
	pulledHigh
)

// onModule is what a usual module does to the boot pins.
var onModule = map[int]drive{0: pulledHigh, 2: pulledHigh, 15: pulledLow}

// Fields of GPIO_PINn.
const (
	pinOpenDrain = 1 << 2
	pinIntShift  = 7 // 0 off, 1 rising, 2 falling, 3 both, 4 low, 5 high
	pullUp       = 1 << 7
)

// ioMuxSize is the size of IOMUX, in bytes.
const ioMuxSize = 0x44

// muxOffset is where each pin's IOMUX register lies from regIOMux.
var muxOffset = [16]uint32{0x34, 0x18, 0x38, 0x14, 0x3C, 0x40, 0x1C, 0x20,
	0x24, 0x28, 0x2C, 0x30, 0x04, 0x08, 0x0C, 0x10}

// Pin is the level of pin n, 0 to 16: what its output drives, else the outside,
// else its pull-up.
func (c *Chip) Pin(n int) bool {
	g := &c.gpio
	if n == 16 {
		if g.enable16&1 != 0 {
			return g.out16&1 != 0
		}
		return g.outside[16] == driveHigh
	}
	high := g.out>>n&1 != 0
	if g.enable>>n&1 != 0 && !(high && g.pin[n]&pinOpenDrain != 0) {
		return high
	}
	switch g.outside[n] {
	case driveLow, pulledLow:
		return false
	case driveHigh, pulledHigh:
		return true
	}
	return c.plain[(regIOMux+muxOffset[n]-peripheralBase)/4]&pullUp != 0
}

// SetPin drives pin n from the outside, from now on and across resets.
func (c *Chip) SetPin(n int, high bool) {
	c.gpio.outside[n] = driveLow
	if high {
		c.gpio.outside[n] = driveHigh
	}
	c.pinsChanged()
}

// ReleasePin disconnects pin n from what drives it from the outside. What a module has at its boot
// pins stays: resistors that pull GPIO0 and GPIO2 up and GPIO15 down.
func (c *Chip) ReleasePin(n int) {
	c.gpio.outside[n] = onModule[n]
	c.pinsChanged()
}

// PinState is all about a pin.
type PinState struct {
	High    bool  // its level
	Output  bool  // the program drives it
	PullUp  bool  // by the chip's own resistor
	Outside *bool // what drives it from the outside; nil: nothing does
}

// PinState returns all about pin n, 0 to 16.
func (c *Chip) PinState(n int) PinState {
	s := PinState{High: c.Pin(n), Output: c.gpio.enabled()>>n&1 != 0}
	if n < 16 {
		s.PullUp = c.plain[(regIOMux+muxOffset[n]-peripheralBase)/4]&pullUp != 0
	}
	if drive := c.gpio.outside[n]; drive == driveLow || drive == driveHigh {
		high := drive == driveHigh
		s.Outside = &high
	}
	return s
}

// enabled are the pins that are outputs.
func (g *gpio) enabled() uint32 { return g.enable | g.enable16&1<<16 }

// OnPin makes f the observer of the pins that the program drives: it is called
// when the level of an output changes, and when a pin becomes an output or stops
// being one with another level.
func (c *Chip) OnPin(f func(n int, high bool)) { c.onPin = f }

func (c *Chip) resetGPIO() {
	outside := c.gpio.outside
	for n, pulled := range onModule {
		if outside[n] == driveNone {
			outside[n] = pulled
		}
	}
	c.gpio = gpio{outside: outside, level: c.gpio.level, outputs: c.gpio.outputs, strapping: c.gpio.strapping}
	c.pinsChanged()
	c.gpio.status = 0
	c.CPU.SetInterrupt(gpioInterrupt, false)
}

// strap takes the boot pins' levels.
func (c *Chip) strap() {
	c.gpio.strapping = strappingFlash
	if c.gpio.outside[0] == driveLow {
		c.gpio.strapping = strappingUART
	}
}

// pinsChanged looks for edges after anything that may have made one.
func (c *Chip) pinsChanged() {
	g := &c.gpio
	before, outputs := g.level, g.outputs
	g.level, g.outputs = 0, g.enabled()
	for n := range 17 {
		if c.Pin(n) {
			g.level |= 1 << n
		}
	}
	for n := range 16 {
		high, edge := g.level>>n&1 != 0, (g.level^before)>>n&1 != 0
		var hit bool
		switch g.pin[n] >> pinIntShift & 7 {
		case 1:
			hit = edge && high
		case 2:
			hit = edge && !high
		case 3:
			hit = edge
		case 4:
			hit = !high
		case 5:
			hit = high
		}
		if hit {
			g.status |= 1 << n
		}
	}
	c.CPU.SetInterrupt(gpioInterrupt, g.status != 0)
	if g.outputs != 0 {
		c.checkPins()
	}
	if c.onPin == nil {
		return
	}
	for n := range 17 {
		if (g.level^before)&(g.outputs|outputs)>>n&1 != 0 {
			c.onPin(n, g.level>>n&1 != 0)
		}
	}
}

func (c *Chip) loadGPIO(offset uint32) uint32 {
	g := &c.gpio
	switch offset {
	case 0x00:
		return g.out
	case 0x0C:
		return g.enable
	case 0x18:
		return g.level&0xFFFF | g.strapping<<strappingShift | noSDIO
	case 0x1C:
		return g.status
	}
	if n := (offset - 0x28) / 4; offset >= 0x28 && n < 16 {
		return g.pin[n]
	}
	return 0
}

func (c *Chip) storeGPIO(offset, v uint32) {
	g := &c.gpio
	switch offset {
	case 0x00:
		g.out = v & 0xFFFF
	case 0x04:
		g.out |= v & 0xFFFF
	case 0x08:
		g.out &^= v
	case 0x0C:
		g.enable = v & 0xFFFF
	case 0x10:
		g.enable |= v & 0xFFFF
	case 0x14:
		g.enable &^= v
	case 0x1C:
		g.status = v & 0xFFFF
	case 0x20:
		g.status |= v & 0xFFFF
	case 0x24:
		g.status &^= v
	default:
		if n := (offset - 0x28) / 4; offset >= 0x28 && n < 16 {
			g.pin[n] = v
		}
	}
	c.pinsChanged()
}

// GPIO16: output, enable and input are bit 0 of these registers; 0x90 and 0xA0
// from regRTC select its function, which only keep their value.
func (c *Chip) loadGPIO16(addr uint32) uint32 {
	switch addr - regRTC {
	case 0x68:
		return c.gpio.out16
	case 0x74:
		return c.gpio.enable16
	case 0x8C:
		return c.gpio.level >> 16 & 1
	}
	return c.plain[(addr-peripheralBase)/4]
}

func (c *Chip) storeGPIO16(addr, v uint32) {
	switch addr - regRTC {
	case 0x68:
		c.gpio.out16 = v
	case 0x74:
		c.gpio.enable16 = v
	default:
		c.plain[(addr-peripheralBase)/4] = v
	}
	c.pinsChanged()
}
