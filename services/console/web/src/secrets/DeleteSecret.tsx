import { Button, Checkbox, Group, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { deleteSecret } from "../api/vault";
import { navigate, paths } from "../app/router";
import { useUnsaved } from "../app/unsaved";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { ReferrerList, useReferrers } from "./Referrers";

/** Deletes a secret, once its name was typed. What is in use is not deleted. */
export function DeleteSecret({ secret, onClose }: { secret: SecretJson; onClose: () => void }) {
  const { workspace, admin } = useAccess();
  const cache = useQueryClient();
  const id = idOf(secret.name);
  const name = secret.name ?? "";
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [force, setForce] = useState(false);
  const { run, busy, error, form } = useAction();
  useUnsaved(reason !== "", busy);
  const refused = error?.reason === "SECRET_IN_USE";
  const inUse = refused || (secret.referenceCount ?? 0) > 0;
  const referrers = useReferrers(name, inUse);
  const named = referrers.data ?? (error?.metadata.referrers?.split(", ") || []);
  const allowed = !inUse || (force && reason.trim() !== "");

  const remove = () =>
    run(async () => {
      await deleteSecret(name, { etag: refused ? undefined : secret.etag, reason: reason.trim(), force });
      toast(`${id} is deleted.`);
      onClose();
      if (!window.location.pathname.endsWith("/secrets")) navigate(paths.secrets(workspace), { force: true });
      void cache.invalidateQueries({ queryKey: ["secrets", workspace] });
      cache.removeQueries({ queryKey: ["secret", name] });
    });

  return (
    <Dialog onClose={onClose} title={inUse && !admin ? "This secret is in use" : "Delete secret"}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (allowed && typed === id) void remove();
        }}
      >
        {inUse ? (
          <Notice tone="warn" icon={<AlertIcon />} title="It cannot be deleted while endpoints refer to it">
            <p>Take it out of these first:</p>
            <ReferrerList names={named} onFollow={onClose} />
          </Notice>
        ) : (
          <p>
            This deletes <b className="mono wrap-anywhere">{id}</b> with all its versions, for good. Its change log
            stays.
          </p>
        )}
        {inUse && admin && (
          <Checkbox
            checked={force}
            onChange={(e) => setForce(e.currentTarget.checked)}
            label="Delete it all the same, as super admin"
            description="The endpoints above stop working at once. It is on the log, with your reason."
          />
        )}
        {(!inUse || (admin && force)) && (
          <>
            <TextInput
              label={
                <>
                  Type <span className="mono wrap-anywhere">{id}</span> to confirm
                </>
              }
              autoComplete="off"
              spellCheck={false}
              data-autofocus
              classNames={{ input: "mono" }}
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
            <TextInput
              label="Reason"
              description={force ? "For the change log." : "Optional, for the change log."}
              withAsterisk={force}
              maxLength={512}
              value={reason}
              onChange={(e) => setReason(e.currentTarget.value)}
            />
          </>
        )}
        {!refused && <ProblemPanel error={error} />}
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {inUse && !admin ? "Close" : "Cancel"}
          </Button>
          {(!inUse || admin) && (
            <Button type="submit" color="red" loading={busy} disabled={typed !== id || !allowed}>
              Delete
            </Button>
          )}
        </Group>
      </form>
    </Dialog>
  );
}
