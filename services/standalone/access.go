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

// Tokens live as long as the services accept and are renewed well before.
const (
	tokenLifetime = time.Hour
	renewal       = 20 * time.Minute
)

// The callers that have a token file, with the group that is claimed for each. The
// sender is a workload and known by its subject.
var callers = map[string]string{"admin": "admins", "owner": "owners", "member": "members", "sender": ""}

// policy says what the callers may. It is written anew at each start, since it names
// the issuer's port.
const policy = `# Who may do what in this standalone. Written anew at each start.
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

// renewForever renews what expires now and then until ctx ends.
func (h *home) renewForever(ctx context.Context, logger *slog.Logger) error {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := h.renew(); err != nil {
				logger.LogAttrs(ctx, slog.LevelError, "renew tokens and certificate", slog.Any("cause", err))
			}
		}
	}
}

// renew writes the token files, and the certificate that the allowlist shows to the
// vault, which it reads anew for each connection.
func (h *home) renew() error {
	cert, err := h.authority.WorkloadCertificate(allowlistID)
	if err != nil {
		return err
	}
	err = localid.WriteCertificate(h.key("allowlist-client.crt"), h.key("allowlist-client.key"), cert)
	return errors.Join(err, h.writeTokens())
}

// claimsOf returns what a caller's tokens say beside the name.
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

// greet tells where to reach the services, and what to try.
func greet(out io.Writer, h *home, p *ports) error {
	var text strings.Builder
	json := p.origin()
	fmt.Fprintf(&text, "gRPC     %s\nJSON     %s\n", p.grpc.Addr(), json)
	if p.metrics != nil {
		fmt.Fprintf(&text, "metrics  http://%s/metrics\n", p.metrics.Addr())
	}
	fmt.Fprintf(&text, "console  %s/ (links sign in once, within five minutes; press Enter for new ones)\n%s", json, h.links(p))
	fmt.Fprintf(&text, `tokens   %[1]s (renewed every %[2]v; whoever reads them is you)
         admin: every workspace; owner, member: workspace demo; sender: encrypts

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
