package lx106

import "encoding/binary"

// window is a Window in the form that the fast path wants: for each width the
// length up to which it may be accessed so, 0 if not at all.
type window struct {
	base                     uint32
	load8, load16, load32    uint32
	store8, store16, store32 uint32
	fetch                    bool
	data                     []byte
}

// none is the window that no access hits.
var none = new(window)

// SetWindows replaces all windows. They must not overlap; where the same memory
// shows at two addresses, a store at one does not invalidate code decoded at
// the other. Decoded code is kept where the same window stays.
func (c *CPU) SetWindows(w ...Window) {
	old := c.windows
	c.windows = make([]window, len(w))
	for i, w := range w {
		length := uint32(len(w.Data))
		limit := func(set, width Widths) uint32 {
			if set&width == 0 {
				return 0
			}
			return length
		}
		c.windows[i] = window{
			base:    w.Base,
			load8:   limit(w.Load, 1),
			load16:  limit(w.Load, 2),
			load32:  limit(w.Load, 4),
			store8:  limit(w.Store, 1),
			store16: limit(w.Store, 2),
			store32: limit(w.Store, 4),
			fetch:   w.Fetch,
			data:    w.Data,
		}
	}
	c.loadWindow, c.storeWindow, c.literalWindow = none, none, none
	c.invalidateMissing(old, c.windows)
	c.invalidateMissing(c.windows, old)
}

// invalidateMissing invalidates the code in those windows of a that are not in b.
func (c *CPU) invalidateMissing(a, b []window) {
	for _, w := range a {
		found := false
		for _, v := range b {
			found = found || v.base == w.base && v.fetch == w.fetch &&
				len(v.data) == len(w.data) && (len(v.data) == 0 || &v.data[0] == &w.data[0])
		}
		if !found {
			c.Invalidate(w.base, uint32(len(w.data)))
		}
	}
}

// find returns the window that holds addr, or none.
func (c *CPU) find(addr uint32) *window {
	for i := range c.windows {
		if w := &c.windows[i]; addr-w.base < uint32(len(w.data)) {
			return w
		}
	}
	return none
}

// load reads size bytes the slow way. If that fails, the exception has been
// taken.
func (c *CPU) load(addr uint32, size int) (value uint32, ok bool) {
	if addr&uint32(size-1) != 0 {
		c.Exception(LoadStoreAlignment, addr)
		return 0, false
	}
	w := c.find(addr)
	off := addr - w.base
	switch {
	case size == 4 && off < w.load32:
		c.loadWindow = w
		return binary.LittleEndian.Uint32(w.data[off:]), true
	case size == 2 && off < w.load16:
		c.loadWindow = w
		return uint32(binary.LittleEndian.Uint16(w.data[off:])), true
	case size == 1 && off < w.load8:
		c.loadWindow = w
		return uint32(w.data[off]), true
	}
	value, cause := c.bus.Load(addr, size)
	if cause != OK {
		c.Exception(cause, addr)
		return 0, false
	}
	return value, true
}

// literalAt is the address that L32R at pc loads from, whose operand relative to PC is addr.
func (c *CPU) literalAt(addr, pc uint32) uint32 {
	if c.LITBASE&1 != 0 {
		addr += c.LITBASE&^0xFFF - (pc+3)&^3
	}
	return addr
}

// loadLiteral is load for L32R, which has a window of its own: literals lie with
// the code, other data elsewhere.
func (c *CPU) loadLiteral(addr uint32) (value uint32, ok bool) {
	if w := c.find(addr); addr-w.base < w.load32 {
		c.literalWindow = w
	}
	data := c.loadWindow
	value, ok = c.load(addr, 4)
	c.loadWindow = data
	return value, ok
}

// store writes size bytes the slow way. If that fails, the exception has been
// taken. Code that was decoded from there is decoded again.
func (c *CPU) store(addr uint32, size int, value uint32) (ok bool) {
	if addr&uint32(size-1) != 0 {
		c.Exception(LoadStoreAlignment, addr)
		return false
	}
	w := c.find(addr)
	off := addr - w.base
	switch {
	case size == 4 && off < w.store32:
		binary.LittleEndian.PutUint32(w.data[off:], value)
	case size == 2 && off < w.store16:
		binary.LittleEndian.PutUint16(w.data[off:], uint16(value))
	case size == 1 && off < w.store8:
		w.data[off] = byte(value)
	default:
		if cause := c.bus.Store(addr, size, value); cause != OK {
			c.Exception(cause, addr)
			return false
		}
		c.Invalidate(addr, uint32(size))
		return true
	}
	if w.fetch {
		c.Invalidate(addr, uint32(size)) // so such a window never becomes storeWindow
	} else {
		c.storeWindow = w
	}
	return true
}
