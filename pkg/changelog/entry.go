package changelog

import (
	"encoding/json"
	"time"
)

// An Entry is one change. It never holds a secret value, in any form.
type Entry struct {
	// Sequence is the position in the log, counted from 0. The log sets it.
	Sequence uint64 `json:"-"`
	// Time is when the change was made.
	Time time.Time `json:"time"`
	// Actor is who made it.
	Actor Actor `json:"actor"`
	// Action is what was done, in the words of the service.
	Action string `json:"action"`
	// Scope is the workspace's resource name; entries are listed by it.
	Scope string `json:"scope"`
	// Resource is the name of what was changed; entries are listed by it.
	Resource string `json:"resource"`
	// UID tells apart two lives of one name.
	UID string `json:"uid,omitempty"`
	// Version is the version that the change added, or 0.
	Version uint32 `json:"version,omitempty"`
	// Fields names what changed.
	Fields []string `json:"fields,omitempty"`
	// Detail is what the service adds, such as old and new descriptions.
	Detail json.RawMessage `json:"detail,omitempty"`
	// Reason is why, in the words of who made the change.
	Reason string `json:"reason,omitempty"`
	// RequestID is the id of the request in the server's logs.
	RequestID string `json:"request_id,omitempty"`
}

// An Actor is who made a change, as the server authenticated them.
type Actor struct {
	Subject        string   `json:"subject"`
	Roles          []string `json:"roles,omitempty"`
	Authentication string   `json:"authentication"`
	Address        string   `json:"address,omitempty"`
}
