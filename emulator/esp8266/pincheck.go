package esp8266

import "fmt"

// warned are the pins that have been warned of, a bit for each.
type warned struct{ flash, short uint32 }

// Pins of the flash: always, and in the modes that read four bits at a time.
const (
	flashPins     = 1<<6 | 1<<7 | 1<<8 | 1<<11
	flashPinsQuad = 1<<9 | 1<<10
	quadModes     = 1 // modes of the image's header: qio, qout, dio, dout
)

// functionGPIO is what IOMUX must select for GPIO6 to GPIO11 to be the program's. Until then they
// are the flash's, whatever the registers of GPIO say.
const functionGPIO = 3

// muxFunction is what IOMUX selects for a pin, 0 to 15.
func (c *Chip) muxFunction(n int) uint32 {
	v := c.plain[(regIOMux+muxOffset[n]-peripheralBase)/4]
	return v>>4&3 | v>>8&1<<2
}

// checkPins warns, once for each pin since power-on, of what would stop or harm a board.
func (c *Chip) checkPins() {
	g, outputs := &c.gpio, c.gpio.enabled()
	pins := uint32(flashPins)
	if c.Flash.data[2] <= quadModes {
		pins |= flashPinsQuad
	}
	// Without the cache a program may put the flash to sleep by its pin.
	if outputs&pins&^c.warned.flash != 0 && c.cache {
		for n := 6; n <= 11; n++ {
			if outputs&pins&^c.warned.flash>>n&1 != 0 && c.muxFunction(n) == functionGPIO {
				c.warned.flash |= 1 << n
				c.warn("the program drives GPIO%d, which belongs to the flash: a chip would crash", n)
			}
		}
	}
	for n := range 17 {
		if outputs&^c.warned.short>>n&1 == 0 {
			continue
		}
		high := c.Pin(n)
		if out := g.outside[n]; n < 16 && g.out>>n&1 != 0 && g.pin[n]&pinOpenDrain != 0 ||
			out != driveLow && out != driveHigh || (out == driveHigh) == high {
			continue
		}
		c.warned.short |= 1 << n
		c.warn("a short circuit at GPIO%d: the program drives it %s, and the outside %s",
			n, level(high), level(!high))
	}
}

func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// warn tells what a program does to its board.
func (c *Chip) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.Serial != nil {
		fmt.Fprintf(c.Serial, "\r\nemulator: %s\r\n", text)
	}
	if c.Warned != nil {
		c.Warned(text)
	}
}
