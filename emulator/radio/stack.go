package radio

// The vendor's start calls constructors and user_init below a sector of the flash that it keeps on the
// stack: from startTop down to startLimit, where variables of the ROM lie, which an overflow changes
// without a trace.
const (
	startTop   = 0x3FFFEAD0
	startLimit = 0x3FFFE270
	ramStart   = 0x3FFE8000
)

// watchStack looks, until the program has started and waits for the first time, that its stack stays
// above the ROM's variables.
func (r *Radio) watchStack() {
	cpu := r.chip.CPU
	if cpu.Trace != nil { // somebody looks at each instruction already
		return
	}
	r.starting = true
	cpu.Trace = func(uint32) {
		if sp := cpu.A[1]; sp < startLimit && sp >= ramStart {
			r.started()
			if r.Overflowed != nil {
				r.Overflowed(startTop - startLimit)
			}
		}
	}
}

// started ends the watch.
func (r *Radio) started() {
	if r.starting {
		r.starting, r.chip.CPU.Trace = false, nil
	}
}
