package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"esper/internal/api"
)

// How events are followed.
const (
	maxEvent    = 1 << 20 // bytes of a line
	followAgain = time.Second
	silence     = 45 * time.Second // three of the server's comments
)

// Events calls handle for each event that the server tells ([api.HelloEvent] is the first),
// until the context ends, the connection breaks, or handle fails.
func (c *Client) Events(ctx context.Context, handle func(name string, data []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := c.send(ctx, request{method: http.MethodGet, path: []string{"events"}}, nil, "")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	heard := time.AfterFunc(silence, cancel)
	defer heard.Stop()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxEvent)
	name := ""
	for lines.Scan() {
		heard.Reset(silence)
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "event":
			name = value
		case "data": // the server sends it in one line, behind the name
			if err := handle(name, []byte(value)); err != nil {
				return err
			}
		}
	}
	if err := cmp.Or(lines.Err(), io.ErrUnexpectedEOF); ctx.Err() == nil {
		return fmt.Errorf("the events of %s break off: %w", c.Server.Redacted(), err)
	}
	return ctx.Err()
}

// Mirror is the devices of a server, as they are now.
type Mirror struct {
	mu      sync.Mutex
	devices map[string]api.Device
	changed chan struct{}
}

// Follow returns the devices of a server and keeps them up to date until the context ends. When
// the connection breaks it connects again. What is wrong meanwhile is told to note.
func (c *Client) Follow(ctx context.Context, note func(error)) (*Mirror, error) {
	m := &Mirror{changed: make(chan struct{})}
	if err := m.read(ctx, c); err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			err := c.Events(ctx, func(name string, data []byte) error { return m.take(ctx, c, name, data) })
			if ctx.Err() != nil {
				return
			}
			note(err)
			select {
			case <-time.After(followAgain):
			case <-ctx.Done():
			}
		}
	}()
	return m, nil
}

// read reads all devices anew.
func (m *Mirror) read(ctx context.Context, c *Client) error {
	found, err := c.Devices(ctx, api.DeviceQuery{})
	if err != nil {
		return err
	}
	m.change(func() {
		m.devices = map[string]api.Device{}
		for _, d := range found {
			m.devices[d.ID] = d
		}
	})
	return nil
}

// take takes in an event. Those of another kind change no device.
func (m *Mirror) take(ctx context.Context, c *Client, name string, data []byte) error {
	switch name {
	case api.HelloEvent:
		return m.read(ctx, c)
	case api.DeviceEvent:
		var d api.Device
		if err := json.Unmarshal(data, &d); err != nil || d.ID == "" {
			return errors.New("the server tells of a device what cannot be read")
		}
		m.change(func() { m.devices[d.ID] = d })
	case api.RemovedEvent:
		var gone api.Removed
		if err := json.Unmarshal(data, &gone); err != nil {
			return err
		}
		m.change(func() { delete(m.devices, gone.ID) })
	}
	return nil
}

func (m *Mirror) change(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
	close(m.changed)
	m.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change. To miss none, get the channel
// before Devices.
func (m *Mirror) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Devices returns the devices, sorted by type and then id.
func (m *Mirror) Devices() []api.Device {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.devices), func(a, b api.Device) int {
		return cmp.Or(cmp.Compare(a.Type(), b.Type()), cmp.Compare(a.ID, b.ID))
	})
}
