package radio

import (
	"bytes"
	"encoding/binary"
	"time"
)

// The seam between the vendor's software and this emulator. Everything above it is executed as
// it is in the image: start-up, tasks, timers, heap, flash, lwIP with ARP and DHCP, espconn.
// What is below needs a radio, or other stations that answer.
//
//	chip_v6_rf_init          return 0 at once: they calibrate the radio and wait for it
//	chip_v6_initialize_bb
//	chip_v6_set_chan
//	periodic_cal_top         returns 0 at once: every 20 minutes it calibrates the radio again
//	ieee80211_send_mgmt      returns 0: nobody hears what it would send
//	ppTxPkt                  the same
//	ic_get_rssi              returns the signal strength of the access point, in dBm
//	cnx_sta_connect_cmd      returns at once; it would scan for the access point and join it.
//	                         Some time later the CPU calls eagle_auth_done, as the vendor's
//	                         software does at the end of that, with a node for the access point;
//	                         or cnx_start_handoff_cb, the end of a scan that found nothing.
//	                         Which network it is, and its password, stand in g_ic
//	                         When the access point is gone, the CPU calls
//	                         ieee80211_sta_new_state, as the vendor's timer of beacons does
//	ieee80211_output_pbuf    takes the Ethernet frame in the pbuf, and returns 0
//	test_tout                return what the radio's analogue converter measures: the input, for
//	phy_get_vdd33            system_adc_read, and the supply voltage
//
// A frame comes in by a call of ethernet_input with a pbuf of pbuf_alloc. The CPU makes these
// calls while it waits in the ROM's ets_run, which is where the vendor's own task for received
// frames would begin.
var seam = map[string]func(*Radio){
	"chip_v6_rf_init":       (*Radio).begin,
	"chip_v6_initialize_bb": (*Radio).nothing,
	"chip_v6_set_chan":      (*Radio).nothing,
	"periodic_cal_top":      (*Radio).nothing,
	"ieee80211_send_mgmt":   (*Radio).nothing,
	"ppTxPkt":               (*Radio).nothing,
	"ic_get_rssi":           (*Radio).rssi,
	"cnx_sta_connect_cmd":   (*Radio).connect,
	"ieee80211_output_pbuf": (*Radio).output,
	"test_tout":             func(r *Radio) { r.measure(r.world.Input()) },
	"phy_get_vdd33":         func(r *Radio) { r.measure(r.world.Supply()) },
}

// called are the functions that the CPU calls, and the variable that they need.
var called = []string{
	"pvPortZalloc", "eagle_auth_done", "cnx_start_handoff_cb", "ieee80211_sta_new_state",
	"pbuf_alloc", "ethernet_input", "g_ic",
}

// nothing is a function that succeeds without an effect.
func (r *Radio) nothing() { r.chip.Return(0) }

// rssi is ic_get_rssi(interface).
func (r *Radio) rssi() { r.chip.Return(uint32(r.world.Signal()) & 0xFF) }

// measure returns what the converter measures where system_adc_read and system_get_vdd33 return the
// value: these multiply it by 12/11.
func (r *Radio) measure(value uint32) { r.chip.Return((11*value + 11) / 12) }

// begin is where the vendor's software has started: nothing is connected.
func (r *Radio) begin() {
	r.forget()
	r.watchStack()
	r.chip.Return(0)
}

// connect is cnx_sta_connect_cmd: a scan begins.
func (r *Radio) connect() {
	r.network = r.wanted()
	r.joinAt = r.chip.CPU.Cycles + r.cycles(scanTime)
	r.phase = scanning
	r.chip.Return(0)
}

// wanted reads the station's configuration, which wifi_station_set_config_current has put in g_ic.
func (r *Radio) wanted() network {
	ic := r.address("g_ic")
	length, err := r.chip.Load32(ic + ssidLengthInIC)
	ssid, _ := r.chip.Read(ic+ssidInIC, int(min(length, maxSSID)))
	password, _ := r.chip.Read(ic+passwordInIC, maxPassword)
	if err != nil || length > maxSSID {
		r.fault("the station's configuration is not where it should be: %d, %v", length, err)
		return network{}
	}
	text, _, _ := bytes.Cut(password, []byte{0})
	return network{string(ssid), string(text)}
}

// scanTime is how long it takes to find an access point and to join it: 13 channels of 120 ms,
// and a few frames.
const scanTime = 1600 * time.Millisecond

// output is ieee80211_output_pbuf(netif, pbuf).
func (r *Radio) output() {
	if frame := r.frameIn(r.chip.Arg(1)); r.phase == joined && frame != nil {
		r.air.Frame(r.now(), frame)
	}
	r.chip.Return(0)
}

// Offsets in lwIP's struct pbuf.
const (
	pbufNext    = 0
	pbufPayload = 4
	pbufLength  = 8 // of this and those behind it, and then of this alone, 16 bits each
)

// maxFrame is the longest frame, in bytes.
const maxFrame = 1514

// frameIn reads the frame in a chain of pbufs.
func (r *Radio) frameIn(pbuf uint32) []byte {
	var frame []byte
	for pbuf != 0 && len(frame) <= maxFrame {
		head, err := r.chip.Read(pbuf, 12)
		if err != nil {
			return nil
		}
		n := binary.LittleEndian.Uint16(head[pbufLength+2:])
		data, err := r.chip.Read(binary.LittleEndian.Uint32(head[pbufPayload:]), int(n))
		if err != nil {
			return nil
		}
		frame = append(frame, data...)
		pbuf = binary.LittleEndian.Uint32(head[pbufNext:])
	}
	return frame
}

// What the vendor's software finds in g_ic once it has joined an access point, offsets in bytes.
// The stations's states are those of ieee80211_sta_new_state.
const (
	managerInIC   = 0     // g_ic: the manager of connections
	stationInIC   = 0x10  // g_ic: the station
	channelInIC   = 0x84  // g_ic: the channel that it is on
	nodeInManager = 0x3B4 // manager: the access point's node
	netifOf       = 0     // station: its network interface
	stateOf       = 0x44  // station: its state
	nodeOf        = 0x90  // station: the access point's node
	nodeSize      = 0x200 // enough
	channelOfNode = 0x98

	stateInit, stateRun = 0, 5
	beaconTimeout       = 1 // why the state changes; told as reason 200
)

// Where the vendor's software keeps the station's configuration, offsets in g_ic.
const (
	ssidLengthInIC = 0x218
	ssidInIC       = 0x21C
	passwordInIC   = 0x243 // its end is a 0, or the end of the room for it

	maxSSID     = 32
	maxPassword = 64
)

// join makes the node, once, and ends the connecting.
func (r *Radio) join() {
	if r.node != 0 {
		r.joinAs(r.node)
		return
	}
	r.call("pvPortZalloc", (*Radio).joinAs, nodeSize, 0, 0, 0)
}

func (r *Radio) joinAs(node uint32) {
	if node == 0 { // no memory
		r.phase = idle
		return
	}
	ic := r.address("g_ic")
	station, err := r.chip.Load32(ic + stationInIC)
	manager, _ := r.chip.Load32(ic + managerInIC)
	if err != nil || r.chip.Write(node, make([]byte, nodeSize)) != nil || r.chip.Write(node, BSSID[:]) != nil ||
		r.chip.Store32(node+channelOfNode, ic+channelInIC) != nil ||
		r.chip.Store32(manager+nodeInManager, node) != nil ||
		r.chip.Store32(station+nodeOf, node) != nil || r.chip.Store32(station+stateOf, stateRun) != nil {
		r.fault("the station is not where it should be: 0x%08x, %v", station, err)
		return
	}
	r.phase, r.node = joined, node
	r.call("eagle_auth_done", nil)
}

// left reports whether the program has left the access point.
func (r *Radio) left() bool {
	station, _ := r.chip.Load32(r.address("g_ic") + stationInIC)
	node, err := r.chip.Load32(station + nodeOf)
	return err != nil || node == 0
}

// lose tells the program that the access point is gone.
func (r *Radio) lose() {
	r.phase = idle
	r.call("ieee80211_sta_new_state", nil, r.address("g_ic"), stateInit, beaconTimeout)
}

// notFound ends the scan without an access point.
func (r *Radio) notFound() {
	r.phase = idle
	r.call("cnx_start_handoff_cb", nil, 0, 0)
}

// input gives the vendor's lwIP a frame.
func (r *Radio) input(frame []byte) {
	const raw, ram = 3, 0
	r.frame = frame
	r.call("pbuf_alloc", (*Radio).deliver, raw, uint32(len(frame)), ram)
}

func (r *Radio) deliver(pbuf uint32) {
	if pbuf == 0 { // no memory: it is lost
		return
	}
	station, _ := r.chip.Load32(r.address("g_ic") + stationInIC)
	netif, _ := r.chip.Load32(station + netifOf)
	payload, err := r.chip.Load32(pbuf + pbufPayload)
	if err != nil || r.chip.Write(payload, r.frame) != nil {
		r.fault("pbuf_alloc returned 0x%08x", pbuf)
		return
	}
	r.call("ethernet_input", nil, pbuf, netif)
}
