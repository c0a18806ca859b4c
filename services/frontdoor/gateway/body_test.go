package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

func TestMalformedJSONIsAnsweredWithItsPositionOnly(t *testing.T) {
	t.Parallel()
	e := start(t)
	tests := []struct{ name, body, position string }{
		{"an unknown field", `{"CANARY":1}`, "1:2"},
		{"an unknown field further down", "{\n \"value\":{\n  \"CANARY\":\"x\"}}", "3:3"},
		{"an unknown field with what looks like a position", `{" (line 9:9): CANARY":1}`, "1:2"},
		{"a duplicate field", `{"description":"a","description":"CANARY"}`, "1:20"},
		{"a duplicate field in its other spelling", `{"allowedHosts":[],"allowed_hosts":["CANARY"]}`, "1:20"},
		{"two values of one choice", `{"value":{"text":"CANARY","data":"eA=="}}`, "1:27"},
		{"a string for an enum", `{"usage":"CANARY"}`, "1:10"},
		{"a string for a number", `{"currentVersion":"CANARY"}`, "1:19"},
		{"a string for a message", `{"value":"CANARY"}`, "1:10"},
		{"a string for a list", `{"allowedHosts":"CANARY"}`, "1:17"},
		{"a string for a time", `{"createTime":"CANARY"}`, "1:15"},
		{"a number for a string", `{"description":71421}`, "1:16"},
		{"bytes that are not base64", `{"value":{"data":"CANARY!"}}`, "1:18"},
		{"a list", `["CANARY"]`, "1:1"},
		{"a string", `"CANARY"`, "1:1"},
		{"null", `null`, "1:1"},
		{"a bare word", `CANARY`, "1:1"},
		{"a truncated string", `{"description":"CANARY`, "1:23"},
		{"a truncated object", `{"description":"CANARY"`, "1:24"},
		{"a truncated object over lines", "{\"description\":\n\"CANARY\"", "2:9"},
		{"trailing text", `{} CANARY`, "1:4"},
		{"a second object", `{}{"description":"CANARY"}`, "1:3"},
		{"a byte order mark", "\xef\xbb\xbf{}", "1:1"},
		{"another encoding", "{\x00\"\x00a\x00\"\x00", "1:2"},
		{"a string that is not UTF-8", "{\"description\":\"CANARY\xff\"}", "1:16"},
		{"a key that is not UTF-8", "{\"CANARY\xff\":1}", "1:2"},
		{"half a surrogate pair", `{"description":"CANARY\ud800, and more"}`, "1:16"},
		{"half a surrogate pair at the end, for which protojson reports no position", `{"description":"CANARY\ud800"}`, ""},
		{"a control character", "{\"description\":\"CANARY\x01\"}", "1:16"},
		{"an invalid escape", `{"description":"CANARY\x"}`, "1:16"},
		{"single quotes", `{'description':'CANARY'}`, "1:2"},
		{"a comment", `{/*CANARY*/}`, "1:2"},
		{"a comma at the end", `{"description":"CANARY",}`, "1:25"},
		{"deep lists", strings.Repeat("[", 100_000), "1:1"},
		{"deep lists in a field", `{"allowedHosts":` + strings.Repeat("[", 100_000) + `"CANARY"`, "1:18"},
		{"deep objects in a field", `{"value":` + strings.Repeat(`{"text":`, 50_000), "1:18"},
		{"deep objects of unknown fields", strings.Repeat(`{"a":`, 50_000) + `"CANARY"`, "1:2"},
	}
	for _, tc := range tests {
		for _, m := range []struct{ method, path string }{{"POST", secrets}, {"PATCH", secret}} {
			t.Run(tc.name+" "+m.method, func(t *testing.T) {
				a := e.do(t, m.method, m.path, strings.ReplaceAll(tc.body, "CANARY", canary))
				p := wantProblem(t, a, http.StatusBadRequest, "MALFORMED_JSON")
				if strings.Contains(a.body, canary) {
					t.Errorf("the response repeats the input: %s", a.body)
				}
				want := tc.position
				// The canary is longer than its placeholder.
				if got := p.info.GetMetadata()["position"]; got != shifted(tc.body, want) {
					t.Errorf("position = %q, want %q", got, shifted(tc.body, want))
				}
			})
		}
	}
	e.gotNothing(t)
}

// shifted returns the position after the placeholder has been replaced.
func shifted(body, position string) string {
	if position == "" {
		return ""
	}
	var line, column int
	fmt.Sscanf(position, "%d:%d", &line, &column)
	before := strings.Split(body, "\n")[line-1]
	before = before[:min(column-1, len(before))]
	return fmt.Sprintf("%d:%d", line, column+strings.Count(before, "CANARY")*(len(canary)-len("CANARY")))
}

func TestOnlyJSONIsTaken(t *testing.T) {
	t.Parallel()
	e := start(t)
	for contentType, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON;charset=UTF-8": true,
		"application/json; charset=latin1": false, "text/json": false, "text/plain": false,
		"application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false,
		"application/octet-stream": false, "application/grpc": false, "application/x-protobuf": false,
		canary: false, "application/json; " + canary: false, "application/json;;;=": false,
	} {
		a := e.as(t, contentType, "POST", secrets+"?secretId=a", `{"value":{"text":"x"}}`)
		if ok {
			if a.code != http.StatusOK {
				t.Errorf("%s: %d %s, want 200", contentType, a.code, a.body)
			}
			e.got(t)
			continue
		}
		if p := wantProblem(t, a, http.StatusUnsupportedMediaType, "INVALID_FIELD"); p.field() != "http.content-type" {
			t.Errorf("%s: field = %q", contentType, p.field())
		}
	}
	if a := e.do(t, "POST", secrets+"?secretId=a", `{"value":{"text":"x"}}`, "Content-Type", ""); a.code != http.StatusOK {
		t.Errorf("without content type: %d, want 200", a.code)
	}
	e.got(t)
	wantProblem(t, e.do(t, "POST", secrets, `{}`, "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "INVALID_FIELD")
	wantProblem(t, e.do(t, "POST", secrets, `{}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "INVALID_FIELD")
	e.gotNothing(t)
}

func TestBodiesWhereNoneBelongsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, method := range []string{"GET", "DELETE"} {
		p := wantProblem(t, e.do(t, method, secret, `{"etag":"3"}`), http.StatusBadRequest, "INVALID_FIELD")
		if p.field() != "http.body" {
			t.Errorf("%s with a body: field = %q", method, p.field())
		}
	}
	// The same holds for a body of unknown length.
	req, err := http.NewRequestWithContext(t.Context(), "DELETE", e.url+secret, io.MultiReader(strings.NewReader(`{"etag":"3"}`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer of-somebody")
	wantProblem(t, send(t, req), http.StatusBadRequest, "INVALID_FIELD")
	e.gotNothing(t)
}

func TestEmptyBodiesAreEmptyRequestsButNoResources(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, body := range []string{"", " \n\t"} {
		e.do(t, "POST", endpoint+":activate", body)
		want := &allowlistv1.ActivateEndpointRequest{Name: "workspaces/acme/endpoints/pay"}
		if diff := cmp.Diff(proto.Message(want), e.got(t).req, protocmp.Transform()); diff != "" {
			t.Errorf("body %q (-want +got):\n%s", body, diff)
		}
		wantProblem(t, e.do(t, "POST", secrets+"?secretId=a", body), http.StatusBadRequest, "MALFORMED_JSON")
		wantProblem(t, e.do(t, "PATCH", secret, body), http.StatusBadRequest, "MALFORMED_JSON")
	}
	e.gotNothing(t)
}

func TestNamesInTheBodyAgreeWithThePath(t *testing.T) {
	t.Parallel()
	e := start(t)
	refused := []struct{ method, path, body, field string }{
		{"PATCH", secret, `{"name":"workspaces/acme/secrets/other","description":"d"}`, "secret.name"},
		{"POST", endpoint + ":encrypt", `{"name":"workspaces/other/endpoints/pay"}`, "name"},
	}
	for _, tc := range refused {
		if p := wantProblem(t, e.do(t, tc.method, tc.path, tc.body), http.StatusBadRequest, "INVALID_FIELD"); p.field() != tc.field {
			t.Errorf("field = %q, want %q", p.field(), tc.field)
		}
	}
	e.gotNothing(t)
	if a := e.do(t, "POST", endpoint+":encrypt", `{"name":"workspaces/acme/endpoints/pay"}`); a.code != http.StatusOK {
		t.Errorf("the same name: %d %s, want 200", a.code, a.body)
	}
}

func TestPatchChangesWhatItsBodyHas(t *testing.T) {
	t.Parallel()
	e := start(t)
	const name = `"name":"workspaces/acme/secrets/db"`
	tests := []struct {
		name, query, body string
		want              []string
	}{
		{"leaves are named", "", `{"description":"d","value":{"text":"x"}}`, []string{"description", "value.text"}},
		{"a map and a list count as a whole", "", `{"labels":{"a":"b"},"allowedHosts":["a"]}`, []string{"allowed_hosts", "labels"}},
		{"an empty list counts", "", `{"allowedHosts":[]}`, []string{"allowed_hosts"}},
		{"null counts", "", `{"description":null}`, []string{"description"}},
		{"name, etag and output do not count", "", `{` + name + `,"etag":"3","uid":"u","maskedValue":"m","createTime":"2026-01-01T00:00:00Z","description":"d"}`, []string{"description"}},
		{"an immutable field counts, for the backend to refuse", "", `{"usage":"USAGE_KEY"}`, []string{"usage"}},
		{"an explicit mask takes precedence", "?updateMask=labels", `{"description":"d"}`, []string{"labels"}},
		{"a given mask may be spelled as JSON", "?updateMask=allowedHosts,value.text", `{}`, []string{"allowed_hosts", "value.text"}},
		{"a given mask may be spelled as proto", "?update_mask=allowed_hosts", `{}`, []string{"allowed_hosts"}},
		{"a label is named by its key", "?updateMask=labels.team,labels.a-b,labels.a.b,labels.cost_center,labels.costCenter", `{}`, []string{"labels.team", "labels.a-b", "labels.a.b", "labels.cost_center", "labels.cost_center"}},
		{"an empty object changes nothing", "", `{}`, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if a := e.do(t, "PATCH", secret+tc.query, tc.body); a.code != http.StatusOK {
				t.Fatalf("PATCH = %d %s", a.code, a.body)
			}
			req := e.got(t).req.(*vaultv1.UpdateSecretRequest)
			want := &fieldmaskpb.FieldMask{Paths: tc.want}
			if diff := cmp.Diff(want, req.GetUpdateMask(), protocmp.Transform()); diff != "" {
				t.Errorf("mask (-want +got):\n%s", diff)
			}
			if req.GetSecret().GetName() != "workspaces/acme/secrets/db" {
				t.Errorf("name = %q", req.GetSecret().GetName())
			}
		})
	}
	p := wantProblem(t, e.do(t, "PATCH", secret, `{"etag":"3"}`), http.StatusBadRequest, "INVALID_FIELD")
	if p.field() != "update_mask" {
		t.Errorf("a body with nothing to change: field = %q, want update_mask", p.field())
	}
	e.gotNothing(t)
}

func TestBodiesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.do(t, "POST", secrets+"?secretId=db&reason=for%20%C3%A9t%C3%A9%20%26%20more&request_id=r1",
		`{"description":"d","usage":"USAGE_CREDENTIAL","allowed_hosts":["a.example"],"labels":{"a":"b"},"value":{"data":"AAH/"}}`)
	want := &vaultv1.CreateSecretRequest{
		Parent: "workspaces/acme", SecretId: "db", Reason: "for été & more", RequestId: "r1",
		Secret: &vaultv1.Secret{
			Description: "d", Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}, Labels: map[string]string{"a": "b"},
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte{0, 1, 255}}},
		},
	}
	if diff := cmp.Diff(proto.Message(want), e.got(t).req, protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	body := func(n int) string { return `{"description":"` + strings.Repeat("x", n-18) + `"}` }
	if a := e.do(t, "POST", secrets, body(1<<20)); a.code != http.StatusOK {
		t.Errorf("1 MiB: %d, want 200", a.code)
	}
	e.got(t)
	for name, r := range map[string]io.Reader{
		"one byte over the limit":           strings.NewReader(body(1<<20 + 1)),
		"twenty megabytes":                  strings.NewReader(body(20 << 20)),
		"twenty megabytes without a length": io.MultiReader(strings.NewReader(body(20 << 20))),
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", e.url+secrets, r)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer of-somebody")
			p := wantProblem(t, send(t, req), http.StatusRequestEntityTooLarge, "MESSAGE_TOO_LARGE")
			if got := p.info.GetMetadata()["limit_bytes"]; got != "1048576" {
				t.Errorf("limit_bytes = %q", got)
			}
		})
	}
	e.gotNothing(t)
}

func TestClientsThatSendWithoutLookingGetTheirAnswer(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) { c.AllowedHosts = []string{"127.0.0.1"} })
	body := strings.Repeat("x", 20<<20)
	tests := []struct {
		name, method, path string
		headers            []string
		code               int
		reason             string
	}{
		{"without credentials", "POST", secrets, []string{"Authorization", ""}, 401, "CREDENTIALS_MISSING"},
		{"to no route", "POST", "/v1/nowhere", nil, 404, "ROUTE_NOT_FOUND"},
		{"to no path", "POST", "/nowhere", nil, 404, "ROUTE_NOT_FOUND"},
		{"with a wrong method", "PUT", secret, nil, 405, "METHOD_NOT_ALLOWED"},
		{"with the content type of a form", "POST", secrets, []string{"Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"}, 415, "INVALID_FIELD"},
		{"to a method without a body", "GET", secret, nil, 400, "INVALID_FIELD"},
		{"with an unknown parameter", "POST", secrets + "?x=1", nil, 400, "INVALID_FIELD"},
		{"with a large header", "POST", secrets, []string{"X-A", strings.Repeat("x", 40_000)}, 431, "MESSAGE_TOO_LARGE"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			wantProblem(t, e.do(t, tc.method, tc.path, body, tc.headers...), tc.code, tc.reason)
		})
	}
	e.gotNothing(t)
}

func TestClientsThatAskAreToldBeforeTheySend(t *testing.T) {
	t.Parallel()
	e := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nExpect: 100-continue\r\nContent-Length: 20000000\r\n\r\n", secrets)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status = %d, want 413", res.StatusCode)
	}
}

func TestBodiesThatDoNotArriveAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, request := range map[string]string{
		"a body cut short":                 "Content-Length: 100\r\n\r\n{\"a\"",
		"an invalid chunk":                 "Transfer-Encoding: chunked\r\n\r\nCANARY\r\n",
		"a chunked body that is cut short": "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n%s", secrets, request)
			conn.(*net.TCPConn).CloseWrite()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			wantProblem(t, answer{res.StatusCode, res.Header, string(b)}, http.StatusBadRequest, "MALFORMED_JSON")
		})
	}
	e.gotNothing(t)
}

func TestAnotherBodyLimitCanBeChosen(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) { c.MaxBodyBytes = 10 })
	wantProblem(t, e.do(t, "POST", secrets, `{"description":"x"}`), http.StatusRequestEntityTooLarge, "MESSAGE_TOO_LARGE")
}
