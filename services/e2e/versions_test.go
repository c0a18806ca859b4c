package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// versionsPath is the path of the versions of the registered endpoint's key.
const versionsPath = "/v1/workspaces/demo/secrets/payments-aes/versions/"

// secondKey is the version after aesKey.
var secondKey = strings.Repeat("5a5b", 16)

// rotate makes secondKey the current version of the endpoint's key.
func (c *constellation) rotate() {
	c.t.Helper()
	c.must(c.t, owner, http.MethodPatch, "/v1/workspaces/demo/secrets/payments-aes", fmt.Sprintf(`{"value":{"text":%q}}`, secondKey))
}

// waitVersion waits until messages are encrypted with a version, and returns the first one.
func (c *constellation) waitVersion(client allowlistv1.AllowlistServiceClient, endpoint string, k *keys, want int) *allowlistv1.EncryptResponse {
	c.t.Helper()
	began := time.Now()
	var message *allowlistv1.EncryptResponse
	eventually(c.t, patience, fmt.Sprintf("version %d is in use", want+1), func(ctx context.Context) (err error) {
		if message, err = encrypt(ctx, client, endpoint); err != nil {
			return err
		}
		if got, err := k.version(message.GetBody()); err != nil || got != want {
			return fmt.Errorf("the message has version %d, %w", got+1, err)
		}
		return nil
	})
	c.t.Logf("version %d was in use within %v", want+1, time.Since(began))
	return message
}

func (c *constellation) wantDecrypt(what string, client allowlistv1.AllowlistServiceClient, endpoint string, m *allowlistv1.EncryptResponse, reason string) {
	c.t.Helper()
	err := decrypt(c.t.Context(), client, endpoint, m)
	if got := reasonOf(err); got != reason || reason != "" && status.Code(err) != codes.FailedPrecondition {
		c.t.Errorf("%s: Decrypt = %v, want %q", what, err, reason)
	}
}

func TestVersionsAreRestoredDisabledAndDestroyedUnderAnEndpoint(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	client := c.allowlistAs(t, sender)
	k := newKeys(t, aesKey)
	k.add(t, secondKey)

	first := c.waitVersion(client, endpoint, k, 0)
	c.rotate()
	second := c.waitVersion(client, endpoint, k, 1)
	c.must(t, owner, http.MethodPost, versionsPath+"1:restore", `{"reason":"the partner was not ready"}`)
	c.waitVersion(client, endpoint, k, 0)

	c.must(t, owner, http.MethodPost, versionsPath+"1:disable", `{}`)
	c.waitEncrypt(client, endpoint, codes.FailedPrecondition, "VERSION_DISABLED")
	c.wantDecrypt("of the disabled version", client, endpoint, first, "VERSION_DISABLED")
	c.wantDecrypt("of the version before", client, endpoint, second, "")
	c.must(t, owner, http.MethodPost, versionsPath+"1:enable", `{}`)
	c.waitEncrypt(client, endpoint, codes.OK, "")
	c.wantDecrypt("of the reenabled version", client, endpoint, first, "")

	for version, what := range map[string]string{"1": "the current version", "2": "the one before"} {
		got := c.call(t, owner, http.MethodPost, versionsPath+version+":destroy", `{"reason":"no longer wanted"}`)
		if got.status != http.StatusBadRequest || got.reason() != "VERSION_IN_USE" {
			t.Errorf("the destruction of %s = %d %s, want VERSION_IN_USE", what, got.status, got.body)
		}
	}
	c.must(t, owner, http.MethodPost, versionsPath+"2:destroy", `{"force":true,"reason":"it leaked"}`)
	eventually(t, patience, "messages of the destroyed version are refused", func(context.Context) error {
		if err := decrypt(t.Context(), client, endpoint, second); reasonOf(err) != "VERSION_DESTROYED" {
			return fmt.Errorf("Decrypt = %w", err)
		}
		return nil
	})
	c.waitEncrypt(client, endpoint, codes.OK, "")
	c.wantDecrypt("of the remaining version", client, endpoint, first, "")
	for _, change := range []string{"restore", "enable", "disable"} {
		got := c.call(t, owner, http.MethodPost, versionsPath+"2:"+change, `{}`)
		if got.status != http.StatusBadRequest || got.reason() != "VERSION_DESTROYED" {
			t.Errorf("%s of a destroyed version = %d %s", change, got.status, got.body)
		}
	}
}

func TestAVersionInUseIsKnownByTheReportsOfTheAllowlist(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	client := c.allowlistAs(t, sender)
	c.must(t, owner, http.MethodPatch, "/v1/workspaces/demo/secrets/payments-aes?keepCurrent=true", fmt.Sprintf(`{"value":{"text":%q}}`, secondKey))
	if _, err := encrypt(t.Context(), client, endpoint); err != nil {
		t.Fatal(err)
	}
	c.running["allowlist"].stop() // which reports the remaining versions
	got := c.must(t, owner, http.MethodGet, strings.TrimSuffix(versionsPath, "/"), "")
	var list struct {
		Versions []struct {
			Version     int
			Current     bool
			UseCount    string
			LastUseTime string
		}
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Versions) != 2 || list.Versions[0].Current || !list.Versions[1].Current || list.Versions[1].UseCount == "0" || list.Versions[1].LastUseTime == "" {
		t.Fatalf("the versions are %s, want the first to be current and used, and the second to wait", got.body)
	}
	// JSON writes a time with nine digits if it needs seven, metadata with seven.
	used, err := time.Parse(time.RFC3339Nano, list.Versions[1].LastUseTime)
	check(t, err)
	refused := c.call(t, owner, http.MethodPost, versionsPath+"1:destroy", `{}`)
	if refused.reason() != "VERSION_IN_USE" || !strings.Contains(string(refused.body), used.Format(time.RFC3339Nano)) {
		t.Errorf("the destruction = %d %s, want VERSION_IN_USE and the last use", refused.status, refused.body)
	}
	c.must(t, owner, http.MethodPost, versionsPath+"2:destroy", `{}`)
}

func TestRotationPeriodsAndVersionsOverJSON(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	const secrets = "/v1/workspaces/demo/secrets"
	created := s.must(t, owner, http.MethodPost, secrets+"?secretId=key", `{"value":{"text":"v is more than 16 bytes"},"rotationPeriod":"86400s"}`)
	if created.field("rotationPeriod") != "86400s" || created.field("rotationDueTime") == "" {
		t.Errorf("CreateSecret = %s, want a period of a day", created.body)
	}
	due := func(after time.Duration) string {
		at := url.QueryEscape(time.Now().Add(after).UTC().Format(time.RFC3339))
		return string(s.must(t, owner, http.MethodGet, secrets+"?rotationDueBefore="+at, "").body)
	}
	if now, later := due(0), due(25*time.Hour); strings.Contains(now, "secrets/key") || !strings.Contains(later, "secrets/key") {
		t.Errorf("due now are %s, and tomorrow %s", now, later)
	}
	for _, step := range []struct{ body, want string }{
		{`{"rotationPeriod":"7776000s"}`, "7776000s"},
		{`{"description":"d"}`, "7776000s"},
		{`{"rotationPeriod":null}`, ""},
	} {
		if got := s.must(t, owner, http.MethodPatch, secrets+"/key", step.body); got.field("rotationPeriod") != step.want {
			t.Errorf("PATCH %s = %s, want the period %q", step.body, got.body, step.want)
		}
	}
	for _, body := range []string{`{"rotationPeriod":"1s"}`, `{"rotationPeriod":"86400.5s"}`, `{"rotationPeriod":"a day"}`, `{"rotationPeriod":86400}`} {
		if got := s.call(t, owner, http.MethodPatch, secrets+"/key", body); got.status != http.StatusBadRequest {
			t.Errorf("PATCH %s = %d %s", body, got.status, got.body)
		}
	}
	// The response of a read may be sent back.
	read := s.must(t, owner, http.MethodGet, secrets+"/key", "")
	s.must(t, owner, http.MethodPatch, secrets+"/key", string(read.body))
	got := s.call(t, owner, http.MethodPatch, secrets+"/key?keepCurrent=true", `{"description":"x"}`)
	if got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "keep_current") {
		t.Errorf("keepCurrent without a value = %d %s", got.status, got.body)
	}
	for number, want := range map[string]int{
		"1": http.StatusOK, "2": http.StatusNotFound, "01": http.StatusBadRequest, "1x": http.StatusBadRequest,
		"4294967296": http.StatusBadRequest, "1/1": http.StatusNotFound, "": http.StatusNotFound,
	} {
		for _, change := range []string{"restore", "enable"} {
			if got := s.call(t, owner, http.MethodPost, secrets+"/key/versions/"+number+":"+change, `{}`); got.status != want {
				t.Errorf("%s of version %q = %d %s, want %d", change, number, got.status, got.body, want)
			}
		}
	}
	if got := s.call(t, owner, http.MethodGet, secrets+"/key/versions/1:restore", ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET of a change = %d %s", got.status, got.body)
	}
}
