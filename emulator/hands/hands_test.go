package hands

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
)

// device is one in a lab, with an erased flash: nothing runs on it.
func device(t *testing.T, lab *emulator.Lab, id uint32) *emulator.Device {
	t.Helper()
	d, err := lab.Add(emulator.Config{ChipID: id, Flash: esp8266.NewFlash(esp8266.FlashSize)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func script(t *testing.T, text string) *Script {
	t.Helper()
	s, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMistakesInAScriptAreRefusedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"1s press gpio0\n\n# x\n2s jump":        `line 4: "jump" is no command`,
		"press gpio0":                           `line 1: "press" is no time`,
		"1s":                                    `line 1: "" is no command`,
		"2s reset\n1s reset":                    "line 2: 1s comes after 2s",
		"-1s reset":                             `"-1s" is no time`,
		"10001h reset":                          `"10001h" is no time`,
		"9000h reset\n+9000h reset":             "line 2: 18000h0m0s is too late",
		"1s set gpio17=0":                       `set: "gpio17" is no pin`,
		"1s set gpio00=0":                       `"gpio00" is no pin`,
		"1s set gpio1=2":                        "a pin is 0, 1 or open",
		"1s set gpio1":                          "as in gpio0=0",
		"1s set":                                "what is set is missing",
		"1s set adc=1024":                       `"1024" is not a number from 0 to 1023`,
		"1s adc":                                "one value",
		"1s adc -1":                             `"-1" is not a number`,
		"1s set vdd=5000":                       "0 to 3600",
		"1s press":                              "a pin, and how long",
		"1s press gpio0 soon":                   `"soon" is no time`,
		"1s double gpio0 1s":                    "one pin",
		"1s send text":                          "a text in quotes",
		"1s send `text`":                        "a text in quotes",
		"1s send":                               "a text in quotes",
		`1s send "` + strings.Repeat("x", 1025): "at most 1024", // the closing quote follows below
		"1s reset now":                          "nothing follows it",
		"1s power":                              "'power off' or 'power on'",
		"1s expect gpio1=open":                  "a level is 0 or 1",
		"1s repeat\n2s reset":                   "line 2: nothing follows a repeat",
		"1ms repeat":                            "10ms or later",
		"1s end now":                            "nothing follows it",
		strings.Repeat("x", 5000):               "line 1: more than 4096 bytes",
		strings.Repeat("+1ms reset\n", 10001):   "line 10001: more than 10000 commands",
	} {
		if strings.HasPrefix(text, `1s send "x`) {
			text += `"`
		}
		if _, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestAScriptIsPlayedInTheDevicesTime(t *testing.T) {
	lab := emulator.NewLab()
	d, other := device(t, lab, 1), device(t, lab, 2)
	var did []string
	p := Player{Done: func(d *emulator.Device, c Command) {
		did = append(did, fmt.Sprintf("%s %v %s", d.ID(), d.Now().Round(time.Millisecond), c.Text))
	}}
	s := script(t, `
# Both devices
1s    set gpio4=1 gpio5=0 vdd=3000
+1.5s 000001: adc 512
+0s   000002: adc 7
1h    set gpio4=open
`)
	p.Play(s, d)
	p.Play(s, other)
	lab.RunFor(999 * time.Millisecond)
	if d.Pin(4) || len(did) > 0 {
		t.Errorf("it began early: %q", did)
	}
	lab.RunFor(2 * time.Second)
	if !d.Pin(4) || d.Pin(5) || d.SDK.ADC != 512 || other.SDK.ADC != 7 || d.SDK.Supply() != 3072 {
		t.Errorf("gpio4 %v, gpio5 %v, adc %d and %d, %d", d.Pin(4), d.Pin(5), d.SDK.ADC, other.SDK.ADC, d.SDK.Supply())
	}
	lab.RunFor(time.Hour)
	if d.Pin(4) {
		t.Error("gpio4 is still driven")
	}
	want := []string{
		"000001 1s set gpio4=1 gpio5=0 vdd=3000", "000002 1s set gpio4=1 gpio5=0 vdd=3000",
		"000001 2.5s 000001: adc 512", "000002 2.5s 000002: adc 7",
		"000001 1h0m0s set gpio4=open", "000002 1h0m0s set gpio4=open",
	}
	if !slices.Equal(did, want) {
		t.Errorf("it did %q", did)
	}
}

// levels are those of a pin every 50 ms.
func levels(lab *emulator.Lab, d *emulator.Device, pin, n int) string {
	var b strings.Builder
	for range n {
		lab.RunFor(50 * time.Millisecond)
		b.WriteString(digit(d.Pin(pin)))
	}
	return b.String()
}

func TestAButtonIsPressedAndReleased(t *testing.T) {
	for name, c := range map[string]struct {
		before, press string
		pin           int
		want          string
		outside       bool // drives the pin at the end
	}{
		"pulled up by the module": {"", "press gpio0", 0, "1001111111", false},
		"not driven":              {"", "press gpio4 200ms", 4, "0111100000", false},
		"driven high":             {"set gpio4=1", "press gpio4", 4, "1001111111", true},
		"twice":                   {"", "double gpio0", 0, "1001110011", false},
	} {
		t.Run(name, func(t *testing.T) {
			lab := emulator.NewLab()
			d := device(t, lab, 1)
			text := "75ms " + c.press
			if c.before != "" {
				text = "0s " + c.before + "\n" + text
			}
			new(Player).Play(script(t, text), d)
			if got := levels(lab, d, c.pin, 10); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if s := d.Chip.PinState(c.pin); (s.Outside != nil) != c.outside {
				t.Errorf("at the end %+v", s)
			}
		})
	}
}

func TestPowerAndResetPin(t *testing.T) {
	lab := emulator.NewLab()
	d := device(t, lab, 1)
	var resets []esp8266.ResetReason
	d.OnReset = func(r esp8266.ResetReason) { resets = append(resets, r) }
	new(Player).Play(script(t, `
1s  reset
2s  power off
3s  reset
+0s send "lost"
10s power on
11s power on
`), d)
	lab.RunFor(5 * time.Second)
	if d.Powered() || d.Asleep() {
		t.Errorf("after 5 s: powered %v, asleep %v", d.Powered(), d.Asleep())
	}
	lab.RunFor(10 * time.Second)
	if !slices.Equal(resets, []esp8266.ResetReason{esp8266.ResetPin, esp8266.ResetPowerOn}) || !d.Powered() {
		t.Errorf("resets %v, powered %v", resets, d.Powered())
	}
	if d.Now() < lab.Now() || d.Now() > lab.Now()+time.Millisecond {
		t.Errorf("its time is %v, the lab's %v", d.Now(), lab.Now())
	}
}

func TestWhatIsSentArrivesAtTheSpeedOfTheLine(t *testing.T) {
	lab := emulator.NewLab()
	d := device(t, lab, 1)
	text := strings.Repeat("0123456789", 20)
	new(Player).Play(script(t, "1s send \""+text+"\"\n"), d)
	var got []byte
	for range 40 {
		lab.RunFor(50 * time.Millisecond)
		for d.Chip.ReceiveRoom() < 128 {
			b, err := d.Chip.Load32(0x60000000)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, byte(b))
		}
	}
	if lost := len(text) - len(got); lost != 72 || !strings.HasPrefix(text, string(got)) { // 128 bytes of FIFO
		t.Errorf("%d bytes were lost of what came within 50 ms: %q", lost, got)
	}
	new(Player).Play(script(t, `0s send "\x01\n"`), d)
	lab.RunFor(time.Millisecond)
	if a, _ := d.Chip.Load32(0x60000000); a != 1 {
		t.Errorf("%d came", a)
	}
}

func TestAScriptEndsTheEmulation(t *testing.T) {
	for text, want := range map[string]string{
		"1s end": "<nil>",
		"1s set gpio4=1\n2s expect gpio4=1\n+0s expect gpio5=0\n3s end": "<nil>",
		"1s expect gpio4=1\n3s end":                                     "line 1: device 000001: gpio4 is not 1",
	} {
		lab := emulator.NewLab()
		d := device(t, lab, 1)
		ended := errors.New("not ended")
		p := Player{End: func(err error) {
			if ended == nil {
				t.Errorf("%q: it ended twice", text)
			}
			ended = err
		}}
		p.Play(script(t, text), d)
		lab.RunFor(time.Minute)
		if got := fmt.Sprint(ended); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestAScriptIsRepeated(t *testing.T) {
	lab := emulator.NewLab()
	d := device(t, lab, 1)
	n := 0
	p := Player{Done: func(*emulator.Device, Command) { n++ }}
	p.Play(script(t, "1s adc 1\n+1s adc 2\n+3s repeat"), d)
	for i, want := range []uint16{1, 2, 2, 2, 2, 1, 2} {
		lab.RunFor(time.Second + time.Millisecond)
		if d.SDK.ADC != want {
			t.Errorf("after %d s: %d, want %d", i+1, d.SDK.ADC, want)
		}
	}
	lab.RunFor(93 * time.Second)
	if n != 40 {
		t.Errorf("%d commands in 100 s", n)
	}
}

// drive makes a pin an output of the device's, with a level.
func drive(t *testing.T, d *emulator.Device, pin int, high bool) {
	t.Helper()
	register := uint32(0x60000308) // clear
	if high {
		register = 0x60000304
	}
	if d.Chip.Store32(register, 1<<pin) != nil || d.Chip.Store32(0x60000310, 1<<pin) != nil {
		t.Error("a register is not there")
	}
}

func TestOutputsAreWatched(t *testing.T) {
	lab := emulator.NewLab()
	d := device(t, lab, 1)
	pins, err := ParsePins("gpio12,gpio13")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	Watch(d, pins, func(c Change) { got = append(got, fmt.Sprintf("%.1f %v", c.At.Seconds(), c)) })
	toggle := func(at time.Duration, pin int, high bool) {
		d.At(at, func(d *emulator.Device) { drive(t, d, pin, high) })
	}
	toggle(time.Second, 12, true)
	toggle(2*time.Second, 14, true) // not watched
	toggle(3*time.Second, 12, false)
	// 200 Hz, a quarter of the time high, for ten seconds; then half of it, for two.
	for at := 10 * time.Second; at < 22*time.Second; at += 5 * time.Millisecond {
		high := 1250 * time.Microsecond
		if at >= 20*time.Second {
			high *= 2
		}
		toggle(at, 13, true)
		toggle(at+high, 13, false)
	}
	lab.RunFor(time.Minute)
	slow := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return strings.HasPrefix(s, "10.") })
	want := []string{
		"1.0 gpio12 = 1", "3.0 gpio12 = 0",
		"11.0 gpio13: 200 Hz, 25.0 % high", "21.0 gpio13: 200 Hz, 50.0 % high", "23.0 gpio13 = 0",
	}
	if !slices.Equal(slow, want) || len(got)-len(slow) != changesASecond {
		t.Errorf("%d changes in the first second, else %q", len(got)-len(slow), slow)
	}
}

func TestPinsAreNamedAndDescribed(t *testing.T) {
	for text, want := range map[string]Pins{"all": AllPins, "gpio0": 1, "gpio16,gpio2": 1<<16 | 4} {
		if got, err := ParsePins(text); err != nil || got != want {
			t.Errorf("%s: %b, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "gpio12, gpio13", "12", "all,gpio1", "gpio99999999999"} {
		if _, err := ParsePins(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	lab := emulator.NewLab()
	d := device(t, lab, 1)
	drive(t, d, 12, true)
	d.SetPin(4, true)
	text := Describe(d)
	for _, want := range []string{"gpio12  1  output\n", "gpio4   1  input, driven from outside to 1\n", "gpio0   1  input\n", "adc     0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add("1s press gpio0 200ms\n+2s 00c0de: set gpio4=open adc=3\n# end\n5s send \"a\\n\"\n+1s repeat")
	f.Add("0s power off\n1h expect gpio1=1\n+0s end")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		before := time.Duration(0)
		for _, step := range s.steps {
			if step.at < before || step.at > maxTime || step.do == nil && !step.end {
				t.Errorf("%+v", step)
			}
			before = step.at
		}
		if len(s.steps) > maxSteps || s.repeat != 0 && s.repeat < max(before, minRepeat) {
			t.Errorf("%d steps, repeated after %v", len(s.steps), s.repeat)
		}
	})
}
