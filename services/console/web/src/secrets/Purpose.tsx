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
import { rich, t } from "../text/t";
import { sharedWarning } from "./usage";

/** The purpose of a key. */
export function PurposeCard({ secret }: { secret: SecretJson }) {
  const { admin } = useAccess();
  const [dialog, setDialog] = useState<"replace" | "share">();
  const { purpose } = secret;
  const { name, words, warn } = purposeWords(secret);
  const close = () => setDialog(undefined);
  return (
    <Card title={t("purpose.title")} words={t("purpose.words")}>
      {warn ? (
        <Notice tone="warn" icon={<AlertIcon />} title={name}>
          <p>{words}</p>
        </Notice>
      ) : (
        <p>
          {rich(purpose?.sealTime ? "purpose.stateSince" : "purpose.stateWords", {
            name,
            words,
            time: <FullTime value={purpose?.sealTime} />,
            dim: (c) => <span className="dimmed">{c}</span>,
          })}
        </p>
      )}
      <dl className="facts">
        {(purpose?.chains?.length ?? 0) > 0 && (
          <Fact term={t("secret.usedFor")}>
            <Chains chains={purpose?.chains} />
            {purpose?.conflicting && (
              <Tag tone="warn" icon={<AlertIcon size={13} />}>
                {t("purpose.conflict")}
              </Tag>
            )}
          </Fact>
        )}
        {(purpose?.host || secret.shared) && (
          <Fact term={t("purpose.serves")}>
            {secret.shared ? t("purpose.shared") : <code className="wrap-anywhere">{purpose?.host}</code>}
          </Fact>
        )}
        {Number(purpose?.minCost ?? 0) > 0 && (
          <Fact term={t("purpose.derived")}>{t("purpose.iterations", { minCost: Number(purpose?.minCost) })}</Fact>
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
          {t("purpose.replaceOpen")}
        </Button>
      )}
      {shareable(secret) && (
        <Button size="xs" variant="default" onClick={() => onAsk("share")}>
          {t("purpose.shareOpen")}
        </Button>
      )}
    </Group>
  );
}

/** Refetches the data that a change of a secret affects on the page. */
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

/** Replaces the purpose of a key after a mistake in a configuration. */
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
      // Violations count lines, so each line is one chain.
      setText(chains.join("\n"));
      // Concurrent changes are fetched, so that the page shows them before the next attempt.
      await replacePurpose(secret.name ?? "", {
        chains,
        minCost: cost.trim() || undefined,
        reason: reason.trim(),
        etag: secret.etag,
        requestId: crypto.randomUUID(),
      }).finally(renew);
      toast(t("purpose.replaced", { id: idOf(secret.name) }));
      onClose();
    });
  return (
    <Dialog onClose={onClose} title={t("purpose.replaceTitle")} size={620}>
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
          {rich("purpose.replaceWords", {
            id: idOf(secret.name),
            strong: (c) => <b className="mono wrap-anywhere">{c}</b>,
          })}
        </p>
        <Notice tone="warn" icon={<AlertIcon />}>
          <p>{t("purpose.replaceEffect")}</p>
        </Notice>
        <Textarea
          label={t("secret.usedFor")}
          description={t("purpose.chainsHelp")}
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
          label={t("purpose.leastIterations")}
          description={
            Number(secret.purpose?.minCost ?? 0) > 0
              ? t("purpose.iterationsKeepCount", { count: Number(secret.purpose?.minCost) })
              : t("purpose.iterationsKeep")
          }
          inputMode="numeric"
          autoComplete="off"
          maxLength={19}
          value={cost}
          error={costs ? violationOf(error, "min_cost") : t("purpose.wholeNumber")}
          onChange={(e) => setCost(e.currentTarget.value)}
        />
        <TextInput
          label={t("ui.reason")}
          description={t("ui.reasonRequired")}
          withAsterisk
          maxLength={512}
          value={reason}
          error={violationOf(error, "reason")}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" color="red" loading={busy} disabled={!ready}>
            {t("purpose.replaceSubmit")}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}

/** Lets a key serve endpoints of several hosts, permanently. */
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
      toast(t("purpose.sharedDone", { id: idOf(secret.name) }));
      onClose();
    });
  return (
    <Dialog onClose={onClose} title={t("purpose.shareTitle")} size={520}>
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
          {rich("purpose.shareWords", {
            id: idOf(secret.name),
            strong: (c) => <b className="mono wrap-anywhere">{c}</b>,
          })}
        </p>
        <Notice tone="warn" icon={<AlertIcon />} title={t("purpose.shareFinal")}>
          <p>{sharedWarning}</p>
        </Notice>
        <TextInput
          label={t("ui.reason")}
          description={t("ui.reasonOptional")}
          maxLength={512}
          data-autofocus
          value={reason}
          error={violationOf(error, "reason")}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" color="red" loading={busy}>
            {t("purpose.shareSubmit")}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
