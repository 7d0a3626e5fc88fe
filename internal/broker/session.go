package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxUnreleased is how many messages at QoS 2 a client may have begun to send.
const maxUnreleased = 64

// forgetSession sees to it that nothing of a session outlives its connection, which MQTT allows
// (3.1.1, 4.1; 5.0, 3.2.2.3.2): devices begin clean ones, programs subscribe again when they come
// back, and whoever makes up client ids would otherwise fill the memory. The answer to the login
// says so. MQTT 5's delay of a last will would outlast it, too, and topic aliases are more to
// remember.
//
// What is subscribed to is sent at QoS 0, whatever was asked for (3.1.1, 3.8.4): so nothing waits
// to be acknowledged. ESPer publishes at QoS 0 itself. (The library also takes a lock twice there,
// which stops the broker when another goroutine wants it in between.)
func forgetSession(client *mqtt.Client) {
	client.Properties.Clean = true
	client.Properties.Will.WillDelayInterval = 0
	client.Properties.Props.TopicAliasMaximum = 0
}

// end removes what the library has of a client whose connection has ended. The library does so
// itself, unless it panicked, or could not answer the login.
func (g *gate) end(c *connection) {
	if client, ok := g.server.Clients.Get(c.id); !ok || client != c.client {
		return
	}
	c.client.Stop(packets.ErrUnspecifiedError)
	defer g.server.Clients.Delete(c.id)
	defer c.client.ClearInflights()
	defer g.server.UnsubscribeClient(c.client)
	defer func() {
		if p := recover(); p != nil { // the will itself is what it cannot take
			g.refuse("packet", "the broker cannot take a last will", "client", clip(c.id), "panic", p)
		}
	}()
	// What the library does about a second CONNECT is its only way to send a last will.
	second := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}}
	_ = g.server.InjectPacket(c.client, second)
}
