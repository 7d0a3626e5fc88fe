package access

import "time"

// Entry is a line of the audit log: what somebody did over the network, or tried to, or did
// to the tokens.
type Entry struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who,omitempty" doc:"name of the token, or of the user who opened the database"`
	Role   Role      `json:"role,omitempty" doc:"viewer, operator, publisher, local or database; none: it is not known who it was"`
	Remote string    `json:"remote,omitempty" doc:"address; with that which a proxy says, if there is one"`
	Action string    `json:"action" doc:"id of the operation, or method and path of what is none"`
	Target string    `json:"target,omitempty" doc:"of what: a device, a type"`
	Detail string    `json:"detail,omitempty" doc:"the beginning of what was sent, or why it was refused"`
	Status int       `json:"status" doc:"of the answer"`
}

// Refused says whether nothing was done because of who it was.
func (e Entry) Refused() bool { return e.Status == 401 || e.Status == 403 }

// AuditQuery says which entries: those for which all holds that is not empty.
type AuditQuery struct {
	Since time.Time
	Limit int // at most so many, the newest
}
