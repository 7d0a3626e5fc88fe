package sdk

import (
	"bytes"
	"encoding/binary"
)

// wifi is the WiFi station.
type wifi struct {
	mode        uint32
	config      [stationConfigSize]byte
	handler     uint32
	autoConnect bool
	noReconnect bool
	phase       phase
	status      uint32
	next        uint64 // cycle of the next step of the phase

	openedAccessPoint bool
}

// phase is how far the station is.
type phase int

const (
	unconnected phase = iota
	scanning
	associated
	gotIP
)

// What things take: a scan of the channels with joining, and DHCP. Common access
// points need about as long.
const (
	scanTime = 900 * cyclesPerMillisecond
	dhcpTime = 400 * cyclesPerMillisecond
	scanRest = 1200 * cyclesPerMillisecond // between two scans that found nothing
)

// Sizes and offsets in struct station_config and System_Event_t, modes, events,
// reasons and states of user_interface.h.
const (
	stationConfigSize = 116
	ssidSize          = 32
	passwordSize      = 64
	systemEventSize   = 44

	stationMode = 1
	softAPMode  = 2 // what a chip starts with, until it is told otherwise

	eventConnected    = 0
	eventDisconnected = 1
	eventGotIP        = 3

	reasonAssocLeave    = 8
	reasonBeaconTimeout = 200
	reasonNoAPFound     = 201

	stationIdle       = 0
	stationConnecting = 1
	stationNoAPFound  = 3
	stationGotIP      = 5
)

// The access point that is there.
var bssid = [6]byte{0x02, 0x00, 0x00, 0x00, 0x00, 0x01}

const wifiChannel = 6

func (w *wifi) due() uint64 {
	if w.phase == scanning || w.phase == associated {
		return w.next
	}
	return never
}

func (w *wifi) off() {
	w.phase, w.status, w.mode = unconnected, stationIdle, 0
}

// Station returns the network that the firmware told the SDK to join, and the password; both are
// empty before that.
func (s *SDK) Station() (ssid, password string) {
	text, _, _ := bytes.Cut(s.wifi.config[ssidSize:ssidSize+passwordSize], []byte{0})
	return string(s.wifi.ssid()), string(text)
}

func (w *wifi) ssid() []byte {
	ssid, _, _ := bytes.Cut(w.config[:ssidSize], []byte{0})
	return ssid
}

// wifiStep does what is due.
func (s *SDK) wifiStep() {
	w := &s.wifi
	now := s.Chip.CPU.Cycles
	switch {
	case w.phase >= associated && !s.admitted():
		s.wifiLost(reasonBeaconTimeout, stationConnecting)
	case now < w.due():
	case w.phase == scanning && s.admitted():
		w.phase, w.next = associated, now+dhcpTime
		s.wifiEvent(eventConnected, s.ssidEvent(wifiChannel))
	case w.phase == scanning:
		s.wifiLost(reasonNoAPFound, stationNoAPFound)
	case w.phase == associated:
		w.phase, w.status = gotIP, stationGotIP
		s.wifiEvent(eventGotIP, s.addresses())
	}
}

// admitted reports whether the network that the program wants to join is there for it.
func (s *SDK) admitted() bool { return !s.noRadio && s.Link.Admits(s.Station()) }

// wifiLost reports that there is no connection, and tries again if that is wanted.
func (s *SDK) wifiLost(reason byte, status uint32) {
	w := &s.wifi
	w.phase, w.status = unconnected, status
	if !w.noReconnect {
		w.phase, w.next = scanning, s.Chip.CPU.Cycles+scanRest+scanTime
	}
	s.wifiEvent(eventDisconnected, s.ssidEvent(reason))
}

// ssidEvent is the content of the connected and the disconnected event, which
// differ in the last byte.
func (s *SDK) ssidEvent(last byte) []byte {
	e := make([]byte, ssidSize, systemEventSize)
	ssid := s.wifi.ssid()
	copy(e, ssid)
	e = append(e, byte(len(ssid)))
	e = append(e, bssid[:]...)
	return append(e, last)
}

// addresses are ip, mask and gateway.
func (s *SDK) addresses() []byte {
	ip, mask, gateway := s.Link.Address()
	return append(append(ip[:], mask[:]...), gateway[:]...)
}

// wifiEvent queues a call of the event handler.
func (s *SDK) wifiEvent(event uint32, content []byte) {
	if s.wifi.handler == 0 {
		return
	}
	e := make([]byte, systemEventSize)
	binary.LittleEndian.PutUint32(e, event)
	copy(e[4:], content)
	if at := s.give(e); at != 0 {
		s.later(call{function: s.wifi.handler, args: [3]uint32{at}, release: at})
	}
}

// setWifiHandler is wifi_set_event_handler_cb(callback).
func (s *SDK) setWifiHandler() uint32 {
	s.wifi.handler = s.Chip.Arg(0)
	return 0
}

// getOpmode is wifi_get_opmode().
func (s *SDK) getOpmode() uint32 { return s.wifi.mode }

// OpenedAccessPoint reports whether user_init ended without another mode than the one that a chip starts
// with: the vendor's SDK opens an access point then, with a DHCP server. There is none here.
func (s *SDK) OpenedAccessPoint() bool { return s.wifi.openedAccessPoint }

// setOpmode is wifi_set_opmode(mode) and wifi_set_opmode_current(mode). There is
// no access point mode.
func (s *SDK) setOpmode() uint32 {
	mode := s.Chip.Arg(0) & 0xFF
	if mode > stationMode {
		return 0
	}
	if mode == 0 {
		s.wifi.off()
	}
	s.wifi.mode = mode
	return 1
}

// getStationConfig is wifi_station_get_config(config).
func (s *SDK) getStationConfig() uint32 {
	s.write(s.Chip.Arg(0), s.wifi.config[:])
	return 1
}

// setStationConfig is wifi_station_set_config(config) and the like.
func (s *SDK) setStationConfig() uint32 {
	if s.wifi.mode != stationMode {
		return 0
	}
	copy(s.wifi.config[:], s.read(s.Chip.Arg(0), stationConfigSize))
	return 1
}

// stationConnect is wifi_station_connect().
func (s *SDK) stationConnect() uint32 {
	w := &s.wifi
	if w.mode != stationMode || len(w.ssid()) == 0 {
		return 0
	}
	if w.phase == unconnected {
		w.phase, w.status, w.next = scanning, stationConnecting, s.Chip.CPU.Cycles+scanTime
	}
	return 1
}

// autoConnect is what the SDK does by itself after user_init.
func (s *SDK) autoConnect() {
	if w := &s.wifi; w.autoConnect && w.mode == stationMode && len(w.ssid()) > 0 {
		s.stationConnect()
	}
}

// stationDisconnect is wifi_station_disconnect().
func (s *SDK) stationDisconnect() uint32 {
	if s.wifi.mode != stationMode {
		return 0
	}
	was := s.wifi.phase
	s.wifi.phase, s.wifi.status = unconnected, stationIdle
	if was != unconnected {
		s.wifiEvent(eventDisconnected, s.ssidEvent(reasonAssocLeave))
	}
	return 1
}

// connectStatus is wifi_station_get_connect_status().
func (s *SDK) connectStatus() uint32 { return s.wifi.status }

// Signal returns how strongly the device hears its access point, in dBm.
func (s *SDK) Signal() int {
	if s.RSSI != 0 {
		return s.RSSI
	}
	return -45 - int(s.Chip.ChipID%32)
}

// rssi is wifi_station_get_rssi(): dBm, or 31 without a connection.
func (s *SDK) rssi() uint32 {
	if s.wifi.phase < associated {
		return 31
	}
	return signed(s.Signal())
}

// setAutoConnect is wifi_station_set_auto_connect(on). It is not kept in flash here.
func (s *SDK) setAutoConnect() uint32 {
	s.wifi.autoConnect = s.Chip.Arg(0)&0xFF != 0
	return 1
}

// getAutoConnect is wifi_station_get_auto_connect().
func (s *SDK) getAutoConnect() uint32 {
	if s.wifi.autoConnect {
		return 1
	}
	return 0
}

// setReconnectPolicy is wifi_station_set_reconnect_policy(on).
func (s *SDK) setReconnectPolicy() uint32 {
	s.wifi.noReconnect = s.Chip.Arg(0)&0xFF == 0
	return 1
}

// channel is wifi_get_channel().
func (s *SDK) channel() uint32 { return wifiChannel }

// ipInfo is wifi_get_ip_info(interface, info).
func (s *SDK) ipInfo() uint32 {
	if s.Chip.Arg(0)&0xFF != 0 {
		return 0
	}
	info := make([]byte, 12)
	if s.wifi.phase == gotIP {
		info = s.addresses()
	}
	s.write(s.Chip.Arg(1), info)
	return 1
}

// macAddress is wifi_get_macaddr(interface, mac).
func (s *SDK) macAddress() uint32 {
	if s.Chip.Arg(0)&0xFF != 0 {
		return 0
	}
	mac := s.Chip.MAC()
	s.write(s.Chip.Arg(1), mac[:])
	return 1
}

// signed is a negative result as the program finds it in a2.
func signed(v int) uint32 { return uint32(int32(v)) }
