package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"esper/internal/image"
)

// Limits on what is read of a message.
const (
	maxText     = 64 // bytes of a text
	maxShown    = 40 // bytes of a value in a problem
	maxProblems = 8  // of a message
)

// ParseInfo reads the payload of the info topic of a device. Parts that cannot be used are left
// out, and the problems name them. The error says why the whole of it cannot be used: what
// identifies the device and its firmware must be right, and the uptime, by which restarts are
// found.
func ParseInfo(id string, payload []byte) (*Info, []string, error) {
	top, err := parseObject(payload)
	if err != nil {
		return nil, nil, err
	}
	i := &Info{}
	version := top.object("version")
	switch {
	case !take(top, "chip_id", &i.ChipID, isText, "a chip id") || i.ChipID != id:
		return nil, nil, errors.New("its chip_id is that of another device")
	case !take(top, "device", &i.Device, isType, "a device type") || i.Device == "":
		return nil, nil, errors.New("device is not a device type")
	case !take(version, "esper", &i.Version.ESPer, isVersion, "a version") || i.Version.ESPer == "":
		return nil, nil, errors.New("version.esper is not a version")
	case !take(version, "sequence", &i.Version.Sequence, always, "a sequence"):
		return nil, nil, errors.New("version.sequence is not a number from 0 to 4294967295")
	case !take(top, "uptime", &i.Uptime, always, "a number of seconds"):
		return nil, nil, errors.New("uptime is not a number of seconds")
	}
	take(top, "flash_id", &i.FlashID, isText, shortText)
	take(top, "heap", &i.Heap, always, "a number of bytes")
	take(version, "sdk", &i.Version.SDK, isText, shortText)
	take(version, "boot", &i.Version.Boot, always, "a version of the bootloader")
	take(version, "link", &i.Version.Link, isText, shortText)

	boot := top.object("boot")
	take(boot, "rom", &i.Boot.ROM, isSlot, "a slot")
	take(boot, "default", &i.Boot.Default, isSlot, "a slot")
	take(boot, "trial", &i.Boot.Trial, always, "true or false")
	take(boot, "safe", &i.Boot.Safe, always, "true or false")
	take(boot, "latched", &i.Boot.Latched, always, "true or false")
	take(boot, "reset", &i.Boot.Reset, isText, shortText)
	i.Boot.Slots = boot.slots()

	network := top.object("network")
	take(network, "mac", &i.Network.MAC, isText, shortText)
	take(network, "ip", &i.Network.IP, isText, shortText)
	take(network, "mask", &i.Network.Mask, isText, shortText)
	take(network, "gateway", &i.Network.Gateway, isText, shortText)

	wifi := top.object("wifi")
	take(wifi, "ssid", &i.WiFi.SSID, always, "a text")
	i.WiFi.SSID = printable(i.WiFi.SSID) // anyone may have chosen it
	take(wifi, "bssid", &i.WiFi.BSSID, isText, shortText)
	take(wifi, "rssi", &i.WiFi.RSSI, always, "a number")
	if i.WiFi.RSSI == noRSSI {
		i.WiFi.RSSI = 0
	}
	take(wifi, "channel", &i.WiFi.Channel, always, "a number")

	take(top, "sleep", &i.Sleep, func(n uint32) bool { return n >= 1 && n <= MaxSleep }, "a number of seconds from 1 to 4000000")
	take(top, "startup", &i.Startup, isTime, shortTime)
	take(top, "connected", &i.Connected, isTime, shortTime)

	i.Features = top.features()
	return i, *top.problems, nil
}

// MaxSleep is the longest rhythm of a device that sleeps, in seconds.
const MaxSleep = 4_000_000

// noRSSI is what the vendor's SDK calls the signal strength that it does not know; older firmware
// published it.
const noRSSI = 31

// ParseUpdate reads the payload of the update/status topic, as [ParseInfo] does. State, version
// and error must be right: roll-outs decide by them.
func ParseUpdate(payload []byte) (*UpdateStatus, []string, error) {
	top, err := parseObject(payload)
	if err != nil {
		return nil, nil, err
	}
	u := &UpdateStatus{}
	switch {
	case !take(top, "state", &u.State, isText, shortText) || u.State == "":
		return nil, nil, errors.New("state is not a state")
	case !take(top, "version", &u.Version, func(s string) bool { return s == "" || isVersion(s) }, "a version"):
		return nil, nil, errors.New("version is not a version")
	case !take(top, "error", &u.Error, isText, shortText):
		return nil, nil, errors.New("error is not the name of an error")
	}
	take(top, "progress", &u.Progress, func(n int) bool { return n >= 0 && n <= 100 }, "a percentage")
	take(top, "http_status", &u.HTTPStatus, func(n int) bool { return n >= 100 && n <= 599 }, "an HTTP status")
	take(top, "received", &u.Received, always, "a number of bytes")
	return u, *top.problems, nil
}

// ParseSettings reads the payload of the settings topic, as [ParseInfo] does. All but from must be
// right: roll-outs decide by it.
func ParseSettings(payload []byte) (*SettingsStatus, []string, error) {
	top, err := parseObject(payload)
	if err != nil {
		return nil, nil, err
	}
	s := &SettingsStatus{}
	const number = "a sequence"
	switch {
	case !take(top, "state", &s.State, isText, shortText) || s.State == "":
		return nil, nil, errors.New("state is not a state")
	case !take(top, "sequence", &s.Sequence, always, number), !take(top, "own", &s.Own, always, number),
		!take(top, "candidate", &s.Candidate, always, number):
		return nil, nil, errors.New("sequence, own or candidate is not a number from 0 to 4294967295")
	case !take(top, "error", &s.Error, isText, shortText):
		return nil, nil, errors.New("error is not the name of an error")
	}
	take(top, "from", &s.From, isText, shortText)
	return s, *top.problems, nil
}

// object is a JSON object that is read member by member. Members that nobody asks for are
// ignored, for devices that are newer than this program.
type object struct {
	path     string // of its members, such as "boot."
	members  map[string]json.RawMessage
	problems *[]string
}

func parseObject(payload []byte) (object, error) {
	o := object{problems: new([]string)}
	if !bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")) {
		return o, errors.New("not a JSON object")
	}
	if json.Unmarshal(payload, &o.members) != nil {
		return o, errors.New("not JSON")
	}
	return o, nil
}

// problem notes what cannot be used of a member.
func (o object) problem(name, format string, args ...any) {
	if len(*o.problems) < maxProblems {
		*o.problems = append(*o.problems, o.path+name+": "+fmt.Sprintf(format, args...))
	}
}

// take reads a member, if it is there. If it is not what it must be, it is left out, which is a
// problem and returns false.
func take[T any](o object, name string, into *T, usable func(T) bool, what string) bool {
	raw, there := o.members[name]
	if !there {
		return true
	}
	var value T
	if string(raw) == "null" || json.Unmarshal(raw, &value) != nil || !usable(value) {
		o.problem(name, "%s is not %s", shown(string(raw)), what)
		return false
	}
	*into = value
	return true
}

// object returns a member that is an object, empty if it is not there.
func (o object) object(name string) object {
	inner := object{path: o.path + name + ".", problems: o.problems}
	take(o, name, &inner.members, always, "an object")
	return inner
}

// slots returns what the slots hold, nil for one that holds nothing, or nothing that is right.
func (o object) slots() (slots []*Slot) {
	var all []json.RawMessage
	if take(o, "slots", &all, always, "a list"); len(all) > image.Slots {
		o.problem("slots", "there are %d, but a device has %d", len(all), image.Slots)
		all = all[:image.Slots]
	}
	for n, raw := range all {
		slots = append(slots, nil)
		if string(raw) == "null" {
			continue
		}
		name := fmt.Sprintf("slots[%d]", n)
		slot := object{path: o.path, members: map[string]json.RawMessage{name: raw}, problems: o.problems}.object(name)
		found := &Slot{}
		if take(slot, "version", &found.Version, isVersion, "a version") && found.Version != "" {
			take(slot, "sequence", &found.Sequence, always, "a sequence")
			slots[n] = found
		}
	}
	return slots
}

// features returns name and kind of the features, nil if the device does not say.
func (o object) features() map[string]string {
	raw, there := o.members["features"]
	if !there {
		return nil
	}
	if string(raw) == "null" { // so says the firmware (docs/SPEC.md section 7.1)
		o.problem("features", "there are more than have room in it")
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		o.problem("features", "%s is not an object", shown(string(raw)))
		return nil
	}
	found := map[string]string{}
	for d.More() {
		name, err := d.Token()
		var kind any
		if err != nil || d.Decode(&kind) != nil {
			break // not so: all of it is JSON
		}
		text, _ := kind.(string) // of anything else, no kind
		o.feature(found, fmt.Sprint(name), text)
	}
	return found
}

// feature adds a feature to those found, if it can be used.
func (o object) feature(found map[string]string, name, kind string) {
	_, twice := found[name]
	switch {
	case twice:
		o.problem("features", "there are two called %q", name)
	case !IsFeature(name):
		o.problem("features", "%q cannot be the name of one", shown(name))
	case len(found) == maxFeatures:
		o.problem("features", "there are more than %d: %q is left out", maxFeatures, name)
	case !IsFeature(kind):
		o.problem("features", "%q is no kind of feature, so %q is left out", shown(kind), name)
	default:
		found[name] = kind
		if !slices.Contains(Kinds, kind) { // of a newer device
			o.problem("features", "%q is a %q, which nothing is known of", name, kind)
		}
	}
}

// shortText is what isText asks for, in words.
const shortText = "a short text of ASCII characters"

// shortTime is what isTime asks for, in words.
const shortTime = "a time in seconds since 1970"

func always[T any](T) bool { return true }

// isTime reports whether a number can be a time in seconds since 1970: it is before the year 2514,
// so that sums with it cannot overflow.
func isTime(n int64) bool { return n >= 1 && n < 1<<34 }
func isSlot(n uint8) bool { return n < image.Slots }

// isText reports whether a text is short and of printable ASCII characters only.
func isText(s string) bool {
	return len(s) <= maxText && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// shown is a value as it can be shown in a problem.
func shown(s string) string {
	s = printable(s)
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
