package endpoint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// matching returns a matcher with an active endpoint for each URL, named after it.
func matching(t testing.TB, urls ...string) *matcher {
	t.Helper()
	x := newMatcher()
	for _, text := range urls {
		f := &facts{url: parsed(t, text).text, active: true, methods: []string{"POST"}}
		if err := x.set(Name{"acme", text}, func() (*facts, error) { return f, nil }); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func TestSearchesDoNotWaitForTheStore(t *testing.T) {
	t.Parallel()
	const url = "https://a.example/"
	x := matching(t, url)
	err := x.set(Name{"acme", "b"}, func() (*facts, error) {
		if m := x.find("acme", parsed(t, url), "POST", nil); m.id != url {
			t.Errorf("find during set = %q", m.id)
		}
		return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
	})
	if err != nil {
		t.Fatal(err)
	}
}

func parsed(t testing.TB, text string) URL {
	t.Helper()
	u, err := ParseURL(text)
	if err != nil {
		t.Fatalf("ParseURL(%q) = %v", text, err)
	}
	return u
}

func TestTheMostSpecificURLWins(t *testing.T) {
	t.Parallel()
	const host = "https://api.example"
	x := matching(
		t, host+"/", host+"/v1/*", host+"/v1/orders", host+"/v1/orders/*", host+"/v1/orders/%2A",
		host+":8443/*", "https://[2001:db8::1]/a", "https://all.example/*", "https://deep.example/a/b/*",
	)
	for _, tt := range []struct{ name, url, want string }{
		{"the root", host, host + "/"},
		{"the same, in another spelling", "HTTPS://API.example.:443/v1/./x/../%6Frders", host + "/v1/orders"},
		{"a query and a fragment", host + "/v1/orders?x=/v1/#/..", host + "/v1/orders"},
		{"a query right after the host", host + "?/v1/orders", host + "/"},
		{"below the longer wildcard", host + "/v1/orders/7/lines", host + "/v1/orders/*"},
		{"the folder of a wildcard itself", host + "/v1/orders/", host + "/v1/orders/*"},
		{"below the shorter wildcard", host + "/v1/payments", host + "/v1/*"},
		{"not below: the prefix ends within a segment", host + "/v10", ""},
		{"not below: the folder without its slash", host + "/v1", ""},
		{"another case of the path", host + "/V1/orders", ""},
		{"one more slash", host + "//v1/orders", ""},
		{"an empty segment below", host + "/v1//orders", host + "/v1/*"},
		{"an encoded slash is not a slash", host + "/v1%2Forders", ""},
		{"an encoded slash below", host + "/v1/a%2Fb", host + "/v1/*"},
		{"a star is a character", host + "/v1/*", host + "/v1/*"},
		{"an encoded star is another", host + "/v1/orders/%2a", host + "/v1/orders/%2A"},
		{"dots that leave the wildcard", host + "/v1/../v2", ""},
		{"another port", host + ":8443/any/thing", host + ":8443/*"},
		{"another port", host + ":8444/", ""},
		{"a host above", "https://example/", ""},
		{"a host below", "https://x.api.example/v1/orders", ""},
		{"a host with the same prefix", "https://api.example.evil/v1/orders", ""},
		{"an IPv6 address", "https://[2001:DB8:0::1]/a", "https://[2001:db8::1]/a"},
		{"everything of a host", "https://all.example", "https://all.example/*"},
		{"above a deep wildcard", "https://deep.example/a/c", ""},
		{"a long path below", "https://deep.example/a/b/" + strings.Repeat("x/", 4000), "https://deep.example/a/b/*"},
		{"a long path elsewhere", "https://deep.example/" + strings.Repeat("x/", 4000), ""},

		{"encoded dots with an encoded slash", host + "/v1/..%2fadmin", ""},
		{"an encoded backslash", host + "/v1/a/..%5Cadmin", ""},
		{"dots that are encoded twice", host + "/v1/%252e%252e/admin", ""},
		{"all of it encoded twice", host + "/v1/x%252F%252E%252E%252Fadmin", ""},
		{"dots with a parameter", host + "/v1/..;a=b/admin", ""},
		{"dots with an encoded parameter", host + "/v1/..%3Badmin", ""},
		{"dots with a space", host + "/v1/..%20/admin", ""},
		{"dots with a null", host + "/v1/..%00/admin", ""},
		{"too many encodings", host + "/v1/%2525252525252e", ""},
		{"dots after the safe part", host + "/v1/orders/a/..%2f..%2f..%2fadmin", ""},
		{"dots in a name", host + "/v1/a..b/..c/d..", host + "/v1/*"},
		{"three dots", host + "/v1/...", host + "/v1/*"},
		{"a percent sign that is a character", host + "/v1/100%25", host + "/v1/*"},
		{"a parameter", host + "/v1/a;b=c", host + "/v1/*"},
	} {
		u, err := ParseTarget(tt.url)
		if err != nil {
			t.Errorf("%s: ParseTarget = %v", tt.name, err)
			continue
		}
		if m := x.find("acme", u, "POST", nil); m.id != tt.want || (m.verdict == Allowed) != (m.id != "") {
			t.Errorf("%s: find(%.80q) = %q %s, want %q", tt.name, tt.url, m.id, m.verdict, tt.want)
		}
	}
	if m := x.find("other", parsed(t, host), "POST", nil); m.id != "" || m.verdict != NoEndpoint {
		t.Errorf("find in another workspace = %q %s", m.id, m.verdict)
	}
}

func TestTargetsThatAreNoURLsOfEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "http://a.example/", "https:/a.example/", "//a.example/", "a.example", "https://", "https://?a.example",
		"https://user@a.example/", "https://user:word@a.example/", "https://a.example@evil.example/", "https://a.example\\@evil.example/",
		"https://a.example\\.evil.example/", "https://a.example:0/", "https://a.example:x/", "https://2130706433/", "https://0x7f.1/",
		"https://127.1/", "https://[::1", "https://[fe80::1%25eth0]/", "https://a.example/%", "https://a.example/\r\nx", "https://a b/",
		" https://a.example/", "https://a.example/ ", "https://a.example/a b", "https://a..example/", "https://\u3002/",
		"https://a.example\t/", "https://%61.example/",
	} {
		if u, err := ParseTarget(text); err == nil {
			t.Errorf("ParseTarget(%q) = %q, want an error", text, u)
		}
	}
}

// draws is a reproducible series of pseudorandom numbers.
type draws uint64

func (d *draws) below(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(uint64(*d)>>33) % n
}

// naive is the simplest implementation of a matcher.
func naive(endpoints map[string]Endpoint, u URL, method string, serves []string) (string, Verdict) {
	closest, best := -1, NoEndpoint
	var chosen string
	order := []Verdict{Allowed, MethodNotAllowed, NotActive, NotServed}
	ids := make([]string, 0, len(endpoints))
	for id := range endpoints {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		e := endpoints[id]
		how := -1
		if prefix, wild := strings.CutSuffix(e.URL.text, "*"); wild && strings.HasPrefix(u.text, prefix) {
			how = len(prefix)
		} else if !wild && e.URL == u {
			how = len(u.text) + 1
		}
		v := Allowed
		switch {
		case how < closest || how < 0:
			continue
		case serves != nil && !slices.Contains(serves, id):
			v = NotServed
		case e.State != Active:
			v = NotActive
		case !slices.Contains(e.Methods, method):
			v = MethodNotAllowed
		}
		if how > closest || slices.Index(order, v) < slices.Index(order, best) {
			closest, best, chosen = how, v, id
		}
	}
	return chosen, best
}

func TestTheMatcherAgreesWithTheSimplestOne(t *testing.T) {
	t.Parallel()
	draw := new(draws)
	pick := func(from ...string) string { return from[draw.below(len(from))] }
	randomURL := func(ends ...string) URL {
		text := "https://" + pick("a", "b") + ".example" + pick("", ":444")
		for range draw.below(4) {
			text += "/" + pick("x", "y", "", "%2F")
		}
		u, err := ParseTarget(text + pick(ends...))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	x, endpoints := newMatcher(), make(map[string]Endpoint)
	for range 20_000 {
		id := fmt.Sprint(draw.below(60))
		switch draw.below(6) {
		case 0:
			delete(endpoints, id)
		case 1, 2:
			endpoints[id] = Endpoint{
				State:    State(pick(string(Active), string(Active), string(Inactive), string(Pending))),
				Settings: Settings{URL: randomURL("", "/", "/*"), Methods: [][]string{{"GET"}, {"POST"}, {"GET", "POST"}}[draw.below(3)]},
			}
		}
		err := x.set(Name{"acme", id}, func() (*facts, error) {
			e, ok := endpoints[id]
			if !ok {
				return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
			}
			return factsOf(e, 0), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		u, method := randomURL("", "/", "/z"), pick("GET", "POST")
		serves := [][]string{nil, {}, {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}}[draw.below(3)]
		wantID, want := naive(endpoints, u, method, serves)
		if m := x.find("acme", u, method, serves); m.verdict != want || m.verdict == Allowed && serves == nil && m.id != wantID {
			t.Fatalf("find(%s, %s, %v) = %q %s, want %q %s", u, method, serves, m.id, m.verdict, wantID, want)
		}
	}
	for id := range endpoints {
		if err := x.set(Name{"acme", id}, func() (*facts, error) { return nil, nil }); err != nil { //nolint:nilnil // as above
			t.Fatal(err)
		}
	}
	if len(x.workspaces) != 0 {
		t.Error("a matcher without endpoints keeps something")
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"https://a.example", "HTTPS://A.Example.:443/a/../b/%7e?x", "https://[::1]:1/*#y", "https://a.example/..%2f;",
		"https://BÜCHER.example/ä%2f", "https://user@x/", "https://a.example?@b", "https://a.example/*/*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseTarget(text)
		if err != nil {
			if u != (URL{}) {
				t.Errorf("ParseTarget(%q) = %q with an error", text, u)
			}
			return
		}
		if again, err := ParseTarget(u.String()); err != nil || again != u {
			t.Errorf("ParseTarget(%q) = %q, and again %q, %v", text, u, again, err)
		}
		// If a string is also the URL of an endpoint, both have the same normal form.
		if e, err := ParseURL(text); err == nil && e != u {
			t.Errorf("ParseURL(%q) = %q, ParseTarget = %q", text, e, u)
		}
		newMatcher().find("w", u, "GET", nil)
		_ = mayClimb(u.text)
	})
}
