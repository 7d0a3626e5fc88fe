package sdk

import (
	"encoding/binary"
	"slices"
)

// heap is the SDK's heap, from the end of the program's data. Each block has a
// header in front and a word behind that must not change; memory that is freed is
// filled, so that using it is noticed.
type heap struct {
	start, end uint32
	blocks     []block // in use, by address
	least      int     // that was ever free
}

// block is memory in use: addr is what the program knows, size what it asked for.
type block struct{ addr, size uint32 }

const (
	heapEnd = 0x3FFFC000 // the ROM's data begin here
	// Memory is what the vendor's libraries and their buffers keep of the RAM
	// that a program sees here, about, so that what fits here fits the chip: an empty
	// program finds some 50 KB free there.
	Memory = 28 << 10

	blockHeader = 8
	blockTail   = 4
	headerMagic = 0x48454150
	tailMagic   = 0x5A5AA5A5
	freedFill   = 0xDD
)

// room is the memory that a block of n bytes takes, with its frame.
func room(n uint32) uint32 { return blockHeader + (n+blockTail+7)&^7 }

func (h *heap) open(start uint32) {
	h.start, h.end = (start+7)&^7, heapEnd-Memory
	h.least = h.free()
}

// free is the number of bytes that are not in use.
func (h *heap) free() int {
	free := int(h.end) - int(h.start)
	for _, b := range h.blocks {
		free -= int(room(b.size))
	}
	return max(free, 0)
}

// allocate finds room for n bytes in the first gap that has it; 0: there is none.
func (h *heap) allocate(s *SDK, n uint32) uint32 {
	if n == 0 || n > heapEnd {
		return 0
	}
	at, i := h.start, 0
	for ; i < len(h.blocks); i++ {
		b := h.blocks[i]
		if at+room(n) <= b.addr-blockHeader {
			break
		}
		at = b.addr - blockHeader + room(b.size)
	}
	if at+room(n) > h.end || h.end <= h.start {
		return 0
	}
	b := block{at + blockHeader, n}
	h.blocks = slices.Insert(h.blocks, i, b)
	h.least = min(h.least, h.free())
	s.write(at, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, headerMagic), n))
	s.write(b.addr+n, tail())
	return b.addr
}

func tail() []byte { return binary.LittleEndian.AppendUint32(nil, tailMagic) }

// release frees a block and looks whether it was overrun.
func (h *heap) release(s *SDK, addr uint32) {
	i := slices.IndexFunc(h.blocks, func(b block) bool { return b.addr == addr })
	if i < 0 {
		s.misuse("0x%08x is freed, which is not allocated, or not any more", addr)
	}
	b := h.blocks[i]
	h.check(s, b)
	h.blocks = slices.Delete(h.blocks, i, i+1)
	fill := make([]byte, b.size)
	for i := range fill {
		fill[i] = freedFill
	}
	s.write(b.addr, fill)
}

// check crashes if something was written outside a block.
func (h *heap) check(s *SDK, b block) {
	if s.load(b.addr-blockHeader) != headerMagic || s.load(b.addr-4) != b.size {
		s.misuse("something was written in front of the %d bytes at 0x%08x", b.size, b.addr)
	}
	if string(s.read(b.addr+b.size, blockTail)) != string(tail()) {
		s.misuse("something was written behind the %d bytes at 0x%08x", b.size, b.addr)
	}
}

// malloc is pvPortMalloc(size, file, line, iram). Memory comes from DRAM always.
func (s *SDK) malloc() uint32 { return s.heap.allocate(s, s.Chip.Arg(0)) }

// zalloc is pvPortZalloc(size, file, line).
func (s *SDK) zalloc() uint32 { return s.zeroed(s.Chip.Arg(0)) }

// calloc is pvPortCalloc(count, size, file, line).
func (s *SDK) calloc() uint32 {
	n := uint64(s.Chip.Arg(0)) * uint64(s.Chip.Arg(1))
	if n > heapEnd {
		return 0
	}
	return s.zeroed(uint32(n))
}

func (s *SDK) zeroed(n uint32) uint32 {
	at := s.heap.allocate(s, n)
	if at != 0 {
		s.write(at, make([]byte, n))
	}
	return at
}

// realloc is pvPortRealloc(memory, size, file, line).
func (s *SDK) realloc() uint32 {
	old, n := s.Chip.Arg(0), s.Chip.Arg(1)
	if old == 0 {
		return s.heap.allocate(s, n)
	}
	i := slices.IndexFunc(s.heap.blocks, func(b block) bool { return b.addr == old })
	if i < 0 {
		s.misuse("0x%08x is reallocated, which is not allocated", old)
	}
	content := s.read(old, int(min(n, s.heap.blocks[i].size)))
	at := uint32(0)
	if n > 0 {
		if at = s.heap.allocate(s, n); at == 0 {
			return 0
		}
		s.write(at, content)
	}
	s.heap.release(s, old)
	return at
}

// free is vPortFree(memory, file, line).
func (s *SDK) free() uint32 {
	if at := s.Chip.Arg(0); at != 0 {
		s.heap.release(s, at)
	}
	return 0
}

// give puts b in new memory of the heap, for the time of a callback; 0: there is
// no room.
func (s *SDK) give(b []byte) uint32 {
	at := s.heap.allocate(s, uint32(max(len(b), 1)))
	if at != 0 {
		s.write(at, b)
	}
	return at
}
