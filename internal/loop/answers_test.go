package loop

import (
	"cmp"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"esper/emulator"
	"esper/internal/image"
)

// answered are the SDK's functions whose results the firmware goes by, and the bits of these that
// count. Not among them is what returns a pointer, a time, an amount of memory or chance.
var answered = map[string]uint32{
	"espconn_connect": 0xFF, "espconn_abort": 0xFF, "espconn_send": 0xFF, "espconn_set_opt": 0xFF,
	"espconn_regist_connectcb": 0xFF, "espconn_regist_reconcb": 0xFF, "espconn_regist_disconcb": 0xFF,
	"espconn_regist_recvcb": 0xFF, "espconn_regist_sentcb": 0xFF,
	"espconn_recv_hold": 0xFF, "espconn_recv_unhold": 0xFF, "espconn_gethostbyname": 0xFF,
	"spi_flash_get_id": 0xFFFFFFFF, "spi_flash_erase_sector": 0xFFFFFFFF, "spi_flash_write": 0xFFFFFFFF,
	"spi_flash_read": 0xFFFFFFFF, "system_get_chip_id": 0xFFFFFFFF, "system_partition_table_regist": 0xFF,
	"wifi_set_opmode_current": 0xFF, "wifi_station_set_config_current": 0xFF,
	"wifi_station_set_reconnect_policy": 0xFF, "wifi_station_connect": 0xFF, "wifi_station_disconnect": 0xFF,
	"wifi_set_sleep_type": 0xFF, "wifi_get_ip_info": 0xFF, "wifi_get_macaddr": 0xFF,
}

// answers are the results that a device's firmware got from the SDK.
type answers struct {
	t        *testing.T
	device   *emulator.Device
	elves    func() []string // of all that has been built so far
	programs []*traced       // of those that have been read
	running  *traced
	calls    []call // that have not returned
	values   map[string]map[uint32]bool
}

type call struct {
	name     string
	back, sp uint32
}

// traced is a linked program.
type traced struct {
	code      []byte // behind descriptor and table
	at        uint32 // in flash
	entries   map[uint32]string
	functions []elf.Symbol // sorted
}

// readTraced reads the symbols of an ELF file.
func readTraced(t *testing.T, path string) *traced {
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	must(t, err)
	p := &traced{entries: map[uint32]string{}}
	for _, s := range symbols {
		if _, ok := answered[s.Name]; ok {
			p.entries[uint32(s.Value)] = s.Name
		}
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			p.functions = append(p.functions, s)
		}
	}
	slices.SortFunc(p.functions, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_LOAD && segment.Vaddr >= image.MappedFlash {
			code, err := io.ReadAll(segment.Open())
			must(t, err)
			const skip = 256 // descriptor and table are completed when the image is packed
			p.code, p.at = code[skip:], uint32(segment.Vaddr)-image.MappedFlash+skip
		}
	}
	return p
}

// ours reports whether an address lies in the firmware's own code, which is C++, and not in the vendor's.
func (p *traced) ours(address uint32) bool {
	i, found := slices.BinarySearchFunc(p.functions, uint64(address), func(s elf.Symbol, a uint64) int { return cmp.Compare(s.Value, a) })
	if !found {
		i--
	}
	return i >= 0 && (strings.HasPrefix(p.functions[i].Name, "_Z") || strings.HasPrefix(p.functions[i].Name, "user_"))
}

// listen notes what a device's firmware is answered, from now on.
func (w *world) listen(t *testing.T, d *emulator.Device) *answers {
	a := &answers{t: t, device: d, elves: w.firmwares.kept, values: map[string]map[uint32]bool{}}
	d.Chip.CPU.Trace = a.step
	return a
}

// kept are the paths of the ELF files that are kept.
func (f *firmwares) kept() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.elves)
}

// booted finds the program that runs: the one in flash that the program counter is in.
func (a *answers) booted(pc uint32) {
	a.running, a.calls = nil, nil
	paths := a.elves()
	for _, path := range paths[len(a.programs):] {
		a.programs = append(a.programs, readTraced(a.t, path))
	}
	flash := a.device.Chip.Flash.Bytes()
	for _, p := range a.programs {
		end := p.at + uint32(len(p.code))
		if at := pc - image.MappedFlash; at >= p.at&^0xFFFF && at < end && string(flash[p.at:end]) == string(p.code) {
			a.running = p
		}
	}
}

func (a *answers) step(pc uint32) {
	if pc == 0x40000080 || a.running == nil && pc < image.MappedFlash {
		a.running = nil
		return
	}
	if a.running == nil {
		a.booted(pc)
		return
	}
	cpu := &a.device.Chip.CPU.State
	if n := len(a.calls); n > 0 && pc == a.calls[n-1].back && cpu.A[1] == a.calls[n-1].sp {
		c := a.calls[n-1]
		a.calls = a.calls[:n-1]
		if a.values[c.name] == nil {
			a.values[c.name] = map[uint32]bool{}
		}
		a.values[c.name][cpu.A[2]&answered[c.name]] = true
	}
	if name := a.running.entries[pc]; name != "" && a.running.ours(cpu.A[0]) {
		if n := len(a.calls); n > 0 && a.calls[n-1] == (call{name, cpu.A[0], cpu.A[1]}) {
			return // a gate that is entered again
		}
		a.calls = append(a.calls, call{name, cpu.A[0], cpu.A[1]})
	}
}

// results are the different ones of each function, to be compared.
func (a *answers) results() map[string]string {
	all := map[string]string{}
	for name, values := range a.values {
		all[name] = fmt.Sprintf("%x", slices.Sorted(maps.Keys(values)))
	}
	return all
}
