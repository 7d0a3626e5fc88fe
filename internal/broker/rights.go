package broker

import (
	"strings"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"

	"esper/internal/access"
)

// party is who a client is. There are three kinds: a device; the bearer of an API token;
// and anyone, at a broker that asks for no password.
type party struct {
	device string       // a device's chip id
	name   string       // of a token
	secret string       // the token, or the device's own password; a device without has shown the shared one
	role   atomic.Value // access.Role
}

func (p *party) isDevice() bool { return p.device != "" }
func (p *party) isAnyone() bool { return p.device == "" && p.name == "" }

// rights say who may publish and read what (docs/SPEC.md section 7.5).
type rights struct {
	realm, discovery string
}

// publish says whether a topic may be published by a party whose client id is given.
func (r rights) publish(p *party, clientID, topic string) bool {
	switch {
	case !mqtt.IsValidFilter(topic, true): // which a last will may be
		return false
	case p.isAnyone():
		return true
	case p.isDevice():
		return strings.HasPrefix(topic, r.realm+"/"+p.device+"/")
	case topic == clientID+"/settled" && !strings.Contains(clientID, "/"):
		return true // Connection.Settle: read by nobody else
	}
	switch p.role.Load().(access.Role) {
	case access.Operator:
		return strings.HasPrefix(topic, r.realm+"/") || strings.HasPrefix(topic, r.discovery+"/")
	case access.Publisher:
		return topic == r.realm+"/update" || topic == r.realm+"/heartbeat"
	}
	return false
}

// read says whether a topic may be read, or a filter be subscribed to. A device's filter
// begins with its own topic, so no wildcard in it reaches beyond.
//
// Nobody may share a subscription: ESPer does not, and the library looks at each group for each
// message.
func (r rights) read(p *party, filter string) bool {
	if !p.isDevice() {
		return !mqtt.IsSharedFilter(filter)
	}
	switch filter {
	case r.realm + "/update", r.realm + "/heartbeat", r.realm + "/reboot":
		return true
	}
	return strings.HasPrefix(filter, r.realm+"/"+p.device+"/")
}

// owner is the device that a topic belongs to, or empty.
func (r rights) owner(topic string) string {
	below, ok := strings.CutPrefix(topic, r.realm+"/")
	if !ok {
		return ""
	}
	id, _, ok := strings.Cut(below, "/")
	if !ok || !isChipID(id) {
		return ""
	}
	return id
}

// isChipID says whether a client id is that of a device: 6 lower-case hex digits.
func isChipID(id string) bool {
	return len(id) == 6 && strings.Trim(id, "0123456789abcdef") == ""
}
