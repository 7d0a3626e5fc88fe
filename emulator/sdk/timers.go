package sdk

import "slices"

// timer is an armed ETSTimer.
type timer struct {
	addr   uint32 // of the program's struct
	due    uint64
	period uint64 // 0: once
}

// Fields of ETSTimer (osapi.h).
const (
	timerExpire   = 4
	timerPeriod   = 8
	timerFunction = 12
	timerArgument = 16
)

// maxTimerMs is the longest time that the SDK's timers can be armed for.
const maxTimerMs = 0x68D7A3

// timerSetfn is ets_timer_setfn(timer, function, argument).
func (s *SDK) timerSetfn() uint32 {
	t := s.Chip.Arg(0)
	if s.armed(t) {
		s.misuse("ets_timer_setfn on a timer that is armed (0x%08x)", t)
	}
	s.store(t, 0xFFFFFFFF)
	s.store(t+timerPeriod, 0)
	s.store(t+timerFunction, s.Chip.Arg(1))
	s.store(t+timerArgument, s.Chip.Arg(2))
	return 0
}

func (s *SDK) armed(addr uint32) bool {
	return slices.ContainsFunc(s.timers, func(t timer) bool { return t.addr == addr })
}

// timerArm is ets_timer_arm_new(timer, time, repeat, milliseconds).
func (s *SDK) timerArm() uint32 {
	t, time, repeat, ms := s.Chip.Arg(0), uint64(s.Chip.Arg(1)), s.Chip.Arg(2)&0xFF, s.Chip.Arg(3)&0xFF
	if s.load(t+timerFunction) == 0 {
		s.misuse("ets_timer_arm_new on a timer without a function (0x%08x)", t)
	}
	if ms != 0 {
		if time > maxTimerMs {
			s.misuse("a timer of %d ms; the SDK's end at %d", time, maxTimerMs)
		}
		time *= 1000
	}
	cycles := max(time, 1) * (cyclesPerMillisecond / 1000)
	s.disarm(t)
	n := timer{addr: t, due: s.Chip.CPU.Cycles + cycles}
	if repeat != 0 {
		n.period = cycles
	}
	s.store(t+timerExpire, uint32(n.due/256))
	s.store(t+timerPeriod, uint32(n.period/256))
	s.insert(n)
	return 0
}

// insert keeps the timers in order; equal ones fire in the order of arming.
func (s *SDK) insert(n timer) {
	i := 0
	for i < len(s.timers) && s.timers[i].due <= n.due {
		i++
	}
	s.timers = slices.Insert(s.timers, i, n)
}

// timerDisarm is ets_timer_disarm(timer).
func (s *SDK) timerDisarm() uint32 {
	s.disarm(s.Chip.Arg(0))
	return 0
}

func (s *SDK) disarm(addr uint32) {
	s.timers = slices.DeleteFunc(s.timers, func(t timer) bool { return t.addr == addr })
}

func (s *SDK) timerDue() uint64 {
	if len(s.timers) == 0 {
		return never
	}
	return s.timers[0].due
}

// fireTimer queues the callback of the first timer, if it is due.
func (s *SDK) fireTimer() {
	now := s.Chip.CPU.Cycles
	if now < s.timerDue() {
		return
	}
	t := s.timers[0]
	s.timers = slices.Delete(s.timers, 0, 1)
	if t.period > 0 {
		t.due = max(t.due+t.period, now) // rounds that were missed are left out
		s.insert(t)
	}
	s.later(call{function: s.load(t.addr + timerFunction), args: [3]uint32{s.load(t.addr + timerArgument)}})
}

// task is one of the program's three tasks, by priority.
type task struct {
	function uint32
	queue    uint32 // of events: signal and parameter, 4 bytes each
	length   uint32
	first, n uint32
}

// osTask is system_os_task(task, priority, queue, length).
func (s *SDK) osTask() uint32 {
	priority := s.Chip.Arg(1) & 0xFF
	if priority > 2 || s.tasks[priority].function != 0 || s.Chip.Arg(2) == 0 || s.Chip.Arg(3)&0xFF == 0 {
		return 0
	}
	s.tasks[priority] = task{function: s.Chip.Arg(0), queue: s.Chip.Arg(2), length: s.Chip.Arg(3) & 0xFF}
	return 1
}

// osPost is system_os_post(priority, signal, parameter).
func (s *SDK) osPost() uint32 {
	priority := s.Chip.Arg(0) & 0xFF
	if priority > 2 || s.tasks[priority].function == 0 {
		return 0
	}
	t := &s.tasks[priority]
	if t.n == t.length {
		return 0
	}
	event := t.queue + (t.first+t.n)%t.length*8
	s.store(event, s.Chip.Arg(1))
	s.store(event+4, s.Chip.Arg(2))
	t.n++
	return 1
}

func (s *SDK) taskWaiting() bool {
	return slices.ContainsFunc(s.tasks[:], func(t task) bool { return t.n > 0 })
}

// runTask queues the event of the task with the highest priority that has one.
func (s *SDK) runTask() {
	for p := len(s.tasks) - 1; p >= 0; p-- {
		t := &s.tasks[p]
		if t.n == 0 {
			continue
		}
		event := t.queue + t.first*8
		t.first = (t.first + 1) % t.length
		t.n--
		s.later(call{function: t.function, args: [3]uint32{event}})
		return
	}
}
