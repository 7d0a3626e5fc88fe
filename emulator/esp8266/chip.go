// Package esp8266 is the chip around the LX106: memory, flash, mask ROM and
// peripherals, as strict as the chip about what a program may do.
//
// It is deterministic: time is counted in CPU cycles, and the same inputs at the
// same cycles give the same state. One goroutine at a time may use a Chip.
package esp8266

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"esper/emulator/lx106"
)

// CyclesPerSecond is the CPU clock after reset, in Hz. An instruction takes one
// cycle here; the chip needs more when it waits for flash.
const CyclesPerSecond = 80_000_000

// ResetReason says why the chip started, numbered as rst_reason in the vendor's
// user_interface.h.
type ResetReason uint32

const (
	ResetPowerOn ResetReason = iota
	ResetWatchdog
	ResetException
	ResetSoftWatchdog
	ResetRestart
	ResetDeepSleep
	ResetPin
)

// String names the reason as devices report it.
func (r ResetReason) String() string {
	names := [...]string{"power-on", "hardware-watchdog", "exception", "software-watchdog",
		"restart", "deep-sleep", "reset-pin"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reset reason %d", uint32(r))
}

// Event says why Run returned.
type Event int

const (
	EventBudget   Event = iota // the cycle asked for is reached, or Break was called
	EventIdle                  // the program waits (WAITI) for an interrupt that this chip will not raise before the budget ends
	EventStopped               // nothing is left to execute: no bootable image, or the program returned to the ROM
	EventReset                 // the watchdog or the program asks for a reset: call Reset(WantedReset())
	EventPowerCut              // the flash hook cut the power: call PowerOn
)

func (e Event) String() string {
	return [...]string{"budget", "idle", "stopped", "reset", "power cut"}[e]
}

// ExceptionInfo is what the CPU knows of an exception that nobody handles.
type ExceptionInfo struct {
	Cause lx106.Cause
	PC    uint32      // of the instruction (EPC1)
	Addr  uint32      // EXCVADDR: the address it could not reach, where that applies
	CPU   lx106.State // all registers, as the vector finds them
}

func (e ExceptionInfo) String() string {
	return fmt.Sprintf("exception %d at 0x%08x, address 0x%08x", e.Cause, e.PC, e.Addr)
}

// Chip is one ESP8266. Set the exported fields before the first PowerOn.
type Chip struct {
	CPU    *lx106.CPU
	Flash  *Flash
	ChipID uint32    // the low 24 bits of the MAC address
	Seed   uint64    // of the random numbers, taken at power-on
	Serial io.Writer // what UART 0 sends; nil drops it
	// Serial1 is what UART 1 sends, at GPIO2; nil drops it.
	Serial1 io.Writer

	// WakeOpen says that GPIO16 is not connected to the reset pin, so that only a reset from
	// outside ends a deep sleep.
	WakeOpen bool

	// Slept, if set, is called when the chip begins a deep sleep.
	Slept func()

	// Gate is called when PC is one of the gates (GateBase + GateSize n), with the
	// arguments in place. It sets PC, by Return or otherwise.
	Gate func(addr uint32)

	// ROM is the content of the mask ROM, for the chip's own to be executed. Without it
	// its functions are emulated (rom.go).
	ROM []byte

	// Idle, if set, is called when the program waits for an interrupt and none has come. It
	// returns the cycle up to which it knows of nothing either; or it lets the program go on.
	Idle func() uint64

	// Exception is called for an exception that has no handler, PC being at the
	// vector. It may call Reset, or set PC; if it does neither, the CPU stands
	// still until the watchdog bites. Without it the ROM's own lines are printed.
	Exception func(ExceptionInfo)

	// Fault, if set, is told what the program did that the emulator cannot follow,
	// such as a call of a ROM function that is not there. The program gets an
	// illegal instruction exception. Without it the text goes to Serial.
	Fault func(text string)

	// Warned, if set, is told what the program does that would stop or harm a board: it drives a
	// pin of the flash, or one that the outside drives to the other level. It is told once of each
	// pin since power-on; Serial says it, too.
	Warned func(text string)

	// Restarted, if set, is called when the program has started the ROM again, by a jump
	// to where that begins. It is no reset: the peripherals go on.
	Restarted func()

	onPin func(n int, high bool)
	until uint64 // of Run
	hooks map[uint32]func()
	state
}

// state is all of the chip that changes while it runs, apart from CPU and flash.
// It is copied as a whole by Snapshot: values only, no pointers.
type state struct {
	dram [dramSize]byte
	iram [iramSize]byte
	rtc  [rtcSize]byte

	starting  bool // after a reset, before the ROM's first instruction
	cache     bool
	cacheBase uint32 // flash address that is mapped at 0x40200000
	cacheSize uint32 // bytes of IRAM that the cache takes while it is on

	reason   ResetReason
	hardware ResetReason // the same, but for a jump to the ROM's beginning
	wanted   ResetReason
	pending  Event // what Run must return, or EventBudget
	breaks   bool
	stopped  bool
	random   uint64

	// Registers that only keep their value: of the peripherals, the system, the radio's
	// controller and its baseband.
	plain    [0x2000 / 4]uint32
	dport    [0x100 / 4]uint32
	radio    [macSize / 4]uint32
	baseband [0x1000 / 4]uint32

	uart     [2]uart
	spi      spi
	mac      mac
	gpio     gpio
	frc1     countdown
	frc2     countup
	watchdog watchdog
	sleep    sleep
	warned   warned
	rom      romState
	loader   loader
}

// New makes a chip without power. Call PowerOn.
func New(flash *Flash) *Chip {
	c := &Chip{Flash: flash}
	c.CPU = lx106.New((*bus)(c))
	flash.changed = c.flashChanged
	return c
}

// PowerOn gives the chip its power: RAM and RTC memory hold junk, and it boots.
func (c *Chip) PowerOn() {
	c.state = state{gpio: gpio{outside: c.gpio.outside}}
	junk(c.dram[:])
	junk(c.iram[:])
	junk(c.rtc[:])
	c.random = c.Seed
	c.CPU.Cycles = 0
	c.Reset(ResetPowerOn)
}

// Reset restarts the chip as reason would: RAM and RTC memory keep what they hold, but for RAM in a
// deep sleep; all else starts anew, and the mask ROM boots the image at flash 0: at once, or, if it
// is the chip's own, when the chip runs.
func (c *Chip) Reset(reason ResetReason) {
	c.reason, c.hardware, c.wanted, c.pending = reason, reason, reason, EventBudget
	c.stopped, c.breaks = false, false
	if c.sleep.on {
		junk(c.dram[:])
		junk(c.iram[:])
		c.CPU.Invalidate(iramBase, iramSize)
	}
	c.sleep = sleep{}
	var kept [4]uint32
	if reason == ResetPowerOn || reason == ResetPin || reason == ResetDeepSleep { // the reset pin
		c.strap()
	} else {
		kept = [4]uint32(c.plain[(regRTCKept-peripheralBase)/4:])
	}
	c.plain, c.dport = [len(c.plain)]uint32{}, [len(c.dport)]uint32{}
	copy(c.plain[(regRTCKept-peripheralBase)/4:], kept[:])
	c.radio, c.baseband = [len(c.radio)]uint32{}, [len(c.baseband)]uint32{}
	now := c.CPU.Cycles
	c.CPU.Reset()
	c.CPU.Cycles = now
	c.resetUART()
	c.resetGPIO()
	c.frc1, c.frc2 = countdown{}, countup{}
	c.resetWatchdog()
	c.rom = romState{}
	c.spi = spi{}
	c.resetMAC()
	c.cacheChanged()
	c.starting = c.ROM != nil
	c.SetHooks(c.hooks)
	if c.ROM == nil {
		c.boot()
	}
}

// ResetReason is that of the last reset.
func (c *Chip) ResetReason() ResetReason { return c.reason }

// WantedReset is why the hardware asks for a reset, after EventReset.
func (c *Chip) WantedReset() ResetReason { return c.wanted }

// Elapse lets time pass in which the CPU executes nothing, in cycles.
func (c *Chip) Elapse(cycles uint64) { c.CPU.Cycles += cycles }

// Break makes Run return after the instruction or gate that is being executed.
func (c *Chip) Break() {
	c.breaks = true
	c.CPU.Halt()
}

// ask makes Run return e before the next instruction.
func (c *Chip) ask(e Event, reason ResetReason) {
	if c.pending == EventBudget {
		c.pending, c.wanted = e, reason
		c.CPU.Halt()
	}
}

// Run executes until the cycle until, or until something happens that the caller
// must deal with.
func (c *Chip) Run(until uint64) Event {
	c.until = until
	for {
		if c.sleep.on {
			return c.sleeping(until)
		}
		c.tick()
		switch {
		case c.pending != EventBudget:
			return c.pending
		case c.stopped:
			return EventStopped
		case c.breaks:
			c.breaks = false
			return EventBudget
		case c.CPU.Cycles >= until:
			return EventBudget
		}
		if next := c.nextTick(); c.CPU.Waiting && !c.awake() {
			if c.CPU.INTENABLE&(1<<timerInterrupt) != 0 {
				next = min(next, c.CPU.TimerAt)
			}
			if c.Idle != nil {
				next = min(next, c.Idle())
				if !c.CPU.Waiting {
					continue
				}
				next = max(next, c.CPU.Cycles+1)
			}
			if next >= until {
				return EventIdle
			}
			c.CPU.Cycles = next
			continue
		}
		if c.CPU.Run(min(until, c.nextTick())) == lx106.StopSimcall {
			c.simcall()
		}
	}
}

// awake says whether an interrupt ends the CPU's waiting.
func (c *Chip) awake() bool {
	pending := c.CPU.INTERRUPT
	if c.CPU.Cycles >= c.CPU.TimerAt {
		pending |= 1 << timerInterrupt
	}
	return pending&c.CPU.INTENABLE != 0
}

// simcall does what lies behind the SIMCALL at PC.
func (c *Chip) simcall() {
	c.CPU.Cycles += simcallCycles
	switch pc := c.CPU.PC; {
	case c.hooks[pc] != nil:
		c.hooks[pc]()
	case pc == resetVector:
		c.romStarts()
	case InROM(pc):
		c.romCall(pc)
	case pc >= GateBase && pc < GateBase+gatesSize && (pc-GateBase)%GateSize == 0 && c.Gate != nil:
		c.Gate(pc)
	default:
		c.fault("SIMCALL at 0x%08x, where there is neither ROM nor gate", pc)
	}
}

// SetHooks makes the chip call a function instead of executing what lies at an address, for
// each of these and no others. The function sets PC, by Return or otherwise.
func (c *Chip) SetHooks(hooks map[uint32]func()) {
	c.hooks = hooks
	c.CPU.SetHooks(append(slices.Collect(maps.Keys(hooks)), resetVector)...)
}

// resetVector is where the CPU begins, in the ROM.
const resetVector = romBase + 0x80

// romStarts is what happens at resetVector: after a reset, or because the program jumps there.
func (c *Chip) romStarts() {
	again := !c.starting
	c.starting = false
	if again {
		c.reason = ResetRestart
	}
	if c.ROM != nil {
		c.CPU.PassHook()
	} else {
		c.bootAgain()
	}
	if again && c.Restarted != nil {
		c.Restarted()
	}
}

// simcallCycles is what entering a function outside the CPU costs at least, so
// that time passes in every loop.
const simcallCycles = 4

// fault tells what cannot be followed and raises an exception at PC.
func (c *Chip) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.Fault != nil {
		c.Fault(text)
	} else if c.Serial != nil {
		fmt.Fprintf(c.Serial, "\r\nemulator: %s\r\n", text)
	}
	c.CPU.Exception(lx106.IllegalInstruction, c.CPU.PC)
}

// junk fills memory with a pattern that is neither zero nor erased flash, so that
// a program that relies on either is found out.
func junk(b []byte) {
	for i := range b {
		b[i] = byte(i*7) ^ 0xA5
	}
}
