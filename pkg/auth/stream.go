package auth

import "google.golang.org/grpc"

// A Stream is a response stream that checks its caller. A stream may outlast the credentials that
// opened it, so the principal is determined again before each response: an expired token, or a
// policy that grants less, ends the stream.
//
// It receives before it sends, because the generated code reads the single request first.
type Stream struct {
	grpc.ServerStream
	by        *Authenticator
	rule      *Rule
	principal Principal
	resource  Resource
}

// Stream returns a stream for the principal that called the method with the rule.
func (a *Authenticator) Stream(of grpc.ServerStream, rule *Rule, p Principal) *Stream {
	return &Stream{ServerStream: of, by: a, rule: rule, principal: p}
}

// Resource returns the resource of the request, after it was received.
func (s *Stream) Resource() Resource { return s.resource }

// RecvMsg receives the request and refuses it if the principal is not authorized.
func (s *Stream) RecvMsg(request any) error {
	if err := s.ServerStream.RecvMsg(request); err != nil {
		return err
	}
	resource := s.rule.Resource(request)
	if err := s.rule.Admit(&s.principal, resource); err != nil {
		return err
	}
	s.resource = resource
	return nil
}

// SendMsg sends a response if the principal is still authorized.
func (s *Stream) SendMsg(response any) error {
	p, err := s.by.Authenticate(s.Context())
	if err != nil {
		return err
	}
	if err := s.rule.Admit(&p, s.resource); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(response)
}
