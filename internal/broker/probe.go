package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// probeID is the client id of [Probe]: that of a chip, since user and password of devices let
// nobody else in, and of no real one.
const probeID = "000000"

// Probe reports whether a broker (see [ParseURL]; mqtt:// only) lets devices in: it logs in with
// the URL's user and password, as a device does, and leaves. If it does not, the error is an
// [ErrNotAuthorised].
func Probe(ctx context.Context, u *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := u.Scheme + "://" + u.Host
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("connect to MQTT broker %s: %w", name, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession, p.Keepalive = "MQTT", 4, true, uint16(patience/time.Second)
	p.ClientIdentifier, p.Username = probeID, u.User.Username()
	password, _ := u.User.Password()
	p.UsernameFlag, p.PasswordFlag, p.Password = p.Username != "", password != "", []byte(password)
	if err := p.Write(conn); err != nil {
		return fmt.Errorf("log in to MQTT broker %s: %w", name, err)
	}
	var answer [4]byte // CONNACK: 0x20, 2, flags, return code (MQTT 3.1.1, section 3.2)
	_, err = io.ReadFull(conn, answer[:])
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("log in to MQTT broker %s: no answer in %s", name, patience)
	case err != nil || answer[0] != packets.Connack<<4 || answer[1] != 2:
		return fmt.Errorf("what listens at %s does not answer as an MQTT broker", name)
	}
	switch code := answer[3]; code {
	case packets.Accepted:
		return packets.NewControlPacket(packets.Disconnect).Write(conn)
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		return fmt.Errorf("log in to MQTT broker %s: %w", name, ErrNotAuthorised)
	default:
		return fmt.Errorf("log in to MQTT broker %s: it refuses, with return code %d", name, code)
	}
}
