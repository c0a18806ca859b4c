package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/keyward/keyward/services/standalone/localid"
)

// Tokens have the maximum lifetime that the services accept, and are renewed well before they
// expire.
const (
	tokenLifetime = time.Hour
	renewal       = 20 * time.Minute
)

// callers are the callers that have a token file, with the group claim of each. The sender is a
// workload and is identified by its subject.
var callers = map[string]string{"admin": "admins", "owner": "owners", "member": "members", "sender": ""}

// policy is the policy file. It is rewritten at each start, because it contains the issuer's port.
const policy = `# The roles of this standalone. Rewritten at each start: changes are lost.
people:
  - {issuer: %[1]q, claim: group, value: admins, role: super_admin}
  - {issuer: %[1]q, claim: group, value: owners, role: owner, workspaces: [demo]}
  - {issuer: %[1]q, claim: group, value: members, role: member, workspaces: [demo]}
workloads:
  - {issuer: %[1]q, subject: sender, role: sender, workspaces: ["*"]}
  - {spiffe_id: %[2]q, role: resolver, workspaces: ["*"]}
  - {spiffe_id: %[3]q, role: proxy}
`

func (h *home) writePolicy() error {
	text := fmt.Sprintf(policy, h.issuer.URL(), allowlistID, gatewayID)
	return localid.WriteFile(h.access("policy.yaml"), []byte(text))
}

// renewForever periodically renews tokens and certificates until ctx ends.
func (h *home) renewForever(ctx context.Context, logger *slog.Logger) error {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := h.renew(); err != nil {
				logger.LogAttrs(ctx, slog.LevelError, "renewal of tokens and certificate failed", slog.Any("cause", err))
			}
		}
	}
}

// renew writes the token files and the client certificate of the allowlist, which the allowlist
// reads for each connection to the vault.
func (h *home) renew() error {
	cert, err := h.authority.WorkloadCertificate(allowlistID)
	if err != nil {
		return err
	}
	err = localid.WriteCertificate(h.key("allowlist-client.crt"), h.key("allowlist-client.key"), cert)
	return errors.Join(err, h.writeTokens())
}

// claimsOf returns the claims of a caller's tokens other than the subject.
func claimsOf(caller string) map[string]any {
	if group := callers[caller]; group != "" {
		return map[string]any{"group": group}
	}
	return nil
}

func (h *home) writeTokens() error {
	for caller := range callers {
		token, err := h.issuer.Sign(caller, audience, tokenLifetime, claimsOf(caller))
		if err != nil {
			return err
		}
		if err := localid.WriteFile(h.access(caller+".token"), []byte(token+"\n")); err != nil {
			return err
		}
	}
	return nil
}

// greet prints the addresses of the services and example commands.
func greet(out io.Writer, h *home, p *ports) error {
	var text strings.Builder
	json := p.origin()
	fmt.Fprintf(&text, "gRPC     %s\nJSON     %s\n", p.grpc.Addr(), json)
	if p.metrics != nil {
		fmt.Fprintf(&text, "metrics  http://%s/metrics\n", p.metrics.Addr())
	}
	fmt.Fprintf(&text, "console  %s/ (each link signs in once, within five minutes; press Enter for new links)\n%s", json, h.links(p))
	fmt.Fprintf(&text, `tokens   %[1]s (renewed every %[2]v; anyone who can read them can act as you)
         admin: every workspace; owner and member: workspace demo; sender: encrypts in every workspace

Try:

  A=%[3]s
  curl --cacert $A/ca.pem -H "Authorization: Bearer $(cat $A/owner.token)" %[4]s/v1/workspaces/demo/secrets
  grpcurl -cacert $A/ca.pem -H "Authorization: Bearer $(cat $A/owner.token)" -d '{"parent":"workspaces/demo"}' \
    %[5]s keyward.vault.v1.VaultService/ListSecrets

Keyward is ready. Stop it with Ctrl-C; the data stays in %[6]s.
`, h.access("*.token"), renewal, h.access(""), json, p.grpc.Addr(), h.dir)
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print addresses: %w", err)
	}
	return nil
}
