// Package access decides who may do what on a server: tokens and their roles, the guard in
// front of what is served over HTTP, and the log of what was done and by whom.
package access

import "context"

// Role is what somebody may do. All may read.
type Role string

// The roles. Neither operator nor publisher includes the other: the machine that builds
// needs to upload and nothing else, and who watches the fleet uploads nothing. Nobody can
// make tokens over the network, whatever the role.
const (
	// Viewer reads: devices, history, roll-outs, releases.
	Viewer Role = "viewer"
	// Operator also acts on roll-outs and devices, and reads the audit log.
	Operator Role = "operator"
	// Publisher also uploads releases.
	Publisher Role = "publisher"

	// OperatorOrPublisher is needed for what both may: telling the devices to look for a release. No token
	// has it.
	OperatorOrPublisher Role = "operator or publisher"
	// Local is who is on the server's own machine as long as there are no tokens, and
	// may do all. No token has it.
	Local Role = "local"
	// Database is who opened the database itself. It is only in the audit log.
	Database Role = "database"
)

// Roles are those that a token can have.
var Roles = []Role{Viewer, Operator, Publisher}

// May reports whether a role allows what another is needed for.
func (r Role) May(need Role) bool {
	switch r {
	case Local:
		return true
	case Viewer:
		return need == Viewer
	case Operator, Publisher:
		return need == Viewer || need == r || need == OperatorOrPublisher
	}
	return false
}

// Identity is who a request is from.
type Identity struct {
	Name string // of the token; empty for [Local]
	Role Role
}

type identityKey struct{}

// With returns a context of a request that is from somebody.
func With(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// From returns who a request is from, and false if nobody has looked.
func From(ctx context.Context) (Identity, bool) {
	who, ok := ctx.Value(identityKey{}).(Identity)
	return who, ok
}
