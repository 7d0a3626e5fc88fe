package fleet

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Words returns the state as people read it, with its unit; empty if it is not known. Of an event
// it is the type of the last one.
func (f Feature) Words() string {
	a := f.Attributes
	switch {
	case f.Value == "":
		return ""
	case f.Value == none && (f.Kind == BinarySensor || f.Kind == Sensor && !a.Text):
		return "no value"
	}
	text := f.Value
	switch f.Kind {
	case Switch, BinarySensor:
		return onOff(f.Value == "1")
	case Light:
		var l lightState
		if json.Unmarshal([]byte(f.Value), &l) != nil { // 1 or 0
			return onOff(f.Value == "1")
		}
		text = onOff(l.State == "ON")
		if l.Brightness != nil {
			text += fmt.Sprintf(", %.0f %%", math.Round(float64(*l.Brightness)/2.55))
		}
		if c := l.Color; c != nil {
			text += fmt.Sprintf(", #%02x%02x%02x", *c.R, *c.G, *c.B)
		}
		return text
	case Cover:
		var c coverState
		if json.Unmarshal([]byte(f.Value), &c) == nil {
			text = c.State
			if c.Position != nil {
				text += fmt.Sprintf(", %d %%", *c.Position)
			}
		}
		return text
	case Sensor:
		if n, err := strconv.ParseFloat(f.Value, 64); err == nil && a.Precision != nil && !a.Text {
			text = strconv.FormatFloat(n, 'f', *a.Precision, 64)
		}
	}
	if a.Unit != "" {
		text += " " + a.Unit
	}
	return text
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
