package esp8266

// Memory and string functions. Strings are read byte by byte, so they must lie in
// DRAM: the chip reads some of them by words, but that is nothing to rely on.

// maxString is where a string without an end stops being one.
const maxString = 1 << 16

// memcpy (to, from, n) copies by words as far as the destination is aligned; the
// words of the source are read whole, whatever its alignment. So n bytes can be
// copied out of IRAM or flash if to and n are multiples of 4.
func memcpy(c *Chip) {
	to, from, n := c.Arg(0), c.Arg(1), c.Arg(2)
	c.copy(to, from, n)
	c.Return(to)
}

func (c *Chip) copy(to, from, n uint32) {
	if (to^from)%4 == 0 {
		c.Elapse(memoryCycles + copyCycles*uint64(n)/16)
	} else {
		c.Elapse(memoryCycles + shiftCycles*uint64(n)/16)
	}
	if d, s := c.bytesAt(to, n), c.bytesAt(from, n); d != nil && s != nil {
		copy(d, s)
		return
	}
	for ; n > 0 && to%4 != 0; to, from, n = to+1, from+1, n-1 {
		c.store(to, 1, c.load(from, 1))
	}
	for shift := from % 4 * 8; n >= 4; to, from, n = to+4, from+4, n-4 {
		v := c.load(from&^3, 4) >> shift
		if shift != 0 {
			v |= c.load(from&^3+4, 4) << (32 - shift)
		}
		c.store(to, 4, v)
	}
	for ; n > 0; to, from, n = to+1, from+1, n-1 {
		c.store(to, 1, c.load(from, 1))
	}
}

// memmove (to, from, n).
func memmove(c *Chip) {
	to, from, n := c.Arg(0), c.Arg(1), c.Arg(2)
	if from >= to || to-from >= n || c.bytesAt(to, n) != nil && c.bytesAt(from, n) != nil {
		c.copy(to, from, n)
	} else { // from the end, by bytes
		c.Elapse(memoryCycles + moveBackCycles*uint64(n))
		for i := n; i > 0; i-- {
			c.store(to+i-1, 1, c.load(from+i-1, 1))
		}
	}
	c.Return(to)
}

// memset (to, value, n) stores words as far as it can.
func memset(c *Chip) {
	c.fill(c.Arg(0), byte(c.Arg(1)), c.Arg(2))
	c.Return(c.Arg(0))
}

// bzero (to, n).
func bzero(c *Chip) {
	c.fill(c.Arg(0), 0, c.Arg(1))
	c.Return(0)
}

func (c *Chip) fill(to uint32, v byte, n uint32) {
	c.Elapse(memoryCycles + fillCycles*uint64(n)/16)
	if d := c.bytesAt(to, n); d != nil {
		for i := range d {
			d[i] = v
		}
		return
	}
	for ; n > 0 && to%4 != 0; to, n = to+1, n-1 {
		c.store(to, 1, uint32(v))
	}
	for ; n >= 4; to, n = to+4, n-4 {
		c.store(to, 4, uint32(v)*0x01010101)
	}
	for ; n > 0; to, n = to+1, n-1 {
		c.store(to, 1, uint32(v))
	}
}

// memcmp (a, b, n).
func memcmp(c *Chip) {
	a, b, n := c.Arg(0), c.Arg(1), c.Arg(2)
	c.Elapse(memoryCycles)
	for ; n > 0; a, b, n = a+1, b+1, n-1 {
		c.Elapse(compareCycles)
		if d := int32(c.load(a, 1)) - int32(c.load(b, 1)); d != 0 {
			c.Return(uint32(d))
			return
		}
	}
	c.Return(0)
}

// text reads a string as the ROM does, up to its 0 or max bytes.
func (c *Chip) text(addr, max uint32) []byte {
	var s []byte
	for i := range min(max, maxString) {
		v := c.load(addr+i, 1)
		if v == 0 {
			break
		}
		s = append(s, byte(v))
	}
	c.Elapse(memoryCycles + textCycles*uint64(len(s)))
	return s
}

// put stores bytes one by one.
func (c *Chip) putBytes(addr uint32, s []byte) {
	for i, b := range s {
		c.store(addr+uint32(i), 1, uint32(b))
	}
}

// strlen (s) reads words, and a byte only where the address is odd, as the chip's does. The
// vendor's software counts on that for strings in flash.
func strlen(c *Chip) {
	s, n := c.Arg(0), uint32(0)
	if s%2 == 0 || c.load(s, 1) != 0 {
		n = s % 2
		for n < maxString && c.load((s+n)&^3, 4)>>((s+n)%4*8)&0xFF != 0 {
			n++
		}
	}
	c.Elapse(memoryCycles + textCycles*uint64(n))
	c.Return(n)
}

// strcpy (to, from).
func strcpy(c *Chip) {
	c.putBytes(c.Arg(0), append(c.text(c.Arg(1), maxString), 0))
	c.Return(c.Arg(0))
}

// strncpy (to, from, n) fills up with zeros.
func strncpy(c *Chip) {
	s, n := c.text(c.Arg(1), c.Arg(2)), c.Arg(2)
	c.putBytes(c.Arg(0), s)
	for i := uint32(len(s)); i < n; i++ {
		c.store(c.Arg(0)+i, 1, 0)
	}
	c.Return(c.Arg(0))
}

// strcmp (a, b).
func strcmp(c *Chip) { c.compare(maxString) }

// strncmp (a, b, n).
func strncmp(c *Chip) { c.compare(c.Arg(2)) }

func (c *Chip) compare(n uint32) {
	a, b := c.Arg(0), c.Arg(1)
	c.Elapse(memoryCycles)
	for ; n > 0; a, b, n = a+1, b+1, n-1 {
		c.Elapse(compareCycles)
		x, y := c.load(a, 1), c.load(b, 1)
		if x != y || x == 0 {
			c.Return(x - y)
			return
		}
	}
	c.Return(0)
}

// strstr (s, what).
func strstr(c *Chip) {
	s, what := c.text(c.Arg(0), maxString), c.text(c.Arg(1), maxString)
	for i := 0; i+len(what) <= len(s); i++ {
		if string(s[i:i+len(what)]) == string(what) {
			c.Return(c.Arg(0) + uint32(i))
			return
		}
	}
	c.Return(0)
}
