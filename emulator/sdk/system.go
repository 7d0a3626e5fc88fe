package sdk

import (
	"cmp"
	"encoding/binary"

	"esper/emulator/esp8266"
)

// initDoneCb is system_init_done_cb(callback).
func (s *SDK) initDoneCb() uint32 {
	s.initDone = s.Chip.Arg(0)
	return 0
}

// restartDelay is how long the SDK takes to switch WiFi off before it restarts;
// the program goes on meanwhile.
const restartDelay = 110 * cyclesPerMillisecond

// restart is system_restart().
func (s *SDK) restart() uint32 {
	if s.restartAt == 0 {
		s.restartAt = s.Chip.CPU.Cycles + restartDelay
		s.wifi.off()
		s.Link.Restart(s.Now())
	}
	return 0
}

// Where the SDK keeps the rst_info of a crash in RTC memory, for the next start.
const rtcResetInfo = 0x60001100

// resetInfoSize is that of rst_info: reason, exccause, epc1 to epc3, excvaddr, depc.
const resetInfoSize = 7 * 4

// getResetInfo is system_get_rst_info(). Of a restart by the software watchdog the vendor's SDK 3.0.6
// says that it was one by system_restart: system_restart_local replaces the reason.
func (s *SDK) getResetInfo() uint32 {
	if s.resetInfo == 0 {
		reason := s.Chip.ResetReason()
		info := make([]byte, resetInfoSize)
		switch {
		case s.slept:
			reason = esp8266.ResetDeepSleep
		case reason == esp8266.ResetException:
			info = s.read(rtcResetInfo, resetInfoSize)
		case reason == esp8266.ResetSoftWatchdog:
			reason = esp8266.ResetRestart
		}
		binary.LittleEndian.PutUint32(info, uint32(reason))
		s.resetInfo = s.give(info)
	}
	return s.resetInfo
}

// getTime is system_get_time(), in microseconds since the reset.
func (s *SDK) getTime() uint32 { return uint32((s.Chip.CPU.Cycles - s.resetAt) / 80) }

// rtcTick is the period of the RTC's oscillator, in microseconds.
const rtcTick = 6

// getRTCTime is system_get_rtc_time(), in ticks since power-on.
func (s *SDK) getRTCTime() uint32 { return uint32(s.Chip.CPU.Cycles / 80 / rtcTick) }

// rtcCalibration is system_rtc_clock_cali_proc(): microseconds a tick, bit 12 being 1.
func (s *SDK) rtcCalibration() uint32 { return rtcTick << 12 }

// RTC memory: the SDK's calls count blocks of 4 bytes from here; the first 64
// blocks are the SDK's own.
const (
	rtcMemory     = 0x60001100
	rtcUserBlock  = 64
	rtcBlocks     = 192
	rtcBlockBytes = 4
)

// rtcRange checks the arguments of both calls: block, buffer, size.
func (s *SDK) rtcRange() (addr, buffer uint32, size int, ok bool) {
	block, buffer, n := s.Chip.Arg(0)&0xFF, s.Chip.Arg(1), s.Chip.Arg(2)&0xFFFF
	ok = block >= rtcUserBlock && n%4 == 0 && buffer%4 == 0 && block*rtcBlockBytes+n <= rtcBlocks*rtcBlockBytes
	return rtcMemory + block*rtcBlockBytes, buffer, int(n), ok
}

// rtcRead is system_rtc_mem_read(block, to, size).
func (s *SDK) rtcRead() uint32 {
	addr, buffer, n, ok := s.rtcRange()
	if !ok {
		return 0
	}
	s.write(buffer, s.read(addr, n))
	return 1
}

// rtcWrite is system_rtc_mem_write(block, from, size).
func (s *SDK) rtcWrite() uint32 {
	addr, buffer, n, ok := s.rtcRange()
	if !ok {
		return 0
	}
	s.write(addr, s.read(buffer, n))
	return 1
}

// getChipID is system_get_chip_id().
func (s *SDK) getChipID() uint32 { return s.Chip.ChipID & 0xFFFFFF }

// getVersion is system_get_sdk_version().
func (s *SDK) getVersion() uint32 {
	if s.version == 0 {
		s.version = s.give(append([]byte(Version), 0))
	}
	return s.version
}

// getBootVersion is system_get_boot_version(), of the vendor's bootloader, which
// is not there.
func (s *SDK) getBootVersion() uint32 { return 0 }

// getFreeHeap is system_get_free_heap_size().
func (s *SDK) getFreeHeap() uint32 { return uint32(s.heap.free()) }

// flashSizes are the sizes of flash by their number in the header at flash 0 (flash_size_map), in
// megabytes. The SDK runs with no others.
var flashSizes = map[uint32]uint32{2: 1, 3: 2, 4: 4, 5: 2, 6: 4, 8: 8, 9: 16}

// getFlashMap is system_get_flash_size_map(): what the header says.
func (s *SDK) getFlashMap() uint32 { return uint32(s.Chip.Flash.Bytes()[3] >> 4) }

// registerPartitions is system_partition_table_regist(table, count, map). The map must be that of
// the header. The SDK's own three partitions must be there, in their sizes, the parameters at the
// end of the flash; none may overlap.
func (s *SDK) registerPartitions() uint32 {
	table, count, flashMap := s.Chip.Arg(0), s.Chip.Arg(1), s.Chip.Arg(2)
	size := flashSizes[flashMap] << 20
	if flashMap != s.getFlashMap() {
		s.print("mismatch map %d,spi_size_map %d\r\n", flashMap, s.getFlashMap())
		return 0
	}
	if s.current.stage != preInit || size == 0 || count == 0 || count > 32 {
		return 0
	}
	want := map[uint32]uint32{4: 0x1000, 5: 0x1000, systemParameter: 0x3000} // and RF_CAL, PHY_DATA
	taken := make([]bool, size/esp8266.SectorSize)
	for i := range count {
		kind, addr, n := s.load(table+12*i), s.load(table+12*i+4), s.load(table+12*i+8)
		if fixed, ok := want[kind]; ok {
			if n != fixed || addr%esp8266.SectorSize != 0 || kind == systemParameter && addr != size-n {
				return 0
			}
			delete(want, kind)
		}
		if n == 0 || uint64(addr)+uint64(n) > uint64(size) {
			return 0
		}
		for sector := addr / esp8266.SectorSize; sector <= (addr+n-1)/esp8266.SectorSize; sector++ {
			if taken[sector] {
				return 0
			}
			taken[sector] = true
		}
	}
	if len(want) > 0 {
		return 0
	}
	s.partition = true
	return 1
}

// systemParameter is SYSTEM_PARTITION_SYSTEM_PARAMETER.
const systemParameter = 6

// getCPUFreq is system_get_cpu_freq().
func (s *SDK) getCPUFreq() uint32 { return s.cpuFreq }

// updateCPUFreq is system_update_cpu_freq(MHz). The emulated chip stays as fast
// as it is, which is the slower of both.
func (s *SDK) updateCPUFreq() uint32 {
	freq := s.Chip.Arg(0) & 0xFF
	if freq != 80 && freq != 160 {
		return 0
	}
	s.cpuFreq = freq
	return 1
}

// Input returns what system_adc_read() does.
func (s *SDK) Input() uint32 { return uint32(min(s.ADC, 1023)) }

// Supply returns what system_get_vdd33() does, in 1/1024 V.
func (s *SDK) Supply() uint32 { return uint32(cmp.Or(s.VDD, 3300) * 1024 / 1000) }

// setOSPrint is system_set_os_print(on).
func (s *SDK) setOSPrint() uint32 {
	s.printing = s.Chip.Arg(0)&0xFF != 0
	return 0
}

// getOSPrint is system_get_os_print().
func (s *SDK) getOSPrint() uint32 {
	if s.printing {
		return 1
	}
	return 0
}

// randomRegister gives another 32 random bits at each read.
const randomRegister = 0x3FF20E44

// random is os_random().
func (s *SDK) random() uint32 { return s.load(randomRegister) }

// getRandom is os_get_random(buffer, size).
func (s *SDK) getRandom() uint32 {
	n := s.Chip.Arg(1)
	if n > heapEnd-0x3FFE8000 {
		return 0xFFFFFFFF
	}
	var b []byte
	for uint32(len(b)) < n {
		b = binary.LittleEndian.AppendUint32(b, s.random())
	}
	s.write(s.Chip.Arg(0), b[:n])
	return 0
}
