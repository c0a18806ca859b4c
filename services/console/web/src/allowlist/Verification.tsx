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
import { rich, t } from "../text/t";
import { isVerified, methodWords, type Method } from "./words";

/** The interval for checking a proof while the page keeps checking, in milliseconds. */
const pause = 10_000;

/** How an endpoint is verified to belong to the partner. */
export function Verification({ endpoint, onApprove }: { endpoint: EndpointJson; onApprove: () => void }) {
  const { admin } = useAccess();
  const found = endpoint.verification;
  return (
    <div className="stack">
      {isVerified(found) && (
        <Card title={t("verification.verified")}>
          <Notice tone={found?.health === "HEALTH_DEGRADED" ? "bad" : "good"} icon={<ShieldCheckIcon />}>
            <p>
              {methodWords(found?.method as Method)}, <FullTime value={found?.time} />.
            </p>
          </Notice>
          <dl className="facts">
            {found?.actor && (
              <Fact term={t("verification.by")}>
                <span className="mono wrap-anywhere">{found.actor}</span>
              </Fact>
            )}
            {found?.checkTime && (
              <Fact term={t("verification.lastChecked")}>
                <FullTime value={found.checkTime} />
              </Fact>
            )}
            {found?.graceTime && (
              <Fact term={t("verification.offUnless")}>
                <FullTime value={found.graceTime} />
              </Fact>
            )}
          </dl>
        </Card>
      )}
      {endpoint.challenge && <Proofs endpoint={endpoint} challenge={endpoint.challenge} />}
      {!isVerified(found) && (
        <Card title={t("verification.approval")} words={t("verification.approvalWords")}>
          {admin ? (
            <div>
              <Button variant="default" onClick={onApprove}>
                {t("verification.approve")}
              </Button>
            </div>
          ) : (
            <p className="dimmed">{t("verification.askAdmin")}</p>
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
      title={t("verification.proofs")}
      words={<>{rich("verification.proofsWords", { time: <FullTime value={challenge.expireTime} /> })}</>}
    >
      {challenge.dnsName && (
        <Proof title={t("verification.dns")} words={t("verification.dnsWords")} method="METHOD_DNS" looking={looking}>
          <Record name={t("request.name")} text={challenge.dnsName} />
          <Record name={t("verification.type")} text="TXT" />
          <Record name={t("verification.value")} text={challenge.dnsValue} />
        </Proof>
      )}
      {challenge.fileUrl && (
        <Proof
          title={t("verification.file")}
          words={t("verification.fileWords")}
          method="METHOD_FILE"
          looking={looking}
        >
          <Record name={t("endpoint.url")} text={challenge.fileUrl} />
          <Record name={t("verification.content")} text={challenge.fileContent} />
        </Proof>
      )}
      {challenge.webToken && (
        <Proof
          title={t("verification.token")}
          words={t("verification.tokenWords")}
          method="METHOD_WEB_TOKEN"
          looking={looking}
        >
          <Record name={t("verification.key")} text={challenge.webToken} />
          <CopyBlock
            what={t("verification.example")}
            // eslint-disable-next-line lingui/no-unlocalized-strings -- a command
            text={`# ${t("verification.exampleComment")}\nprintf %s "$NONCE" | openssl dgst -sha256 -hmac '${challenge.webToken}' -r | cut -d' ' -f1`}
          />
        </Proof>
      )}
      <div className="looking" aria-live="polite">
        <Switch
          checked={keep}
          onChange={(e) => setKeep(e.currentTarget.checked)}
          disabled={!method}
          label={t("verification.keep")}
          description={method ? t("verification.keepOn") : t("verification.keepOff")}
        />
        {keep && <Loader size="xs" aria-label={t("verification.checking")} role="status" />}
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

/** Checks for a proof once, or at an interval. */
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
      toast(t("verification.done", { id: idOf(name) }));
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
          aria-label={t("verification.checkFor", { title })}
        >
          {t("verification.check")}
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
