package broker

import (
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// retained sends the retained messages to who subscribes, as fast as the client
// takes them. The library puts them all into the client's queue and drops what does
// not fit, so that a client would learn of a thousand messages at most.
//
// They are sent before the acknowledgement, which MQTT allows (3.1.1, 3.8.4; 5.0, 3.8.4).
type retained struct {
	mqtt.HookBase
	server *mqtt.Server
	gate   *gate
}

// What MQTT 5 lets clients ask for: the retained messages always, if the subscription is new, or
// never.
const (
	retainedIfNew = 1
	retainedNever = 2
)

func (*retained) ID() string { return "retained" }

func (*retained) Provides(event byte) bool {
	return event == mqtt.OnSubscribe || event == mqtt.OnSubscribed
}

// OnSubscribe takes the retained messages out of the library's hands, and grants QoS 0 (see
// forgetSession).
func (r *retained) OnSubscribe(client *mqtt.Client, p packets.Packet) packets.Packet {
	c, ok := client.Net.Conn.(*connection)
	if !ok {
		return p
	}
	c.sendRetained = make([]bool, len(p.Filters))
	named := map[string]bool{}
	for i := range p.Filters {
		f := &p.Filters[i]
		_, has := client.State.Subscriptions.Get(f.Filter)
		unwanted := f.RetainHandling == retainedNever || f.RetainHandling == retainedIfNew && has
		c.sendRetained[i] = !unwanted && !named[f.Filter]
		named[f.Filter] = true
		f.Qos, f.RetainHandling = 0, retainedNever
	}
	return p
}

// OnSubscribed sends them. It runs on the goroutine of the client's connection, so
// a slow one waits for itself only.
func (r *retained) OnSubscribed(client *mqtt.Client, p packets.Packet, codes []byte) {
	c, ok := client.Net.Conn.(*connection)
	if !ok {
		return
	}
	for i, filter := range p.Filters {
		if !c.sendRetained[i] || codes[i] >= packets.ErrUnspecifiedError.Code {
			continue
		}
		for _, m := range r.find(c, filter.Filter) {
			// Looked up again, for the list may have become old on the way.
			now, ok := r.server.Topics.Retained.Get(m.TopicName)
			if !ok {
				continue
			}
			out := now.Copy(false)
			out.FixedHeader.Retain = true
			out.FixedHeader.Qos = 0
			out.PacketID = 0
			if filter.Identifier > 0 {
				out.Properties.SubscriptionIdentifier = []int{filter.Identifier}
			}
			if client.WritePacket(out) != nil {
				return
			}
		}
	}
}

// find returns the retained messages that a filter matches. How long that takes is charged to the
// account, so that to subscribe to all again and again does not keep the broker busy.
func (r *retained) find(c *connection, filter string) []packets.Packet {
	began := time.Now()
	found := r.server.Topics.Messages(filter)
	scans := func(a *account) *bucket { return &a.scans }
	wait := r.gate.accounts.take(c.account, scans, scanRate, time.Since(began).Seconds())
	if wait > 0 {
		r.gate.slowed.Add(1)
		r.gate.pause(wait)
	}
	return found
}
