package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// architecture are the numbers of the system calls that are forbidden, on one of the kernel's
// architectures (seccomp(2); the numbers are those of golang.org/x/sys/unix, which has them for
// the architecture only that it is compiled for).
type architecture struct {
	audit  uint32
	always []uint32 // socket, socketcall, io_uring_setup (which makes sockets, too), ptrace,
	// process_vm_readv, process_vm_writev, and setsid and setpgid, to stay in the group
	children []uint32 // fork, vfork, clone, clone3: threads as well
}

var (
	x86 = architecture{unix.AUDIT_ARCH_X86_64,
		[]uint32{41, 425, 101, 310, 311, 112, 109}, []uint32{57, 58, 56, 435}}
	i386 = architecture{unix.AUDIT_ARCH_I386,
		[]uint32{359, 102, 425, 26, 347, 348, 66, 57}, []uint32{2, 190, 120, 435}}
	arm64 = architecture{unix.AUDIT_ARCH_AARCH64,
		[]uint32{198, 425, 117, 270, 271, 157, 154}, []uint32{220, 435}}
	arm = architecture{unix.AUDIT_ARCH_ARM,
		[]uint32{281, 425, 26, 376, 377, 66, 57}, []uint32{2, 190, 120, 435}}
	riscv64 = architecture{unix.AUDIT_ARCH_RISCV64, arm64.always, arm64.children}
)

// architectures are those of the programs that run beside ours. Of any other, no call is allowed.
var architectures = map[string][]architecture{
	"amd64": {x86, i386}, "386": {x86, i386}, "arm64": {arm64, arm}, "arm": {arm64, arm}, "riscv64": {riscv64},
}[runtime.GOARCH]

// x32 is the first number of calls on x86-64 that are the same once more, with short pointers.
const x32 = 0x40000000

// filter returns the program for the kernel that answers the forbidden calls with EPERM.
func (r Rules) filter() []unix.SockFilter {
	const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	load := func(offset uint32) unix.SockFilter { // of struct seccomp_data
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	result := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	program := []unix.SockFilter{load(4)} // the architecture
	for _, a := range architectures {
		calls := slices.Clone(a.always)
		if !r.Children {
			calls = append(calls, a.children...)
		}
		block := []unix.SockFilter{load(0)} // the call's number
		if a.audit == unix.AUDIT_ARCH_X86_64 {
			block = append(block, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: x32, Jt: uint8(len(calls) + 1)})
		}
		for i, call := range calls {
			block = append(block, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: uint8(len(calls) - i)})
		}
		block = append(block, result(unix.SECCOMP_RET_ALLOW), result(refuse))
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: a.audit, Jf: uint8(len(block))})
		program = append(program, block...)
	}
	return append(program, result(refuse))
}

// checkSeccomp returns an ErrUnavailable if the kernel takes no filters.
func checkSeccomp() error {
	if len(architectures) == 0 {
		return fmt.Errorf("%w: seccomp: the system calls of %s are not known", ErrUnavailable, runtime.GOARCH)
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return fmt.Errorf("%w: it has no seccomp filters (CONFIG_SECCOMP_FILTER, Linux 4.14): %w", ErrUnavailable, errno)
	}
	return nil
}

// restrictCalls forbids this thread, and the program that it becomes, some system calls, if the
// kernel can.
func (r Rules) restrictCalls() error {
	if checkSeccomp() != nil {
		return nil
	}
	filter := r.filter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
