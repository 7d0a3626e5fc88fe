package dashboard_test

import (
	"strings"
	"testing"
	"time"

	"esper/internal/broker"
)

// allKinds are features of each kind, and their attributes.
const (
	allKinds = `"features":{"relay":"switch","lamp":"light","strip":"light","motion":"binary_sensor","door":"binary_sensor","power":"sensor",
		"screen":"sensor","target":"number","mode":"select","bell":"button","key":"event","blind":"cover","gate":"cover","uptime_h":"sensor","debug":"switch","led":"switch"},`
	allAttributes = `{"strip":{"name":"LED strip","brightness":true,"color":true},"door":{"device_class":"door"},
		"power":{"name":"<b>Power</b>","unit":"W","precision":2},"screen":{"text":true},"target":{"name":"Target","unit":"°C","min":5,"max":30,"step":0.5},
		"mode":{"name":"Mode","options":["eco","comfort"]},"key":{"name":"Key","options":["single","double","long"]},"blind":{"name":"Blind","position":true},
		"uptime_h":{"category":"diagnostic","unit":"h"},"debug":{"enabled":false},"led":{"category":"config","name":"Status LED"}}`
)

// answers has the device obey: it answers each command with the state that it leads to. It returns
// what waits for a command.
func (w *world) answers(id string) func(want string) {
	w.t.Helper()
	states := map[string]string{
		`strip {"state":"ON","brightness":51}`:                 `{"state":"ON","brightness":51,"color":{"r":255,"g":128,"b":0}}`,
		`strip {"state":"ON","color":{"r":0,"g":128,"b":255}}`: `{"state":"ON","brightness":51,"color":{"r":0,"g":128,"b":255}}`,
		`strip 0`:     `{"state":"OFF","brightness":51,"color":{"r":0,"g":128,"b":255}}`,
		`blind open`:  `{"state":"opening","position":41}`,
		`blind stop`:  `{"state":"stopped","position":60}`,
		`blind close`: `{"state":"closing","position":59}`,
		`blind 75`:    `{"state":"opening","position":74}`,
		`gate open`:   `{"state":"open"}`,
	}
	heard := make(chan string, 100)
	if err := w.devices.Subscribe("home/"+id+"/+/set", func(m broker.Message) {
		name := strings.TrimSuffix(strings.TrimPrefix(m.Topic, "home/"+id+"/"), "/set")
		command := name + " " + string(m.Payload)
		heard <- command
		state, known := states[command]
		if !known {
			state = string(m.Payload)
		}
		if name != "bell" {
			w.says(id, name, state)
		}
	}); err != nil {
		w.t.Fatal(err)
	}
	return func(want string) {
		w.t.Helper()
		select {
		case got := <-heard:
			if got != want {
				w.t.Errorf("the device is told %q, not %q", got, want)
			}
		case <-time.After(patience):
			w.t.Fatalf("the device is not told %q", want)
		}
	}
}

// room is a house with a device that has features of all kinds.
func room(t *testing.T) *world {
	t.Helper()
	w := house(t)
	w.says("00c001", "info", strings.Replace(info("00c001", "socket", "v1", -61), `"features":{"relay":"switch","motion":"binary_sensor","power":"sensor"},`, allKinds, 1))
	w.says("00c001", "features", allAttributes)
	for name, state := range map[string]string{
		"relay": "0", "lamp": "0", "strip": `{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, "motion": "None", "door": "1", "power": "42.5",
		"screen": "Hello <i>you</i>", "target": "21.5", "mode": "eco", "blind": `{"state":"closed","position":0}`, "gate": `{"state":"closed"}`,
		"uptime_h": "17", "debug": "1", "led": "1",
	} {
		w.says("00c001", name, state)
	}
	return w
}

// Each kind is shown and can be operated. The state is what the device answers.
func TestFeaturesOfAllKindsAreOperated(t *testing.T) {
	t.Parallel()
	w := room(t)
	told := w.answers("00c001")
	b := open(t, w.url())
	b.visit("/devices/00c001")
	shows := func(name, want string) {
		t.Helper()
		b.wait(`text("[data-key=` + name + `] .state") === ` + quote(want))
	}
	press := func(label string) {
		t.Helper()
		b.clickAt(`find("button", ` + quote(label+" of 00c001") + `)`)
	}
	set := func(label, value string) {
		t.Helper()
		field := `find("input", ` + quote(label+" of 00c001") + `)`
		b.wait(field + " && !" + field + ".disabled")
		eval[bool](b, `(() => { const f = `+field+`; f.value = `+quote(value)+`; f.dispatchEvent(new Event("change", { bubbles: true })); return true; })()`)
	}
	for name, want := range map[string]string{
		"relay": "○ Off", "lamp": "○ Off", "strip": "● On, 50 %, #ff8000", "motion": "no value", "door": "● Open", "power": "42.50 W", "screen": "Hello <i>you</i>",
		"target": "21.5 °C", "mode": "eco", "key": "nothing yet", "blind": "Closed, 0 %", "gate": "Closed", "uptime_h": "17 h", "led": "● On",
	} {
		shows(name, want)
	}
	b.says("<b>Power</b>")
	if order := eval[[]string](b, `[...document.querySelectorAll("#section-features ~ *")].map((e) => e.tagName === "DL" ? e.lastElementChild.dataset.key : e.firstElementChild?.innerText ?? e.innerText)`); strings.Join(order, ",") != "target,Configuration,led,Diagnostics,uptime_h,Hidden, 1" {
		t.Errorf("order %q", order)
	}

	press("relay")
	told("relay 1")
	shows("relay", "● On")
	press("lamp")
	told("lamp 1")
	shows("lamp", "● On")
	set("Brightness of LED strip", "51")
	told(`strip {"state":"ON","brightness":51}`)
	shows("strip", "● On, 20 %, #ff8000")
	set("Colour of LED strip", "#0080ff")
	told(`strip {"state":"ON","color":{"r":0,"g":128,"b":255}}`)
	shows("strip", "● On, 20 %, #0080ff")
	press("LED strip")
	told("strip 0")
	shows("strip", "○ Off, 20 %, #0080ff")

	number := `find("input", "Target of 00c001")`
	b.clickAt(number)
	eval[bool](b, "("+number+".select(), true)")
	b.press("18.5")
	eval[bool](b, "("+number+".blur(), true)")
	w.says("00c001", "target", "22") // meanwhile: what a person types stays
	shows("target", "22 °C")
	press("Set Target")
	told("target 18.5")
	shows("target", "18.5 °C")
	b.clickAt(number)
	eval[bool](b, "("+number+".select(), true)")
	b.press("31\r") // the browser says what is allowed
	b.wait(number + ".matches(':invalid')")
	eval[bool](b, "("+number+".value = '19', true)")
	b.press("\r")
	told("target 19")

	mode := `find("select", "Mode of 00c001")`
	b.wait(mode + `.value === "eco"`)
	eval[bool](b, `(() => { const f = `+mode+`; f.value = "comfort"; f.dispatchEvent(new Event("input", { bubbles: true })); return true; })()`)
	press("Set Mode")
	told("mode comfort")
	shows("mode", "comfort")
	press("Press bell")
	told("bell press")
	b.says("bell is told to do it.")

	if err := w.devices.Publish("home/00c001/key", []byte(`{"event_type":"double"}`), false); err != nil {
		t.Fatal(err)
	}
	shows("key", "double, just now")

	for _, c := range []struct{ press, told, state string }{
		{"Open Blind", "blind open", "Opening, 41 %"}, {"Stop Blind", "blind stop", "Stopped, 60 %"}, {"Close Blind", "blind close", "Closing, 59 %"},
	} {
		press(c.press)
		told(c.told)
		shows("blind", c.state)
	}
	set("Position of Blind", "75")
	told("blind 75")
	shows("blind", "Opening, 74 %")
	press("Open gate")
	told("gate open")
	if eval[bool](b, `Boolean(find("input", "Position of gate of 00c001"))`) {
		t.Error("a cover without a position has one")
	}
	b.clickAt(`find("summary", "Hidden, 1")`)
	press("debug")
	told("debug 0")
	shows("debug", "○ Off")

	// What cannot be used is said, until it is mended; and what the attributes become is shown.
	w.says("00c001", "mode", "fast")
	b.says(`"fast" is not one of its options`)
	w.says("00c001", "features", strings.Replace(allAttributes, `"comfort"`, `"fast"`, 1))
	shows("mode", "fast")
	b.wait(mode + `.value === "fast" && ` + mode + `.options.length === 2`)
	b.wait(`!document.querySelector(".problems")`)
	b.fine()
}
