package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// listener hands connections to the broker library. The library's own one has a
// data race between connections, and takes any number of them before they log in.
type listener struct {
	net.Listener
	log *slog.Logger

	mu          sync.Mutex
	connections map[net.Conn]bool
	closed      bool
}

func newListener(l net.Listener, log *slog.Logger) *listener {
	return &listener{Listener: l, log: log, connections: map[net.Conn]bool{}}
}

func (*listener) ID() string              { return "tcp" }
func (*listener) Protocol() string        { return "tcp" }
func (l *listener) Address() string       { return l.Addr().String() }
func (*listener) Init(*slog.Logger) error { return nil }

// Serve accepts connections until the listener is closed.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		connection, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: others may be closed soon
			l.log.Warn("MQTT connection not accepted", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !l.add(connection) {
			l.log.Warn("MQTT connection refused: too many", "remote", connection.RemoteAddr(), "limit", MaxConnections)
			connection.Close()
			continue
		}
		go l.serve(connection, establish)
	}
}

// add counts a connection in, if there is room.
func (l *listener) add(connection net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.connections) >= MaxConnections {
		return false
	}
	l.connections[connection] = true
	return true
}

func (l *listener) remove(connection net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.connections, connection)
}

// serve holds one connection until its end. A panic ends that connection, not
// the process: what arrives is the client's.
func (l *listener) serve(connection net.Conn, establish listeners.EstablishFn) {
	defer l.remove(connection)
	defer connection.Close()
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("MQTT connection ended by a panic", "remote", connection.RemoteAddr(), "panic", p)
		}
	}()
	if err := establish(l.ID(), connection); err != nil && !errors.Is(err, io.EOF) {
		l.log.Debug("MQTT connection ended", "remote", connection.RemoteAddr(), "error", err)
	}
}

// Close stops listening and ends all connections, also those that never logged in:
// the library waits for them. Its own way comes second, since it would write to
// clients, of which one may not be reading.
func (l *listener) Close(closeClients listeners.CloseFn) {
	l.Listener.Close()
	l.mu.Lock()
	l.closed = true
	for connection := range l.connections {
		connection.Close()
	}
	l.mu.Unlock()
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
