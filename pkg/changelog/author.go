package changelog

// An Author is the principal that makes a change, and the reason: the part of an [Entry] that the
// request provides, not the operation. The server fills it in from the authenticated principal. A
// service that acts on its own behalf names itself.
type Author struct {
	// Actor is the principal that makes the change.
	Actor Actor
	// Reason is the reason that the caller gave.
	Reason string
	// RequestID is the ID of the request in the server's logs.
	RequestID string
}

// System returns the author of what a service does by itself.
func System(service string) Author {
	return Author{Actor: Actor{Subject: service, Authentication: "system"}}
}
