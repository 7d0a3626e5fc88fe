package lx106

// Bus is all that the CPU knows of the machine around it. Addresses are as the
// program uses them; values are little endian. A Cause other than OK makes the
// CPU take that exception with EXCVADDR = addr.
type Bus interface {
	// Fetch returns the four bytes at the 4-aligned addr, for execution.
	Fetch(addr uint32) (word uint32, cause Cause)
	// Load reads size (1, 2 or 4) bytes. addr is aligned to size; an unaligned
	// access never reaches the bus (LoadStoreAlignment).
	Load(addr uint32, size int) (value uint32, cause Cause)
	// Store writes size (1, 2 or 4) bytes; addr is aligned to size.
	Store(addr uint32, size int, value uint32) Cause
}

// Cause is an exception cause as in the EXCCAUSE register (Xtensa ISA, table
// 4-64), with OK for "none", which no hardware uses.
type Cause int

// The causes that the LX106 knows.
const (
	OK                    Cause = -1
	IllegalInstruction    Cause = 0
	Syscall               Cause = 1
	InstructionFetchError Cause = 2
	LoadStoreError        Cause = 3
	Level1Interrupt       Cause = 4
	Alloca                Cause = 5
	IntegerDivideByZero   Cause = 6
	Privileged            Cause = 8
	LoadStoreAlignment    Cause = 9
	InstFetchProhibited   Cause = 20
	LoadProhibited        Cause = 28
	StoreProhibited       Cause = 29
)

// Widths is a set of access widths in bytes: the OR of 1, 2 and 4.
type Widths uint8

// Window is a stretch of plain memory that the CPU reads and writes without
// asking the bus, for speed. An access that a window does not allow goes to the
// bus, which answers with the cause of the fault.
type Window struct {
	Base  uint32 // 4-aligned
	Data  []byte // length a multiple of 4
	Load  Widths
	Store Widths
	Fetch bool
}

// Stop says why Run returned.
type Stop int

const (
	// StopBudget: the cycle that was asked for is reached.
	StopBudget Stop = iota
	// StopSimcall: PC is the address of a SIMCALL instruction, which has not
	// been executed. The caller does what is wanted there and sets PC.
	StopSimcall
	// StopWaiti: a WAITI was executed and no interrupt is pending. PC is behind it.
	StopWaiti
	// StopHalt: the bus or somebody else called Halt.
	StopHalt
)
