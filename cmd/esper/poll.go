package main

import (
	"context"
	"sync"
	"time"

	"esper/internal/api"
	"esper/internal/client"
)

// polled is what a server tells of devices when it is asked again and again.
type polled struct {
	mu      sync.Mutex
	devices []api.Device
	changed chan struct{}
}

// poll asks a server until the context ends.
func poll(ctx context.Context, server *client.Client) (*polled, error) {
	p := &polled{changed: make(chan struct{})}
	var err error
	if p.devices, err = server.Devices(ctx, api.DeviceQuery{}); err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(time.Second)
			if found, err := server.Devices(ctx, api.DeviceQuery{}); err == nil {
				p.mu.Lock()
				p.devices = found
				close(p.changed)
				p.changed = make(chan struct{})
				p.mu.Unlock()
			}
		}
	}()
	return p, nil
}

func (p *polled) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *polled) Devices() []api.Device {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.devices
}
