package esp8266

import "io"

// uart is UART 0, or UART 1, which has no receiver: what is written to its FIFO is sent at once to
// Chip.Serial or Serial1, but leaves the FIFO at the speed of the line, so that a program waits as
// on the chip.
type uart struct {
	divider  uint32 // cycles of a bit
	conf     [2]uint32
	enabled  uint32 // interrupts
	raw      uint32
	idle     uint64 // cycle at which all is sent
	received [fifoSize]byte
	count    int
}

const (
	fifoSize       = 128
	uartRxFull     = 1 << 0
	uartTxEmpty    = 1 << 1
	uartRxOverflow = 1 << 4
	uartRxTimeout  = 1 << 8
)

// romDivider is the ROM's speed with the usual 26 MHz crystal: 74880 baud.
const romDivider = CyclesPerSecond / 74880

func (c *Chip) resetUART() {
	one := uart{divider: romDivider, idle: c.CPU.Cycles}
	c.uart = [2]uart{one, one}
	c.CPU.SetInterrupt(uartInterrupt, false)
}

// byteTime is how long a byte with start and stop bit takes, in cycles.
func (u *uart) byteTime() uint64 { return 10 * uint64(max(u.divider, 1)) }

// queued is the number of bytes that wait to be sent.
func (u *uart) queued(now uint64) uint64 {
	if now >= u.idle {
		return 0
	}
	return (u.idle - now + u.byteTime() - 1) / u.byteTime()
}

// transmit sends b on UART 0 and waits first, as the ROM does, while the FIFO is full.
func (c *Chip) transmit(b ...byte) {
	for _, b := range b {
		u := &c.uart[0]
		if u.queued(c.CPU.Cycles) >= fifoSize-1 {
			c.CPU.Cycles = u.idle - (fifoSize-2)*u.byteTime()
		}
		c.send(0, b)
	}
}

// send puts b in the FIFO of UART n.
func (c *Chip) send(n int, b byte) {
	u := &c.uart[n]
	u.idle = max(u.idle, c.CPU.Cycles) + u.byteTime()
	if out := [2]io.Writer{c.Serial, c.Serial1}[n]; out != nil {
		out.Write([]byte{b})
	}
}

// Receive lets bytes arrive on UART 0, those that the FIFO has no room for being
// lost, and all in a deep sleep.
func (c *Chip) Receive(b []byte) {
	if c.sleep.on {
		return
	}
	u := &c.uart[0]
	n := copy(u.received[u.count:], b)
	u.count += n
	if n < len(b) {
		u.raw |= uartRxOverflow
	}
	u.raw |= uartRxTimeout // the line is quiet after them
	c.uartInterrupts()
	if c.CPU.PC == romLoader {
		c.Wait(false)
	}
}

// ReceiveRoom is how many bytes the FIFO of UART 0 has room for.
func (c *Chip) ReceiveRoom() int { return fifoSize - c.uart[0].count }

// due is the cycle at which the FIFO's state changes what interrupts there are.
func (u *uart) due() uint64 {
	if u.enabled&uartTxEmpty == 0 || u.raw&uartTxEmpty != 0 {
		return never
	}
	return u.txEmptyAt()
}

// txEmptyAt is when no more than CONF1's threshold wait to be sent.
func (u *uart) txEmptyAt() uint64 {
	return u.idle - min(u.idle, uint64(u.conf[1]>>8&0x7F)*u.byteTime())
}

func (c *Chip) tickUART(now uint64) {
	if now >= min(c.uart[0].due(), c.uart[1].due()) {
		c.uartInterrupts()
	}
}

// uartInterrupts brings the raw interrupt bits up to date and tells the CPU, which has one
// interrupt for both.
func (c *Chip) uartInterrupts() {
	var interrupts uint32
	for n := range c.uart {
		u := &c.uart[n]
		if c.CPU.Cycles >= u.txEmptyAt() {
			u.raw |= uartTxEmpty
		}
		if full := int(u.conf[1] & 0x7F); u.count > 0 && u.count >= full {
			u.raw |= uartRxFull
		}
		interrupts |= u.raw & u.enabled
	}
	c.CPU.SetInterrupt(uartInterrupt, interrupts != 0)
}

// loadUART reads a register of UART n; at 0 it takes a byte that has come.
func (c *Chip) loadUART(n int, offset uint32) uint32 {
	u := &c.uart[n]
	switch offset {
	case 0x00:
		b, _ := u.pop()
		return uint32(b)
	case 0x04:
		c.uartInterrupts()
		return u.raw
	case 0x08:
		c.uartInterrupts()
		return u.raw & u.enabled
	case 0x0C:
		return u.enabled
	case 0x14:
		return u.divider
	case 0x1C:
		return uint32(u.queued(c.CPU.Cycles))<<16 | uint32(u.count)
	case 0x20, 0x24:
		return u.conf[(offset-0x20)/4]
	}
	return 0
}

func (u *uart) pop() (byte, bool) {
	if u.count == 0 {
		return 0, false
	}
	b := u.received[0]
	copy(u.received[:], u.received[1:u.count])
	u.count--
	return b, true
}

// storeUART writes a register of UART n; at 0 it sends a byte.
func (c *Chip) storeUART(n int, offset, v uint32) {
	u := &c.uart[n]
	switch offset {
	case 0x00:
		if u.queued(c.CPU.Cycles) < fifoSize {
			c.send(n, byte(v))
		}
	case 0x0C:
		u.enabled = v
	case 0x10:
		u.raw &^= v
	case 0x14:
		u.divider = v & 0xFFFFF
	case 0x20:
		if v&(1<<17) != 0 {
			u.count = 0
		}
		u.conf[0] = v
	case 0x24:
		u.conf[1] = v
	}
	c.uartInterrupts()
	c.CPU.Halt()
}
