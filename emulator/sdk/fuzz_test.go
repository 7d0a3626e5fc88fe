package sdk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/firmware"
	"esper/internal/image"
)

// Where the fuzzed program's memory lies: data, and code that returns at once or
// never.
const (
	scratch     = 0x3FFE8000
	scratchSize = 0x1000
	returns     = 0x40100000
	hangs       = 0x40100010
)

// running makes an SDK whose program has started and done nothing but join the
// network, in which a web server answers on port 80 of 10.0.0.10.
func running(t testing.TB) *SDK {
	net := network.NewMemory()
	net.AddHost("web").Listen(80, network.NewWeb(net, http.NotFoundHandler()))
	program, err := image.PackBootloader(hangs, []image.Segment{
		{Addr: returns, Data: []byte{0x0D, 0xF0}},     // RET.N
		{Addr: hangs, Data: []byte{0x06, 0xFF, 0xFF}}, // J to itself
	})
	if err != nil {
		t.Fatal(err)
	}
	flash := esp8266.NewFlash(esp8266.FlashSize)
	if err := flash.Put(0, program); err != nil {
		t.Fatal(err)
	}
	s := New(esp8266.New(flash), net.Link())
	s.Chip.Serial = io.Discard
	s.PowerOn()
	s.Run(s.Now() + time.Millisecond)
	copy(s.Chip.CPU.A[2:], []uint32{returns, returns, scratch + scratchSize})
	s.start()
	s.partition = true
	s.wifi.mode = stationMode
	copy(s.wifi.config[:], "home")
	s.Run(s.Now() + 2*time.Second)
	if s.wifi.phase != gotIP || s.running {
		t.Fatalf("the program has not started: phase %d", s.wifi.phase)
	}
	return s
}

// callable are the addresses of the functions that a program can call: those of
// the SDK, then those of the mask ROM.
func callable(t testing.TB) []uint32 {
	var all []uint32
	for n := range gateNames[1:] {
		all = append(all, gateReturn+uint32(n+1)*esp8266.GateSize)
	}
	script, err := firmware.Files.ReadFile("link/rom.ld")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`= 0x(4000[0-9a-fA-F]{4})`).FindAllSubmatch(script, -1) {
		addr, _ := strconv.ParseUint(string(m[1]), 16, 32)
		all = append(all, uint32(addr))
	}
	return all
}

// script is what a fuzzed program does, read off the front.
type script []byte

func (p *script) byte() byte {
	if len(*p) == 0 {
		return 0
	}
	b := (*p)[0]
	*p = (*p)[1:]
	return b
}

func (p *script) word() uint32 {
	var w [4]byte
	*p = (*p)[copy(w[:], *p):]
	return binary.LittleEndian.Uint32(w[:])
}

// argument is a number or a pointer: small ones, into the program's data, to the
// edges of the memory map, or anything.
func (p *script) argument() uint32 {
	edges := [...]uint32{
		0xFFFFFFFF, 0x80000000, 0x3FFFFFFC, 0x3FFFFFFF, 0x3FFE8001, 0x40000000, returns, hangs, 0x40107FFC, 0x40200000,
		0x402FFFFF, 0x60000200, 0x60001100, 0x600013FC, 0x3FF20E44, gateReturn,
	}
	switch b := p.byte(); {
	case b < 0x60:
		return uint32(b)
	case b < 0x70:
		return edges[b&15]
	case b < 0x80:
		return p.word()
	default:
		return scratch + uint32(b&0x7F)*scratchSize/0x80
	}
}

// Whatever a program calls with whatever arguments, it may crash, but never the
// emulator; and the heap stays in order.
func FuzzCalls(f *testing.F) {
	functions := callable(f)
	gate := func(name string) byte { return byte(slices.Index(gateNames, name) - 1) }
	text := func(s string) []byte { return append([]byte{0xFF, 0x80, byte(len(s))}, s...) }
	for i := range functions {
		f.Add(bytes.Repeat([]byte{byte(i), 0x80, 0x81, 0x82, 0x04, 0x80, 0x81}, 2))
		f.Add([]byte{byte(i), 0x60, 0x60, 0x60, 0x60, 0x60, 0x60})
	}
	for _, format := range []string{"%d %s %c %x %% %u %p %i %o", "%*d|%-*s", "%.3s %08lx", "%999999d%999999d", "%lld", "%", "%n"} {
		f.Add(append(text(format), gate("os_printf_plus"), 0x80, 0x05, 0x80, 0x41, 0x80, 0x07))
		f.Add(append(text(format), gate("ets_snprintf"), 0x90, 0x08, 0x80, 0x80, 0x41, 0x80))
	}
	// A connection: struct espconn with its esp_tcp behind, then connect and send.
	conn := binary.LittleEndian.AppendUint32(nil, typeTCP)
	for _, v := range []uint32{0, scratch + 20, returns, returns, 80, 0, 0, 0x0A00000A, returns, returns, returns} {
		conn = binary.LittleEndian.AppendUint32(conn, v)
	}
	f.Add(append(text(string(conn)), gate("espconn_connect"), 0x80, 0, 0, 0, 0, 0, gate("espconn_send"), 0x80, 0x80, 0x20, 0, 0, 0,
		gate("espconn_recv_hold"), 0x80, 0, 0, 0, 0, 0, gate("espconn_disconnect"), 0x80, 0, 0, 0, 0, 0))
	f.Add(append(text("web"), gate("espconn_gethostbyname"), 0x90, 0x80, 0x91, 0x66, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := script(data)
		s := running(t)
		for calls := 0; len(p) > 0 && calls < 16; calls++ {
			n := p.byte()
			if n == 0xFF { // data to work on
				at, size := p.argument(), int(p.byte())
				if at < scratch || at >= scratch+scratchSize {
					at = scratch
				}
				_ = s.Chip.Write(at, p[:min(size, len(p))])
				p = p[min(size, len(p)):]
				continue
			}
			s.begin(call{function: functions[int(n)%len(functions)]})
			for i := range 6 {
				s.Chip.CPU.A[2+i] = p.argument()
			}
			before := s.Now()
			outcome := s.Run(before + 20*time.Millisecond)
			if err := s.heap.inOrder(); err != nil {
				t.Fatal(err)
			}
			if outcome != Reached || s.running {
				break // crashed, or still at it
			}
		}
	})
}

// inOrder says what is wrong with the list of blocks.
func (h *heap) inOrder() error {
	at := h.start
	for _, b := range h.blocks {
		if b.addr-blockHeader < at || b.addr-blockHeader+room(b.size) > h.end {
			return fmt.Errorf("the %d bytes at 0x%08x are outside the heap or overlap", b.size, b.addr)
		}
		at = b.addr - blockHeader + room(b.size)
	}
	return nil
}
