package broker

import (
	"context"
	"errors"
	"sync"
)

// Clear removes what is retained on all topics that match a filter.
func (b *Broker) Clear(filter string) error {
	var failed error
	for _, p := range b.server.Topics.Messages(filter) {
		failed = errors.Join(failed, b.Publish(p.TopicName, nil, true))
	}
	return failed
}

// Clear removes what is retained on all topics that match a filter. The context limits the
// wait for the broker to tell what that is. The connection should be used for nothing else:
// it stays subscribed.
func (c *Connection) Clear(ctx context.Context, filter string) error {
	var mu sync.Mutex
	var topics []string
	err := c.Subscribe(filter, func(m Message) {
		mu.Lock()
		defer mu.Unlock()
		if m.Retained && len(m.Payload) > 0 {
			topics = append(topics, m.Topic)
		}
	})
	if err != nil {
		return err
	}
	failed := c.Settle(ctx)
	mu.Lock()
	found := topics
	mu.Unlock()
	for _, topic := range found {
		failed = errors.Join(failed, c.Publish(topic, nil, true))
	}
	return failed
}
