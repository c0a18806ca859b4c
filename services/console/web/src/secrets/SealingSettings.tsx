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
import { type Ability, useSealing } from "./sealing";

/** Shows whether a workspace requires sealed values and the keys to seal to, and changes the former. */
export function SealingSettings({ onClose }: { onClose: () => void }) {
  const sealing = useSealing();
  return (
    <Dialog onClose={onClose} title="Sealed values" shows={sealing.isPending} size={620}>
      <div className="stack">
        <p>
          This console seals each value in the browser, with a public key of the vault. Whatever lies in between, such
          as the gateway or a proxy that terminates TLS, cannot read it. Sealing does not help against a gateway that
          serves a modified console or another key.
        </p>
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
      <Fact term="In this workspace">
        {sealing.required ? <Tag tone="good">Required</Tag> : <Tag>Not required</Tag>}{" "}
        <span className="dimmed">
          {sealing.required
            ? "The vault refuses values that are not sealed."
            : "The vault accepts values that are not sealed, too."}
        </span>
      </Fact>
      {newest && (
        <Fact term="Sealing key">
          <KeyId of={newest} />
          <p className="dimmed">
            Compare this ID with the one that <code>vault seal</code> prints. The key was created{" "}
            <FullTime value={newest.createTime} />.
          </p>
        </Fact>
      )}
      {newest && (
        <Fact term="Public key">
          <code className="wrap-anywhere">{newest.publicKey}</code>{" "}
          <Copy text={newest.publicKey ?? ""} what="public key" />
          <p className="dimmed">Clients pin this key in their configuration.</p>
        </Fact>
      )}
      {older.length > 0 && (
        <Fact term="Earlier keys">
          <ul className="plain">
            {older.map((k) => (
              <li key={k.keyId}>
                <KeyId of={k} />
                {k.expireTime && (
                  <span className="dimmed">
                    {" "}
                    until <FullTime value={k.expireTime} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        </Fact>
      )}
      <Fact term="This browser">{obstacle ? `Cannot seal values. ${obstacle}` : "Seals values"}</Fact>
    </dl>
  );
}

function KeyId({ of }: { of: SealingKeyJson }) {
  return (
    <>
      <code>{of.keyId}</code> <Copy text={of.keyId ?? ""} what="key ID" />
    </>
  );
}

/** Owners require sealed values; only super admins stop requiring them, with a reason. */
function Change({ ability: { sealing }, onDone }: { ability: Ability; onDone: () => void }) {
  const { workspace, admin } = useAccess();
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const { run, busy, error, form } = useAction();
  useUnsaved(reason !== "", busy);
  const required = sealing.required ?? false;
  if (required && !admin)
    return <p className="dimmed">Only a super admin can accept values that are not sealed again.</p>;
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
      toast(required ? "Sealed values are no longer required." : "Sealed values are required.");
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
        <p>
          {required
            ? "Values that are not sealed can be read by the gateway and by proxies that terminate TLS."
            : "Clients that send values without sealing are refused from then on. Values that the vault generates are not affected. Only a super admin can undo this."}
        </p>
      </Notice>
      <TextInput
        label="Reason"
        description={required ? "For the change log." : "Optional, for the change log."}
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
          Cancel
        </Button>
        <Button type="submit" color={required ? "red" : undefined} loading={busy} disabled={!ready}>
          {required ? "Stop requiring" : "Require sealed values"}
        </Button>
      </Group>
    </form>
  );
}
