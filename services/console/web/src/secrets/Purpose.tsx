import { Button, Group, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { violationOf } from "../api/problem";
import { replacePurpose, updateSecret } from "../api/vault";
import { useUnsaved } from "../app/unsaved";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Card, Fact, Notice, Tag } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { FullTime } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { useStillWrong } from "../ui/useStillWrong";
import { Chains } from "./Chains";
import { chainsError, chainsIn, purposeWords, replaceable, shareable } from "./purpose";
import { sharedWarning } from "./usage";

/** What a key is used for. */
export function PurposeCard({ secret }: { secret: SecretJson }) {
  const { admin } = useAccess();
  const [dialog, setDialog] = useState<"replace" | "share">();
  const { purpose } = secret;
  const { name, words, warn } = purposeWords(secret);
  const close = () => setDialog(undefined);
  return (
    <Card title="Purpose" words="A key serves one purpose, since one use may reveal what another protects.">
      {warn ? (
        <Notice tone="warn" icon={<AlertIcon />} title={name}>
          <p>{words}</p>
        </Notice>
      ) : (
        <p>
          <b>{name}</b>
          {purpose?.sealTime && (
            <>
              {" since "}
              <FullTime value={purpose.sealTime} />
            </>
          )}
          {". "}
          <span className="dimmed">{words}</span>
        </p>
      )}
      <dl className="facts">
        {(purpose?.chains?.length ?? 0) > 0 && (
          <Fact term="Used for">
            <Chains chains={purpose?.chains} />
            {purpose?.conflicting && (
              <Tag tone="warn" icon={<AlertIcon size={13} />}>
                Conflicting uses
              </Tag>
            )}
          </Fact>
        )}
        {(purpose?.host || secret.shared) && (
          <Fact term="Serves">
            {secret.shared ? "Shared: endpoints of any host" : <code className="wrap-anywhere">{purpose?.host}</code>}
          </Fact>
        )}
        {Number(purpose?.minCost ?? 0) > 0 && (
          <Fact term="Derived with">At least {Number(purpose?.minCost).toLocaleString("en")} iterations</Fact>
        )}
      </dl>
      {admin && <Actions secret={secret} onAsk={setDialog} />}
      {dialog === "replace" && <ReplacePurpose secret={secret} onClose={close} />}
      {dialog === "share" && <ShareKey secret={secret} onClose={close} />}
    </Card>
  );
}

function Actions({ secret, onAsk }: { secret: SecretJson; onAsk: (what: "replace" | "share") => void }) {
  return (
    <Group gap="xs">
      {replaceable(secret) && (
        <Button size="xs" variant="default" onClick={() => onAsk("replace")}>
          Replace purpose…
        </Button>
      )}
      {shareable(secret) && (
        <Button size="xs" variant="default" onClick={() => onAsk("share")}>
          Share…
        </Button>
      )}
    </Group>
  );
}

/** Reads again what a change of a secret changes on the page. */
function useRenew(secret: SecretJson) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  return () => {
    for (const queryKey of [
      ["secret", secret.name],
      ["history", secret.name],
      ["secrets", workspace],
    ])
      void cache.invalidateQueries({ queryKey });
  };
}

interface Props {
  secret: SecretJson;
  onClose: () => void;
}

/** Replaces the purpose of a key, after a mistake in a configuration. */
function ReplacePurpose({ secret, onClose }: Props) {
  const [text, setText] = useState((secret.purpose?.chains ?? []).join("\n"));
  const [reason, setReason] = useState("");
  const [cost, setCost] = useState("");
  const { run, busy, error: refused, form } = useAction();
  const chains = chainsIn(text);
  const error = useStillWrong(refused, { chains, reason, minCost: cost });
  const renew = useRenew(secret);
  const before = (secret.purpose?.chains ?? []).join("\n");
  const costs = /^\d{0,19}$/.test(cost.trim());
  const ready =
    chains.length > 0 && costs && reason.trim() !== "" && (chains.join("\n") !== before || cost.trim() !== "");
  useUnsaved(text !== before || cost !== "" || reason !== "", busy);
  const replace = () =>
    run(async () => {
      // Findings count lines, so that each is one chain.
      setText(chains.join("\n"));
      // What changed in the meantime is read, so that it shows before the next attempt.
      await replacePurpose(secret.name ?? "", {
        chains,
        minCost: cost.trim() || undefined,
        reason: reason.trim(),
        etag: secret.etag,
        requestId: crypto.randomUUID(),
      }).finally(renew);
      toast(`The purpose of ${idOf(secret.name)} is replaced.`);
      onClose();
    });
  return (
    <Dialog onClose={onClose} title="Replace purpose" size={620}>
      <form
        ref={form}
        className="stack"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) void replace();
        }}
      >
        <p>
          After a mistake in a configuration, such as a wrong padding. This is possible until a message was opened with{" "}
          <b className="mono wrap-anywhere">{idOf(secret.name)}</b>, or 20 were made.
        </p>
        <Notice tone="warn" icon={<AlertIcon />}>
          <p>Endpoints that use the key for the old purpose fail until they are saved with the new one.</p>
        </Notice>
        <Textarea
          label="Used for"
          description="One chain per line, as a test of the encryption lists them."
          withAsterisk
          autosize
          minRows={3}
          maxRows={10}
          spellCheck={false}
          autoComplete="off"
          classNames={{ input: "mono" }}
          data-autofocus
          value={text}
          error={chainsError(error)}
          onChange={(e) => setText(e.currentTarget.value)}
        />
        <TextInput
          label="Least iterations"
          description={`Of PBKDF2 in these chains. Empty: ${Number(secret.purpose?.minCost ?? 0) > 0 ? `at least ${Number(secret.purpose?.minCost).toLocaleString("en")}, as before` : "as before"}.`}
          inputMode="numeric"
          autoComplete="off"
          maxLength={19}
          value={cost}
          error={costs ? violationOf(error, "min_cost") : "A whole number."}
          onChange={(e) => setCost(e.currentTarget.value)}
        />
        <TextInput
          label="Reason"
          description="For the change log."
          withAsterisk
          maxLength={512}
          value={reason}
          error={violationOf(error, "reason")}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={busy} disabled={!ready}>
            Replace
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}

/** Lets a key serve the endpoints of several hosts, for good. */
function ShareKey({ secret, onClose }: Props) {
  const [reason, setReason] = useState("");
  const { run, busy, error, form } = useAction();
  useUnsaved(reason !== "", busy);
  const renew = useRenew(secret);
  const share = () =>
    run(async () => {
      await updateSecret(
        { name: secret.name ?? "", etag: secret.etag, shared: true },
        { updateMask: "shared", requestId: crypto.randomUUID(), reason: reason.trim() },
      ).finally(renew);
      toast(`${idOf(secret.name)} is shared.`);
      onClose();
    });
  return (
    <Dialog onClose={onClose} title="Share key" size={520}>
      <form
        ref={form}
        className="stack"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          void share();
        }}
      >
        <p>
          Endpoints of other hosts may use <b className="mono wrap-anywhere">{idOf(secret.name)}</b> too, for the same
          purpose.
        </p>
        <Notice tone="warn" icon={<AlertIcon />} title="This cannot be undone">
          <p>{sharedWarning}</p>
        </Notice>
        <TextInput
          label="Reason"
          description="Optional, for the change log."
          maxLength={512}
          data-autofocus
          value={reason}
          error={violationOf(error, "reason")}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={busy}>
            Share
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
