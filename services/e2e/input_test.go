package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBadInputIsAnsweredClearly sends mistakes of clients and attempts of attackers. Each response
// must be an error in one format, with the reason of the contract, and the server must continue
// unaffected.
func TestBadInputIsAnsweredClearly(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	secrets := "/v1/workspaces/demo/secrets"
	s.must(t, owner, http.MethodPost, secrets+"?secretId=a&requestId=used", `{"value":{"text":"x is more than 16 bytes"}}`)
	s.must(t, owner, http.MethodPost, secrets+"?secretId=b", `{"value":{"text":"x is more than 16 bytes"}}`)
	page := s.must(t, owner, http.MethodGet, secrets+"?pageSize=1", "").field("nextPageToken")
	before := s.must(t, owner, http.MethodGet, secrets, "").body

	tests := []struct {
		name         string
		who          person
		method, path string
		body         string
		headers      []string
		status       int
		reason       string
	}{
		{"an unknown JSON field", owner, "POST", secrets + "?secretId=c", `{"color":1}`, nil, 400, "MALFORMED_JSON"},
		{"an unknown query parameter", owner, "GET", secrets + "?color=1", "", nil, 400, "INVALID_FIELD"},
		{"a value in the query", owner, "POST", secrets + "?secretId=c&secret.value.text=x", `{}`, nil, 400, "INVALID_FIELD"},
		{"a body of 20 MB", owner, "POST", secrets + "?secretId=c", `{"description":"` + strings.Repeat("x", 20<<20) + `"}`, nil, 413, "MESSAGE_TOO_LARGE"},
		{"a value of 64 KiB and a byte", owner, "POST", secrets + "?secretId=c", `{"value":{"text":"` + strings.Repeat("x", 64<<10+1) + `"}}`, nil, 400, "INVALID_FIELD"},
		{"no value", owner, "POST", secrets + "?secretId=c", `{}`, nil, 400, "INVALID_FIELD"},
		{"an empty value", owner, "POST", secrets + "?secretId=c", `{"value":{"text":""}}`, nil, 400, "INVALID_FIELD"},
		{"invalid UTF-8", owner, "POST", secrets + "?secretId=c", "{\"description\":\"\xff\xfe\"}", nil, 400, "MALFORMED_JSON"},
		{"deep JSON", owner, "POST", secrets + "?secretId=c", strings.Repeat(`{"value":`, 5000) + "1" + strings.Repeat("}", 5000), nil, 400, "MALFORMED_JSON"},
		{"a thousand headers", owner, "GET", secrets, "", thousandHeaders(), 431, ""},
		{"another caller's page token", admin, "GET", secrets + "?pageSize=1&pageToken=" + page, "", nil, 400, "INVALID_PAGE_TOKEN"},
		{"another request's page token", owner, "GET", secrets + "?pageSize=1&query=a&pageToken=" + page, "", nil, 400, "INVALID_PAGE_TOKEN"},
		{"a made-up page token", owner, "GET", secrets + "?pageToken=AAAA", "", nil, 400, "INVALID_PAGE_TOKEN"},
		{"a stale etag", owner, "PATCH", secrets + "/a", `{"etag":"0","description":"x"}`, nil, 409, "ETAG_MISMATCH"},
		{"a stale etag on delete", owner, "DELETE", secrets + "/a?etag=0", "", nil, 409, "ETAG_MISMATCH"},
		{"a reused idempotency key", owner, "POST", secrets + "?secretId=c&requestId=used", `{"value":{"text":"y is more than 16 bytes"}}`, nil, 400, "REQUEST_ID_REUSED"},
		{"a name that is taken", owner, "POST", secrets + "?secretId=a", `{"value":{"text":"y is more than 16 bytes"}}`, nil, 409, "SECRET_EXISTS"},
		{"a name that does not exist", owner, "GET", secrets + "/absent", "", nil, 404, "SECRET_NOT_FOUND"},
		{"an encoded slash before history", owner, "GET", secrets + "/a%2Fhistory", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a trailing slash", owner, "GET", secrets + "/", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"an unknown route", owner, "GET", "/v1/nothing", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a path outside of the API", anonymous, "GET", "/CANARY", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a path that begins with two slashes", owner, "GET", "//v1/CANARY", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a path below the issuer", anonymous, "GET", "/issuer/CANARY", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a change of the issuer's keys", anonymous, "POST", "/issuer/keys", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"a wrong method", owner, "PUT", secrets + "/a", `{}`, nil, 405, "METHOD_NOT_ALLOWED"},
		{"a method override", owner, "POST", secrets + "/a", "", []string{"X-Http-Method-Override", "GET"}, 405, "METHOD_NOT_ALLOWED"},
		{"a form", owner, "POST", secrets + "?secretId=c", `a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, ""},
		{"a path with dots", owner, "GET", "/v1/workspaces/demo/secrets/..%2f..%2fx", "", nil, 404, "ROUTE_NOT_FOUND"},
		{"an ID with an invalid character", owner, "POST", secrets + "?secretId=a%20b", `{"value":{"text":"y is more than 16 bytes"}}`, nil, 400, "INVALID_FIELD"},
		{"a workspace that does not parse, as admin", admin, "GET", "/v1/workspaces/-x/secrets", "", nil, 400, "INVALID_FIELD"},
		{"a workspace that does not parse, as owner", owner, "GET", "/v1/workspaces/-x/secrets", "", nil, 403, "PERMISSION_DENIED"},
		{"a role in a header", anonymous, "GET", secrets, "", []string{"Grpc-Metadata-Authorization", "Bearer x"}, 401, "CREDENTIALS_MISSING"},
		{"a token of an unknown caller", anonymous, "GET", secrets, "", []string{"Authorization", "Bearer e30.e30.e30"}, 401, "CREDENTIALS_INVALID"},
		{"force without being a super admin", owner, "DELETE", secrets + "/a?force=true&reason=x", "", nil, 403, "PERMISSION_DENIED"},
		{"force without a reason", admin, "DELETE", secrets + "/a?force=true", "", nil, 400, "INVALID_FIELD"},
		{"a mask with a read-only field", owner, "PATCH", secrets + "/a?updateMask=uid", `{}`, nil, 400, "INVALID_FIELD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.call(t, tt.who, tt.method, tt.path, tt.body, tt.headers...)
			if got.status != tt.status || (tt.reason != "" && got.reason() != tt.reason) {
				t.Errorf("%s %.80s = %d %s, want %d %s", tt.method, tt.path, got.status, got.body, tt.status, tt.reason)
			}
			if got.header.Get("Cache-Control") != "no-store" || !json.Valid(got.body) {
				t.Errorf("%s %.80s: the answer is not JSON with Cache-Control: no-store: %v %s", tt.method, tt.path, got.header, got.body)
			}
			if strings.Contains(fmt.Sprint(got.header, string(got.body)), "CANARY") {
				t.Errorf("%s %.80s: the answer repeats the path: %v %s", tt.method, tt.path, got.header, got.body)
			}
		})
	}
	if after := s.must(t, owner, http.MethodGet, secrets, "").body; !bytes.Equal(before, after) {
		t.Errorf("bad input changed the stored data:\n%s\n%s", before, after)
	}
}

func thousandHeaders() []string {
	var headers []string
	for i := range 1000 {
		headers = append(headers, fmt.Sprintf("X-Header-%d", i), "x")
	}
	return headers
}
