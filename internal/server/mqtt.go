package server

import (
	"context"
	"time"

	"esper/internal/api"
	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/heartbeat"
	"esper/internal/homeassistant"
	"esper/internal/rollout"
	"esper/internal/waiting"
)

// announce tells the devices to ask when a roll-out goes on to more of them. Those whose turn
// it is not are told so.
func (s *Server) announce(e rollout.Event) {
	client := s.client.Load()
	more := e.Kind == rollout.StageBegun || e.Kind == rollout.ReleaseGeneral && e.Stage > 0
	if !more || client == nil {
		return
	}
	go func() { // the broker may be slow, and the conductor waits for us
		if err := (*client).Publish(s.config.Realm+"/update", nil, false); err != nil {
			s.log.Warn("the devices are not told that a roll-out goes on", "error", err)
		}
	}()
}

// watchFleet runs the broker, or connects to one, and follows what the devices
// report, until the context ends.
func (s *Server) watchFleet(ctx context.Context) error {
	client, err := s.broker(ctx)
	if ctx.Err() != nil && client == nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer client.Close()
	for _, filter := range fleet.Topics(s.config.Realm) {
		if err := client.Subscribe(filter, s.hear); err != nil {
			return err
		}
	}
	if err := client.Subscribe(fleet.FeatureTopics(s.config.Realm), s.hearFeature); err != nil {
		return err
	}
	for _, filter := range fleet.SettingTopics(s.config.Realm) {
		err := client.Subscribe(filter, func(m broker.Message) {
			if id, news := s.reported.Handle(m.Topic, m.Payload, receivedAt(m)); news {
				s.live.Setting(id)
			}
		})
		if err != nil {
			return err
		}
	}
	err = client.Subscribe(waiting.Topics(s.config.Realm), func(m broker.Message) { s.waiting.Handle(m.Topic, m.Payload) })
	if err != nil {
		return err
	}
	s.client.Store(&client)
	if s.config.Heartbeat > 0 {
		s.log.Info("publishing the heartbeat", "topic", heartbeat.Topic(s.config.Realm), "interval", s.config.Heartbeat)
		go heartbeat.Send(ctx, client, s.config.Realm, s.config.Heartbeat, s.log)
	}
	if s.config.HomeAssistant.Prefix == "" {
		<-ctx.Done()
		return nil
	}
	s.log.Info("telling Home Assistant about the devices", "discovery_prefix", s.config.HomeAssistant.Prefix)
	return homeassistant.New(homeassistant.Config{
		Options: s.config.HomeAssistant, Realm: s.config.Realm, Fleet: s.fleet, Log: s.log, Wanted: s.conductor.Wanted,
		Features: s.features, Settings: s.reported,
	}).Run(ctx, client)
}

// broker starts the embedded broker, or connects to the external one, however long
// that takes: firmware is served meanwhile.
func (s *Server) broker(ctx context.Context) (broker.Client, error) {
	if s.mqtt != nil {
		discovery := s.config.HomeAssistant.Prefix
		if discovery == "" { // it says there that it is online, whoever wants to know
			discovery = homeassistant.DefaultPrefix
		}
		b, err := broker.Serve(s.mqtt, broker.Options{
			Realm: s.config.Realm, Discovery: discovery, User: s.config.MQTTUser, Password: s.config.MQTTPassword,
			Devices: s.devices, OwnOnly: s.config.MQTTOwnOnly, Token: s.guard.Keeper.Check, Log: s.log,
		})
		if err != nil {
			return nil, err
		}
		s.log.Info("serving MQTT", "address", b.Addr().String())
		if s.config.MQTTOwnOnly {
			s.log.Info("devices are let in with their own passwords only", "registered", len(s.devices.All()))
		}
		return b, nil
	}
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		c, err := broker.Dial(ctx, s.config.ExternalMQTT, s.log)
		if err == nil {
			c.OnReconnect(s.waiting.Reconnected)
			s.log.Info("connected to the MQTT broker", "broker", c.String())
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.log.Warn("no MQTT broker yet", "error", err, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// mqttAccess returns what the server does about devices that log in.
func (s *Server) mqttAccess() api.MQTTAccess {
	switch {
	case s.config.ExternalMQTT != nil:
		return api.MQTTAccess{Broker: api.ExternalBroker, Shared: !s.config.MQTTOwnOnly}
	case s.config.MQTTUser == "" && s.config.MQTTPassword == "":
		return api.MQTTAccess{Broker: api.OpenBroker, Shared: true}
	}
	return api.MQTTAccess{Broker: api.EmbeddedBroker, Shared: !s.config.MQTTOwnOnly}
}

// tell tells one device to look for a release, or without an id all of them. A device that is
// told by its own topic also tries again what it has refused.
func (s *Server) tell(id string) error {
	if id == "" {
		return s.publish("update", "check")
	}
	return s.command(id, "update", "check")
}

// command sends a message to a device, at a topic after <realm>/<id>/.
func (s *Server) command(id, topic, payload string) error { return s.publish(id+"/"+topic, payload) }

// publish sends a message at a topic after <realm>/.
func (s *Server) publish(topic, payload string) error {
	client := s.client.Load()
	if client == nil || !(*client).Connected() {
		return api.ErrNoBroker
	}
	return (*client).Publish(s.config.Realm+"/"+topic, []byte(payload), false)
}

// connected says whether there is a broker.
func (s *Server) connected() bool {
	client := s.client.Load()
	return client != nil && (*client).Connected()
}
