package sdk

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"esper/emulator/esp8266"
	"esper/firmware"
)

// function is what a gate does; its result is returned to the program in a2.
type function func(s *SDK) uint32

// functions are the SDK's functions by name.
var functions = map[string]function{
	"sdk_return": nil, // handled by gate
	"sdk_start":  (*SDK).start,

	"ets_timer_setfn":   (*SDK).timerSetfn,
	"ets_timer_arm_new": (*SDK).timerArm,
	"ets_timer_disarm":  (*SDK).timerDisarm,
	"system_os_task":    (*SDK).osTask,
	"system_os_post":    (*SDK).osPost,

	"system_init_done_cb":           (*SDK).initDoneCb,
	"system_restart":                (*SDK).restart,
	"system_get_rst_info":           (*SDK).getResetInfo,
	"system_get_time":               (*SDK).getTime,
	"system_get_rtc_time":           (*SDK).getRTCTime,
	"system_rtc_clock_cali_proc":    (*SDK).rtcCalibration,
	"system_rtc_mem_read":           (*SDK).rtcRead,
	"system_rtc_mem_write":          (*SDK).rtcWrite,
	"system_get_chip_id":            (*SDK).getChipID,
	"system_get_sdk_version":        (*SDK).getVersion,
	"system_get_boot_version":       (*SDK).getBootVersion,
	"system_get_free_heap_size":     (*SDK).getFreeHeap,
	"system_get_flash_size_map":     (*SDK).getFlashMap,
	"system_partition_table_regist": (*SDK).registerPartitions,
	"system_get_cpu_freq":           (*SDK).getCPUFreq,
	"system_update_cpu_freq":        (*SDK).updateCPUFreq,
	"system_adc_read":               (*SDK).Input,
	"system_get_vdd33":              (*SDK).Supply,
	"system_set_os_print":           (*SDK).setOSPrint,
	"system_get_os_print":           (*SDK).getOSPrint,
	"system_soft_wdt_feed":          (*SDK).softFeed,
	"system_soft_wdt_stop":          (*SDK).softStop,
	"system_soft_wdt_restart":       (*SDK).softRestart,

	"os_random":      (*SDK).random,
	"os_get_random":  (*SDK).getRandom,
	"os_printf_plus": (*SDK).osPrintf,
	"ets_snprintf":   (*SDK).snprintf,

	"pvPortMalloc":  (*SDK).malloc,
	"pvPortZalloc":  (*SDK).zalloc,
	"pvPortCalloc":  (*SDK).calloc,
	"pvPortRealloc": (*SDK).realloc,
	"vPortFree":     (*SDK).free,

	"spi_flash_get_id":       (*SDK).flashID,
	"spi_flash_erase_sector": (*SDK).flashErase,
	"spi_flash_write":        (*SDK).flashWrite,
	"spi_flash_read":         (*SDK).flashRead,

	"wifi_get_opmode":                   (*SDK).getOpmode,
	"wifi_set_opmode":                   (*SDK).setOpmode,
	"wifi_set_opmode_current":           (*SDK).setOpmode,
	"wifi_station_get_config":           (*SDK).getStationConfig,
	"wifi_station_set_config":           (*SDK).setStationConfig,
	"wifi_station_set_config_current":   (*SDK).setStationConfig,
	"wifi_station_connect":              (*SDK).stationConnect,
	"wifi_station_disconnect":           (*SDK).stationDisconnect,
	"wifi_station_get_connect_status":   (*SDK).connectStatus,
	"wifi_station_get_rssi":             (*SDK).rssi,
	"wifi_station_set_auto_connect":     (*SDK).setAutoConnect,
	"wifi_station_get_auto_connect":     (*SDK).getAutoConnect,
	"wifi_station_set_reconnect_policy": (*SDK).setReconnectPolicy,
	"wifi_station_dhcpc_start":          (*SDK).yes,
	"wifi_station_dhcpc_stop":           (*SDK).yes,
	"wifi_station_set_hostname":         (*SDK).yes,
	"wifi_station_get_hostname":         (*SDK).none,
	"wifi_get_channel":                  (*SDK).channel,
	"wifi_get_ip_info":                  (*SDK).ipInfo,
	"wifi_get_macaddr":                  (*SDK).macAddress,
	"wifi_set_event_handler_cb":         (*SDK).setWifiHandler,
	"wifi_set_sleep_type":               (*SDK).yes,
	"wifi_set_phy_mode":                 (*SDK).yes,

	"espconn_connect":          (*SDK).espconnConnect,
	"espconn_disconnect":       (*SDK).espconnDisconnect,
	"espconn_abort":            (*SDK).espconnDisconnect,
	"espconn_delete":           (*SDK).espconnDelete,
	"espconn_send":             (*SDK).espconnSend,
	"espconn_sent":             (*SDK).espconnSend,
	"espconn_regist_connectcb": (*SDK).registerConnect,
	"espconn_regist_reconcb":   (*SDK).registerReconnect,
	"espconn_regist_disconcb":  (*SDK).registerDisconnect,
	"espconn_regist_recvcb":    (*SDK).registerReceive,
	"espconn_regist_sentcb":    (*SDK).registerSent,
	"espconn_recv_hold":        (*SDK).receiveHold,
	"espconn_recv_unhold":      (*SDK).receiveUnhold,
	"espconn_set_opt":          (*SDK).espconnOption,
	"espconn_clear_opt":        (*SDK).espconnOption,
	"espconn_set_keepalive":    (*SDK).espconnOption,
	"espconn_port":             (*SDK).espconnPort,
	"espconn_gethostbyname":    (*SDK).getHostByName,

	"system_deep_sleep":            (*SDK).deepSleep,
	"system_deep_sleep_set_option": (*SDK).deepSleepOption,

	"sntp_setservername":         (*SDK).setServerName,
	"sntp_set_timezone":          (*SDK).setTimezone,
	"sntp_init":                  (*SDK).startSNTP,
	"sntp_stop":                  (*SDK).stopSNTP,
	"sntp_get_current_timestamp": (*SDK).timestamp,
}

// gateNames and gateFunctions are by gate number.
var (
	gateNames     []string
	gateFunctions []function
)

func init() {
	names, err := readGates()
	if err != nil {
		panic(err) // the file is part of this program
	}
	gateNames = names
	for _, name := range names {
		gateFunctions = append(gateFunctions, functions[name])
	}
}

// readGates reads the names of the gates from the linker script that binds them.
func readGates() ([]string, error) {
	script, err := firmware.Files.ReadFile("link/gates.ld")
	if err != nil {
		return nil, err
	}
	var names []string
	lines := bufio.NewScanner(bytes.NewReader(script))
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "PROVIDE") {
			continue
		}
		var name string
		var addr uint32
		if _, err := fmt.Sscanf(lines.Text(), "PROVIDE ( %s = 0x%x );", &name, &addr); err != nil {
			return nil, fmt.Errorf("gates.ld: %q: %w", lines.Text(), err)
		}
		if want := gateReturn + uint32(len(names))*esp8266.GateSize; addr != want {
			return nil, fmt.Errorf("gates.ld: %s is at 0x%08x, not 0x%08x", name, addr, want)
		}
		names = append(names, name)
	}
	return names, lines.Err()
}

// gateCycles is what a function of the SDK costs at least, about.
const gateCycles = 60

// gate is called by the chip when the program calls a gate.
func (s *SDK) gate(addr uint32) {
	if addr == gateReturn {
		defer s.catch()
		s.returned()
		return
	}
	defer s.catch()
	if addr == gatePrinted {
		s.Chip.Elapse(gateCycles)
		s.printNext()
		return
	}
	n := (addr - gateReturn) / esp8266.GateSize
	if int(n) >= len(gateFunctions) || gateFunctions[n] == nil {
		s.misuse("the firmware calls SDK function %d, which this emulator does not have", n)
	}
	if !s.started && addr != gateStart {
		s.misuse("%s is called before sdk_start", gateNames[n])
	}
	s.Chip.Elapse(gateCycles)
	result := gateFunctions[n](s)
	if s.Chip.CPU.PC == addr {
		s.Chip.Return(result)
	}
}

// misuse is what the program does that the SDK forbids. It is thrown.
type misuse string

func (s *SDK) misuse(format string, args ...any) { panic(misuse(fmt.Sprintf(format, args...))) }

// catch turns a thrown misuse into a crash.
func (s *SDK) catch() {
	switch why := recover().(type) {
	case nil:
	case misuse:
		s.misused(string(why))
	default:
		panic(why)
	}
}

// yes is a function that has no effect here and returns true.
func (s *SDK) yes() uint32 { return 1 }

// none is a function that has no effect here and returns 0.
func (s *SDK) none() uint32 { return 0 }

// read is n bytes of the program's memory.
func (s *SDK) read(addr uint32, n int) []byte {
	b, err := s.Chip.Read(addr, n)
	if err != nil {
		s.misuse("%s is given a bad pointer: %v", s.caller(), err)
	}
	return b
}

// write stores b in the program's memory.
func (s *SDK) write(addr uint32, b []byte) {
	if err := s.Chip.Write(addr, b); err != nil {
		s.misuse("%s is given a bad pointer: %v", s.caller(), err)
	}
}

func (s *SDK) load(addr uint32) uint32 {
	v, err := s.Chip.Load32(addr)
	if err != nil || addr%4 != 0 {
		s.misuse("%s is given a bad pointer: 0x%08x", s.caller(), addr)
	}
	return v
}

func (s *SDK) store(addr, v uint32) {
	if addr%4 != 0 || s.Chip.Store32(addr, v) != nil {
		s.misuse("%s is given a bad pointer: 0x%08x", s.caller(), addr)
	}
}

// caller is the name of the SDK function that is being called.
func (s *SDK) caller() string {
	n := (s.Chip.CPU.PC - gateReturn) / esp8266.GateSize
	if n == 0 || int(n) >= len(gateNames) {
		return "the event loop"
	}
	return gateNames[n]
}
