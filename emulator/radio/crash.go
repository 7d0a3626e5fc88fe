package radio

// exceptionVector is where the CPU goes at an exception or an interrupt of level 1: the start of the
// IRAM is the base of the vectors (firmware/link/slot.ld).
const exceptionVector = 0x40100050

// handlers is the ROM's table of the functions that handle exceptions, by cause.
const handlers = 0x3FFFC100

// programStart is the first address at which a program has code.
const programStart = 0x40100000

// exception is where the vendor's exception vector begins.
func (r *Radio) exception() {
	if r.Crashed != nil && r.fatal() {
		r.Crashed()
	}
	r.chip.CPU.PassHook()
}

// fatal reports whether the exception ends in a restart: the vendor's software has one function for
// those that do, also for the first cause, an illegal instruction.
func (r *Radio) fatal() bool {
	end, err := r.chip.Load32(handlers)
	handler, _ := r.chip.Load32(handlers + 4*(r.chip.CPU.EXCCAUSE&63))
	return err == nil && end >= programStart && handler == end
}
