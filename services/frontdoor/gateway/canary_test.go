package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestMisplacedValuesGoNowhere puts a value into every place of a request and searches all output
// for it: the response, its headers, the gateway's log, and the logs of the libraries at every
// level.
func TestMisplacedValuesGoNowhere(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, do := range misplaced(e) {
		t.Run(name, func(t *testing.T) {
			a := do(t)
			findCanary(t, "body", a.body)
			findCanary(t, "headers", fmt.Sprint(a.header))
		})
	}
	findCanary(t, "log", e.log.String())
	if libraries.String() == "" {
		t.Error("the libraries logged nothing, so this test did not check their log")
	}
	findCanary(t, "libraries' log", libraries.String())
}

func findCanary(t testing.TB, where, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for form, found := range map[string]string{
		"plain":  canary,
		"base64": base64.RawStdEncoding.EncodeToString([]byte(canary)),
		"hex":    hex.EncodeToString([]byte(canary)),
		"quoted": strings.Trim(fmt.Sprintf("%+q", canary), `"`),
	} {
		if i := strings.Index(text, strings.ToLower(found)); i >= 0 {
			t.Errorf("the canary is in the %s, %s: …%s…", where, form, text[max(0, i-100):min(len(text), i+100)])
		}
	}
}

func misplaced(e *env) map[string]func(testing.TB) answer {
	cases := make(map[string]func(testing.TB) answer)
	add := func(name, method, path, body string, headers ...string) {
		cases[name] = func(t testing.TB) answer { return e.do(t, method, path, body, headers...) }
	}
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", canary} {
		for place, path := range map[string]string{
			"the workspace": "/v1/workspaces/" + canary + "/secrets", "the id": secrets + "/" + canary, "the route": secret + "/" + canary,
			"the verb": endpoint + ":" + canary, "the version": "/" + canary, "an encoded slash": secrets + "/" + canary + "%2Fhistory",
			"bytes that are not UTF-8": secrets + "/" + canary + "%ff", "an encoded percent sign": secrets + "/" + canary + "%25zz",
			"a parameter's name": secrets + "?" + canary + "=1", "a parameter's value": secrets + "?pageSize=" + canary, "an unknown value": secrets + "?x=" + canary,
			"an enum": secrets + "?state=" + canary, "a bool": secret + "?force=" + canary, "a field of the body": secret + "?secret.value.text=" + canary,
			"a map key": secret + "?secret.labels[" + canary + "]=1", "an index": secret + "?updateMask[" + canary + "]=1", "a mask": secret + "?updateMask=" + canary + "-",
			"a query that does not parse": secrets + "?" + canary + "=%zz", "a semicolon": secrets + "?a=1;" + canary, "a fragment": secrets + "?x=1%23" + canary,
			"a repeated parameter": secrets + "?query=1&query=" + canary,
		} {
			body := ""
			if method == "POST" || method == "PATCH" {
				body = "{}"
			}
			add(place+" of "+method, method, path, body)
		}
	}
	for place, body := range map[string]string{
		"a key": `{"` + canary + `":1}`, "a nested key": `{"value":{"` + canary + `":1}}`, "a value of an unknown key": `{"x":"` + canary + `"}`,
		"an enum": `{"usage":"` + canary + `"}`, "a number": `{"currentVersion":"` + canary + `"}`, "a message": `{"value":"` + canary + `"}`,
		"base64": `{"value":{"data":"` + canary + `*"}}`, "a time": `{"createTime":"` + canary + `"}`, "a list": `["` + canary + `"]`, "a string": `"` + canary + `"`,
		"no JSON": canary, "a truncated string": `{"value":{"text":"` + canary, "after the end": `{}` + canary, "a duplicate": `{"etag":"a","etag":"` + canary + `"}`,
		"a duplicate key of a map": `{"labels":{"` + canary + `":"a","` + canary + `":"b"}}`, "a map's value": `{"labels":{"a":{"b":"` + canary + `"}}}`,
		"bytes that are not UTF-8": `{"value":{"text":"` + canary + "\xff" + `"}}`, "an escape": `{"value":{"text":"` + canary + `\q"}}`,
		"a deep place": strings.Repeat(`{"a":`, 9000) + `"` + canary + `"`, "another name": `{"name":"` + canary + `"}`, "half a pair": `{"value":{"text":"` + canary + `\ud800"}}`,
		"a large body": `{"value":{"text":"` + strings.Repeat(canary, 100_000) + `"}}`, "a value in its place": `{"value":{"text":"` + canary + `"}}`,
		"a form": url.Values{canary: {canary}}.Encode(), "a long key": `{"` + strings.Repeat(canary, 1000) + `":1}`,
	} {
		add(place+" in the body of a POST", "POST", secrets+"?secretId=a", body)
		add(place+" in the body of a PATCH", "PATCH", secret, body)
		add(place+" in the body of a verb", "POST", endpoint+":encrypt", body)
		add(place+" in the body of a GET", "GET", secret, body)
		add(place+" in a body without credentials", "POST", secrets, body, "Authorization", "")
	}
	for _, header := range []string{
		"Authorization", "X-Request-Id", "Traceparent", "Tracestate", "Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "Cookie", "Te", "Origin",
		"X-Http-Method-Override", "X-Forwarded-For", "X-Forwarded-Host", "Grpc-Timeout", "Grpc-Metadata-A", "Grpc-Metadata-A-Bin", "X-Keyward-Client-Address", "User-Agent", canary,
	} {
		for suffix, value := range map[string]string{"": canary, " with a byte that is not UTF-8": canary + "\xff", " with a parameter": "application/json; " + canary} {
			add(header+suffix, "POST", secrets, "{}", header, value)
			add(header+suffix+", not found", "GET", "/v1/nowhere", "", header, value)
		}
	}
	return cases
}

func TestBasicCredentialsAreTheBackendsToRefuse(t *testing.T) {
	t.Parallel()
	e := start(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", e.url+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("somebody", canary)
	a := send(t, req)
	findCanary(t, "answer", a.body)
	if got := e.got(t).md.Get("authorization"); len(got) != 1 || !strings.HasPrefix(got[0], "Basic ") {
		t.Error("the header did not pass unchanged")
	}
}
