package changelog

// An Author is who makes a change, and why: the part of an [Entry] that comes
// with the request and not from the operation. The server fills it in from the
// authenticated principal; a service acting on its own behalf names itself.
type Author struct {
	// Actor is who makes the change.
	Actor Actor
	// Reason is why, in their words.
	Reason string
	// RequestID is the id of the request in the server's logs.
	RequestID string
}
