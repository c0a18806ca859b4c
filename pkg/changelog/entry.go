package changelog

import "time"

// An Entry is one change. It never contains a secret value, in any form. Its JSON is that of
// earlier releases; see decodeEarlierLeaf.
type Entry struct {
	// Sequence is the position in the log, counted from 0. The log sets it.
	Sequence uint64 `json:"-"`
	// Time is when the change was made.
	Time time.Time `json:"time"`
	// Actor is the principal that made the change.
	Actor Actor `json:"actor"`
	// Action is the service's name for the kind of change.
	Action string `json:"action"`
	// Scope is the workspace's resource name. Entries can be listed by it.
	Scope string `json:"scope"`
	// Resource is the name of the changed resource. Entries can be listed by it.
	Resource string `json:"resource"`
	// UID distinguishes incarnations of one name.
	UID string `json:"uid,omitempty"`
	// Version is the version that the change added, or 0.
	Version uint32 `json:"version,omitempty"`
	// Fields names the changed fields.
	Fields []string `json:"fields,omitempty"`
	// Detail is additional data in the service's own encoding, such as old and new descriptions.
	Detail []byte `json:"-"`
	// Reason is the reason that the caller gave.
	Reason string `json:"reason,omitempty"`
	// RequestID is the ID of the request in the server's logs.
	RequestID string `json:"request_id,omitempty"`

	states states
}

// An Actor is the authenticated principal that made a change.
type Actor struct {
	Subject        string   `json:"subject"`
	Roles          []string `json:"roles,omitempty"`
	Authentication string   `json:"authentication"`
	Address        string   `json:"address,omitempty"`
}
