package localid

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAuthorizationRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.signIn()
	for _, tt := range []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{"a token instead of a code", map[string]string{"response_type": "token"}, "unsupported_response_type"},
		{"no challenge", map[string]string{"code_challenge": ""}, "invalid_request"},
		{"an invalid challenge", map[string]string{"code_challenge": "abc"}, "invalid_request"},
		{"a challenge that is the verifier", map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		{"no method", map[string]string{"code_challenge_method": ""}, "invalid_request"},
		{"a scope without openid", map[string]string{"scope": "profile"}, "invalid_scope"},
	} {
		if got := d.authorize(tt.changes); got.Get("error") != tt.want || got.Has("code") || got.Get("state") != "a state" {
			t.Errorf("%s: authorize = %v, want %s", tt.name, got, tt.want)
		}
	}
	whole := "response_type=code&scope=openid&code_challenge_method=S256&code_challenge=" + strings.Repeat("A", 43) + "&"
	for name, rest := range map[string]string{
		"a foreign redirect URI":        "client_id=console&redirect_uri=https://attacker.example/signed-in",
		"a path below the redirect URI": "client_id=console&redirect_uri=" + redirect + "/x",
		"a redirect URI with a query":   "client_id=console&redirect_uri=" + redirect + "?x=1",
		"another port of the machine":   "client_id=console&redirect_uri=https://127.0.0.1:9999/signed-in",
		"no address":                    "client_id=console",
		"another client":                "client_id=other&redirect_uri=" + redirect,
		"two addresses":                 "client_id=console&redirect_uri=" + redirect + "&redirect_uri=https://attacker.example/",
		"a query that does not decode":  "client_id=console&redirect_uri=" + redirect + "&x=%zz",
		"two scopes":                    "client_id=console&redirect_uri=" + redirect + "&scope=openid",
	} {
		got := d.send(http.MethodGet, "/authorize?"+whole+rest, "", "")
		if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
			t.Errorf("%s: authorize = %d and redirects to %q, want 400 and no redirect", name, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

func TestCodesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{"with another verifier", map[string]string{"code_verifier": verifier + "x"}, "invalid_grant"},
		{"without a verifier", map[string]string{"code_verifier": ""}, "invalid_grant"},
		{"with another redirect URI", map[string]string{"redirect_uri": origin + "/"}, "invalid_grant"},
		{"without the redirect URI", map[string]string{"redirect_uri": ""}, "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := openDesk(t)
			code := d.code()
			if got := d.exchange(code, tt.changes); got.Error != tt.want {
				t.Errorf("exchange = %+v, want %s", got, tt.want)
			}
			if got := d.exchange(code, nil); got.Error != "invalid_grant" {
				t.Errorf("the code is valid for another attempt: %+v", got)
			}
		})
	}
	d := openDesk(t)
	if got := d.exchange("AAAAAAAAAAAAAAAAAAAAAAAAAA", nil); got.Error != "invalid_grant" {
		t.Errorf("an unknown code: %+v", got)
	}
	if got := d.exchange(d.code(), map[string]string{"client_id": "other"}); got.Error != "invalid_client" {
		t.Errorf("another client: %+v", got)
	}
	if got := d.exchange(d.code(), map[string]string{"grant_type": "password"}); got.Error != "unsupported_grant_type" {
		t.Errorf("another kind of grant: %+v", got)
	}
	if got := d.token(url.Values{"grant_type": {grantCode, grantRefresh}, "client_id": {"console"}}); got.Error != "invalid_request" {
		t.Errorf("two kinds of grants: %+v", got)
	}
	late := d.code()
	d.clock = d.clock.Add(codeLifetime)
	if got := d.exchange(late, nil); got.Error != "invalid_grant" {
		t.Errorf("a code of a minute ago: %+v", got)
	}
}

func TestACodeThatComesTwiceEndsWhatItGave(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	code := d.code()
	got := d.exchange(code, nil)
	if again := d.exchange(code, nil); again.Error != "invalid_grant" {
		t.Errorf("the code a second time: %+v", again)
	}
	if after := d.refresh(got.Refresh); after.Error != "invalid_grant" {
		t.Errorf("the refresh token of a reused code: %+v", after)
	}
}

func TestARefreshTokenThatComesTwiceEndsTheLine(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	first := d.exchange(d.code(), nil)
	other := d.exchange(d.code(), nil)
	second := d.refresh(first.Refresh)
	if second.Access == "" || second.Refresh == first.Refresh {
		t.Fatalf("refresh = %+v, want new tokens", second)
	}
	if d.verify(second.Access, "keyward")["group"] != "owners" {
		t.Error("the new access token lacks the claims")
	}
	if again := d.refresh(first.Refresh); again.Error != "invalid_grant" {
		t.Errorf("the old refresh token: %+v", again)
	}
	if after := d.refresh(second.Refresh); after.Error != "invalid_grant" {
		t.Errorf("the newest refresh token, after an old one was reused: %+v", after)
	}
	if kept := d.refresh(other.Refresh); kept.Error != "" {
		t.Errorf("the refresh token of another grant: %+v", kept)
	}
}
