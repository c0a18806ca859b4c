package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzBody sends any bytes as a body. It fails on a 500, on a response that is not JSON, and on
// the canary, which the seeds contain and the fuzzer moves.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, ``, `null`, `{"value":{"text":"CANARY"}}`, `{"CANARY":1}`, `{"usage":"CANARY"}`, `{"labels":{"CANARY":{}}}`, `{"value":{"data":"CANARY"}}`,
		"{\"description\":\"CANARY\xff\"}", `{"etag":"CANARY","etag":""}`, `{"createTime":"CANARY"}`, `{"body":"CANARY"}`, `{"name":"CANARY"}`, `[[[["CANARY"]]]]`,
		`{"encryption":{"request":{"CANARY":{}}}}`, `{"encryption":{"request":{"cipher":{"algorithm":"AES_256_GCM"}}}}`, `{"encryption":{"request":{"cipher":{"algorithm":"CANARY"}}},"usage":"KEY"`,
		`{} CANARY`, `{"description":"\ud800CANARY"}`, `{"currentVersion":1e400}`, "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(3))
	}
	e := &env{calls: make(chan seen, 1)}
	h := e.handler(f, e.dial(f))
	targets := []struct{ method, path string }{
		{"POST", secrets + "?secretId=a"},
		{"PATCH", secret},
		{"POST", endpoints + "?endpointId=a"},
		{"PATCH", endpoint},
		{"POST", endpoint + ":encrypt"},
	}
	f.Fuzz(func(t *testing.T, body []byte, to uint8) {
		target := targets[int(to)%len(targets)]
		a := serve(t, h, target.method, target.path, strings.ReplaceAll(string(body), "CANARY", canary))
		if strings.Contains(a.body, canary) {
			t.Errorf("the response repeats the input: %s", a.body)
		}
		if a.code == http.StatusOK {
			return
		}
		if p := a.problem(t); a.code != http.StatusBadRequest || p.info.GetReason() == "" {
			t.Errorf("answer = %d %s", a.code, a.body)
		}
	})
}

// FuzzTarget sends any path and query. No encoding of a slash, a dot, or a colon may make a
// request reach a method with an ID that its path does not contain.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"workspaces/acme/secrets", "workspaces/acme/secrets/a%2Fhistory", "workspaces/acme/secrets/a/history", "workspaces/a/endpoints/b:activate",
		"workspaces/acme/secrets?pageSize=1", "workspaces/%ff/secrets", "workspaces/a/secrets/%2e%2e", "workspaces/a/secrets/b?CANARY=CANARY", "%00", "a%25b", "workspaces/acme/secrets/a%2F`b",
	} {
		f.Add(seed, uint8(0))
	}
	e := &env{calls: make(chan seen, 1)}
	h := e.handler(f, e.dial(f))
	methods := []string{"GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD"}
	f.Fuzz(func(t *testing.T, target string, method uint8) {
		target = strings.ReplaceAll(target, "CANARY", canary)
		r, err := http.NewRequestWithContext(t.Context(), methods[int(method)%len(methods)], "http://a/v1/"+target, http.NoBody)
		if err != nil {
			return // net/http refuses it before the handler runs
		}
		r.RequestURI = r.URL.RequestURI()
		r.Header.Set("Authorization", "Bearer of-somebody")
		a := record(h, r)
		if a.code >= http.StatusInternalServerError || strings.Contains(a.body, canary) {
			t.Errorf("answer = %d %s", a.code, a.body)
		}
		select {
		case c := <-e.calls:
			named, ok := c.req.(interface{ GetName() string })
			if ok && strings.Count(named.GetName(), "/") != 3 && strings.Count(named.GetName(), "/") != 1 {
				t.Errorf("%s got the name %q", c.method, named.GetName())
			}
		default:
		}
	})
}
