package fleet

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Device is what is known of one device: what it reported last.
type Device struct {
	ID     string        `json:"id"`     // chip id, 6 lower-case hex digits
	Status string        `json:"status"` // Online, Offline, Sleeping, or empty if it did not say
	Info   *Info         `json:"info"`   // nil if it did not say
	Update *UpdateStatus `json:"update"` // nil if it did not say
	// Settings is what its settings are at; nil if it did not say, as firmware that has its settings
	// in the image.
	Settings *SettingsStatus `json:"settings"`
	// Seen is when the device was last heard of itself, zero if only retained
	// messages are known.
	Seen time.Time `json:"seen,omitzero"`
	// Silent says that it is said to be online, or to wake now and then, but has not been heard of
	// for long.
	Silent bool `json:"silent,omitempty"`
	// Malformed counts the messages that could not be read.
	Malformed int `json:"malformed,omitempty"`
	// Problems are the parts of its last messages that cannot be used, each after the
	// message's name, such as "info: ".
	Problems []string `json:"problems,omitempty" nullable:"false"`
	// LoopsUntil is until when the device counts as in a crash loop; zero if it does not.
	LoopsUntil time.Time `json:"loops_until,omitzero"`
	Labels

	informed    time.Time   // when Info came; zero if that is not known
	reconnected bool        // it has lost its connection since then
	crashes     []time.Time // the last, of the version that runs; never changed, only replaced
	burst       burst       // of its events
	noted       bool        // that it has problems has been logged
}

// Labels are what people call a device.
type Labels struct {
	Name  string   `json:"name,omitempty"`
	Group string   `json:"group,omitempty"`
	Tags  []string `json:"tags,omitempty"` // sorted
}

func (l Labels) empty() bool { return l.Name == "" && l.Group == "" && len(l.Tags) == 0 }

// What a device's status can be. The broker says Offline for a device that it lost. A device that
// is Sleeping has switched itself off and wakes by itself (docs/SPEC.md section 7.7).
const (
	Online   = "ONLINE"
	Offline  = "OFFLINE"
	Sleeping = "SLEEPING"
)

// Silent is the presence of a device that the broker takes to be online or asleep, perhaps
// because what it retains is old, but that does not report any more.
const Silent = "SILENT"

// SilentAfter is how long a device that is online may say nothing: three times the
// interval of its info (docs/SPEC.md section 7.1), and a little.
const SilentAfter = 3*time.Minute + 10*time.Second

// sleepSlack is how long after twice its rhythm a sleeping device may say nothing: as long as it
// tries to reach the broker in a wake.
const sleepSlack = time.Minute

// SleepSlack returns how much later than an always connected device one that wakes at least every
// so many seconds may be heard: twice its rhythm and a minute. It is 0 for a device that does not
// sleep.
func SleepSlack(seconds uint32) time.Duration {
	if seconds == 0 {
		return 0
	}
	return 2*time.Duration(seconds)*time.Second + sleepSlack
}

// SleepSlack returns that of the device's own rhythm; 0 if it does not sleep, or did not say so.
func (d Device) SleepSlack() time.Duration {
	if d.Info == nil {
		return 0
	}
	return SleepSlack(d.Info.Sleep)
}

// WakesBy returns when a sleeping device wakes again at the latest; zero if that is not known.
func (d Device) WakesBy() time.Time {
	if d.Status != Sleeping || d.Info == nil || d.Info.Sleep == 0 || d.Seen.IsZero() {
		return time.Time{}
	}
	return d.Seen.Add(time.Duration(d.Info.Sleep) * time.Second)
}

// connected reports whether the status says that the device is there, awake or asleep.
func (d Device) connected() bool { return d.Status == Online || d.Status == Sleeping }

// silentAfter returns how long the device may say nothing; 0: for ever.
func (d Device) silentAfter() time.Duration {
	switch d.Status {
	case Online: // one that sleeps may have gone unheard when it said so
		return max(SilentAfter, d.SleepSlack())
	case Sleeping: // 0 if its rhythm is not known
		return d.SleepSlack()
	}
	return 0
}

// A crash loop is so many restarts after a crash of the same version, in such a time (docs/SPEC.md
// section 11).
const (
	CrashLoop     = 3
	CrashLoopTime = 15 * time.Minute
)

// CrashLooping reports whether the device is in a crash loop at a time, or in safe mode because it
// was.
func (d Device) CrashLooping(now time.Time) bool {
	return d.Info != nil && d.Info.Boot.Safe || now.Before(d.LoopsUntil)
}

// Presence is Online, Offline, Sleeping, Silent, or empty if it is not known.
func (d Device) Presence() string {
	if d.connected() && d.Silent {
		return Silent
	}
	return d.Status
}

// Type is the device type, or empty if it is not known.
func (d Device) Type() string {
	if d.Info == nil {
		return ""
	}
	return d.Info.Device
}

// Version is the version that the device runs, or empty if it is not known.
func (d Device) Version() string {
	if d.Info == nil {
		return ""
	}
	return d.Info.Version.ESPer
}

// note replaces the problems of one message of the device.
func (d *Device) note(message string, problems []string) {
	if len(d.Problems) == 0 && len(problems) == 0 {
		return
	}
	all := slices.DeleteFunc(slices.Clone(d.Problems), func(p string) bool { return strings.HasPrefix(p, message+": ") })
	for _, p := range problems {
		all = append(all, message+": "+p)
	}
	d.Problems = slices.Clip(all)
	if len(all) == 0 {
		d.Problems = nil
	}
}

// Forgotten reports whether nothing is known of the device but what people call it.
func (d Device) Forgotten() bool {
	return d.Status == "" && d.Info == nil && d.Update == nil && d.Settings == nil
}

// slot is the slot that runs, or empty if it is not known.
func (d Device) slot() string {
	if d.Info == nil {
		return ""
	}
	return strconv.Itoa(int(d.Info.Boot.ROM))
}

// Info is the payload of a device's info topic (docs/SPEC.md section 7.1).
type Info struct {
	Device  string `json:"device"`
	ChipID  string `json:"chip_id"`
	FlashID string `json:"flash_id"`
	Version struct {
		ESPer    string `json:"esper"`
		Sequence uint32 `json:"sequence"`
		SDK      string `json:"sdk"`
		Boot     uint32 `json:"boot"`
		Link     string `json:"link,omitempty"` // chip or emulator; empty: it did not say
	} `json:"version"`
	Boot struct {
		ROM     uint8   `json:"rom"`     // the running slot
		Default uint8   `json:"default"` // the slot in the boot configuration
		Trial   bool    `json:"trial"`
		Safe    bool    `json:"safe"`              // it runs without its features
		Latched bool    `json:"latched,omitempty"` // a restart would end in the chip's ROM
		Reset   string  `json:"reset"`
		Slots   []*Slot `json:"slots"` // nil: no descriptor in the slot
	} `json:"boot"`
	Network struct {
		MAC     string `json:"mac"`
		IP      string `json:"ip"`
		Mask    string `json:"mask"`
		Gateway string `json:"gateway"`
	} `json:"network"`
	WiFi struct {
		SSID    string `json:"ssid"`
		BSSID   string `json:"bssid"`
		RSSI    int    `json:"rssi,omitempty"` // dBm; 0: not known
		Channel int    `json:"channel"`
	} `json:"wifi"`
	// Features are name and kind of what it can do; nil in safe mode, which has none.
	Features map[string]string `json:"features,omitempty"`

	// Sleep is the device's rhythm: it wakes at least every so many seconds; 0: it does not sleep.
	Sleep uint32 `json:"sleep,omitempty"`
	// Startup and Connected are when the device started, and when it reached the broker last, in
	// seconds since 1970 (UTC) by its own clock; 0: it did not say.
	Startup   int64 `json:"startup,omitempty"`
	Connected int64 `json:"connected,omitempty"`

	Heap   uint32 `json:"heap"`   // free bytes
	Uptime uint64 `json:"uptime"` // seconds
}

// Slot is what one slot of the flash holds.
type Slot struct {
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
}

// UpdateStatus is the payload of a device's update/status topic (docs/SPEC.md
// section 7.2).
type UpdateStatus struct {
	State    string `json:"state"`
	Version  string `json:"version"`
	Progress int    `json:"progress"` // percent
	Error    string `json:"error"`    // one of SPEC's names, or empty
	// HTTPStatus is what the update server answered, 100 to 599, if Error is
	// "http-status"; 0 if the device did not say.
	HTTPStatus int `json:"http_status,omitempty"`
	// Received is how many bytes of the delta and the image have come in this update; nil if the
	// device did not say.
	Received *uint32 `json:"received,omitempty"`
}

// SettingsStatus is the payload of a device's settings topic (docs/SPEC.md section 12.5).
type SettingsStatus struct {
	State     string `json:"state"`
	Sequence  uint32 `json:"sequence"`  // of the settings release that its settings are from; 0: of none
	Own       uint32 `json:"own"`       // the same for the settings release for it alone
	Candidate uint32 `json:"candidate"` // what a trial, a failure or a rejection is about; 0: nothing
	From      string `json:"from"`      // flash or image
	Error     string `json:"error"`     // one of SPEC's names, or empty
}

// about returns the sequence that the status is about.
func (s SettingsStatus) about() uint32 {
	if s.Candidate != 0 {
		return s.Candidate
	}
	return s.Sequence
}

// WithoutDelta returns why the device downloads the whole image, one of SPEC's names. It is empty
// if the device uses a delta, was offered none, or is not downloading.
func (u UpdateStatus) WithoutDelta() string {
	if u.State == "downloading" {
		return u.Error
	}
	return ""
}

// Problem returns the error of the last update or check, one of SPEC's names, or empty. The reason
// why a delta was not used is no problem: that update goes on.
func (u UpdateStatus) Problem() string {
	if u.WithoutDelta() != "" {
		return ""
	}
	return u.Error
}

// AtRest tells whether the device is done with its last check: nothing is being
// downloaded, verified or tried, also no copy for its other slot.
func (u UpdateStatus) AtRest() bool {
	switch u.State {
	case "idle", "failed", "rolled-back":
		return true
	case "confirmed":
		return u.Progress == 100 || u.Error != ""
	}
	return false
}
