package lx106

import "encoding/binary"

const (
	pageSize = 4096
	// maxPages bounds the memory that a program gone astray can make us use. All
	// that an ESP8266 can execute is some 300 pages.
	maxPages = 512
)

// page is decoded code: an instruction for each address in it, of which those
// never executed are not decoded yet.
type page struct {
	code  [pageSize]inst // first, so that the address of an instruction is quickly found
	base  uint32
	stale bool // everything in it must be decoded again
}

// page returns the page that pc lies in.
func (c *CPU) page(pc uint32) *page {
	base := pc &^ (pageSize - 1)
	slot := &c.recent[base/pageSize%uint32(len(c.recent))]
	p := *slot
	if p == nil || p.base != base {
		if p = c.pages[base]; p == nil {
			if len(c.pages) == maxPages {
				clear(c.pages)
				clear(c.recent[:])
			}
			p = &page{base: base}
			c.pages[base] = p
		}
		*slot = p
	}
	if p.stale {
		clear(p.code[:])
		p.stale = false
	}
	return p
}

// Invalidate tells that n bytes from addr may have changed otherwise than by
// this CPU's own stores, or have come or gone as a whole.
func (c *CPU) Invalidate(addr, n uint32) {
	if n == 0 {
		return
	}
	// An instruction that starts up to two bytes before reaches into the range.
	first, last := addr-min(addr, 2), addr+n-1
	if last < addr {
		last = ^uint32(0)
	}
	if last-first < pageSize {
		c.invalidateIn(c.pages[first&^(pageSize-1)], first, last)
		if (first^last)&^(pageSize-1) != 0 {
			c.invalidateIn(c.pages[last&^(pageSize-1)], first, last)
		}
		return
	}
	for base, p := range c.pages {
		if base <= last && base+(pageSize-1) >= first {
			p.stale = true
		}
	}
}

// invalidateIn forgets what lies in p of the addresses first to last.
func (c *CPU) invalidateIn(p *page, first, last uint32) {
	if p == nil {
		return
	}
	from := max(first, p.base) - p.base
	to := min(last, p.base+(pageSize-1)) - p.base
	clear(p.code[from : to+1])
}

// decode fills in the instruction at pc. On a fault, which may be in its second part, it returns
// the cause and address.
func (c *CPU) decode(in *inst, pc uint32) (cause Cause, vaddr uint32) {
	word, cause, vaddr := c.fetch(pc)
	if cause != OK {
		return cause, vaddr
	}
	*in = decode(pc, word)
	if c.hooks[pc] {
		in.op = opSimcall
	}
	return OK, 0
}

// fetch reads the instruction at pc, one byte after the other from bit 0 up. On
// a fault, which may be in its second part, it returns the cause and address.
func (c *CPU) fetch(pc uint32) (word uint32, cause Cause, vaddr uint32) {
	at := pc &^ 3
	first, cause := c.fetchWord(at)
	if cause != OK {
		return 0, cause, pc
	}
	shift := pc % 4 * 8
	word = first >> shift
	if 4-pc%4 >= instructionSize(word) {
		return word, OK, 0
	}
	second, cause := c.fetchWord(at + 4)
	if cause != OK {
		return 0, cause, at + 4
	}
	return word | second<<(32-shift), OK, 0
}

func (c *CPU) fetchWord(addr uint32) (uint32, Cause) {
	if w := c.find(addr); w.fetch {
		return binary.LittleEndian.Uint32(w.data[addr-w.base:]), OK
	}
	return c.bus.Fetch(addr)
}
