package allowlist_test

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
)

const (
	byDNS  = allowlistv1.Verification_METHOD_DNS
	byFile = allowlistv1.Verification_METHOD_FILE
	byWeb  = allowlistv1.Verification_METHOD_WEB_TOKEN
)

var proofs = []allowlistv1.Verification_Method{byDNS, byFile, byWeb}

// verify asks for a look at a proof, not too soon after the last one.
func (k *kit) verify(t testing.TB, id string, method allowlistv1.Verification_Method) (*allowlistv1.Endpoint, error) {
	t.Helper()
	k.clock.advance(2 * time.Second)
	resp, err := k.owner.VerifyEndpoint(t.Context(), &allowlistv1.VerifyEndpointRequest{
		Name: nameOf(id), Method: method, Reason: "proof",
	})
	return resp.GetEndpoint(), err
}

func wantFinding(t testing.TB, what string, err error, finding string) {
	t.Helper()
	wantError(t, what, err, codes.FailedPrecondition, "VERIFICATION_FAILED")
	if got := servertest.Metadata(err); len(got) != 1 || got["finding"] != finding {
		t.Errorf("%s: metadata = %v, want the finding %s alone", what, got, finding)
	}
}

func TestEachProofVerifies(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	for _, method := range proofs {
		id := strings.ToLower(method.String())
		k.owner.create(t, id, at(p.url("/"+id)))
		challenge := k.owner.get(t, id).GetChallenge()
		p.withdraw()
		_, err := k.verify(t, id, method)
		wantFinding(t, id+" before the proof is published", err, "NOT_FOUND")

		p.publish(challenge)
		got, err := k.verify(t, id, method)
		must(t, err)
		v := got.GetVerification()
		if v.GetMethod() != method || v.GetActor() != k.owner.subject || v.GetHealth() != allowlistv1.Verification_HEALTH_OK ||
			!v.GetTime().IsValid() || !v.GetCheckTime().IsValid() || v.GetGraceTime() != nil {
			t.Errorf("%s: VerifyEndpoint = verification %v", id, v)
		}
		if got.GetState() != allowlistv1.Endpoint_STATE_PENDING || got.GetChallenge() != nil {
			t.Errorf("%s: VerifyEndpoint = %v with challenge %v, want PENDING and none", id, got.GetState(), got.GetChallenge())
		}
		if diff := cmp.Diff(got, k.owner.get(t, id), protocmp.Transform()); diff != "" {
			t.Errorf("%s: GetEndpoint differs from the answer:\n%s", id, diff)
		}
		change := k.owner.history(t, nameOf(id))[0]
		if change.GetAction() != allowlistv1.EndpointChange_ACTION_VERIFIED || change.GetActor().GetSubject() != k.owner.subject ||
			change.GetReason() != "proof" || !slices.Contains(change.GetChangedFields(), "verification") {
			t.Errorf("%s: the log says %v", id, change)
		}
		_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf(id)})
		must(t, err)
	}
	list, err := k.owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace})
	must(t, err)
	found, err := k.owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace, Query: "METHOD"})
	must(t, err)
	if len(list.GetEndpoints()) != len(proofs) || !cmp.Equal(list.GetEndpoints(), found.GetEndpoints(), protocmp.Transform()) {
		t.Errorf("ListEndpoints = %v, and with a query %v", list.GetEndpoints(), found.GetEndpoints())
	}
	for _, e := range list.GetEndpoints() {
		if !e.GetVerification().GetCheckTime().IsValid() {
			t.Errorf("ListEndpoints does not say when the proof of %s was looked for", e.GetName())
		}
	}
}

func TestAWebTokenProvesTheFolderOfAWildcard(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.owner.create(t, "all", at(p.url("/v1/*")))
	token := k.owner.get(t, "all").GetChallenge().GetWebToken()
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/" && r.Method == http.MethodGet {
			_, _ = io.WriteString(w, answerTo(r.URL.Query().Get("keyward-nonce"), token))
		}
	})
	_, err := k.verify(t, "all", byWeb)
	must(t, err)
}

func TestWhatIsWrongWithAProofIsSaidInOneWord(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.owner.create(t, "orders", at(p.url("/orders")))
	c := k.owner.get(t, "orders").GetChallenge()
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
		{"no record", byDNS, func() {}, "NOT_FOUND"},
		{"another record", byDNS, func() { p.publishText(c.GetDnsName(), canary) }, "MISMATCH"},
		{"the record without its prefix", byDNS, func() {
			p.publishText(c.GetDnsName(), strings.TrimPrefix(c.GetDnsValue(), "keyward-challenge="))
		}, "MISMATCH"},
		{"more than the record", byDNS, func() { p.publishText(c.GetDnsName(), c.GetDnsValue()+" ") }, "MISMATCH"},
		{"the record on the host itself", byDNS, func() { p.publishText(partnerHost, c.GetDnsValue()) }, "NOT_FOUND"},
		{"the content of the file as a record", byDNS, func() {
			p.publishText(c.GetDnsName(), "keyward-challenge="+c.GetFileContent())
		}, "MISMATCH"},
		{"a DNS that fails", byDNS, func() { p.set(func() { p.code = dns.RcodeServerFailure }) }, "UNREACHABLE"},
		{"no file", byFile, func() {}, "NOT_FOUND"},
		{"another file", byFile, func() { p.body(canary) }, "MISMATCH"},
		{"an empty file", byFile, func() { p.body("") }, "MISMATCH"},
		{"more than the file", byFile, func() { p.body(c.GetFileContent() + "." + canary) }, "MISMATCH"},
		{"the record as a file", byFile, func() { p.body(c.GetDnsValue()) }, "MISMATCH"},
		{"a file too large", byFile, func() { p.body(c.GetFileContent() + strings.Repeat(" ", 1<<20)) }, "MISMATCH"},
		{"a file behind a redirect", byFile, func() { p.serve(redirect) }, "NOT_FOUND"},
		{"a server that fails", byFile, func() {
			p.serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, canary, http.StatusBadGateway) })
		}, "UNREACHABLE"},
		{"a server that hangs up", byFile, func() {
			p.serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, "UNREACHABLE"},
		{"a page as an answer", byWeb, func() { p.body(canary) }, "MISMATCH"},
		{"the token as an answer", byWeb, func() { p.body(c.GetWebToken()) }, "MISMATCH"},
		{"the nonce as an answer", byWeb, func() {
			p.serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.URL.Query().Get("keyward-nonce"))
			})
		}, "MISMATCH"},
		{"the answer to another nonce", byWeb, func() { p.body(answerTo("other", c.GetWebToken())) }, "MISMATCH"},
		{"the answer with the key of the file", byWeb, func() {
			p.serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, answerTo(r.URL.Query().Get("keyward-nonce"), c.GetFileContent()))
			})
		}, "MISMATCH"},
		{"the answer within a page", byWeb, func() {
			p.serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "<p>"+answerTo(r.URL.Query().Get("keyward-nonce"), c.GetWebToken())+"</p>")
			})
		}, "MISMATCH"},
		{"an answer behind a redirect", byWeb, func() { p.serve(redirect) }, "NOT_FOUND"},
	} {
		p.withdraw()
		tt.set()
		_, err := k.verify(t, "orders", tt.method)
		wantFinding(t, tt.name, err, tt.want)
		servertest.MustNotHold(t, tt.name, err.Error(), canary)
		p.set(func() { p.code = 0 })
	}
	if v := k.owner.get(t, "orders").GetVerification(); v != nil {
		t.Errorf("after all that the endpoint is verified: %v", v)
	}
	for what, secret := range map[string]string{"what was found": canary, "the web token": c.GetWebToken(), "the record": c.GetDnsValue()} {
		servertest.MustNotHold(t, "the log, of "+what, k.env.Log.String(), secret)
	}
}

func TestProofsForOneWorkspaceProveNothingForAnother(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	other := k.as(t, k.env.Owner(t, "other"))
	create := func(c client, parent string) string {
		resp, err := c.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: parent, EndpointId: "a", Endpoint: at(p.url("/a"))})
		must(t, err)
		return resp.GetEndpoint().GetName()
	}
	create(k.owner, workspace)
	got, err := other.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: create(other, "workspaces/other")})
	must(t, err)
	theirs, ours := got.GetEndpoint().GetChallenge(), k.owner.get(t, "a").GetChallenge()
	// The file is served under every path, as by a host that many share.
	p.publish(theirs)
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		if nonce := r.URL.Query().Get("keyward-nonce"); nonce != "" {
			_, _ = io.WriteString(w, answerTo(nonce, theirs.GetWebToken()))
			return
		}
		_, _ = io.WriteString(w, theirs.GetFileContent())
	})
	for _, method := range proofs {
		_, err := k.verify(t, "a", method)
		wantFinding(t, method.String(), err, "MISMATCH")
	}
	k.owner.create(t, "b", at(p.url("/b")))
	if diff := cmp.Diff(ours, k.owner.get(t, "b").GetChallenge(), protocmp.Transform()); diff != "" {
		t.Errorf("two endpoints of a workspace on one host have different challenges:\n%s", diff)
	}
	k.owner.create(t, "c", at("https://127.0.0.1:"+p.port+"/c"))
	if c := k.owner.get(t, "c").GetChallenge(); c.GetDnsName() != "" || c.GetDnsValue() != "" || c.GetFileContent() == ours.GetFileContent() {
		t.Errorf("the challenge of an address = %v, want no record and a file of its own", c)
	}
	_, err = k.verify(t, "c", byDNS)
	wantFinding(t, "a record for an address", err, "NOT_FOUND")
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.owner.create(t, "orders", at(p.url("/orders")))
	k.owner.create(t, "later", at(p.url("/later")))
	c := k.owner.get(t, "orders").GetChallenge()
	p.publish(c)
	left := c.GetExpireTime().AsTime().Sub(k.clock.now())
	if left <= 7*24*time.Hour || left > 14*24*time.Hour {
		t.Errorf("the challenge expires in %v, want a week or two", left)
	}
	k.clock.advance(left - time.Minute)
	for _, method := range proofs {
		_, err := k.verify(t, "orders", method)
		must(t, err)
	}
	k.clock.advance(time.Minute)
	for _, method := range proofs {
		_, err := k.verify(t, "later", method)
		wantFinding(t, method.String(), err, "EXPIRED")
	}
	if next := k.owner.get(t, "later").GetChallenge(); next.GetDnsValue() == c.GetDnsValue() || next.GetWebToken() == c.GetWebToken() || next.GetFileContent() == c.GetFileContent() {
		t.Error("the next challenge is the same")
	}
}

func TestOnlyOwnersSeeChallenges(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	created := k.owner.create(t, "orders", at(p.url("/orders")))
	updated, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Description: "x"})
	must(t, err)
	list, err := k.owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace})
	must(t, err)
	for what, e := range map[string]*allowlistv1.Endpoint{
		"CreateEndpoint": created, "UpdateEndpoint": updated, "ListEndpoints": list.GetEndpoints()[0], "GetEndpoint by a member": k.member.get(t, "orders"),
	} {
		if e.GetChallenge() != nil {
			t.Errorf("%s shows the challenge", what)
		}
	}
	if diff := cmp.Diff(k.owner.get(t, "orders").GetChallenge(), k.admin.get(t, "orders").GetChallenge(), protocmp.Transform()); diff != "" {
		t.Errorf("an admin sees another challenge:\n%s", diff)
	}
	k.activate(t, "orders")
	if c := k.owner.get(t, "orders").GetChallenge(); c != nil {
		t.Errorf("an approved endpoint shows the challenge %v", c)
	}
}

func TestAChangeOfTheURLUndoesWhatWasNotProven(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.owner.create(t, "orders", at(p.url("/orders")))
	p.publish(k.owner.get(t, "orders").GetChallenge())
	for _, tt := range []struct {
		name   string
		method allowlistv1.Verification_Method // unspecified: approved by hand
		url    string
		keeps  bool
	}{
		{"the path, where the host was proven by its DNS", byDNS, p.url("/other"), true},
		{"the path, where the host was proven by a file", byFile, p.url("/other/*"), true},
		{"the path, where only the URL was proven", byWeb, p.url("/other"), false},
		{"the path, where somebody vouched", 0, p.url("/other"), false},
		{"the same in another spelling", byWeb, strings.Replace(p.url("/./orders"), "https", "HTTPS", 1), true},
		{"the port, after DNS", byDNS, "https://" + partnerHost + "/orders", false},
		{"the port, after a file", byFile, "https://" + partnerHost + ":1/orders", false},
		{"the host, after DNS", byDNS, "https://127.0.0.1:" + p.port + "/orders", false},
		{"the host, after a file", byFile, "https://127.0.0.1:" + p.port + "/orders", false},
	} {
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: p.url("/orders")}, "url")
		must(t, err)
		if tt.method == 0 {
			k.owner.delete(t, "orders")
			k.owner.create(t, "orders", at(p.url("/orders")))
			k.activate(t, "orders")
		} else {
			_, err = k.verify(t, "orders", tt.method)
			must(t, err)
			_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
			must(t, err)
		}
		moved, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: tt.url}, "url")
		must(t, err)
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
	k, p := newPartnerKit(t)
	k.owner.create(t, "orders", at(p.url("/orders")))
	token := k.owner.get(t, "orders").GetChallenge().GetWebToken()
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		_, err := k.owner.UpdateEndpoint(r.Context(), &allowlistv1.UpdateEndpointRequest{
			Endpoint: &allowlistv1.Endpoint{Name: nameOf("orders"), Url: p.url("/admin")},
		})
		if err != nil {
			http.Error(w, "not changed", http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, answerTo(r.URL.Query().Get("keyward-nonce"), token))
	})
	_, err := k.verify(t, "orders", byWeb)
	wantError(t, "VerifyEndpoint of what changes", err, codes.Aborted, "CONTENTION")
	if v := k.owner.get(t, "orders").GetVerification(); v != nil {
		t.Errorf("the endpoint is verified: %v", v)
	}
}

func TestVerifyingIsRefusedAsItsContractSays(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.owner.create(t, "orders", at(p.url("/orders")))
	k.owner.create(t, "other", at(p.url("/other")))
	verify := func(req *allowlistv1.VerifyEndpointRequest) error {
		_, err := k.owner.VerifyEndpoint(t.Context(), req)
		return err
	}
	name := nameOf("orders")
	for _, method := range []allowlistv1.Verification_Method{0, allowlistv1.Verification_METHOD_MANUAL, 9} {
		wantError(t, method.String(), verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: method}), codes.InvalidArgument, "INVALID_FIELD")
	}
	wantError(t, "no such endpoint", verify(&allowlistv1.VerifyEndpointRequest{Name: nameOf("none"), Method: byDNS}), codes.NotFound, "ENDPOINT_NOT_FOUND")
	wantError(t, "a stale etag", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: byDNS, Etag: "7"}), codes.Aborted, "ETAG_MISMATCH")
	before := p.asked()
	wantFinding(t, "the first look", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: byDNS}), "NOT_FOUND")
	if p.asked() == before {
		t.Error("the first look asks nobody")
	}
	before = p.asked()
	err := verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: byFile})
	wantError(t, "a look right after the first", err, codes.ResourceExhausted, "RATE_LIMITED")
	if !servertest.Retryable(err) {
		t.Error("it does not say when to try again")
	}
	if p.asked() != before {
		t.Error("a look that is refused asks the partner")
	}
	wantFinding(t, "a look at another endpoint", verify(&allowlistv1.VerifyEndpointRequest{Name: nameOf("other"), Method: byDNS}), "NOT_FOUND")
	k.clock.advance(2 * time.Second)
	wantFinding(t, "a look two seconds later", verify(&allowlistv1.VerifyEndpointRequest{Name: name, Method: byFile}), "NOT_FOUND")
}
