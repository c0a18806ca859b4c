package endpoint_test

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
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func check(t testing.TB, c allowlisttest.Client, method, url string) *allowlistv1.CheckUrlResponse {
	t.Helper()
	resp, err := c.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: method, Url: url})
	allowlisttest.Must(t, err)
	if allowed := resp.GetVerdict() == allowlistv1.CheckUrlResponse_VERDICT_ALLOWED; allowed != resp.GetAllowed() {
		t.Errorf("CheckUrl(%s %s) = %v", method, url, resp)
	}
	return resp
}

// verdict returns the verdict and the ID of the endpoint of a response.
func verdict(resp *allowlistv1.CheckUrlResponse) string {
	text := strings.TrimPrefix(resp.GetVerdict().String(), "VERDICT_")
	if resp.GetEndpoint() != "" {
		text += " " + strings.TrimPrefix(resp.GetEndpoint(), allowlisttest.Workspace+"/endpoints/")
	}
	return text
}

func TestAURLIsAllowedByTheMostSpecificEndpointOrNot(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "all", allowlisttest.At("https://api.partner.example/v1/*", "GET", "POST"))
	k.Active(t, "orders", allowlisttest.At("https://api.partner.example/v1/orders"))
	k.Owner.Create(t, "pending", allowlisttest.At("https://api.partner.example/v1/pending/*", "GET"))
	k.Active(t, "book", allowlisttest.At("https://bücher.example/"))
	k.Active(t, "twin-a", allowlisttest.At("https://twin.example/", "GET"))
	k.Active(t, "twin-b", allowlisttest.At("https://twin.example/", "POST"))
	k.Owner.Create(t, "twin-c", allowlisttest.At("https://twin.example/", "PUT"))
	for _, tt := range []struct{ name, method, url, want, normalized string }{
		{"a URL", "POST", "HTTPS://api.Partner.example:443/v1/./orders?a=b#c", "ALLOWED orders", "https://api.partner.example/v1/orders"},
		{"below a wildcard", "GET", "https://api.partner.example/v1/%7eme", "ALLOWED all", "https://api.partner.example/v1/~me"},
		{"the specific one wins, and refuses", "GET", "https://api.partner.example/v1/orders", "METHOD_NOT_ALLOWED orders", "https://api.partner.example/v1/orders"},
		{"the specific one wins, and is off", "GET", "https://api.partner.example/v1/pending/7", "NOT_ACTIVE pending", "https://api.partner.example/v1/pending/7"},
		{"an unknown method", "TRACE", "https://api.partner.example/v1/x", "METHOD_NOT_ALLOWED all", "https://api.partner.example/v1/x"},
		{"an unknown path", "GET", "https://api.partner.example/v2", "NO_ENDPOINT", "https://api.partner.example/v2"},
		{"an unknown host", "GET", "https://partner.example/v1/orders", "NO_ENDPOINT", "https://partner.example/v1/orders"},
		{"an international host", "POST", "https://xn--bcher-kva.example", "ALLOWED book", "https://xn--bcher-kva.example/"},
		{"the first with one URL that allows", "POST", "https://twin.example/", "ALLOWED twin-b", "https://twin.example/"},
		{"none with one URL allows", "DELETE", "https://twin.example/", "METHOD_NOT_ALLOWED twin-a", "https://twin.example/"},
		{"plain HTTP", "GET", "http://api.partner.example/v1/orders", "INVALID_URL", ""},
		{"user information", "GET", "https://me:word@api.partner.example/v1/orders", "INVALID_URL", ""},
		{"no URL", "GET", "orders", "INVALID_URL", ""},
		{"an odd IPv4 address", "GET", "https://2130706433/", "INVALID_URL", ""},
	} {
		for _, as := range []allowlisttest.Client{k.Sender, k.Owner, k.Admin} {
			if got := check(t, as, tt.method, tt.url); verdict(got) != tt.want || got.GetNormalizedUrl() != tt.normalized {
				t.Errorf("%s: CheckUrl = %s, %q, want %s, %q", tt.name, verdict(got), got.GetNormalizedUrl(), tt.want, tt.normalized)
			}
		}
	}
	_, err := k.Sender.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "get", Url: "https://a.example/"})
	allowlisttest.WantError(t, "a method in lower case", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = k.Admin.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: "acme", Method: "GET", Url: "https://a.example/"})
	allowlisttest.WantError(t, "a malformed workspace", err, codes.InvalidArgument, "INVALID_FIELD")
	other, err := k.Admin.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: "workspaces/other", Method: "POST", Url: "https://api.partner.example/v1/orders"})
	allowlisttest.Must(t, err)
	if verdict(other) != "NO_ENDPOINT" {
		t.Errorf("CheckUrl in another workspace = %v", other)
	}
}

func TestNarrowedSendersSeeWhichEndpointsTheyDoNotServe(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "all", allowlisttest.At("https://api.partner.example/*"))
	k.Active(t, "orders", allowlisttest.At("https://api.partner.example/orders"))
	k.Active(t, "refunds", allowlisttest.At("https://api.partner.example/refunds"))
	k.Active(t, "a-refunds", allowlisttest.At("https://api.partner.example/refunds"))
	narrow := k.As(t, k.Env.EndpointSender(t, "acme", "refunds", "all"))
	for _, tt := range []struct{ name, method, url, want string }{
		{"a served endpoint", "POST", "https://api.partner.example/x", "ALLOWED all"},
		{"one of two served endpoints", "POST", "https://api.partner.example/refunds", "ALLOWED refunds"},
		{"a method that is not allowed", "GET", "https://api.partner.example/refunds", "METHOD_NOT_ALLOWED refunds"},
		{"another endpoint, although the caller serves the one above", "POST", "https://api.partner.example/orders", "NOT_SERVED orders"},
		{"none", "POST", "https://b.example/", "NO_ENDPOINT"},
	} {
		if got := verdict(check(t, narrow, tt.method, tt.url)); got != tt.want {
			t.Errorf("%s: CheckUrl = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsAllowedFollowsEachChange(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	const url = "https://api.partner.example/orders"
	name := allowlisttest.NameOf("orders")
	want := func(what, want string) {
		t.Helper()
		if got := verdict(check(t, k.Sender, "POST", url)); got != want {
			t.Errorf("%s: CheckUrl = %s, want %s", what, got, want)
		}
	}
	want("before", "NO_ENDPOINT")
	k.Owner.Create(t, "orders", allowlisttest.At(url))
	want("pending", "NOT_ACTIVE orders")
	k.Activate(t, "orders")
	want("active", "ALLOWED orders")
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Methods: []string{"PUT"}})
	allowlisttest.Must(t, err)
	want("other methods", "METHOD_NOT_ALLOWED orders")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Methods: []string{"PUT", "POST"}})
	allowlisttest.Must(t, err)
	_, err = k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	want("switched off", "NOT_ACTIVE orders")
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	k.Restart(t)
	want("after a restart", "ALLOWED orders")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example/others"})
	allowlisttest.Must(t, err)
	want("moved away", "NO_ENDPOINT")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example/*"})
	allowlisttest.Must(t, err)
	want("moved to a wildcard", "NOT_ACTIVE orders")
	k.Owner.Delete(t, "orders")
	want("deleted", "NO_ENDPOINT")
}

func TestAnUnsureStoreAllowsNothing(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "all", allowlisttest.At("https://api.partner.example/*"))
	req := &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "POST", Url: "https://api.partner.example/orders"}
	failure := errors.New("the disk fails for a moment")
	// The commit succeeds, but its result is lost, and the store cannot be read.
	k.Store.FailReplies(failure)
	k.Store.FailViews(failure)
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.At("https://api.partner.example/orders"),
	})
	allowlisttest.WantError(t, "a save without a disk", err, codes.Internal, "INTERNAL")
	_, err = k.Sender.CheckUrl(t.Context(), req)
	allowlisttest.WantError(t, "CheckUrl without a disk", err, codes.Internal, "INTERNAL")
	k.Store.FailReplies(nil)
	k.Store.FailViews(nil)
	if got := verdict(check(t, k.Sender, "POST", req.GetUrl())); got != "NOT_ACTIVE orders" {
		t.Errorf("CheckUrl = %s, want the endpoint whose save had no response", got)
	}
}

// The store is read at the first check of an endpoint and while it is being changed, and the change
// log with it. In between, what is in memory is what was committed.
func TestChecksOfAnUnchangedEndpointDoNotReadTheStore(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "orders", allowlisttest.At("https://api.partner.example/orders"))
	k.Restart(t)
	req := &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "POST", Url: "https://api.partner.example/orders"}
	failure := errors.New("the disk fails for a moment")
	k.Store.FailViews(failure)
	_, err := k.Sender.CheckUrl(t.Context(), req)
	allowlisttest.WantError(t, "the first CheckUrl without a disk", err, codes.Internal, "INTERNAL")
	k.Store.FailViews(nil)
	if got := verdict(check(t, k.Sender, "POST", req.GetUrl())); got != "ALLOWED orders" {
		t.Errorf("the first CheckUrl = %s", got)
	}
	k.Store.FailViews(failure)
	if got := verdict(check(t, k.Sender, "POST", req.GetUrl())); got != "ALLOWED orders" {
		t.Errorf("the second CheckUrl without a disk = %s", got)
	}
	k.Store.FailViews(nil)
}

func TestChecksHoldDuringChanges(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "all", allowlisttest.At("https://api.partner.example/*"))
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			id := fmt.Sprint("e", worker)
			url := "https://api.partner.example/" + id
			for range 5 {
				k.Owner.Create(t, id, allowlisttest.At(url))
				if got := verdict(check(t, k.Sender, "POST", url)); got != "NOT_ACTIVE "+id {
					t.Errorf("CheckUrl after creation = %s", got)
				}
				k.Activate(t, id)
				if got := verdict(check(t, k.Sender, "POST", url)); got != "ALLOWED "+id {
					t.Errorf("CheckUrl after activation = %s", got)
				}
				k.Owner.Delete(t, id)
				if got := verdict(check(t, k.Sender, "POST", url)); got != "ALLOWED all" {
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
	allowlisttest.Must(t, err)
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
		_ = w.WriteMsg(resp) // the caller may have gone away
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

func TestOnlyAddressesThatPassTheGuardAreReturned(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Config.Verification.AllowRanges = []string{"10.1.0.0/16"}
	k.Config.Verification.Resolvers = []string{resolving(t, map[string][]string{
		"public.example":  {"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"},
		"inside.example":  {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"},
		"mixed.example":   {"192.168.1.1", "93.184.215.14", "fd00:ec2::254"},
		"opened.example":  {"10.1.2.3"},
		"nothing.example": nil,
	})}
	k.Restart(t)
	urls := []string{
		"https://public.example/", "https://inside.example/", "https://mixed.example/", "https://opened.example/",
		"https://nothing.example/", "https://unknown.example/", "https://127.0.0.1/", "https://[::ffff:93.184.215.14]/",
		"https://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/",
	}
	for i, url := range urls {
		k.Active(t, fmt.Sprint("e", i), allowlisttest.At(url))
	}
	k.Owner.Create(t, "off", allowlisttest.At("https://public.example/off"))
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
		resp, err := k.Sender.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "POST", Url: tt.url, Resolve: true})
		allowlisttest.Must(t, err)
		if verdict(resp) != tt.want || resp.GetAllowed() != strings.HasPrefix(tt.want, "ALLOWED") || !slices.Equal(resp.GetAddresses(), tt.addresses) {
			t.Errorf("CheckUrl(%s) = %s %v, want %s %v", tt.url, verdict(resp), resp.GetAddresses(), tt.want, tt.addresses)
		}
		for _, address := range resp.GetAddresses() {
			if _, err := netip.ParseAddr(address); err != nil {
				t.Errorf("CheckUrl(%s) = address %q", tt.url, address)
			}
		}
	}
	if got := check(t, k.Sender, "POST", urls[0]); len(got.GetAddresses()) != 0 {
		t.Errorf("CheckUrl without resolve = %v", got)
	}
}
