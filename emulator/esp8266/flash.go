package esp8266

import (
	"errors"
	"fmt"
	"math/bits"
)

// Sizes of the SPI flash, in bytes.
const (
	FlashSize  = 1 << 20 // the usual chip, and the default
	SectorSize = 4096    // the smallest erase
	PageSize   = 256     // the longest program
)

// What the flash refuses, or what was done to it.
var (
	ErrFlashRange = errors.New("outside the flash")
	ErrFlashAlign = errors.New("not a multiple of 4 bytes")
	ErrFlash      = errors.New("the flash reports an error")
	ErrPowerCut   = errors.New("the power was cut")
)

// OperationKind is what changes flash.
type OperationKind int

const (
	Program OperationKind = iota // clears bits in one page
	Erase                        // sets all bits of one sector
)

func (k OperationKind) String() string {
	return [...]string{"program", "erase"}[k]
}

// Operation is one change of the flash, as the flash chip is told to make it: a
// longer write is several of them, one for each page.
type Operation struct {
	Index uint64 // number of operations before this one, since the flash was made
	Kind  OperationKind
	Addr  uint32
	Len   int    // bytes
	Data  []byte // what is programmed; nil for Erase
}

func (o Operation) String() string {
	return fmt.Sprintf("%s %d of 0x%06x+0x%x", o.Kind, o.Index, o.Addr, o.Len)
}

// Cut is what Flash.Before makes of an operation. The zero Cut lets it happen.
type Cut struct {
	// Byte says what byte i of the operation's range holds afterwards, given what
	// it held before and would hold after the whole operation. nil: want.
	Byte func(i int, old, want byte) byte
	// Power cuts the power at this point: ErrPowerCut, and Chip.Run returns
	// EventPowerCut.
	Power bool
	// Error makes the program see an error: ErrFlash.
	Error bool
}

// CutBefore cuts the power before the operation changes anything.
func CutBefore() Cut { return Cut{Power: true, Byte: untouched} }

// CutTorn cuts the power when the first n bytes of the operation are done.
func CutTorn(n int) Cut {
	return Cut{Power: true, Byte: func(i int, old, want byte) byte {
		if i < n {
			return want
		}
		return old
	}}
}

// CutAfter cuts the power when the operation is complete.
func CutAfter() Cut { return Cut{Power: true} }

// Refuse makes the operation do nothing and report an error.
func Refuse() Cut { return Cut{Error: true, Byte: untouched} }

func untouched(_ int, old, _ byte) byte { return old }

// sector is what one sector holds; never changed once it is shared.
type sector [SectorSize]byte

// Flash is the SPI flash: it keeps what it holds without power. Erasing a sector
// sets all its bits; programming only clears bits.
//
// How long things take lies with Chip, which does them for the program. Flash
// itself knows no time.
type Flash struct {
	// Before, if set, is asked before each operation of the program.
	Before func(Operation) Cut

	data       []byte
	shared     []*sector // what a snapshot holds of each sector; nil: changed since
	operations uint64
	changed    func(addr uint32, n int) // tells the CPU, which keeps decoded code
	file       backing
}

// NewFlash makes an erased flash of size bytes, a multiple of SectorSize, that
// lives as long as the process.
func NewFlash(size int) *Flash {
	if size <= 0 || size%SectorSize != 0 {
		panic(fmt.Sprintf("esp8266: a flash of %d bytes", size))
	}
	f := &Flash{data: make([]byte, size), shared: make([]*sector, size/SectorSize)}
	for i := range f.data {
		f.data[i] = 0xFF
	}
	return f
}

// Size is in bytes.
func (f *Flash) Size() int { return len(f.data) }

// ID returns the JEDEC id that SPI command 0x9F gives, as read into a word: manufacturer, type, log2 of
// the size. A Winbond of 8 Mbit says 0x1440EF.
func (f *Flash) ID() uint32 { return 0x40EF | uint32(bits.Len(uint(len(f.data)))-1)<<16 }

// Operations counts the operations since the flash was made.
func (f *Flash) Operations() uint64 { return f.operations }

// Bytes is what the flash holds: to look at, not to change.
func (f *Flash) Bytes() []byte { return f.data }

// Put replaces what lies at addr, as a flashing tool does: no rules, no hook, not
// counted.
func (f *Flash) Put(addr uint32, b []byte) error {
	if err := f.check(addr, len(b)); err != nil {
		return fmt.Errorf("put %d bytes at 0x%06x: %w", len(b), addr, err)
	}
	copy(f.data[addr:], b)
	return f.touched(addr, len(b))
}

// Read copies what lies at addr to b.
func (f *Flash) Read(addr uint32, b []byte) error {
	if err := f.check(addr, len(b)); err != nil {
		return fmt.Errorf("read %d bytes at 0x%06x: %w", len(b), addr, err)
	}
	copy(b, f.data[addr:])
	return nil
}

// program clears the bits that are 0 in b. addr and len(b) must be multiples of 4.
func (f *Flash) program(addr uint32, b []byte) error {
	if err := f.check(addr, len(b)); err != nil {
		return fmt.Errorf("program %d bytes at 0x%06x: %w", len(b), addr, err)
	}
	if addr%4 != 0 || len(b)%4 != 0 {
		return fmt.Errorf("program %d bytes at 0x%06x: %w", len(b), addr, ErrFlashAlign)
	}
	for len(b) > 0 {
		n := min(len(b), PageSize-int(addr%PageSize))
		page := b[:n]
		op := Operation{Kind: Program, Addr: addr, Len: n, Data: page}
		if err := f.change(op, func(i int, old byte) byte { return old & page[i] }); err != nil {
			return err
		}
		addr, b = addr+uint32(n), b[n:]
	}
	return nil
}

// erase sets all bits of the sector at addr, a multiple of SectorSize.
func (f *Flash) erase(addr uint32) error {
	if err := f.check(addr, SectorSize); err != nil {
		return fmt.Errorf("erase 0x%06x: %w", addr, err)
	}
	op := Operation{Kind: Erase, Addr: addr, Len: SectorSize}
	return f.change(op, func(int, byte) byte { return 0xFF })
}

// change does one operation, or what the hook leaves of it.
func (f *Flash) change(op Operation, want func(i int, old byte) byte) error {
	op.Index = f.operations
	f.operations++
	var cut Cut
	if f.Before != nil {
		cut = f.Before(op)
	}
	area := f.data[op.Addr:][:op.Len]
	for i, old := range area {
		area[i] = want(i, old)
		if cut.Byte != nil {
			area[i] = cut.Byte(i, old, area[i])
		}
	}
	if err := f.touched(op.Addr, op.Len); err != nil {
		return fmt.Errorf("%v: %w", op, err)
	}
	switch {
	case cut.Power:
		return fmt.Errorf("%v: %w", op, ErrPowerCut)
	case cut.Error:
		return fmt.Errorf("%v: %w", op, ErrFlash)
	}
	return nil
}

// touched makes known that n bytes at addr are different now.
func (f *Flash) touched(addr uint32, n int) error {
	if n == 0 {
		return nil
	}
	for s := addr / SectorSize; s <= (addr+uint32(n)-1)/SectorSize; s++ {
		f.shared[s] = nil
	}
	if f.changed != nil {
		f.changed(addr, n)
	}
	return f.file.write(f.data[addr:][:n], addr)
}

func (f *Flash) check(addr uint32, n int) error {
	if uint64(addr)+uint64(n) > uint64(len(f.data)) {
		return ErrFlashRange
	}
	return nil
}

// flashSnapshot shares each sector with the flash until that changes it.
type flashSnapshot struct {
	sectors    []*sector
	operations uint64
}

func (f *Flash) snapshot() flashSnapshot {
	for i, s := range f.shared {
		if s == nil {
			s = new(sector)
			copy(s[:], f.data[i*SectorSize:])
			f.shared[i] = s
		}
	}
	return flashSnapshot{append([]*sector(nil), f.shared...), f.operations}
}

// restore brings back what s holds. The sizes must be the same.
func (f *Flash) restore(s flashSnapshot) error {
	if len(s.sectors) != len(f.shared) {
		return fmt.Errorf("a snapshot of %d flash bytes, the flash has %d",
			len(s.sectors)*SectorSize, len(f.data))
	}
	for i, want := range s.sectors {
		if f.shared[i] == want {
			continue
		}
		addr := uint32(i * SectorSize)
		copy(f.data[addr:], want[:])
		if err := f.touched(addr, SectorSize); err != nil {
			return err
		}
		f.shared[i] = want
	}
	f.operations = s.operations
	return nil
}
