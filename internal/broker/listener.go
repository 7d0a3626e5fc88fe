package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"esper/internal/connections"
)

// listener hands connections to the broker library. The library's own one has a
// data race between connections, and takes any number of them before they log in.
type listener struct {
	net.Listener
	log  *slog.Logger
	gate *gate

	mu          sync.Mutex
	connections map[*connection]bool
	closed      bool
	serving     sync.WaitGroup // one for each of connections
}

func newListener(l net.Listener, gate *gate, log *slog.Logger) *listener {
	return &listener{Listener: l, gate: gate, log: log, connections: map[*connection]bool{}}
}

// connection is one that came in. The library holds it as the client's, so by it the client's
// party is found.
type connection struct {
	net.Conn
	from  netip.Prefix
	read  int    // bytes before the login
	id    string // the client's, which it takes the place of; empty before the login
	ended chan struct{}

	// Since the login, and party is nil before:
	party   *party
	client  *mqtt.Client
	account string

	// Of the goroutine that reads:
	packets       bucket            // of a device
	subscriptions map[string]amount // by filter
	sendRetained  []bool            // for each filter of the packet that is being answered
}

// Read reads, but before the login no more than that takes.
func (c *connection) Read(p []byte) (int, error) {
	if c.party != nil {
		return c.Conn.Read(p)
	}
	if c.read >= maxLogin {
		return 0, errors.New("too long a login")
	}
	n, err := c.Conn.Read(p[:min(len(p), maxLogin-c.read)])
	c.read += n
	return n, err
}

// SetDeadline is asked for with each packet that comes, and sets the deadline of reading. Writing
// has its own: a client that sends but does not read would put it off for ever.
func (c *connection) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Write writes, and ends the connection if that takes too long: what waits for a client that does
// not read is kept in memory, and the library goes on with a packet that was written in part.
func (c *connection) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(writeTime))
	n, err := c.Conn.Write(p)
	if err != nil {
		c.Close()
	}
	return n, err
}

func (*listener) ID() string              { return "tcp" }
func (*listener) Protocol() string        { return "tcp" }
func (l *listener) Address() string       { return l.Addr().String() }
func (*listener) Init(*slog.Logger) error { return nil }

// Serve accepts connections until the listener is closed.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		accepted, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: others may be closed soon
			l.log.Warn("MQTT connection not accepted", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		c := &connection{Conn: accepted, from: connections.Address(accepted.RemoteAddr()), ended: make(chan struct{}), subscriptions: map[string]amount{}}
		if limit := l.gate.addresses.enter(c.from); limit != "" {
			l.gate.refuse("limit", limit, "remote", accepted.RemoteAddr().String())
			accepted.Close()
			continue
		}
		go l.serve(c, establish)
	}
}

// add notes a connection, unless the listener is closed.
func (l *listener) add(c *connection) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.connections[c] = true
		l.serving.Add(1)
	}
	return !l.closed
}

func (l *listener) remove(c *connection) {
	c.Close()
	l.gate.left(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connections[c] {
		delete(l.connections, c)
		l.serving.Done()
	}
}

// serve holds one connection until its end. A panic ends that connection, not
// the process: what arrives is the client's.
func (l *listener) serve(connection *connection, establish listeners.EstablishFn) {
	defer l.remove(connection)
	if !l.add(connection) {
		return
	}
	connection.SetDeadline(time.Now().Add(loginTime)) // the library sets it again with the login
	defer func() {
		if p := recover(); p != nil {
			l.gate.refuse("packet", "it sent what the broker cannot take", "remote", connection.RemoteAddr().String(), "panic", p)
		}
	}()
	if err := establish(l.ID(), connection); err != nil && !errors.Is(err, io.EOF) {
		l.log.Debug("MQTT connection ended", "remote", connection.RemoteAddr(), "error", err)
	}
}

// Close stops listening and ends all connections, also those that never logged in:
// the library waits for them. Its own way comes second, when there is nobody left: it would write to
// clients, of which one may not be reading, and it takes the same lock twice to list them (v2.7.9,
// Clients.GetByListener), so that one that leaves in between would stop both for ever.
func (l *listener) Close(closeClients listeners.CloseFn) {
	l.Listener.Close()
	l.mu.Lock()
	l.closed = true
	for connection := range l.connections {
		connection.Close()
	}
	l.mu.Unlock()
	l.serving.Wait()
	closeClients(l.ID())
}

// quiet takes the library's everyday messages down to debug level.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, lower(level))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }
func (q quiet) WithGroup(name string) slog.Handler   { return quiet{q.Handler.WithGroup(name)} }

func lower(level slog.Level) slog.Level {
	if level < slog.LevelError {
		return slog.LevelDebug
	}
	return level
}
