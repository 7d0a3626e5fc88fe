package esp8266

import (
	"math/bits"

	"esper/emulator/lx106"
)

// The ROM's tasks: functions by priority, 1 to 32, with a queue of events each. What it knows
// of them lies in DRAM, where the vendor's software looks at it, too.
const (
	taskIdle    = 0x3FFFDAB0 // what ets_run calls when there is nothing to do, and its argument
	taskReady   = 0x3FFFDAB8 // the tasks that have events, as bits
	taskTable   = 0x3FFFDAC0 // for each priority from 1 on:
	taskSize    = 16
	taskRunning = 0x3FFFC6FC // the priority of the one that runs, a byte

	taskFunction = 0
	taskQueue    = 4
	taskLength   = 8  // of the queue, a byte,
	taskIn       = 9  // as are the place of the next event to come,
	taskOut      = 10 // of the next to go,
	taskCount    = 11 // and how many there are
	taskMask     = 12
)

// Code in ets_run: where tasks return to, and where it goes on after it has waited.
const (
	romTaskDone = 0x40000F48
	romWoken    = 0x40000F68
)

func (c *Chip) resetTasks() {
	clear(c.dram[taskIdle-dramBase:][:taskTable-taskIdle+32*taskSize])
	c.dram[taskRunning-dramBase] = 0
}

func taskEntry(priority uint32) uint32 { return taskTable + taskSize*(priority-1) }

// etsTask (function, priority, queue, length).
func etsTask(c *Chip) {
	priority := c.Arg(1)
	if priority == 0 || priority > 32 {
		c.fault("ets_task with priority %d", priority)
		return
	}
	t := taskEntry(priority)
	c.setData(t+taskFunction, c.Arg(0))
	c.setData(t+taskQueue, c.Arg(2))
	c.setData(t+taskLength, c.Arg(3)&0xFF)
	c.setData(t+taskMask, 1<<(priority-1))
	c.Return(t)
}

// etsPost (priority, signal, parameter) returns 1 if the queue is full.
func etsPost(c *Chip) {
	priority := c.Arg(0)
	if priority == 0 || priority > 32 {
		c.fault("ets_post with priority %d", priority)
		return
	}
	t, table := taskEntry(priority), c.dram[taskEntry(priority)-dramBase:]
	c.setData(lockedPS, c.CPU.PS)
	c.CPU.PS &^= lx106.PSIntLevel // as ets_intr_unlock leaves it
	if table[taskCount] >= table[taskLength] {
		c.Return(1)
		return
	}
	at := c.data(t+taskQueue) + 8*uint32(table[taskIn])
	c.store(at, 4, c.Arg(1))
	c.store(at+4, 4, c.Arg(2))
	if table[taskIn]++; table[taskIn] == table[taskLength] {
		table[taskIn] = 0
	}
	if table[taskCount]++; table[taskCount] == 1 {
		c.setData(taskReady, c.data(taskReady)|c.data(t+taskMask))
	}
	c.Return(0)
}

// etsRun calls the tasks that have events, for ever.
func etsRun(c *Chip) {
	c.CPU.A[1] = (c.CPU.A[1] - 48) &^ 15
	c.nextTask()
}

// nextTask begins the task of the highest priority that has an event, or waits.
func (c *Chip) nextTask() {
	cpu := c.CPU
	c.dram[taskRunning-dramBase] = 0
	cpu.PS = cpu.PS &^ lx106.PSIntLevel
	ready := c.data(taskReady)
	if ready == 0 {
		c.Wait(true)
		cpu.PC = romWoken
		return
	}
	priority := uint32(bits.Len32(ready))
	t, table := taskEntry(priority), c.dram[taskEntry(priority)-dramBase:]
	event := c.data(t+taskQueue) + 8*uint32(table[taskOut])
	if table[taskOut]++; table[taskOut] == table[taskLength] {
		table[taskOut] = 0
	}
	if table[taskCount]--; table[taskCount] == 0 {
		c.setData(taskReady, ready&^c.data(t+taskMask))
	}
	c.dram[taskRunning-dramBase] = byte(priority)
	cpu.A[0], cpu.A[2] = romTaskDone, event
	cpu.PC = c.data(t + taskFunction)
}

// etsSetIdle (function, argument).
func etsSetIdle(c *Chip) {
	c.setData(taskIdle, c.Arg(0))
	c.setData(taskIdle+4, c.Arg(1))
	c.Return(0)
}
