package endpoint_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

var proofs = []allowlistv1.Verification_Method{allowlisttest.ByDNS, allowlisttest.ByFile, allowlisttest.ByWeb}

func TestEachProofVerifies(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	for _, method := range proofs {
		id := strings.ToLower(method.String())
		k.Owner.Create(t, id, allowlisttest.At(p.URL("/"+id)))
		challenge := k.Owner.Get(t, id).GetChallenge()
		p.Withdraw()
		_, err := k.Verify(t, id, method)
		allowlisttest.WantFinding(t, id+" before the proof is published", err, "NOT_FOUND")

		p.Publish(challenge)
		got, err := k.Verify(t, id, method)
		allowlisttest.Must(t, err)
		v := got.GetVerification()
		if v.GetMethod() != method || v.GetActor() != k.Owner.Subject || v.GetHealth() != allowlistv1.Verification_HEALTH_OK ||
			!v.GetTime().IsValid() || !v.GetCheckTime().IsValid() || v.GetGraceTime() != nil {
			t.Errorf("%s: VerifyEndpoint = verification %v", id, v)
		}
		if got.GetState() != allowlistv1.Endpoint_STATE_PENDING || got.GetChallenge() != nil {
			t.Errorf("%s: VerifyEndpoint = %v with challenge %v, want PENDING and none", id, got.GetState(), got.GetChallenge())
		}
		if diff := cmp.Diff(got, k.Owner.Get(t, id), protocmp.Transform()); diff != "" {
			t.Errorf("%s: GetEndpoint differs from the response:\n%s", id, diff)
		}
		change := k.Owner.History(t, allowlisttest.NameOf(id))[0]
		if change.GetAction() != allowlistv1.EndpointChange_ACTION_VERIFIED || change.GetActor().GetSubject() != k.Owner.Subject ||
			change.GetReason() != "proof" || !slices.Contains(change.GetChangedFields(), "verification") {
			t.Errorf("%s: the log says %v", id, change)
		}
		_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf(id)})
		allowlisttest.Must(t, err)
	}
	list, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
	allowlisttest.Must(t, err)
	found, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace, Query: "METHOD"})
	allowlisttest.Must(t, err)
	if len(list.GetEndpoints()) != len(proofs) || !cmp.Equal(list.GetEndpoints(), found.GetEndpoints(), protocmp.Transform()) {
		t.Errorf("ListEndpoints = %v, and with a query %v", list.GetEndpoints(), found.GetEndpoints())
	}
	for _, e := range list.GetEndpoints() {
		if !e.GetVerification().GetCheckTime().IsValid() {
			t.Errorf("ListEndpoints does not say when the proof of %s was checked", e.GetName())
		}
	}
}

func TestAWebTokenProvesTheFolderOfAWildcard(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "all", allowlisttest.At(p.URL("/v1/*")))
	token := k.Owner.Get(t, "all").GetChallenge().GetWebToken()
	p.Serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/" && r.Method == http.MethodGet {
			_, _ = io.WriteString(w, allowlisttest.AnswerTo(r.URL.Query().Get("keyward-nonce"), token))
		}
	})
	_, err := k.Verify(t, "all", allowlisttest.ByWeb)
	allowlisttest.Must(t, err)
}

func TestAFailedProofHasAnOutcome(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	c := k.Owner.Get(t, "orders").GetChallenge()
	const canary = "sesameopen/verification"
	redirect := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/elsewhere") {
			_, _ = io.WriteString(w, c.GetFileContent())
			return
		}
		http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
	}
	for _, tt := range []struct {
		name   string
		method allowlistv1.Verification_Method
		set    func()
		want   string
	}{
		{"no record", allowlisttest.ByDNS, func() {}, "NOT_FOUND"},
		{"another record", allowlisttest.ByDNS, func() { p.PublishText(c.GetDnsName(), canary) }, "MISMATCH"},
		{"the record without its prefix", allowlisttest.ByDNS, func() {
			p.PublishText(c.GetDnsName(), strings.TrimPrefix(c.GetDnsValue(), "keyward-challenge="))
		}, "MISMATCH"},
		{"more than the record", allowlisttest.ByDNS, func() { p.PublishText(c.GetDnsName(), c.GetDnsValue()+" ") }, "MISMATCH"},
		{"the record on the host itself", allowlisttest.ByDNS, func() { p.PublishText(allowlisttest.PartnerHost, c.GetDnsValue()) }, "NOT_FOUND"},
		{"the content of the file as a record", allowlisttest.ByDNS, func() {
			p.PublishText(c.GetDnsName(), "keyward-challenge="+c.GetFileContent())
		}, "MISMATCH"},
		{"a DNS that fails", allowlisttest.ByDNS, func() { p.Set(func() { p.Code = dns.RcodeServerFailure }) }, "UNREACHABLE"},
		{"no file", allowlisttest.ByFile, func() {}, "NOT_FOUND"},
		{"another file", allowlisttest.ByFile, func() { p.Body(canary) }, "MISMATCH"},
		{"an empty file", allowlisttest.ByFile, func() { p.Body("") }, "MISMATCH"},
		{"more than the file", allowlisttest.ByFile, func() { p.Body(c.GetFileContent() + "." + canary) }, "MISMATCH"},
		{"the record as a file", allowlisttest.ByFile, func() { p.Body(c.GetDnsValue()) }, "MISMATCH"},
		{"a file too large", allowlisttest.ByFile, func() { p.Body(c.GetFileContent() + strings.Repeat(" ", 1<<20)) }, "MISMATCH"},
		{"a file behind a redirect", allowlisttest.ByFile, func() { p.Serve(redirect) }, "NOT_FOUND"},
		{"a server that fails", allowlisttest.ByFile, func() {
			p.Serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, canary, http.StatusBadGateway) })
		}, "UNREACHABLE"},
		{"a server that hangs up", allowlisttest.ByFile, func() {
			p.Serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, "UNREACHABLE"},
		{"a page as an answer", allowlisttest.ByWeb, func() { p.Body(canary) }, "MISMATCH"},
		{"the token as an answer", allowlisttest.ByWeb, func() { p.Body(c.GetWebToken()) }, "MISMATCH"},
		{"the nonce as an answer", allowlisttest.ByWeb, func() {
			p.Serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.URL.Query().Get("keyward-nonce"))
			})
		}, "MISMATCH"},
		{"the answer to another nonce", allowlisttest.ByWeb, func() { p.Body(allowlisttest.AnswerTo("other", c.GetWebToken())) }, "MISMATCH"},
		{"the answer with the key of the file", allowlisttest.ByWeb, func() {
			p.Serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, allowlisttest.AnswerTo(r.URL.Query().Get("keyward-nonce"), c.GetFileContent()))
			})
		}, "MISMATCH"},
		{"the answer within a page", allowlisttest.ByWeb, func() {
			p.Serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "<p>"+allowlisttest.AnswerTo(r.URL.Query().Get("keyward-nonce"), c.GetWebToken())+"</p>")
			})
		}, "MISMATCH"},
		{"an answer behind a redirect", allowlisttest.ByWeb, func() { p.Serve(redirect) }, "NOT_FOUND"},
	} {
		p.Withdraw()
		tt.set()
		_, err := k.Verify(t, "orders", tt.method)
		allowlisttest.WantFinding(t, tt.name, err, tt.want)
		servertest.MustNotHold(t, tt.name, err.Error(), canary)
		p.Set(func() { p.Code = 0 })
	}
	if v := k.Owner.Get(t, "orders").GetVerification(); v != nil {
		t.Errorf("after all that the endpoint is verified: %v", v)
	}
	for what, secret := range map[string]string{"what was found": canary, "the web token": c.GetWebToken(), "the record": c.GetDnsValue()} {
		servertest.MustNotHold(t, "the log, of "+what, k.Env.Log.String(), secret)
	}
}

func TestProofsForOneWorkspaceProveNothingForAnother(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	other := k.As(t, k.Env.Owner(t, "other"))
	create := func(c allowlisttest.Client, parent string) string {
		resp, err := c.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: parent, EndpointId: "a", Endpoint: allowlisttest.At(p.URL("/a"))})
		allowlisttest.Must(t, err)
		return resp.GetEndpoint().GetName()
	}
	create(k.Owner, allowlisttest.Workspace)
	got, err := other.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: create(other, "workspaces/other")})
	allowlisttest.Must(t, err)
	theirs, ours := got.GetEndpoint().GetChallenge(), k.Owner.Get(t, "a").GetChallenge()
	// The file is served under every path, as on a host that many tenants share.
	p.Publish(theirs)
	p.Serve(func(w http.ResponseWriter, r *http.Request) {
		if nonce := r.URL.Query().Get("keyward-nonce"); nonce != "" {
			_, _ = io.WriteString(w, allowlisttest.AnswerTo(nonce, theirs.GetWebToken()))
			return
		}
		_, _ = io.WriteString(w, theirs.GetFileContent())
	})
	for _, method := range proofs {
		_, err := k.Verify(t, "a", method)
		allowlisttest.WantFinding(t, method.String(), err, "MISMATCH")
	}
	k.Owner.Create(t, "b", allowlisttest.At(p.URL("/b")))
	if diff := cmp.Diff(ours, k.Owner.Get(t, "b").GetChallenge(), protocmp.Transform()); diff != "" {
		t.Errorf("two endpoints of a workspace on one host have different challenges:\n%s", diff)
	}
	k.Owner.Create(t, "c", allowlisttest.At("https://127.0.0.1:"+p.Port+"/c"))
	if c := k.Owner.Get(t, "c").GetChallenge(); c.GetDnsName() != "" || c.GetDnsValue() != "" || c.GetFileContent() == ours.GetFileContent() {
		t.Errorf("the challenge of an address = %v, want no record and a file of its own", c)
	}
	_, err = k.Verify(t, "c", allowlisttest.ByDNS)
	allowlisttest.WantFinding(t, "a record for an address", err, "NOT_FOUND")
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	k.Owner.Create(t, "later", allowlisttest.At(p.URL("/later")))
	c := k.Owner.Get(t, "orders").GetChallenge()
	p.Publish(c)
	left := c.GetExpireTime().AsTime().Sub(k.Clock.Now())
	if left <= 7*24*time.Hour || left > 14*24*time.Hour {
		t.Errorf("the challenge expires in %v, want a week or two", left)
	}
	k.Clock.Advance(left - time.Minute)
	for _, method := range proofs {
		_, err := k.Verify(t, "orders", method)
		allowlisttest.Must(t, err)
	}
	k.Clock.Advance(time.Minute)
	for _, method := range proofs {
		_, err := k.Verify(t, "later", method)
		allowlisttest.WantFinding(t, method.String(), err, "EXPIRED")
	}
	if next := k.Owner.Get(t, "later").GetChallenge(); next.GetDnsValue() == c.GetDnsValue() || next.GetWebToken() == c.GetWebToken() || next.GetFileContent() == c.GetFileContent() {
		t.Error("the next challenge is the same")
	}
}

func TestOnlyOwnersSeeChallenges(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	created := k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	updated, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Description: "x"})
	allowlisttest.Must(t, err)
	list, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
	allowlisttest.Must(t, err)
	for what, e := range map[string]*allowlistv1.Endpoint{
		"CreateEndpoint": created, "UpdateEndpoint": updated, "ListEndpoints": list.GetEndpoints()[0], "GetEndpoint by a member": k.Member.Get(t, "orders"),
	} {
		if e.GetChallenge() != nil {
			t.Errorf("%s shows the challenge", what)
		}
	}
	if diff := cmp.Diff(k.Owner.Get(t, "orders").GetChallenge(), k.Admin.Get(t, "orders").GetChallenge(), protocmp.Transform()); diff != "" {
		t.Errorf("an admin sees another challenge:\n%s", diff)
	}
	k.Activate(t, "orders")
	if c := k.Owner.Get(t, "orders").GetChallenge(); c != nil {
		t.Errorf("an approved endpoint shows the challenge %v", c)
	}
}

func TestAChangeOfTheURLUndoesWhatWasNotProven(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	p.Publish(k.Owner.Get(t, "orders").GetChallenge())
	for _, tt := range []struct {
		name   string
		method allowlistv1.Verification_Method // unspecified: approved by a super admin
		url    string
		keeps  bool
	}{
		{"the path, after DNS", allowlisttest.ByDNS, p.URL("/other"), true},
		{"the path, after a file", allowlisttest.ByFile, p.URL("/other/*"), true},
		{"the path, after a web token", allowlisttest.ByWeb, p.URL("/other"), false},
		{"the path, after approval", 0, p.URL("/other"), false},
		{"the same in another spelling", allowlisttest.ByWeb, strings.Replace(p.URL("/./orders"), "https", "HTTPS", 1), true},
		{"the port, after DNS", allowlisttest.ByDNS, "https://" + allowlisttest.PartnerHost + "/orders", false},
		{"the port, after a file", allowlisttest.ByFile, "https://" + allowlisttest.PartnerHost + ":1/orders", false},
		{"the host, after DNS", allowlisttest.ByDNS, "https://127.0.0.1:" + p.Port + "/orders", false},
		{"the host, after a file", allowlisttest.ByFile, "https://127.0.0.1:" + p.Port + "/orders", false},
	} {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: p.URL("/orders")}, "url")
		allowlisttest.Must(t, err)
		if tt.method == 0 {
			k.Owner.Delete(t, "orders")
			k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
			k.Activate(t, "orders")
		} else {
			_, err = k.Verify(t, "orders", tt.method)
			allowlisttest.Must(t, err)
			_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.Must(t, err)
		}
		moved, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: tt.url}, "url")
		allowlisttest.Must(t, err)
		if got := moved.GetVerification() != nil; got != tt.keeps {
			t.Errorf("%s: still verified = %t, want %t", tt.name, got, tt.keeps)
		}
		if got := moved.GetState() == allowlistv1.Endpoint_STATE_ACTIVE; got != tt.keeps {
			t.Errorf("%s: still active = %t, want %t", tt.name, got, tt.keeps)
		}
	}
}

func TestAProofForAURLThatChangedMeanwhileProvesNothing(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	token := k.Owner.Get(t, "orders").GetChallenge().GetWebToken()
	p.Serve(func(w http.ResponseWriter, r *http.Request) {
		_, err := k.Owner.UpdateEndpoint(r.Context(), &allowlistv1.UpdateEndpointRequest{
			Endpoint: &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: p.URL("/admin")},
		})
		if err != nil {
			http.Error(w, "not changed", http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, allowlisttest.AnswerTo(r.URL.Query().Get("keyward-nonce"), token))
	})
	_, err := k.Verify(t, "orders", allowlisttest.ByWeb)
	allowlisttest.WantError(t, "VerifyEndpoint of a changing endpoint", err, codes.Aborted, "CONTENTION")
	if v := k.Owner.Get(t, "orders").GetVerification(); v != nil {
		t.Errorf("the endpoint is verified: %v", v)
	}
}

func TestVerifyingIsRefusedAsItsContractSays(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	k.Owner.Create(t, "orders", allowlisttest.At(p.URL("/orders")))
	k.Owner.Create(t, "other", allowlisttest.At(p.URL("/other")))
	verify := func(req *allowlistv1.VerifyEndpointRequest) error {
		_, err := k.Owner.VerifyEndpoint(t.Context(), req)
		return err
	}
	name := allowlisttest.NameOf("orders")
	for _, method := range []allowlistv1.Verification_Method{0, allowlistv1.Verification_METHOD_MANUAL, 9} {
		allowlisttest.WantError(t, method.String(), verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: method}), codes.InvalidArgument, "INVALID_FIELD")
	}
	allowlisttest.WantError(t, "no such endpoint", verify(&allowlistv1.VerifyEndpointRequest{Name: allowlisttest.NameOf("none"), Method: allowlisttest.ByDNS}), codes.NotFound, "ENDPOINT_NOT_FOUND")
	allowlisttest.WantError(t, "a stale etag", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlisttest.ByDNS, Etag: "7"}), codes.Aborted, "ETAG_MISMATCH")
	before := p.Asked()
	allowlisttest.WantFinding(t, "the first check", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlisttest.ByDNS}), "NOT_FOUND")
	if p.Asked() == before {
		t.Error("the first check makes no request")
	}
	before = p.Asked()
	err := verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlisttest.ByFile})
	allowlisttest.WantError(t, "a check right after the first", err, codes.ResourceExhausted, "RATE_LIMITED")
	if !servertest.Retryable(err) {
		t.Error("the error has no retry delay")
	}
	if p.Asked() != before {
		t.Error("a refused check makes a request")
	}
	allowlisttest.WantFinding(t, "a check of another endpoint", verify(&allowlistv1.VerifyEndpointRequest{Name: allowlisttest.NameOf("other"), Method: allowlisttest.ByDNS}), "NOT_FOUND")
	k.Clock.Advance(2 * time.Second)
	allowlisttest.WantFinding(t, "a check two seconds later", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlisttest.ByFile}), "NOT_FOUND")
}
