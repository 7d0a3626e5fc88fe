package devicesetting

import "fmt"

// Scope is what a wanted value is for.
type Scope string

// The scopes. The first has precedence over the second, and that over the third.
const (
	OfDevice Scope = "device"
	OfGroup  Scope = "group"
	OfType   Scope = "type"
)

// Scopes are all scopes, in the order of their precedence.
var Scopes = []Scope{OfDevice, OfGroup, OfType}

// MaxWanted is how many settings of a device, a group or a device type can have a wanted value.
const MaxWanted = 64

// Wanted is a value that people want a setting to have.
type Wanted struct {
	Scope Scope  `json:"scope" enum:"device,group,type"`
	Of    string `json:"of" doc:"chip id, group or device type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Validate returns what is wrong with a wanted value, as far as that is known without a declaration.
func (w Wanted) Validate() error {
	switch {
	case w.Of == "":
		return fmt.Errorf("the %s has no name", w.Scope)
	case !IsName(w.Name):
		return fmt.Errorf("%.40q cannot be the name of a setting: 1 to 32 of a-z, 0-9 and _, the first a letter", w.Name)
	case len(w.Value) > MaxText || !isPrintable(w.Value):
		return fmt.Errorf("%.70q is not at most %d bytes of printable text", w.Value, MaxText)
	}
	return nil
}
