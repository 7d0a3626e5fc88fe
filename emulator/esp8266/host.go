package esp8266

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"esper/emulator/lx106"
)

// AccessError is an access by the host that the memory map does not allow.
type AccessError struct {
	Addr  uint32
	Write bool
}

func (e *AccessError) Error() string {
	verb := "read"
	if e.Write {
		verb = "write"
	}
	return fmt.Sprintf("cannot %s at 0x%08x", verb, e.Addr)
}

// Arg is the i-th argument of the function that is being called, counted in
// 32-bit words: a2 to a7, then the stack. A word that cannot be read is 0.
func (c *Chip) Arg(i int) uint32 {
	if i < 6 {
		return c.CPU.A[2+i]
	}
	v, _ := c.Load32(c.CPU.A[1] + uint32(4*(i-6)))
	return v
}

// Return ends the function that is being called.
func (c *Chip) Return(v uint32) {
	c.CPU.A[2] = v
	c.CPU.PC = c.CPU.A[0]
}

// Return64 ends a function that returns 64 bits, the low word in a2.
func (c *Chip) Return64(v uint64) {
	c.CPU.A[3] = uint32(v >> 32)
	c.Return(uint32(v))
}

// Read copies n bytes of memory or RTC memory at any alignment.
func (c *Chip) Read(addr uint32, n int) ([]byte, error) {
	m := c.stretch(addr, false)
	if n < 0 || n > len(m) {
		return nil, &AccessError{Addr: addr}
	}
	return bytes.Clone(m[:n]), nil
}

// Write stores b in RAM or RTC memory at any alignment.
func (c *Chip) Write(addr uint32, b []byte) error {
	m := c.stretch(addr, true)
	if len(b) > len(m) {
		return &AccessError{Addr: addr, Write: true}
	}
	copy(m, b)
	c.CPU.Invalidate(addr, uint32(len(b)))
	return nil
}

// Load32 reads a word of memory or a register.
func (c *Chip) Load32(addr uint32) (uint32, error) {
	if m := c.stretch(addr, false); len(m) >= 4 {
		return binary.LittleEndian.Uint32(m), nil
	}
	if v, cause := (*bus)(c).Load(addr, 4); addr%4 == 0 && cause == lx106.OK {
		return v, nil
	}
	return 0, &AccessError{Addr: addr}
}

// Store32 writes a word of RAM or a register.
func (c *Chip) Store32(addr, v uint32) error {
	if m := c.stretch(addr, true); len(m) >= 4 {
		return c.Write(addr, binary.LittleEndian.AppendUint32(nil, v))
	}
	if addr%4 == 0 && (*bus)(c).Store(addr, 4, v) == lx106.OK {
		return nil
	}
	return &AccessError{Addr: addr, Write: true}
}

// String reads the characters at addr up to a 0, which must come within max bytes.
func (c *Chip) String(addr uint32, max int) (string, error) {
	m := c.stretch(addr, false)
	if m == nil {
		return "", &AccessError{Addr: addr}
	}
	end := bytes.IndexByte(m[:min(len(m), max)], 0)
	if end < 0 {
		return "", fmt.Errorf("the string at 0x%08x does not end within %d bytes", addr, max)
	}
	return string(m[:end]), nil
}

// stretch is the plain memory from addr to its end, or nil.
func (c *Chip) stretch(addr uint32, write bool) []byte {
	if addr >= rtcBase && addr < rtcBase+rtcSize {
		return c.rtc[addr-rtcBase:]
	}
	m, _, store := c.memory(addr)
	if write && store == 0 {
		return nil
	}
	return m
}
