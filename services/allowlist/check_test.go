package allowlist_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// at is an endpoint of a URL that allows methods.
func at(url string, methods ...string) *allowlistv1.Endpoint {
	if len(methods) == 0 {
		methods = []string{"POST"}
	}
	return &allowlistv1.Endpoint{Url: url, Methods: methods}
}

func (k *kit) active(t testing.TB, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	k.owner.create(t, id, e)
	k.activate(t, id)
}

func (c client) check(t testing.TB, method, url string) *allowlistv1.CheckUrlResponse {
	t.Helper()
	resp, err := c.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: workspace, Method: method, Url: url})
	must(t, err)
	if allowed := resp.GetVerdict() == allowlistv1.CheckUrlResponse_VERDICT_ALLOWED; allowed != resp.GetAllowed() {
		t.Errorf("CheckUrl(%s %s) = %v", method, url, resp)
	}
	return resp
}

// verdict is the verdict and the id of the endpoint of an answer.
func verdict(resp *allowlistv1.CheckUrlResponse) string {
	text := strings.TrimPrefix(resp.GetVerdict().String(), "VERDICT_")
	if resp.GetEndpoint() != "" {
		text += " " + strings.TrimPrefix(resp.GetEndpoint(), workspace+"/endpoints/")
	}
	return text
}

func TestAURLIsAllowedByTheMostSpecificEndpointOrNot(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.active(t, "all", at("https://api.partner.example/v1/*", "GET", "POST"))
	k.active(t, "orders", at("https://api.partner.example/v1/orders"))
	k.owner.create(t, "pending", at("https://api.partner.example/v1/pending/*", "GET"))
	k.active(t, "book", at("https://bücher.example/"))
	k.active(t, "twin-a", at("https://twin.example/", "GET"))
	k.active(t, "twin-b", at("https://twin.example/", "POST"))
	k.owner.create(t, "twin-c", at("https://twin.example/", "PUT"))
	for _, tt := range []struct{ name, method, url, want, normalized string }{
		{"a URL", "POST", "HTTPS://api.Partner.example:443/v1/./orders?a=b#c", "ALLOWED orders", "https://api.partner.example/v1/orders"},
		{"below a wildcard", "GET", "https://api.partner.example/v1/%7eme", "ALLOWED all", "https://api.partner.example/v1/~me"},
		{"the specific one wins, and refuses", "GET", "https://api.partner.example/v1/orders", "METHOD_NOT_ALLOWED orders", "https://api.partner.example/v1/orders"},
		{"the specific one wins, and is off", "GET", "https://api.partner.example/v1/pending/7", "NOT_ACTIVE pending", "https://api.partner.example/v1/pending/7"},
		{"an unknown method", "TRACE", "https://api.partner.example/v1/x", "METHOD_NOT_ALLOWED all", "https://api.partner.example/v1/x"},
		{"an unknown path", "GET", "https://api.partner.example/v2", "NO_ENDPOINT", "https://api.partner.example/v2"},
		{"an unknown host", "GET", "https://partner.example/v1/orders", "NO_ENDPOINT", "https://partner.example/v1/orders"},
		{"an international host", "POST", "https://xn--bcher-kva.example", "ALLOWED book", "https://xn--bcher-kva.example/"},
		{"the first of one URL that allows", "POST", "https://twin.example/", "ALLOWED twin-b", "https://twin.example/"},
		{"of one URL none allows", "DELETE", "https://twin.example/", "METHOD_NOT_ALLOWED twin-a", "https://twin.example/"},
		{"plain HTTP", "GET", "http://api.partner.example/v1/orders", "INVALID_URL", ""},
		{"user information", "GET", "https://me:word@api.partner.example/v1/orders", "INVALID_URL", ""},
		{"no URL", "GET", "orders", "INVALID_URL", ""},
		{"an odd IPv4 address", "GET", "https://2130706433/", "INVALID_URL", ""},
	} {
		for _, as := range []client{k.sender, k.owner, k.admin} {
			if got := as.check(t, tt.method, tt.url); verdict(got) != tt.want || got.GetNormalizedUrl() != tt.normalized {
				t.Errorf("%s: CheckUrl = %s, %q, want %s, %q", tt.name, verdict(got), got.GetNormalizedUrl(), tt.want, tt.normalized)
			}
		}
	}
	_, err := k.sender.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: workspace, Method: "get", Url: "https://a.example/"})
	wantError(t, "a method in lower case", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = k.admin.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: "acme", Method: "GET", Url: "https://a.example/"})
	wantError(t, "a malformed workspace", err, codes.InvalidArgument, "INVALID_FIELD")
	other, err := k.admin.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: "workspaces/other", Method: "POST", Url: "https://api.partner.example/v1/orders"})
	must(t, err)
	if verdict(other) != "NO_ENDPOINT" {
		t.Errorf("CheckUrl in another workspace = %v", other)
	}
}

func TestNarrowedSendersAreToldWhatTheyDoNotServe(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.active(t, "all", at("https://api.partner.example/*"))
	k.active(t, "orders", at("https://api.partner.example/orders"))
	k.active(t, "refunds", at("https://api.partner.example/refunds"))
	k.active(t, "a-refunds", at("https://api.partner.example/refunds"))
	narrow := k.as(t, k.env.EndpointSender(t, "acme", "refunds", "all"))
	for _, tt := range []struct{ name, method, url, want string }{
		{"one that it serves", "POST", "https://api.partner.example/x", "ALLOWED all"},
		{"one of two that it serves", "POST", "https://api.partner.example/refunds", "ALLOWED refunds"},
		{"a method that it may not use", "GET", "https://api.partner.example/refunds", "METHOD_NOT_ALLOWED refunds"},
		{"another's, although it serves what lies above", "POST", "https://api.partner.example/orders", "NOT_SERVED orders"},
		{"none", "POST", "https://b.example/", "NO_ENDPOINT"},
	} {
		if got := verdict(narrow.check(t, tt.method, tt.url)); got != tt.want {
			t.Errorf("%s: CheckUrl = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsAllowedFollowsEachChange(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const url = "https://api.partner.example/orders"
	name := nameOf("orders")
	want := func(what, want string) {
		t.Helper()
		if got := verdict(k.sender.check(t, "POST", url)); got != want {
			t.Errorf("%s: CheckUrl = %s, want %s", what, got, want)
		}
	}
	want("before", "NO_ENDPOINT")
	k.owner.create(t, "orders", at(url))
	want("pending", "NOT_ACTIVE orders")
	k.activate(t, "orders")
	want("active", "ALLOWED orders")
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: name, Methods: []string{"PUT"}})
	must(t, err)
	want("other methods", "METHOD_NOT_ALLOWED orders")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: name, Methods: []string{"PUT", "POST"}})
	must(t, err)
	_, err = k.owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
	must(t, err)
	want("switched off", "NOT_ACTIVE orders")
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name})
	must(t, err)
	k.restart(t)
	want("after a restart", "ALLOWED orders")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example/others"})
	must(t, err)
	want("moved away", "NO_ENDPOINT")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example/*"})
	must(t, err)
	want("moved to a wildcard", "NOT_ACTIVE orders")
	k.owner.delete(t, "orders")
	want("deleted", "NO_ENDPOINT")
}

func TestAnUnsureStoreAllowsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.active(t, "all", at("https://api.partner.example/*"))
	req := &allowlistv1.CheckUrlRequest{Parent: workspace, Method: "POST", Url: "https://api.partner.example/orders"}
	failure := errors.New("the disk is gone for a moment")
	// The commit goes through, but nobody learns of it, nor can look.
	k.store.FailReplies(failure)
	k.store.FailViews(failure)
	_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: workspace, EndpointId: "orders", Endpoint: at("https://api.partner.example/orders"),
	})
	wantError(t, "a save without a disk", err, codes.Internal, "INTERNAL")
	_, err = k.sender.CheckUrl(t.Context(), req)
	wantError(t, "CheckUrl without a disk", err, codes.Internal, "INTERNAL")
	k.store.FailReplies(nil)
	k.store.FailViews(nil)
	if got := verdict(k.sender.check(t, "POST", req.GetUrl())); got != "NOT_ACTIVE orders" {
		t.Errorf("CheckUrl = %s, want the endpoint whose save nobody learnt of", got)
	}
}

func TestChecksHoldDuringChanges(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.active(t, "all", at("https://api.partner.example/*"))
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			id := fmt.Sprint("e", worker)
			url := "https://api.partner.example/" + id
			for range 5 {
				k.owner.create(t, id, at(url))
				if got := verdict(k.sender.check(t, "POST", url)); got != "NOT_ACTIVE "+id {
					t.Errorf("CheckUrl after creation = %s", got)
				}
				k.activate(t, id)
				if got := verdict(k.sender.check(t, "POST", url)); got != "ALLOWED "+id {
					t.Errorf("CheckUrl after activation = %s", got)
				}
				k.owner.delete(t, id)
				if got := verdict(k.sender.check(t, "POST", url)); got != "ALLOWED all" {
					t.Errorf("CheckUrl after deletion = %s", got)
				}
			}
		})
	}
	work.Wait()
}

// resolving starts a DNS server that knows some hosts, and returns its address.
func resolving(t testing.TB, hosts map[string][]string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) {
		resp := new(dns.Msg).SetReply(req)
		question := req.Question[0]
		addresses, known := hosts[strings.TrimSuffix(question.Name, ".")]
		if !known {
			resp.Rcode = dns.RcodeNameError
		}
		for _, text := range addresses {
			header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET}
			switch ip := net.ParseIP(text); {
			case ip.To4() != nil && question.Qtype == dns.TypeA:
				resp.Answer = append(resp.Answer, &dns.A{Hdr: header, A: ip})
			case ip.To4() == nil && question.Qtype == dns.TypeAAAA:
				resp.Answer = append(resp.Answer, &dns.AAAA{Hdr: header, AAAA: ip})
			}
		}
		_ = w.WriteMsg(resp) // who asked may be gone
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

func TestOnlyAddressesThatPassTheGuardAreReturned(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.config.Verification.AllowRanges = []string{"10.1.0.0/16"}
	k.config.Verification.Resolvers = []string{resolving(t, map[string][]string{
		"public.example":  {"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"},
		"inside.example":  {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"},
		"mixed.example":   {"192.168.1.1", "93.184.215.14", "fd00:ec2::254"},
		"opened.example":  {"10.1.2.3"},
		"nothing.example": nil,
	})}
	k.restart(t)
	urls := []string{
		"https://public.example/", "https://inside.example/", "https://mixed.example/", "https://opened.example/",
		"https://nothing.example/", "https://unknown.example/", "https://127.0.0.1/", "https://[::ffff:93.184.215.14]/",
		"https://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/",
	}
	for i, url := range urls {
		k.active(t, fmt.Sprint("e", i), at(url))
	}
	k.owner.create(t, "off", at("https://public.example/off"))
	for _, tt := range []struct {
		url, want string
		addresses []string
	}{
		{urls[0], "ALLOWED e0", []string{"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"}},
		{urls[1], "FORBIDDEN_ADDRESS e1", nil},
		{urls[2], "ALLOWED e2", []string{"93.184.215.14"}},
		{urls[3], "ALLOWED e3", []string{"10.1.2.3"}},
		{urls[4], "UNRESOLVED e4", nil},
		{urls[5], "UNRESOLVED e5", nil},
		{urls[6], "FORBIDDEN_ADDRESS e6", nil},
		{urls[7], "FORBIDDEN_ADDRESS e7", nil},
		{urls[8], "ALLOWED e8", []string{"93.184.215.14"}},
		{urls[9], "ALLOWED e9", []string{"2606:2800:21f:cb07:6820:80da:af6b:8b2c"}},
		{"https://public.example/off", "NOT_ACTIVE off", nil},
		{"https://other.example/", "NO_ENDPOINT", nil},
	} {
		resp, err := k.sender.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: workspace, Method: "POST", Url: tt.url, Resolve: true})
		must(t, err)
		if verdict(resp) != tt.want || resp.GetAllowed() != strings.HasPrefix(tt.want, "ALLOWED") || !slices.Equal(resp.GetAddresses(), tt.addresses) {
			t.Errorf("CheckUrl(%s) = %s %v, want %s %v", tt.url, verdict(resp), resp.GetAddresses(), tt.want, tt.addresses)
		}
		for _, address := range resp.GetAddresses() {
			if _, err := netip.ParseAddr(address); err != nil {
				t.Errorf("CheckUrl(%s) = address %q", tt.url, address)
			}
		}
	}
	if got := k.sender.check(t, "POST", urls[0]); len(got.GetAddresses()) != 0 {
		t.Errorf("CheckUrl without resolve = %v", got)
	}
}
