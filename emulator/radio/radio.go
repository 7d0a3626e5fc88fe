// Package radio stands in for the radio of a chip that runs the vendor's own software: it
// answers the few functions of the image that need one, and carries the frames of its network
// interface to and from the air. The seam is in seam.go.
package radio

import (
	"fmt"
	"slices"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/lx106"
)

// Air is what frames are sent to and come from.
type Air interface {
	// Admits reports whether an access point of that network, with that password, is there.
	Admits(ssid, password string) bool
	// Restart forgets the device's connections.
	Restart(now time.Duration)
	// Frame takes a frame of the device's.
	Frame(now time.Duration, frame []byte)
	// Poll returns the next frame to the device that is due.
	Poll(now time.Duration) ([]byte, bool)
	// Next is the time before which none will be, if that is known.
	Next() (time.Duration, bool)
}

// World is what the radio measures.
type World interface {
	Signal() int    // how strongly it hears the access point, in dBm
	Input() uint32  // the analogue input, 0 to 1023
	Supply() uint32 // the supply voltage, in 1/1024 V
}

// BSSID is the access point's address.
var BSSID = [6]byte{0x02, 0, 0, 0, 0, 0x01}

// Radio is the radio of one chip.
type Radio struct {
	chip     *esp8266.Chip
	air      Air
	now      func() time.Duration
	world    World
	programs map[uint32]*Program // in flash, by where the image begins

	// Crashed, if set, is called when the CPU has taken an exception that the vendor's software
	// restarts the chip for, before that does so.
	Crashed func()

	// Overflowed, if set, is called when constructors or user_init need more stack than there is,
	// in bytes, instead of the instruction.
	Overflowed func(size int)

	state
}

// state is all that changes while the program runs, as values.
type state struct {
	program uint32 // that runs: where its image begins in flash; 0: it is not known
	phase   phase
	joinAt  uint64 // cycle at which the scan ends
	network        // that it joins, or has joined
	node    uint32 // of the access point; 0: there is none yet
	frame   []byte // that is being delivered

	starting bool // the program has not waited yet

	calls   []pending                     // that the CPU is to make
	calling bool                          // it makes one
	then    func(r *Radio, result uint32) // what to do with its result
	waiting lx106.State                   // what it was doing
}

// network is what the program wants to join.
type network struct{ ssid, password string }

// admitted reports whether the access point is there, and takes the password.
func (r *Radio) admitted() bool { return r.air.Admits(r.ssid, r.password) }

// phase is how far the station is.
type phase int

const (
	idle phase = iota
	scanning
	joined
)

// pending is a call of a function of the program's.
type pending struct {
	function string
	args     []uint32
	then     func(r *Radio, result uint32)
}

// returnAddress is where these functions return to: an address that no gate has.
const returnAddress = esp8266.GateBase + 0x3FF0

// New makes the radio of a chip. now is the chip's time.
func New(chip *esp8266.Chip, air Air, now func() time.Duration, world World) *Radio {
	return &Radio{chip: chip, air: air, now: now, world: world}
}

// Reset prepares for what the chip boots next: the programs that lie in its flash. It returns an
// [ErrNoSeam] if there is one that cannot be run.
func (r *Radio) Reset() error {
	r.started()
	r.state = state{}
	return r.hook()
}

// hook hooks the functions of the programs that lie in flash.
func (r *Radio) hook() error {
	hooks := map[uint32]func(){}
	r.programs = map[uint32]*Program{}
	programs, err := find(r.chip.Flash.Bytes())
	for _, p := range programs {
		r.programs[p.at] = p
		for name, answer := range seam {
			hooks[p.address[name]] = func() {
				r.program = p.at
				answer(r)
			}
		}
	}
	if len(hooks) > 0 {
		hooks[returnAddress] = r.returned
		hooks[exceptionVector] = r.exception
	}
	r.chip.SetHooks(hooks)
	r.chip.Idle = r.idle
	return err
}

// address is that of a function or variable of the program that runs.
func (r *Radio) address(name string) uint32 { return r.programs[r.program].address[name] }

// Snapshot is a radio at one moment, without its air.
type Snapshot struct{ state state }

func (s state) clone() state {
	s.calls = slices.Clone(s.calls)
	return s
}

// Snapshot copies the radio's state.
func (r *Radio) Snapshot() *Snapshot { return &Snapshot{r.state.clone()} }

// Restore makes this radio, whose chip has been restored, the one that the snapshot was taken of.
func (r *Radio) Restore(s *Snapshot, air Air) {
	r.started()
	r.state, r.air = s.state.clone(), air
	if r.starting {
		r.watchStack()
	}
	_ = r.hook() // Reset has told what it says
}

// forget drops all connections.
func (r *Radio) forget() {
	r.state = state{program: r.program, starting: r.starting}
	r.air.Restart(r.now())
}

const never = ^uint64(0)

// cycles is a time in CPU cycles.
func (r *Radio) cycles(t time.Duration) uint64 {
	return uint64(t) * (esp8266.CyclesPerSecond / 1_000_000) / 1000
}

// idle is called while the CPU waits. It returns the cycle at which there is something to do.
func (r *Radio) idle() uint64 {
	r.started()
	if r.program == 0 || r.phase == idle || r.calling || !esp8266.InROM(r.chip.CPU.PC) {
		return never
	}
	now := r.chip.CPU.Cycles
	switch {
	case r.phase == scanning && now < r.joinAt:
		return r.joinAt
	case r.phase == scanning && r.admitted():
		r.join()
	case r.phase == scanning:
		r.notFound()
	case r.left():
		r.phase = idle
		return never
	case !r.admitted():
		r.lose()
	default:
		if frame, ok := r.air.Poll(r.now()); ok {
			r.input(frame)
		}
	}
	if len(r.calls) > 0 {
		r.waiting = r.chip.CPU.State
		r.next()
		return now
	}
	next, ok := r.air.Next()
	if !ok {
		return never
	}
	return now + r.cycles(max(next-r.now(), 0)+time.Microsecond)
}

// call queues a call.
func (r *Radio) call(function string, then func(*Radio, uint32), args ...uint32) {
	r.calls = append(r.calls, pending{function, args, then})
}

// next begins the first call, on the stack of what waits.
func (r *Radio) next() {
	c, cpu := r.calls[0], r.chip.CPU
	r.calls, r.calling = r.calls[1:], true
	r.then = c.then
	cpu.A[0], cpu.A[1] = returnAddress, (r.waiting.A[1]-64)&^15
	copy(cpu.A[2:8], c.args)
	cpu.PC = r.address(c.function)
	r.chip.Wait(false)
}

// returned is where the functions return to. After the last the CPU looks for what there is
// to do now, as after an interrupt.
func (r *Radio) returned() {
	if !r.calling {
		r.fault("a return to 0x%08x without a call", uint32(returnAddress))
		return
	}
	r.calling = false
	if then := r.then; then != nil {
		then(r, r.chip.CPU.A[2])
	}
	if len(r.calls) > 0 {
		r.next()
		return
	}
	cpu := r.chip.CPU
	cpu.A, cpu.PC, cpu.SAR, cpu.PS = r.waiting.A, r.waiting.PC, r.waiting.SAR, r.waiting.PS
}

// fault is a program that is not what this package knows.
func (r *Radio) fault(format string, args ...any) {
	text := "the radio: " + fmt.Sprintf(format, args...)
	if r.chip.Fault != nil {
		r.chip.Fault(text)
	}
	r.phase = idle
	r.chip.CPU.Exception(lx106.IllegalInstruction, r.chip.CPU.PC)
}
