import { Button, Group, Skeleton, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { violationOf } from "../api/problem";
import { updateSealing } from "../api/vault";
import { useUnsaved } from "../app/unsaved";
import type { SealingKeyJson } from "../gen/keyward/vault/v1/resources_pb";
import { Copy } from "../ui/Copy";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Fact, Notice, Tag } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { FullTime } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { rich, t } from "../text/t";
import { type Ability, useSealing } from "./sealing";

/** Shows whether a workspace requires sealed values and its sealing keys, and changes the requirement. */
export function SealingSettings({ onClose }: { onClose: () => void }) {
  const sealing = useSealing();
  return (
    <Dialog onClose={onClose} title={t("sealing.title")} shows={sealing.isPending} size={620}>
      <div className="stack">
        <p>{t("sealing.words")}</p>
        <ProblemPanel error={sealing.error} onRetry={() => void sealing.refetch()} />
        {sealing.isPending && <Skeleton height={180} />}
        {sealing.data && (
          <>
            <Facts ability={sealing.data} />
            {(sealing.data.sealing.keys?.length ?? 0) > 0 && (
              <Change key={sealing.data.sealing.etag} ability={sealing.data} onDone={onClose} />
            )}
          </>
        )}
      </div>
    </Dialog>
  );
}

function Facts({ ability: { sealing, obstacle } }: { ability: Ability }) {
  const [newest, ...older] = sealing.keys ?? [];
  return (
    <dl className="facts">
      <Fact term={t("sealing.here")}>
        {sealing.required ? <Tag tone="good">{t("sealing.required")}</Tag> : <Tag>{t("sealing.notRequired")}</Tag>}{" "}
        <span className="dimmed">{sealing.required ? t("sealing.requiredWords") : t("sealing.notRequiredWords")}</span>
      </Fact>
      {newest && (
        <Fact term={t("sealing.key")}>
          <KeyId of={newest} />
          <p className="dimmed">{rich("sealing.compare", { time: <FullTime value={newest.createTime} /> })}</p>
        </Fact>
      )}
      {newest && (
        <Fact term={t("sealing.publicKey")}>
          <code className="wrap-anywhere">{newest.publicKey}</code>{" "}
          <Copy text={newest.publicKey ?? ""} what={t("sealing.publicKeyWhat")} />
          <p className="dimmed">{t("sealing.pin")}</p>
        </Fact>
      )}
      {older.length > 0 && (
        <Fact term={t("sealing.earlier")}>
          <ul className="plain">
            {older.map((k) => (
              <li key={k.keyId}>
                <KeyId of={k} />
                {k.expireTime && (
                  <span className="dimmed"> {rich("sealing.until", { time: <FullTime value={k.expireTime} /> })}</span>
                )}
              </li>
            ))}
          </ul>
        </Fact>
      )}
      <Fact term={t("sealing.browser")}>{obstacle ? t("sealing.cannot", { obstacle }) : t("sealing.can")}</Fact>
    </dl>
  );
}

function KeyId({ of }: { of: SealingKeyJson }) {
  return (
    <>
      <code>{of.keyId}</code> <Copy text={of.keyId ?? ""} what={t("sealing.keyIdWhat")} />
    </>
  );
}

/** Owners can require sealed values; only super admins can stop requiring them, with a reason. */
function Change({ ability: { sealing }, onDone }: { ability: Ability; onDone: () => void }) {
  const { workspace, admin } = useAccess();
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const { run, busy, error, form } = useAction();
  useUnsaved(reason !== "", busy);
  const required = sealing.required ?? false;
  if (required && !admin) return <p className="dimmed">{t("sealing.adminOnly")}</p>;
  const ready = !required || reason.trim() !== "";
  const change = () =>
    run(async () => {
      const renew = () => {
        for (const what of ["sealing", "history"]) void cache.invalidateQueries({ queryKey: [what] });
      };
      await updateSealing(
        workspace,
        { required: !required, etag: sealing.etag },
        { reason: reason.trim(), requestId: crypto.randomUUID() },
      ).finally(renew);
      toast(required ? t("sealing.offDone") : t("sealing.onDone"));
      onDone();
    });
  return (
    <form
      ref={form}
      className="stack"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        if (ready) void change();
      }}
    >
      <Notice tone="warn" icon={<AlertIcon />}>
        <p>{required ? t("sealing.offWords") : t("sealing.onWords")}</p>
      </Notice>
      <TextInput
        label={t("ui.reason")}
        description={required ? t("ui.reasonRequired") : t("ui.reasonOptional")}
        withAsterisk={required}
        maxLength={512}
        autoComplete="off"
        value={reason}
        error={violationOf(error, "reason")}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <ProblemPanel error={error} />
      <Group justify="flex-end" className="modal-foot">
        <Button variant="subtle" color="gray" disabled={busy} onClick={onDone}>
          {t("ui.cancel")}
        </Button>
        <Button type="submit" color={required ? "red" : undefined} loading={busy} disabled={!ready}>
          {required ? t("sealing.offSubmit") : t("sealing.onSubmit")}
        </Button>
      </Group>
    </form>
  );
}
