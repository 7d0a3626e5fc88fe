package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// retained sends the retained messages to who subscribes, as fast as the client
// takes them. The library puts them all into the client's queue and drops what does
// not fit, so that a client would learn of a thousand messages at most.
//
// They are sent before the acknowledgement, which MQTT 3.1.1 allows (3.8.4). It does
// so for subscriptions at QoS 0 and leaves the others, and MQTT 5, to the library.
type retained struct {
	mqtt.HookBase
	server *mqtt.Server
}

// notByLibrary is MQTT 5's retain handling "do not send retained messages".
const notByLibrary = 2

func (*retained) ID() string { return "retained" }

func (*retained) Provides(event byte) bool {
	return event == mqtt.OnSubscribe || event == mqtt.OnSubscribed
}

// OnSubscribe takes the retained messages out of the library's hands.
func (r *retained) OnSubscribe(client *mqtt.Client, p packets.Packet) packets.Packet {
	if client.Net.Inline || client.Properties.ProtocolVersion >= 5 {
		return p
	}
	for i := range p.Filters {
		if p.Filters[i].Qos == 0 && !mqtt.IsSharedFilter(p.Filters[i].Filter) {
			p.Filters[i].RetainHandling = notByLibrary
		}
	}
	return p
}

// OnSubscribed sends them. It runs on the goroutine of the client's connection, so
// a slow one waits for itself only, until its keep-alive ends.
func (r *retained) OnSubscribed(client *mqtt.Client, p packets.Packet, codes []byte) {
	if client.Net.Inline || client.Properties.ProtocolVersion >= 5 {
		return
	}
	for i, filter := range p.Filters {
		if filter.RetainHandling != notByLibrary || codes[i] >= packets.ErrUnspecifiedError.Code {
			continue
		}
		for _, m := range r.server.Topics.Messages(filter.Filter) {
			// Looked up again, for the list may have become old on the way.
			now, ok := r.server.Topics.Retained.Get(m.TopicName)
			if !ok {
				continue
			}
			out := now.Copy(false)
			out.FixedHeader.Retain = true
			out.FixedHeader.Qos = 0
			out.PacketID = 0
			if client.WritePacket(out) != nil {
				return
			}
		}
	}
}
