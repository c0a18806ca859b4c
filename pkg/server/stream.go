package server

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/auth"
)

// within is a stream with another context.
type within struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context of the request.
func (w within) Context() context.Context { return w.ctx }

// arriving is a stream whose request is read by the chain. It has only one.
type arriving struct {
	within
	request *request
}

// RecvMsg reads the request.
func (a arriving) RecvMsg(message any) error { return a.request.receiveSoon(message) }

// responses is a stream whose request is read, authorized, and validated when the method receives
// it. Its caller is checked again before each response.
type responses struct {
	*auth.Stream
	request *request
}

func (r *request) responses(ss grpc.ServerStream) responses {
	arrival := arriving{within{ss, r}, r}
	return responses{r.server.steps.authenticator.Stream(arrival, r.method.rule, r.caller), r}
}

// RecvMsg receives a request that is well-formed, and records it.
func (s responses) RecvMsg(message any) error {
	if err := s.Stream.RecvMsg(message); err != nil {
		return err
	}
	s.request.resource = s.Resource()
	if err := s.request.validate(message); err != nil {
		return err
	}
	return s.request.record(codes.OK)
}

// receiveSoon is receive for a request without a deadline. Its load is released as soon as it is
// read.
func (r *request) receiveSoon(message any) error {
	read := make(chan error, 1)
	go func() { // it ends with the stream
		defer func() {
			if value := recover(); value != nil { // the chain recovers its own goroutine only
				read <- panicked(value)
			}
		}()
		defer r.load.give()
		read <- r.receive(message)
	}()
	late := time.NewTimer(maxArrival)
	defer late.Stop()
	select {
	case err := <-read:
		return err
	case <-late.C:
		return context.DeadlineExceeded
	}
}
