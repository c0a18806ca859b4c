package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A collector receives traces, like an OpenTelemetry collector, and stores their bytes.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	mu    sync.Mutex
	bytes bytes.Buffer
	spans int
}

func (c *collector) Export(_ context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	text, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Write(text)
	for _, resource := range req.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans += len(scope.GetSpans())
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func startCollector(t testing.TB) (*collector, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := new(collector), grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, c)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return c, listener.Addr().String()
}

// forms returns the encodings in which a value might be hidden in a string.
func forms(value string) map[string][]byte {
	quoted, _ := json.Marshal(value)
	escaped := strings.Trim(string(quoted), `"`)
	all := map[string][]byte{
		"plain":        []byte(value),
		"hex":          []byte(hex.EncodeToString([]byte(value))),
		"upper hex":    []byte(strings.ToUpper(hex.EncodeToString([]byte(value)))),
		"json escaped": []byte(escaped),
		"percent":      []byte(percentAll(value)),
	}
	// Base64 of a value inside a longer string depends on its position: omit the characters that
	// depend on the neighboring bytes.
	for shift := range 3 {
		padded := append(make([]byte, shift), value...)
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := encoding.EncodeToString(padded)
			all[fmt.Sprintf("%s at %d", name, shift)] = []byte(text[4 : len(text)-4])
		}
	}
	return all
}

func percentAll(value string) string {
	var out strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

// newCanary returns a value that looks like a real key and is unique.
func newCanary(t testing.TB) string {
	t.Helper()
	random := make([]byte, 18)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	return `kw<"\&>` + base64.RawURLEncoding.EncodeToString(random)
}

func TestAValueLeavesNoTraceOutsideItsCiphertext(t *testing.T) {
	t.Parallel()
	traces, otlp := startCollector(t)
	dir := t.TempDir()
	p := start(t, "standalone", "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0",
		"--metrics", "127.0.0.1:0", "--otlp", otlp, "--log-level", "debug")
	address, door := p.waitFor("gRPC"), p.waitFor("JSON")
	metrics := p.waitFor("metrics")
	p.waitFor("Keyward is ready")
	s := site{vault: address, allowlist: address, json: door, access: filepath.Join(dir, "access")}

	canary := newCanary(t)
	answers := spreadCanary(t, s, canary)
	answers["metrics"] = scrape(t, metrics)
	p.stop() // flushes traces
	answers["output"] = []byte(p.output())
	traces.mu.Lock()
	answers["traces"] = traces.bytes.Bytes()
	spans := traces.spans
	traces.mu.Unlock()
	if spans == 0 {
		t.Error("no trace arrived, so the search proves nothing")
	}
	readFolder(t, dir, answers)

	for _, value := range []string{canary, strings.Map(printable, canary)} {
		for form, text := range forms(value) {
			for where, haystack := range answers {
				if bytes.Contains(haystack, text) {
					t.Errorf("%s contains the value (%s)", where, form)
				}
			}
		}
	}
}

// spreadCanary stores the value as a secret, and sends it in every other field that a caller might
// use by mistake. It returns all answers.
func spreadCanary(t testing.TB, s site, canary string) map[string][]byte {
	t.Helper()
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	value := string(quoted)
	answers := make(map[string][]byte)
	send := func(what string, want int, who person, method, path, body string, headers ...string) {
		t.Helper()
		got := s.call(t, who, method, path, body, headers...)
		answers[what] = append(got.body, fmt.Sprint(got.header)...)
		if want != 0 && got.status != want {
			t.Errorf("%s = %d %s, want %d", what, got.status, got.body, want)
		}
	}
	secrets, endpoints := "/v1/workspaces/demo/secrets", "/v1/workspaces/demo/endpoints"
	key := secrets + "/key"

	send("create", 200, owner, "POST", secrets+"?secretId=key&requestId=first", `{"value":{"text":`+value+`}}`)
	send("create again", 200, owner, "POST", secrets+"?secretId=key&requestId=first", `{"value":{"text":`+value+`}}`)
	send("taken name", 409, owner, "POST", secrets+"?secretId=key", `{"value":{"text":`+value+`}}`)
	send("reused request id", 400, owner, "POST", secrets+"?secretId=other&requestId=first", `{"value":{"text":`+value+`}}`)
	send("update", 200, owner, "PATCH", key, `{"value":{"text":`+value+`}}`)
	send("bad etag", 409, owner, "PATCH", key, `{"etag":"999","value":{"text":`+value+`}}`)
	send("value as etag", 409, owner, "PATCH", key, `{"etag":`+value+`,"description":"x"}`)
	send("get", 200, owner, "GET", key, "")
	send("list", 200, owner, "GET", secrets, "")
	send("history", 200, owner, "GET", key+"/history", "")
	send("versions", 200, owner, "GET", key+"/versions", "")

	spreadOverBodies(value, canary, func(what, body string) {
		send("create with "+what, 400, owner, "POST", secrets+"?secretId=wrong", body)
	})

	escaped := strings.ReplaceAll(percentAll(canary), "%2F", "-")
	send("id", 400, owner, "POST", secrets+"?secretId="+escaped, `{"value":{"text":"x is more than 16 bytes"}}`)
	send("request id", 400, owner, "POST", secrets+"?secretId=x&requestId="+escaped, `{"value":{"text":"x is more than 16 bytes"}}`)
	send("query parameter", 400, owner, "GET", secrets+"?"+escaped+"=1", "")
	send("order", 400, owner, "GET", secrets+"?orderBy="+escaped, "")
	send("page token", 400, owner, "GET", secrets+"?pageToken="+escaped, "")
	send("page size", 400, owner, "GET", secrets+"?pageSize="+escaped, "")
	send("label filter", 400, owner, "GET", secrets+"?label="+escaped, "")
	send("search", 200, owner, "GET", secrets+"?query="+escaped, "")
	send("path", 0, owner, "GET", secrets+"/"+escaped, "")
	send("unknown route", 404, owner, "GET", "/v1/"+escaped, "")
	send("foreign workspace", 0, owner, "GET", "/v1/workspaces/"+escaped+"/secrets", "")
	send("method", 0, owner, "PUT", secrets+"/"+escaped, "")
	send("as token", 401, anonymous, "GET", secrets, "", "Authorization", "Bearer "+base64.RawURLEncoding.EncodeToString([]byte(canary)))
	send("as basic", 401, anonymous, "GET", secrets, "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(canary)))
	for _, header := range []string{"X-Request-Id", "Traceparent", "Tracestate", "Baggage", "Cookie", "X-Api-Key", "User-Agent", "Grpc-Metadata-X", "X-Forwarded-For", "Accept-Language", "Referer", "Content-Language"} {
		send("header "+header, 0, owner, "GET", secrets, "", header, strings.Map(printable, canary))
	}
	spreadOverReferences(t, value, func(what, body string) {
		send("reference "+what, 400, owner, "POST", endpoints+"?endpointId=wrong", body)
	})
	useCanary(t, s, send)
	return answers
}

// spreadOverBodies puts a value, quoted and unquoted, into each place of a body where it does not
// belong.
func spreadOverBodies(value, canary string, send func(what, body string)) {
	for what, body := range map[string]string{
		"unknown field":      `{"secretValue":` + value + `}`,
		"value as key":       `{` + value + `:1}`,
		"bare value":         value,
		"truncated":          `{"value":{"text":` + strings.TrimSuffix(value, `"`),
		"trailing":           `{"value":{"text":"x is more than 16 bytes"}} ` + value,
		"wrong type":         `{"value":` + value + `}`,
		"two sources":        `{"value":{"text":` + value + `,"data":` + value + `}}`,
		"not base64":         `{"value":{"data":` + value + `}}`,
		"enum":               `{"usage":` + value + `,"value":{"text":"x is more than 16 bytes"}}`,
		"kind":               `{"value":{"generate":{"kind":` + value + `}}}`,
		"number":             `{"currentVersion":` + value + `}`,
		"timestamp":          `{"createTime":` + value + `}`,
		"label key":          `{"labels":{` + value + `:"x"},"value":{"text":"x is more than 16 bytes"}}`,
		"label value":        `{"labels":{"x":` + value + `},"value":{"text":"x is more than 16 bytes"}}`,
		"host":               `{"usage":"USAGE_CREDENTIAL","allowedHosts":[` + value + `],"value":{"text":"x is more than 16 bytes"}}`,
		"duplicate member":   `{"value":{"text":` + value + `},"value":{"text":` + value + `}}`,
		"invalid utf-8":      "{\"value\":{\"text\":\"" + "\xff" + strings.Trim(value, `"`) + "\"}}",
		"raw control":        "{\"value\":{\"text\":\"\x01" + strings.Trim(value, `"`) + "\"}}",
		"deep":               strings.Repeat(`{"value":`, 200) + value + strings.Repeat(`}`, 200),
		"not json":           canary,
		"value too long":     `{"value":{"text":"` + strings.Repeat(strings.Trim(value, `"`), 4000) + `"}}`,
		"long description":   `{"description":"` + strings.Repeat(strings.Trim(value, `"`), 100) + `","value":{"text":"x is more than 16 bytes"}}`,
		"reason in the body": `{"reason":` + value + `}`,
	} {
		send(what, body)
	}
}

// useCanary makes the allowlist resolve the value as a key of a signature.
func useCanary(t testing.TB, s site, send func(string, int, person, string, string, string, ...string)) {
	t.Helper()
	endpoint := "/v1/workspaces/demo/endpoints/signed"
	send("signing endpoint", 200, owner, "POST", "/v1/workspaces/demo/endpoints?endpointId=signed", `{
		"url":"https://api.partner.example/x","methods":["POST"],"encryption":{"request":{"signing":{
		"mac":{"algorithm":"ALGORITHM_HMAC_SHA256"},"keys":[{"name":"workspaces/demo/secrets/key"}],"headers":{"X-Sig":"${signature}"}}}}}`)
	send("approve", 200, admin, "POST", endpoint+":approve", `{}`)
	send("activate", 200, owner, "POST", endpoint+":activate", `{}`)
	send("sign", 200, sender, "POST", endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	send("endpoint", 200, owner, "GET", endpoint, "")
	send("endpoint history", 200, owner, "GET", endpoint+"/history", "")
	send("refused delete", 400, owner, "DELETE", "/v1/workspaces/demo/secrets/key", "")
	send("bindings", 200, owner, "GET", "/v1/workspaces/demo/secrets/key/bindings", "")
}

// spreadOverReferences puts a value into each place of a configuration that expects a reference or
// nothing.
func spreadOverReferences(t testing.TB, value string, send func(what, body string)) {
	t.Helper()
	const template = `{"url":"https://api.partner.example/x","methods":["POST"],"encryption":{%s}}`
	cipher := func(extra string) string {
		return `{"cipher":{"algorithm":"ALGORITHM_AES_256_GCM",` + extra + `}}`
	}
	signing := func(keys string) string {
		return `{"signing":{"mac":{"algorithm":"ALGORITHM_HMAC_SHA256"},"keys":[` + keys + `],"headers":{"X":"${signature}"}}}`
	}
	good := `{"name":"workspaces/demo/secrets/key"}`
	for what, profile := range map[string]string{
		"cipher key":        cipher(`"sharedKey":{"keys":[{"name":` + value + `}]}`),
		"second cipher key": cipher(`"sharedKey":{"keys":[` + good + `,{"name":` + value + `}]}`),
		"bare key":          cipher(`"sharedKey":{"keys":[` + value + `]}`),
		"bare shared key":   cipher(`"sharedKey":` + value),
		"unknown key field": cipher(`"key":` + value),
		"decoding":          cipher(`"sharedKey":{"keys":[{"name":"workspaces/demo/secrets/key","decoding":` + value + `}]}`),
		"version":           cipher(`"sharedKey":{"keys":[{"name":"workspaces/demo/secrets/key","version":` + value + `}]}`),
		"signing key":       signing(`{"name":` + value + `}`),
		"signing bare key":  signing(value),
	} {
		send(what, fmt.Sprintf(template, `"request":`+profile))
		send("response "+what, fmt.Sprintf(template, `"request":`+signing(good)+`,"response":`+profile))
	}
	for _, header := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Access-Token", "X-Client-Secret"} {
		for _, where := range []string{"headers", "queryParameters"} {
			send(where+" "+header, fmt.Sprintf(`{"url":"https://api.partner.example/x","methods":["POST"],%q:[{"name":%q,"value":%s}]}`, where, header, value))
		}
	}
	send("url user info", `{"url":"https://user:`+strings.Map(printable, strings.Trim(value, `"`))+`@api.partner.example/x","methods":["POST"]}`)
}

// printable removes characters that are not allowed in a header or URL.
func printable(r rune) rune {
	if strings.ContainsRune(`<>"\& `, r) {
		return -1
	}
	return r
}

func scrape(t testing.TB, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text.Bytes(), []byte("keyward_build_info")) {
		t.Errorf("GET %s serves no metrics of Keyward:\n%.500s", url, text.Bytes())
	}
	return text.Bytes()
}

// readFolder adds all files below a folder to the answers.
func readFolder(t testing.TB, dir string, answers map[string][]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		answers["file "+entry.Name()], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 4 {
		t.Errorf("%d files below the data folder, want stores and keys", files)
	}
}
