// Package sdk is the vendor's NONOS SDK 3.0 as a program on an emulated chip sees
// it: its functions, by their names and ABI, and the event loop that calls the
// program back. What the functions do is done here; the program's own code runs
// on the chip.
//
// It is as strict as the SDK's documents, and where those allow a choice it takes
// the one that is harder for the program. A use that would corrupt memory on the
// chip is a crash with a message here.
package sdk

import (
	"bytes"
	"slices"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
)

// Version is what system_get_sdk_version returns.
const Version = "3.0.5(emulator)"

// SDK is the SDK on one chip. Set the exported fields before the chip runs.
type SDK struct {
	Chip    *esp8266.Chip
	Link    network.Link
	ADC     uint16     // what system_adc_read returns, 0 to 1023
	VDD     int        // the supply voltage, in mV; 0: 3300
	RSSI    int        // of the access point, in dBm; 0: one that depends on the device
	Symbols []*Symbols // to name functions in crash reports, or none
	OnCrash func(Crash)

	origin time.Duration // the link's time at power-on
	state
}

// state is all that changes while the program runs; clone copies it.
type state struct {
	wanted esp8266.ResetReason // the SDK wants a reset, if resetting
	resets bool

	resetAt uint64 // cycle of the last reset
	started bool   // sdk_start has been called
	running bool   // a callback is being executed
	current call
	calls   []call // that are due, in order

	initDone  uint32    // set by system_init_done_cb
	partition bool      // a partition table is registered
	printing  bool      // system_set_os_print
	prints    []printed // one in the other
	cpuFreq   uint32
	restartAt uint64 // cycle of a restart asked for; 0: none
	sleepAt   uint64 // cycle of a deep sleep asked for; 0: none
	sleepTime time.Duration
	slept     bool   // before this start
	noRadio   bool   // until the next reset, as was asked for at the last deep sleep
	resetInfo uint32 // address of rst_info, once asked for
	version   uint32 // address of the version string, once asked for

	watchdog softWatchdog
	timers   []timer
	tasks    [3]task
	heap     heap
	wifi     wifi
	sntp     sntp
	conns    []espconn
	lookups  []lookup
	lastPort uint32
	lastID   int

	stalled      *network.Event // data that the heap had no room for
	stalledUntil uint64
}

// call is a callback to be made. While it runs, release is the memory that is its
// only as long as it lasts.
type call struct {
	function uint32
	args     [3]uint32
	release  uint32
	stage    stage
	conn     uint32 // the espconn that it is of, or 0
}

// stage marks the calls that start the program up.
type stage int

const (
	callback stage = iota
	preInit
	userInit
)

// The gates that are not functions of the SDK.
const (
	gateReturn = esp8266.GateBase                    // callbacks return here
	gateStart  = esp8266.GateBase + esp8266.GateSize // sdk_start
)

// The SDK's stack: its top, and the lowest address that it may reach.
const (
	stackTop   = 0x3FFFFFB0
	stackLimit = 0x3FFFEB30
	stackFill  = 0xFE
)

// The stack of user_pre_init and user_init, and with it of constructors. The vendor's start, which
// calls them, keeps a sector of the flash on the stack; what it leaves lies between variables of
// the ROM.
const (
	startTop   = 0x3FFFEAD0
	startLimit = 0x3FFFE270
)

// stack returns the top and the lowest address of the stack that a call has.
func (c *call) stack() (top, limit uint32) {
	if c.stage != callback {
		return startTop, startLimit
	}
	return stackTop, stackLimit
}

// New makes the SDK of a chip that has no power yet.
func New(chip *esp8266.Chip, link network.Link) *SDK {
	s := &SDK{Chip: chip, Link: link}
	chip.Gate = s.gate
	chip.Exception = s.exception
	chip.Slept = func() { s.Link.Sleep(s.Now()) }
	chip.Fault = func(text string) { s.print("\r\nemulator: %s\r\n", text) }
	return s
}

// Outcome says why Run returned.
type Outcome int

const (
	Reached  Outcome = iota // the time asked for
	Reset                   // the chip must be reset: call Reset
	PowerCut                // the flash's hook has cut the power: call PowerOn
	Stopped                 // nothing is left to execute; the time asked for is reached
)

// PowerOn gives the chip its power.
func (s *SDK) PowerOn() {
	s.origin = s.Now()
	s.Link.Restart(s.origin)
	s.state = state{}
	s.Chip.PowerOn()
}

// Reset restarts the chip for the reason that was behind Run's Reset.
func (s *SDK) Reset() {
	reason := s.Chip.WantedReset()
	if s.resets {
		reason = s.wanted
	}
	s.Link.Restart(s.Now())
	s.state = state{resetAt: s.Chip.CPU.Cycles}
	s.Chip.Reset(reason)
}

// PinReset is a reset by the chip's reset pin.
func (s *SDK) PinReset() {
	s.want(esp8266.ResetPin)
	s.Reset()
}

// Now is the time since the SDK was made, in which the power was on.
func (s *SDK) Now() time.Duration {
	return s.origin + time.Duration(s.Chip.CPU.Cycles*25/2) // 12.5 ns a cycle
}

// cycle is the first cycle at which Now is at least t.
func (s *SDK) cycle(t time.Duration) uint64 {
	return (uint64(max(t-s.origin, 0))*2 + 24) / 25
}

const cyclesPerMillisecond = esp8266.CyclesPerSecond / 1000

// Run lets the chip and the SDK work until the time given, or until something
// happens that they cannot deal with. A function that takes its time may overrun it.
func (s *SDK) Run(until time.Duration) Outcome {
	end := s.cycle(until)
	for s.Chip.CPU.Cycles < end {
		next := end
		switch {
		case !s.started, s.Chip.Asleep():
		case s.running:
			next = min(end, s.watchdog.due)
		case s.dispatch():
			continue
		default:
			next = min(end, s.due(), s.Chip.CPU.Cycles+esp8266.CyclesPerSecond)
			s.idle()
		}
		switch s.Chip.Run(next) {
		case esp8266.EventIdle:
			s.Chip.Elapse(next - min(next, s.Chip.CPU.Cycles))
		case esp8266.EventReset:
			return Reset
		case esp8266.EventPowerCut:
			return PowerCut
		case esp8266.EventStopped:
			s.Chip.Elapse(end - min(end, s.Chip.CPU.Cycles))
			return Stopped
		}
		if s.running && !s.Chip.Asleep() {
			s.watch()
		}
		if s.resets {
			return Reset
		}
	}
	return Reached
}

// Next is the time before which Run would do nothing but wait, if nothing comes
// from the network's sockets or the pins.
func (s *SDK) Next() time.Duration {
	if s.Chip.Asleep() {
		if cycle, ok := s.Chip.WakesAt(); ok {
			return s.origin + time.Duration(cycle*25/2)
		}
		return never64
	}
	if !s.started || s.running || len(s.calls) > 0 {
		return s.Now()
	}
	due := s.due()
	if due == never {
		return never64
	}
	return s.origin + time.Duration(due*25/2)
}

const (
	never   = ^uint64(0)
	never64 = time.Duration(1<<63 - 1)
)

// start is sdk_start(user_pre_init, user_init, heap): the program's start-up code
// calls it and it does not return.
func (s *SDK) start() uint32 {
	if s.started {
		s.misuse("sdk_start is called again")
	}
	s.started = true
	s.printing = true
	s.afterSleep()
	s.cpuFreq = 80
	s.lastPort = 1024
	s.sntp.zone = sntpZone
	s.wifi.autoConnect = true
	s.wifi.mode = softAPMode
	s.heap.open(s.Chip.Arg(2))
	s.fillStack()
	s.print("\r\nSDK ver: %s\r\n", Version)
	s.later(call{function: s.Chip.Arg(0), stage: preInit})
	s.later(call{function: s.Chip.Arg(1), stage: userInit})
	s.Chip.CPU.PC = gateReturn
	s.Chip.Break()
	return 0
}

// later queues a callback.
func (s *SDK) later(c call) {
	if c.function != 0 {
		s.calls = append(s.calls, c)
	} else if c.release != 0 {
		s.heap.release(s, c.release)
	}
}

// idle parks the CPU where it takes interrupts and nothing else.
func (s *SDK) idle() {
	s.Chip.FeedWatchdog()
	s.Chip.CPU.PC = gateReturn
	s.Chip.CPU.A[1] = stackTop
	s.Chip.Wait(true)
}

// dispatch begins the next callback that is due, or says that there is none.
func (s *SDK) dispatch() bool {
	defer s.catch()
	if s.restartAt != 0 && s.Chip.CPU.Cycles >= s.restartAt {
		s.want(esp8266.ResetRestart)
		return false
	}
	if s.sleepAt != 0 && s.Chip.CPU.Cycles >= s.sleepAt {
		s.sleep()
		return false
	}
	s.wifiStep()
	s.sntpStep()
	if len(s.calls) == 0 {
		s.fireTimer()
	}
	if len(s.calls) == 0 {
		s.tellEnd()
	}
	if len(s.calls) == 0 {
		s.pollLink()
	}
	if len(s.calls) == 0 {
		s.runTask()
	}
	if len(s.calls) == 0 {
		return false
	}
	c := s.calls[0]
	s.calls = s.calls[1:]
	s.begin(c)
	return true
}

// begin makes the chip execute a callback.
func (s *SDK) begin(c call) {
	s.current, s.running = c, true
	cpu := s.Chip.CPU
	cpu.PC = c.function
	cpu.A[0] = gateReturn
	cpu.A[1], _ = c.stack()
	copy(cpu.A[2:5], c.args[:])
	s.Chip.Wait(false)
	s.feed()
}

// returned is where callbacks return to: the SDK's event loop.
func (s *SDK) returned() {
	s.Chip.Break()
	if !s.running { // from an interrupt, while idle
		return
	}
	s.checkStack()
	s.running = false
	if s.current.release != 0 {
		s.heap.release(s, s.current.release)
	}
	switch {
	case s.current.stage == preInit && !s.partition:
		s.misuse("user_pre_init has not registered a partition table")
	case s.current.stage == userInit:
		s.wifi.openedAccessPoint = s.wifi.mode == softAPMode
		s.later(call{function: s.initDone})
		s.autoConnect()
	}
	s.current = call{}
	s.feed()
	s.Chip.Elapse(loopCycles)
}

// loopCycles is what one round of the event loop costs, about.
const loopCycles = 400

// due is the cycle at which dispatch next has something to do.
func (s *SDK) due() uint64 {
	due := min(s.timerDue(), s.wifi.due(), s.sntp.due())
	if s.restartAt != 0 {
		due = min(due, s.restartAt)
	}
	if s.sleepAt != 0 {
		due = min(due, s.sleepAt)
	}
	if s.taskWaiting() || slices.ContainsFunc(s.conns, isClosing) {
		return s.Chip.CPU.Cycles
	}
	if s.stalled != nil {
		return min(due, s.stalledUntil)
	}
	if t, ok := s.Link.Next(); ok {
		due = min(due, s.cycle(t))
	}
	return due
}

// want makes Run return Reset.
func (s *SDK) want(reason esp8266.ResetReason) {
	s.wanted, s.resets = reason, true
	s.Chip.Break()
}

// fillStack prepares the stacks for StackUsed and checkStack.
func (s *SDK) fillStack() {
	for _, c := range []call{{stage: userInit}, {}} {
		top, limit := c.stack()
		_ = s.Chip.Write(limit, bytes.Repeat([]byte{stackFill}, int(top-limit)))
	}
}

// stackGuard is how many bytes at the lower end of the stack must stay untouched.
const stackGuard = 32

// checkStack crashes if the call has used more than its stack.
func (s *SDK) checkStack() {
	top, limit := s.current.stack()
	guard, _ := s.Chip.Read(limit, stackGuard)
	for _, b := range guard {
		if b == stackFill {
			continue
		}
		if s.current.stage != callback {
			s.misuse(startOverflow, top-limit)
		}
		s.misuse("the stack of %d bytes has overflowed", top-limit)
	}
}

// StackUsed is the most that callbacks have used of the stack, in bytes.
func (s *SDK) StackUsed() int {
	stack, _ := s.Chip.Read(stackLimit, stackTop-stackLimit)
	for i, b := range stack {
		if b != stackFill {
			return len(stack) - i
		}
	}
	return 0
}

// HeapFree is the free heap, and the least that it has been, in bytes.
func (s *SDK) HeapFree() (now, least int) { return s.heap.free(), s.heap.least }
