package sdk

import (
	"encoding/binary"
	"fmt"
	"strings"

	"esper/emulator/esp8266"
	"esper/emulator/lx106"
)

// Crash is the end of a program that did what it must not do.
type Crash struct {
	Reason esp8266.ResetReason // of the reset that follows
	Text   string              // what is printed first
	Cause  lx106.Cause         // of the exception, if there was one
	PC     uint32
	Addr   uint32 // that could not be reached
	CPU    lx106.State
	Report string // all that is printed
}

// causeNames are as the vendor's SDK prints them.
var causeNames = map[lx106.Cause]string{
	lx106.IllegalInstruction:    "IllegalInstructionCause",
	lx106.Syscall:               "SyscallCause",
	lx106.InstructionFetchError: "InstructionFetchErrorCause",
	lx106.LoadStoreError:        "LoadStoreErrorCause",
	lx106.Level1Interrupt:       "Level1InterruptCause",
	lx106.Alloca:                "AllocCause",
	lx106.IntegerDivideByZero:   "IntegerDivideByZeroCause",
	lx106.Privileged:            "PrivilegedCause",
	lx106.LoadStoreAlignment:    "LoadStoreAlignmentCause",
	lx106.InstFetchProhibited:   "InstFetchProhibitedCause",
	lx106.LoadProhibited:        "LoadProhibitedCause",
	lx106.StoreProhibited:       "StoreProhibitedCause",
}

// exception is called by the chip for an exception that the program does not handle.
func (s *SDK) exception(e esp8266.ExceptionInfo) {
	s.crash(Crash{
		Reason: esp8266.ResetException,
		Text:   fmt.Sprintf("Fatal exception %d(%s):", e.Cause, causeNames[e.Cause]),
		Cause:  e.Cause, PC: e.PC, Addr: e.Addr, CPU: e.CPU,
	})
	s.Chip.CPU.PC = gateReturn
}

// ReportException reports an exception that the CPU has just taken in a program with the vendor's own
// software, which handles it by itself.
func (s *SDK) ReportException() {
	cpu := s.Chip.CPU
	cause := lx106.Cause(cpu.EXCCAUSE)
	c := Crash{
		Reason: esp8266.ResetException,
		Text:   fmt.Sprintf("emulator: exception %d(%s):", cause, causeNames[cause]),
		Cause:  cause, PC: cpu.EPC[1], Addr: cpu.EXCVADDR, CPU: cpu.State,
	}
	s.printReport(&c)
	if s.OnCrash != nil {
		s.OnCrash(c)
	}
}

// misused is the crash of a program that used the SDK wrongly.
func (s *SDK) misused(why string) {
	pc := s.Chip.CPU.PC
	if pc >= esp8266.GateBase && pc < esp8266.GateBase+uint32(len(gateNames))*esp8266.GateSize {
		pc = s.Chip.CPU.A[0] // behind the call
	}
	s.crash(Crash{Reason: esp8266.ResetException, Text: "emulator: " + why, PC: pc, CPU: s.Chip.CPU.State})
}

// StartOverflowed ends a program whose constructors, or user_init, need more than the size of their
// stack, in bytes.
func (s *SDK) StartOverflowed(size int) { s.misused(fmt.Sprintf(startOverflow, size)) }

const startOverflow = "the %d bytes of stack that constructors have, and user_init, have overflowed"

// crash prints the report, keeps rst_info for the next start, and resets.
func (s *SDK) crash(c Crash) {
	s.printReport(&c)
	var info []byte
	for _, v := range []uint32{uint32(c.Reason), uint32(c.Cause), c.PC, c.CPU.EPC[2], c.CPU.EPC[3], c.Addr, c.CPU.DEPC} {
		info = binary.LittleEndian.AppendUint32(info, v)
	}
	_ = s.Chip.Write(rtcResetInfo, info)
	s.want(c.Reason)
	if s.OnCrash != nil {
		s.OnCrash(c)
	}
}

// printReport makes and prints the report of a crash.
func (s *SDK) printReport(c *Crash) {
	c.Report = s.report(*c)
	s.print("\r\n%s", strings.ReplaceAll(c.Report, "\n", "\r\n"))
}

// report is what the vendor's SDK prints of a crash, and then what it does not:
// where that was, the registers, and the calls that lead there.
func (s *SDK) report(c Crash) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nepc1=0x%08x, epc2=0x%08x, epc3=0x%08x, excvaddr=0x%08x, depc=0x%08x\n",
		c.Text, c.PC, c.CPU.EPC[2], c.CPU.EPC[3], c.Addr, c.CPU.DEPC)
	fmt.Fprintf(&b, "pc   0x%08x %s\n", c.PC, s.name(c.PC))
	for i, v := range c.CPU.A {
		fmt.Fprintf(&b, "a%-3d 0x%08x", i, v)
		if i%4 == 3 {
			b.WriteByte('\n')
		} else {
			b.WriteString("   ")
		}
	}
	fmt.Fprintf(&b, "ps   0x%08x   sar  0x%08x\n", c.CPU.PS, c.CPU.SAR)
	for _, pc := range s.returns(c.CPU) {
		fmt.Fprintf(&b, "from 0x%08x %s\n", pc, s.name(pc))
	}
	return b.String()
}

// stacks is where the RAM begins that has stacks in it: the vendor's own begins below ours.
const stacks = 0x3FFFC000

// maxReturns is how many calls a report lists at most.
const maxReturns = 16

// returns are the return addresses in a0 and on the stack, or what looks like one:
// an address behind a call instruction. Left-overs of earlier calls may be among them.
func (s *SDK) returns(cpu lx106.State) []uint32 {
	var found []uint32
	add := func(addr uint32) {
		if s.behindCall(addr) && len(found) < maxReturns {
			found = append(found, addr)
		}
	}
	add(cpu.A[0])
	if sp := cpu.A[1] &^ 3; sp >= stacks {
		for ; sp < stackTop; sp += 4 {
			if v, err := s.Chip.Load32(sp); err == nil && v != cpu.A[0] {
				add(v)
			}
		}
	}
	return found
}

// behindCall says whether the instruction in front of addr is CALL0 or CALLX0.
func (s *SDK) behindCall(addr uint32) bool {
	if addr < 0x40100000 || addr >= 0x40300000 {
		return false
	}
	b, err := s.Chip.Read(addr-3, 3)
	return err == nil && (b[0]&0x3F == 0x05 || b[0] == 0xC0 && b[1]&0xF0 == 0 && b[2] == 0)
}

// name is the function that an address lies in, if that is known.
func (s *SDK) name(addr uint32) string {
	if n := (addr - gateReturn) / esp8266.GateSize; addr >= gateReturn && int(n) < len(gateNames) {
		return gateNames[n]
	}
	for _, symbols := range s.Symbols {
		if name := symbols.name(addr); name != "" && symbols.fits(s.Chip) {
			return name
		}
	}
	return ""
}
