package client

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// pages iterates over the items of all pages of a list. It begins at the page token of the
// request, and ends after the first error.
func pages[Q proto.Message, R interface{ GetNextPageToken() string }, I any](
	ctx context.Context, req Q, call func(context.Context, Q, ...grpc.CallOption) (R, error), items func(R) []I,
) iter.Seq2[I, error] {
	return func(yield func(I, error) bool) {
		next, token := shallow(req.ProtoReflect()), fieldOf(req, "page_token")
		for {
			page, err := call(ctx, next.Interface().(Q))
			if err != nil {
				var none I
				yield(none, err)
				return
			}
			for _, item := range items(page) {
				if !yield(item, nil) {
					return
				}
			}
			if page.GetNextPageToken() == "" {
				return
			}
			next.Set(token, protoreflect.ValueOfString(page.GetNextPageToken()))
		}
	}
}
