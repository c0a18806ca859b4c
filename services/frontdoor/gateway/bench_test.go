package gateway_test

import (
	"net/http"
	"testing"
)

func BenchmarkCall(b *testing.B) {
	for name, r := range map[string]struct{ method, path, body string }{
		"Get":    {"GET", secret, ""},
		"Create": {"POST", secrets + "?secretId=a", `{"description":"d","value":{"text":"of some length, as keys have"}}`},
		"Update": {"PATCH", secret, `{"description":"d","etag":"3"}`},
	} {
		b.Run(name, func(b *testing.B) {
			e := &env{calls: make(chan seen)}
			h := e.handler(b, e.dial(b))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if a := serve(b, h, r.method, r.path, r.body); a.code != http.StatusOK {
						b.Fatalf("answer = %d %s", a.code, a.body)
					}
				}
			})
		})
	}
}
