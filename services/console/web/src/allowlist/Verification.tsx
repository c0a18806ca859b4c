import { Button, Loader, Switch } from "@mantine/core";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useAccess } from "../api/access";
import { verifyEndpoint } from "../api/allowlist";
import { idOf } from "../api/names";
import type { Problem } from "../api/problem";
import type { ChallengeJson, EndpointJson, Verification_MethodJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { Copy, CopyBlock } from "../ui/Copy";
import { ShieldCheckIcon } from "../ui/icons";
import { Card, Fact, Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { FullTime } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { useRefresh } from "./actions";
import { isVerified, methodWords } from "./words";

/** How often a proof is looked for while the page keeps looking, in milliseconds. */
const pause = 10_000;

/** How it is established that an endpoint is the partner's. */
export function Verification({ endpoint, onApprove }: { endpoint: EndpointJson; onApprove: () => void }) {
  const { admin } = useAccess();
  const found = endpoint.verification;
  return (
    <div className="stack">
      {isVerified(found) && (
        <Card title="Verified">
          <Notice tone={found?.health === "HEALTH_DEGRADED" ? "bad" : "good"} icon={<ShieldCheckIcon />}>
            <p>
              {methodWords[found?.method as keyof typeof methodWords]}, <FullTime value={found?.time} />.
            </p>
          </Notice>
          <dl className="facts">
            {found?.actor && (
              <Fact term="By">
                <span className="mono wrap-anywhere">{found.actor}</span>
              </Fact>
            )}
            {found?.checkTime && (
              <Fact term="Proof last looked for">
                <FullTime value={found.checkTime} />
              </Fact>
            )}
            {found?.graceTime && (
              <Fact term="Switched off unless the proof is back">
                <FullTime value={found.graceTime} />
              </Fact>
            )}
          </dl>
        </Card>
      )}
      {endpoint.challenge && <Proofs endpoint={endpoint} challenge={endpoint.challenge} />}
      {!isVerified(found) && (
        <Card title="Approval" words="Without a proof, a super admin can vouch that the endpoint is the partner's.">
          {admin ? (
            <div>
              <Button variant="default" onClick={onApprove}>
                Approve by hand
              </Button>
            </div>
          ) : (
            <p className="dimmed">Ask a super admin of Keyward. Send them the address of this page.</p>
          )}
        </Card>
      )}
    </div>
  );
}

function Proofs({ endpoint, challenge }: { endpoint: EndpointJson; challenge: ChallengeJson }) {
  const looking = useLooking(endpoint);
  const { method, keep, setKeep } = looking;
  return (
    <Card
      title="Proofs"
      words={
        <>
          The partner publishes one of these; Keyward then looks for it. They can be used until{" "}
          <FullTime value={challenge.expireTime} />.
        </>
      }
    >
      {challenge.dnsName && (
        <Proof
          title="DNS record"
          words="A TXT record of the host's domain. Proves the host."
          method="METHOD_DNS"
          looking={looking}
        >
          <Record name="Name" text={challenge.dnsName} />
          <Record name="Type" text="TXT" />
          <Record name="Value" text={challenge.dnsValue} />
        </Proof>
      )}
      {challenge.fileUrl && (
        <Proof
          title="File"
          words="A file on the host. Proves scheme, host and port."
          method="METHOD_FILE"
          looking={looking}
        >
          <Record name="URL" text={challenge.fileUrl} />
          <Record name="Content" text={challenge.fileContent} />
        </Proof>
      )}
      {challenge.webToken && (
        <Proof
          title="Web token"
          words="The endpoint answers a GET that has keyward-nonce in its query with the hexadecimal HMAC-SHA256 of the nonce, and nothing else. Proves this URL."
          method="METHOD_WEB_TOKEN"
          looking={looking}
        >
          <Record name="Key" text={challenge.webToken} />
          <CopyBlock
            what="example for the partner"
            text={`# what the endpoint answers to GET ?keyward-nonce=NONCE\nprintf %s "$NONCE" | openssl dgst -sha256 -hmac '${challenge.webToken}' -r | cut -d' ' -f1`}
          />
        </Proof>
      )}
      <div className="looking" aria-live="polite">
        <Switch
          checked={keep}
          onChange={(e) => setKeep(e.currentTarget.checked)}
          disabled={!method}
          label="Keep looking"
          description={
            method
              ? "Looks again every ten seconds while this page is open."
              : "Look for a proof once, and the page can go on looking for it."
          }
        />
        {keep && <Loader size="xs" aria-label="Looking" role="status" />}
      </div>
    </Card>
  );
}

interface Looking {
  look: (method: Verification_MethodJson) => void;
  method: Verification_MethodJson | undefined;
  busy: boolean;
  error: Problem | undefined;
  keep: boolean;
  setKeep: (keep: boolean) => void;
}

/** Looks for a proof, and again every while if asked to. */
function useLooking(endpoint: EndpointJson): Looking {
  const refresh = useRefresh();
  const { run, busy, error } = useAction();
  const [method, setMethod] = useState<Verification_MethodJson>();
  const [keep, setKeep] = useState(false);
  const name = endpoint.name ?? "";
  const look = (next: Verification_MethodJson) => {
    setMethod(next);
    void run(async () => {
      await verifyEndpoint(name, next);
      setKeep(false);
      toast(`${idOf(name)} is verified.`);
      refresh(name);
    });
  };
  const again = useRef(look);
  again.current = look;
  useEffect(() => {
    if (!keep || !method) return;
    const timer = window.setInterval(() => again.current(method), pause);
    return () => window.clearInterval(timer);
  }, [keep, method]);
  return { look, method, busy, error, keep, setKeep };
}

function Proof({
  title,
  words,
  method,
  looking,
  children,
}: {
  title: string;
  words: string;
  method: Verification_MethodJson;
  looking: Looking;
  children: ReactNode;
}) {
  const mine = looking.method === method;
  return (
    <section className="proof" aria-label={title}>
      <div className="proof-head">
        <div>
          <h3>{title}</h3>
          <p className="dimmed">{words}</p>
        </div>
        <Button
          variant="default"
          size="xs"
          loading={mine && looking.busy}
          onClick={() => looking.look(method)}
          aria-label={`Look for it: ${title}`}
        >
          Look for it
        </Button>
      </div>
      <div className="records">{children}</div>
      {mine && <ProblemPanel error={looking.error} />}
    </section>
  );
}

function Record({ name, text = "" }: { name: string; text?: string }) {
  return (
    <div className="record">
      <span className="dimmed">{name}</span>
      <code className="wrap-anywhere">{text}</code>
      <Copy text={text} what={name.toLowerCase()} />
    </div>
  );
}
