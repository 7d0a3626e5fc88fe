package dashboard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/rollout"
	"esper/internal/store"
)

// device is what the store knows of a device.
func (w *world) device(id string) store.Device {
	w.t.Helper()
	found, err := w.server.Store().Find(w.t.Context(), store.Query{ID: id})
	if err != nil || len(found) != 1 {
		w.t.Fatalf("device %s: %v %v", id, found, err)
	}
	return found[0]
}

// hears returns what a device is told from now on, as "topic payload".
func (w *world) hears(id string) func(want string) {
	w.t.Helper()
	heard := make(chan string, 100)
	for _, topic := range []string{"update", "reboot", "relay/set"} {
		if err := w.devices.Subscribe("home/"+id+"/"+topic, func(m broker.Message) {
			if len(m.Payload) > 0 || topic != "relay/set" {
				heard <- topic + " " + string(m.Payload)
			}
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	return func(want string) {
		w.t.Helper()
		timeout := time.After(patience)
		for {
			select {
			case got := <-heard:
				if strings.HasPrefix(got, want) {
					return
				}
			case <-timeout:
				w.t.Fatalf("the device is not told %q", want)
			}
		}
	}
}

// steered is what roll-outs know of a device.
func (w *world) steered(id string, is func(rollout.Device) bool, what string) {
	w.t.Helper()
	w.until(what, func() bool {
		a, err := w.server.Conductor().Why(id)
		return err == nil && is(a.Device)
	})
}

func TestWhatCanBeDoneToADevice(t *testing.T) {
	t.Parallel()
	w := house(t)
	told := w.hears("00c001")
	w.says("00c001", "relay", "0")
	b := open(t, w.url())
	b.visit("/devices/00c001")

	b.click("Check now")
	told("update check")

	b.click("Restart")
	b.says("One device restarts, at once.")
	b.click("Cancel")
	b.wait(`!document.querySelector("dialog")`)
	b.click("Restart")
	b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	told("reboot")

	b.click("Pin…")
	b.choose("Release", "v2")
	b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	w.steered("00c001", func(d rollout.Device) bool { return d.Pin == "v2" }, "it is pinned")
	b.click("Unpin")
	w.steered("00c001", func(d rollout.Device) bool { return d.Pin == "" }, "it is not pinned")

	b.click("Hold")
	w.steered("00c001", func(d rollout.Device) bool { return d.Held }, "it is held")
	b.click("Hold no longer")
	w.steered("00c001", func(d rollout.Device) bool { return !d.Held }, "it is not held")

	b.click("Name…")
	b.enter("Name", "Kettle")
	b.enter("Group", "canary")
	b.enter("Tags, with spaces between", "warm dry")
	b.click("Save")
	w.until("it is labelled", func() bool {
		d := w.device("00c001")
		return d.Name == "Kettle" && d.Group == "canary" && strings.Join(d.Tags, " ") == "dry warm"
	})
	b.wait(`document.querySelector("h1").innerText.startsWith("Kettle")`)

	relay := `document.querySelector("[role=switch]")`
	b.wait(relay + `.getAttribute("aria-checked") === "false"`)
	b.clickAt(relay)
	told("relay/set 1")
	w.says("00c001", "relay", "1")
	b.wait(relay + `.getAttribute("aria-checked") === "true"`)
	b.fine()
}

// What would do nothing cannot be pressed, and the page says why.
func TestFeaturesThatDoNotWorkCannotBeSwitched(t *testing.T) {
	t.Parallel()
	w := house(t)
	w.says("00c001", "relay", "1")
	b := open(t, w.url())
	b.visit("/devices/00c001")
	can := func(reason string, switched, restart bool) {
		t.Helper()
		b.wait(fmt.Sprintf(`document.querySelector("[role=switch]").disabled === %v && find("button", "Restart").disabled === %v`, !switched, !restart))
		b.says(reason)
	}
	works := info("00c001", "socket", "v1", -61)
	safe := strings.Replace(strings.Replace(works, `"trial":false`, `"trial":false,"safe":true`, 1), `"features":{"relay":"switch","motion":"binary_sensor","power":"sensor"},`, "", 1)
	can("Features", true, true)
	w.says("00c001", "status", "OFFLINE")
	can("The device is offline: this is what it said last.", false, false)
	w.says("00c001", "status", "ONLINE")
	can("Features", true, true)
	w.says("00c001", "info", safe)
	b.says("In safe mode its features do not work: this is what it said last.")
	b.wait(`!document.querySelector("[role=switch]:enabled") && !find("button", "Restart").disabled`)
	w.says("00c001", "info", strings.Replace(works, `"rom":0`, `"rom":7`, 1))
	can("boot.rom: 7 is not a slot", true, true)
	w.says("00c001", "info", works)
	b.wait(`!document.querySelector(".problems")`)
	b.fine()
}

func TestADeviceThatFailedTriesAgain(t *testing.T) {
	t.Parallel()
	w := house(t)
	if err := w.server.Conductor().Everywhere(t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	w.says("00c001", "update/status", `{"state":"rolled-back","version":"v2","progress":100,"error":"not-confirmed"}`)
	told := w.hears("00c001")
	b := open(t, w.url())
	b.visit("/devices/00c001")
	b.says("Rolled back not-confirmed")
	b.click("Retry")
	told("update")
	w.steered("00c001", func(d rollout.Device) bool { return d.Last.State != rollout.TryFailed }, "it may try again")
	b.fine()
}

func TestWhatCanBeDoneToARollout(t *testing.T) {
	t.Parallel()
	w := house(t)
	state := func(what string, is func(rollout.State) bool) {
		t.Helper()
		w.until(what, func() bool {
			for _, s := range w.server.Conductor().Rollouts() {
				if s.Type == "socket" {
					return is(s)
				}
			}
			return false
		})
	}
	b := open(t, w.url())
	b.visit("/rollouts/socket")
	do := func(verb, words string) {
		t.Helper()
		b.click(verb)
		b.says(words) // what it will do, and to how many
		b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	}
	do("Approve", "2 devices in all")
	state("it is approved", func(s rollout.State) bool { return !s.Opened.IsZero() })
	do("Pause", "No further device of 2 devices")
	state("it is paused", func(s rollout.State) bool { return s.Status == rollout.Paused })
	b.says("Paused")
	do("Resume", "2 devices not yet on v2")
	state("it runs", func(s rollout.State) bool { return s.Status == rollout.Running })
	do("Everywhere now", "All 2 devices of socket")
	state("it is everywhere", func(s rollout.State) bool { return s.Status == rollout.Complete })
	b.says("Generally available")

	w.publish("socket", "v3")
	w.firmwareSeen("socket")
	b.wait(`document.querySelector("h1").innerText.includes("v3")`)
	do("Abort", "2 devices are not told of v3 any more")
	state("it is aborted", func(s rollout.State) bool { return s.Status == rollout.Aborted })
	b.says("Aborted")
	b.fine()
}

// The settings of device code are shown, and operators set them. What is refused is said.
func TestSettingsOfADeviceAreSet(t *testing.T) {
	t.Parallel()
	w := house(t)
	heard := make(chan string, 100)
	if err := w.devices.Subscribe("home/00c001/setting/+/set", func(m broker.Message) {
		heard <- strings.TrimPrefix(m.Topic, "home/00c001/setting/") + " " + string(m.Payload)
		w.devices.Publish(strings.TrimSuffix(m.Topic, "/set"), m.Payload, true)
	}); err != nil {
		t.Fatal(err)
	}
	told := func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("the device is told %q, not %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the device is not told %q", want)
		}
	}
	b := open(t, w.url())
	b.visit("/devices/00c001")
	b.wait(`!document.querySelector("#section-settings")`)
	w.says("00c001", "setting/interval", "60")
	w.says("00c001", "setting/enabled", "0")
	w.says("00c001", "setting", `{"interval":{"type":"number","label":"<b>Interval</b>","default":"60","min":10,"max":3600,"unit":"s"},`+
		`"mode":{"type":"select","default":"slow","options":["slow","fast"]},"enabled":{"type":"switch","default":"1"},"odd":{"type":"colour","default":"red"}}`)
	b.says("60 s") // without a reload
	b.says("<b>Interval</b>")
	b.says(`setting: odd: type: "colour" is none of`)

	press := func(label string) {
		t.Helper()
		b.clickAt(`[...document.querySelectorAll("button")].find((e) => e.ariaLabel?.startsWith("` + label + `"))`)
	}
	press("Change <b>Interval")
	b.says("A whole number from 10 to 3600.")
	b.enter("<b>Interval</b>", "90")
	b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	told("interval/set 90")
	b.says("90 s is wanted for this device.")

	press("Change <b>Interval")
	b.enter("<b>Interval</b>", "9")
	b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	b.says("9 is less than 10")

	press("Change mode")
	b.choose("mode", "fast")
	b.clickAt(`document.querySelector("dialog button[value=yes]")`)
	told("mode/set fast")
	b.says("fast is wanted for this device.")

	b.clickAt(`document.querySelector("#section-settings ~ dl [role=switch]")`)
	told("enabled/set 1")
	b.wait(`document.querySelector("#section-settings ~ dl [role=switch]").getAttribute("aria-checked") === "true"`)

	press("Let go of mode")
	b.wait(`!document.body.innerText.includes("fast is wanted")`)
	b.fine()
}
