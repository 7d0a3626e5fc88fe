package loop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
)

// deltaFile is the delta that a socket with v1 in slot 0 asks for.
const deltaFile = "socket.v1.delta1"

// withDelta is what a release looks like on a static web server, with the delta from another one.
func withDelta(t testing.TB, from, to *release.Release) files {
	t.Helper()
	f := folder(to)
	made, err := delta.Make(from.Images[0], to.Images[1])
	must(t, err)
	f[deltaFile] = made
	return f
}

// bulky is a variant of a firmware with so many words more that no other has.
func bulky(words int) variant {
	random := rand.New(rand.NewPCG(uint64(words), 1))
	var list strings.Builder
	for range words {
		fmt.Fprintf(&list, "%#x,", random.Uint32()&0x3FFFFFFF)
	}
	return variant{name: fmt.Sprint("bulky ", words), source: fmt.Sprintf(
		"\n__attribute__((section(\".irom.text\"))) static const unsigned bulk[] = {%s};\n"+
			"struct Keeper { Keeper() { asm volatile(\"\" : : \"r\"(bulk)); } } keeper;\n", list.String())}
}

// downloads returns what a device reported of downloads: errors, and the bytes received last.
func (v *victim) downloads(from int) (reasons []string, received int) {
	for _, m := range v.broker.Messages()[from:] {
		if !strings.HasSuffix(m.Topic, v.device.ID()+"/update/status") {
			continue
		}
		if _, rest, ok := strings.Cut(m.Payload, `"received":`); ok {
			fmt.Sscan(rest, &received)
		}
		if strings.Contains(m.Payload, `"downloading"`) {
			_, rest, _ := strings.Cut(m.Payload, `"error":"`)
			if reason, _, _ := strings.Cut(rest, `"`); reason != "" && !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons, received
}

func TestAnUpdateIsADelta(t *testing.T) {
	t.Parallel()
	f := theFirmwares(t)
	v := newVictim(t, f)
	from, to := f.release(t, "socket", "v1", 5), f.release(t, "socket", "v2", 6)
	v.handler = withDelta(t, from, to)
	erased := map[uint32]bool{}
	v.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if op.Kind == esp8266.Erase && op.Addr >= image.Slot1Address {
			erased[op.Addr] = true
		}
		return esp8266.Cut{}
	}
	messages, requests := len(v.broker.Messages()), len(v.web.Requests())
	v.notify()
	v.expect("v2 runs", time.Minute, func() bool { return v.runs(v.device, "v2") })
	var asked []string
	for _, q := range v.web.Requests()[requests:] {
		asked = append(asked, q.URL)
	}
	want := []string{"/firmware/socket.version", "/firmware/" + deltaFile + "?version=v2"}
	if !slices.Equal(asked[:2], want) || slices.ContainsFunc(asked, func(url string) bool { return strings.Contains(url, ".rom") }) {
		t.Errorf("it asked for %q", asked)
	}
	if reasons, received := v.downloads(messages); reasons != nil || received != len(v.handler.(files)[deltaFile]) {
		t.Errorf("it received %d bytes of %d, %q", received, len(v.handler.(files)[deltaFile]), reasons)
	}
	if n := len(erased); n > 6 {
		t.Errorf("%d sectors were erased", n)
	}
	if slot := v.flash(v.device).Slots[1]; slot.Image == nil || slot.Image.Trailer != [32]byte(to.Images[1][len(to.Images[1])-32:]) {
		t.Error("the standby slot does not hold the image")
	}
}

// A delta that is larger than the device's memory for it, over connections that break, is resumed.
func TestADeltaIsResumed(t *testing.T) {
	t.Parallel()
	f := theFirmwares(t)
	from := f.release(t, "socket", "v1", 5)
	to, err := release.Sign(f.variant(t, "socket", "v2", 6, bulky(10000)), f.key)
	must(t, err)
	for name, cut := range map[string]int{"in one piece": 0, "in pieces": 12000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, f)
			v.handler = withDelta(t, from, to)
			v.webHost.CutAfter = cut
			messages, requests := len(v.broker.Messages()), len(v.web.Requests())
			v.notify()
			v.expect("v2 runs", 5*time.Minute, func() bool { return v.runs(v.device, "v2") })
			parts := 0
			for _, q := range v.web.Requests()[requests:] {
				if strings.Contains(q.URL, ".rom1") {
					t.Error("it asked for the image")
				}
				if strings.Contains(q.URL, ".delta1") && q.Header.Get("Range") != "" {
					parts++
				}
			}
			if resumed := parts > 0; resumed != (cut > 0) {
				t.Errorf("%d requests for the rest of the delta", parts)
			}
			if _, received := v.downloads(messages); received != len(v.handler.(files)[deltaFile]) {
				t.Errorf("%d bytes received of %d", received, len(v.handler.(files)[deltaFile]))
			}
		})
	}
}

// breaking is a web server that answers the first request for one resource with the start of a response, and
// closes the connection.
type breaking struct {
	*network.Web
	resource, start string
}

func (b *breaking) Receive(c network.Conn, data []byte) {
	if b.start == "" || !strings.Contains(string(data), b.resource) {
		b.Web.Receive(c, data)
		return
	}
	c.Send([]byte(b.start))
	c.Close()
	b.start = ""
}

// Also behind the last byte that the decoder needs: it has made the image when the rest is still to come.
func TestADeltaCanBreakAnywhere(t *testing.T) {
	f := theFirmwares(t)
	served := withDelta(t, f.release(t, "socket", "v1", 5), f.release(t, "socket", "v2", 6))
	good := string(served[deltaFile])
	for n := 0; n < len(good); n++ {
		edge := n == delta.HeaderSize || n >= len(good)-5
		if !full && !edge && n%20 != 1 {
			continue
		}
		t.Run(fmt.Sprintf("%d of %d", n, len(good)), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, f)
			v.handler = served
			v.webHost.Replace(80, &breaking{v.web, ".delta1", body(len(good)) + good[:n]})
			messages := len(v.broker.Messages())
			v.notify()
			v.expect("v2 runs", time.Minute, func() bool { return v.runs(v.device, "v2") })
			if reasons, received := v.downloads(messages); reasons != nil || received > len(good) {
				t.Errorf("%d bytes received, %q", received, reasons)
			}
		})
	}
}

// wrongDeltas are deltas from v1 to v2 that are of no use, and what a device says of them: a name, or any.
func wrongDeltas(t *testing.T, f *firmwares) map[string]struct {
	reason string
	delta  []byte
} {
	t.Helper()
	type wrong = struct {
		reason string
		delta  []byte
	}
	from, to := f.release(t, "socket", "v1", 5), f.release(t, "socket", "v2", 6)
	good, err := delta.Make(from.Images[0], to.Images[1])
	must(t, err)
	leadingTo := func(rom []byte) []byte {
		made, err := delta.Make(from.Images[0], rom)
		must(t, err)
		return made
	}
	other, err := delta.Make(to.Images[0], f.release(t, "socket", "v3", 7).Images[1])
	must(t, err)
	header := func(at int, word uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], word)
		return b
	}
	deltas := map[string]wrong{
		"empty":                        {"malformed-delta", []byte{}},
		"a header":                     {"*", good[:delta.HeaderSize]},
		"less than a header":           {"malformed-delta", good[:10]},
		"another magic":                {"malformed-delta", header(0, 0x65505345)},
		"of an image of no size":       {"malformed-delta", header(12, 0)},
		"of an image beyond the slot":  {"malformed-delta", header(12, image.SlotSize+16)},
		"of a shorter image":           {"*", header(12, uint32(len(to.Images[1])-16))},
		"of a longer image":            {"*", header(12, uint32(len(to.Images[1])+16))},
		"cut off":                      {"*", good[:len(good)/2]},
		"a web page":                   {"malformed-delta", bytes.Repeat([]byte("<html>\n"), 1000)},
		"from another release":         {"wrong-source", other},
		"to another release":           {"wrong-sequence", leadingTo(f.release(t, "socket", "v3", 7).Images[1])},
		"to another type":              {"wrong-device", leadingTo(f.release(t, "sensor", "v2", 6).Images[1])},
		"to another version":           {"wrong-version", leadingTo(f.images(t, "socket", "v9", 6)[1])},
		"to a link that does not work": {"wrong-link", leadingTo(relinked(t, to.Images[1]))},
		"to an image that was changed": {"bad-signature", leadingTo(forge(t, to.Images[1], func(irom []byte) { irom[len(irom)/3] ^= 1 }))},
	}
	// The body decides which rule it breaks: so it is sought.
	random := rand.New(rand.NewPCG(1, 2))
	for _, rule := range []string{"more than 256 moves", "a run is too long", "a substitution is too long", "too many bytes", "two breaks", "a jump out of the source"} {
		for tries := 0; ; tries++ {
			body := make([]byte, 4+random.IntN(3000))
			for i := range body {
				body[i] = byte(random.IntN(256))
			}
			if tries > 100000 {
				t.Fatalf("no body breaks the rule %q", rule)
			}
			if random.IntN(2) == 0 { // a good beginning
				copy(body, good[delta.HeaderSize:][:random.IntN(len(good)-delta.HeaderSize)])
			}
			candidate := append(bytes.Clone(good[:delta.HeaderSize]), body...)
			if _, err := delta.Apply(from.Images[0], candidate); errors.Is(err, delta.ErrMalformed) && strings.Contains(err.Error(), rule) {
				deltas["one that breaks a rule: "+rule] = wrong{"malformed-delta", candidate}
				break
			}
		}
	}
	for i := range 4 {
		bad := bytes.Clone(good)
		bad[delta.HeaderSize+random.IntN(len(bad)-delta.HeaderSize-4)] ^= 1 << random.IntN(8)
		deltas[fmt.Sprint("one with a flipped bit ", i)] = wrong{"*", bad}
	}
	return deltas
}

// relinked is an image that says that it has the other link.
func relinked(t testing.TB, rom []byte) []byte {
	t.Helper()
	return repacked(t, rom, func(in *image.Input) { in.Link = 3 - in.Link })
}

// A server's deltas never change what comes of an update. Whatever is wrong with one, the device says so, and
// downloads the whole image; if that is no good either (without ESPER_FULL, tried with a third of them), the old
// firmware runs on.
func TestADeltaThatIsWrongCostsTheDownloadOfTheImage(t *testing.T) {
	wrongDeltasCostADownload(t, theFirmwares(t))
}

func wrongDeltasCostADownload(t *testing.T, f *firmwares) {
	to := f.release(t, "socket", "v2", 6)
	for name, wrong := range wrongDeltas(t, f) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, f)
			heap := v.heap()
			if full || f.sdk != "" || len(name)%3 == 0 {
				bad := folder(to)
				bad[deltaFile] = wrong.delta
				bad["socket.rom1"] = forge(t, to.Images[1], func(irom []byte) { irom[len(irom)/2] ^= 1 })
				v.refuses(t, bad, "bad-signature")
				if f.sdk != "" {
					v.RunFor(4 * time.Minute) // so long lwIP remembers connections
				}
				if now := v.heap(); now < heap {
					t.Errorf("%d bytes of the heap are free, before %d", now, heap)
				}
			}
			good := folder(to)
			good[deltaFile] = wrong.delta
			v.handler = good
			messages := len(v.broker.Messages())
			v.notify()
			v.expect("v2 runs", 2*time.Minute, func() bool { return v.runs(v.device, "v2") })
			reasons, received := v.downloads(messages)
			if len(reasons) != 1 || wrong.reason != "*" && reasons[0] != wrong.reason {
				t.Errorf("the reasons are %q, not %q", reasons, wrong.reason)
			}
			if least := len(to.Images[1]); received < least {
				t.Errorf("%d bytes received, of an image of %d", received, least)
			}
		})
	}
}

// However the server answers a request for a delta, the update is made.
func TestAServerWithoutTheDeltaServesTheImage(t *testing.T) {
	serversWithoutDelta(t, theFirmwares(t))
}

func serversWithoutDelta(t *testing.T, f *firmwares) {
	from, to := f.release(t, "socket", "v1", 5), f.release(t, "socket", "v2", 6)
	good := withDelta(t, from, to)[deltaFile]
	const fast = 5 * time.Millisecond
	half := len(good) / 2
	answer := func(head string) dripping { return dripping{start: head + "\r\n\r\n"} }
	for name, a := range map[string]struct {
		reasons []string
		server  dripping
		within  time.Duration
	}{
		"not found":                {nil, answer("HTTP/1.1 404 Not Found"), time.Minute},
		"gone":                     {[]string{"http-status"}, answer("HTTP/1.1 410 Gone"), time.Minute},
		"forbidden":                {[]string{"http-status"}, answer("HTTP/1.1 403 Forbidden"), time.Minute},
		"in trouble":               {[]string{"http-status"}, answer("HTTP/1.1 500 Oops"), time.Minute},
		"elsewhere":                {[]string{"http-status"}, answer("HTTP/1.1 302 Found\r\nLocation: /x"), time.Minute},
		"without a length":         {[]string{"malformed-response"}, dripping{start: "HTTP/1.1 200 OK\r\n\r\n", piece: "x", every: fast}, time.Minute},
		"larger than a slot":       {[]string{"too-large"}, dripping{start: body(0x79001), piece: "x", every: fast}, time.Minute},
		"of 900 megabytes":         {[]string{"too-large"}, dripping{start: body(900 << 20), piece: "x", every: fast}, time.Minute},
		"headers without an end":   {[]string{"malformed-response"}, dripping{start: "HTTP/1.1 200 OK\r\n", piece: "X-More: of it\r\n", every: fast}, time.Minute},
		"that never comes":         {[]string{"unreachable"}, dripping{}, 8 * time.Minute},
		"that stops":               {[]string{"unreachable"}, dripping{start: body(len(good)) + string(good[:half])}, 8 * time.Minute},
		"byte by byte":             {nil, dripping{start: body(len(good)) + string(good[:len(good)-8]), piece: string(good[len(good)-8:]), every: 5 * time.Second}, time.Minute},
		"byte by byte for an hour": {[]string{"unreachable"}, dripping{start: body(3000) + string(good[:delta.HeaderSize]), piece: "x", every: 2 * time.Second}, 10 * time.Minute},
		"longer than it said":      {nil, dripping{start: body(len(good)) + string(good), piece: "more", every: fast}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, f)
			v.handler = folder(to)
			a.server.resource = ".delta1"
			v.drip(&a.server)
			messages := len(v.broker.Messages())
			v.notify()
			v.expect("v2 runs", a.within, func() bool { return v.runs(v.device, "v2") })
			if reasons, _ := v.downloads(messages); !slices.Equal(reasons, a.reasons) {
				t.Errorf("the reasons are %q, not %q", reasons, a.reasons)
			}
		})
	}
}

// What was made is verified as the flash holds it: a sector that was written wrongly costs the download.
func TestADeltaThatTheFlashDoesNotHoldCostsTheDownloadOfTheImage(t *testing.T) {
	t.Parallel()
	f := theFirmwares(t)
	v := newVictim(t, f)
	v.handler = withDelta(t, f.release(t, "socket", "v1", 5), f.release(t, "socket", "v2", 6))
	wrong := false
	v.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if wrong || op.Kind != esp8266.Program || op.Addr < image.Slot1Address+image.SectorSize {
			return esp8266.Cut{}
		}
		wrong = true
		return esp8266.Cut{Byte: func(i int, old, want byte) byte {
			if i == op.Len/2 {
				return want ^ 1
			}
			return want
		}}
	}
	messages := len(v.broker.Messages())
	v.notify()
	v.expect("v2 runs", time.Minute, func() bool { return v.runs(v.device, "v2") })
	if reasons, _ := v.downloads(messages); !slices.Equal(reasons, []string{"malformed-image"}) || !wrong {
		t.Errorf("the reasons are %q", reasons)
	}
}

// A device that knows no deltas updates from the same repository as one that does.
func TestOldAndNewDevicesUpdateFromTheSameRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.firmwares
	v1, v2 := f.release(t, "socket", "v1", 1), f.release(t, "socket", "v2", 2)
	old := f.downloaded(t, v1)
	newOne := w.addImage(f.bootloader, 1, v1.Images[0])
	oldOne := w.addImage(f.bootloader, 2, old.Images[0])
	w.offer(v1)
	w.settle()
	w.offer(v2)
	w.notify()
	w.expect("both run v2", time.Minute, func() bool { return w.runs(newOne, "v2") && w.runs(oldOne, "v2") })
	for _, q := range w.web.Requests() {
		if strings.Contains(q.URL, "?version=v2") && q.Header.Get("X-Esper-Version") == "v1" {
			wantDelta := q.Header.Get("X-Esper-Device") == newOne.ID()
			if strings.Contains(q.URL, ".delta1") != wantDelta {
				t.Errorf("%s asked for %s", q.Header.Get("X-Esper-Device"), q.URL)
			}
		}
	}
}

// Whatever changed in an image, its delta gives it again.
func TestDeltasOfRealImagesGiveThem(t *testing.T) { deltasOfRealImages(t, theFirmwares(t)) }

func TestDeltasOfRealChipImagesGiveThem(t *testing.T) { deltasOfRealImages(t, chipFirmwares(t)) }

func deltasOfRealImages(t *testing.T, f *firmwares) {
	var images [][image.Slots][]byte
	for _, deviceType := range []string{"socket", "sensor", "button"} {
		images = append(images, f.images(t, deviceType, "v1", 1))
	}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		source := images[random.IntN(len(images))]
		slot := random.IntN(image.Slots)
		target := edited(t, images[random.IntN(len(images))][slot], random)
		made, err := delta.Make(source[1-slot], target)
		must(t, err)
		got, err := delta.Apply(source[1-slot], made)
		if err != nil || !bytes.Equal(got, target) {
			t.Errorf("seed %d: the delta of %d bytes does not give its image: %v", seed, len(made), err)
		}
	}
}

// edited is an image with pieces of its code and data replaced, added, removed and moved.
func edited(t *testing.T, rom []byte, random *rand.Rand) []byte {
	t.Helper()
	edit := func(b []byte, from int) []byte {
		b = bytes.Clone(b)
		for range random.IntN(8) {
			at := from + random.IntN(len(b)-from)
			n := min(1<<random.IntN(12)+random.IntN(4), len(b)-at)
			fresh := make([]byte, n)
			for k := range fresh {
				fresh[k] = byte(random.IntN(256))
			}
			switch random.IntN(4) {
			case 0:
				copy(b[at:], fresh)
			case 1:
				b = slices.Insert(b, at, fresh...)
			case 2:
				b = slices.Delete(b, at, at+n)
			case 3:
				piece := bytes.Clone(b[at : at+n])
				b = slices.Delete(b, at, at+n)
				b = slices.Insert(b, from+random.IntN(len(b)-from), piece...)
			}
		}
		return append(b, make([]byte, -len(b)&3)...)
	}
	return repacked(t, rom, func(in *image.Input) {
		in.IROM = edit(in.IROM, image.DescriptorSize)
		unrelated(in.IROM)
		for i := range in.Segments {
			in.Segments[i].Data = edit(in.Segments[i].Data, 0)
		}
	})
}

// The aims for deltas (docs/FIGURES.md): no more than these parts of an image.
func TestDeltasAreSmall(t *testing.T) { deltasAreSmall(t, theFirmwares(t), 0.003, 0.02) }

func TestDeltasOfChipImagesAreSmall(t *testing.T) { deltasAreSmall(t, chipFirmwares(t), 0.001, 0.01) }

func deltasAreSmall(t *testing.T, f *firmwares, version, feature float64) {
	v1 := f.images(t, "socket", "v1", 1)
	for name, c := range map[string]struct {
		to    [image.Slots][]byte
		limit float64
	}{
		"another version": {f.images(t, "socket", "v2", 2), version},
		"another feature": {f.variant(t, "socket", "v2", 2, withAnotherFeature), feature},
	} {
		for slot := range image.Slots {
			made, err := delta.Make(v1[1-slot], c.to[slot])
			must(t, err)
			if part := float64(len(made)) / float64(len(c.to[slot])); part > c.limit {
				t.Errorf("%s: %d bytes, %.2f %% of the image, more than %.1f %%", name, len(made), 100*part, 100*c.limit)
			}
		}
	}
}
