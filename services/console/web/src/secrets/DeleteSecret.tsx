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
import { rich, t } from "../text/t";
import { ReferrerList, useReferrers } from "./Referrers";

/** Deletes a secret after its name is typed. A secret in use cannot be deleted. */
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
      toast(t("secret.delete.done", { id }));
      onClose();
      if (!window.location.pathname.endsWith("/secrets")) navigate(paths.secrets(workspace), { force: true });
      void cache.invalidateQueries({ queryKey: ["secrets", workspace] });
      cache.removeQueries({ queryKey: ["secret", name] });
    });

  return (
    <Dialog onClose={onClose} title={inUse && !admin ? t("problem.thisSecretInUse") : t("secret.delete.title")}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (allowed && typed === id) void remove();
        }}
      >
        {inUse ? (
          <Notice tone="warn" icon={<AlertIcon />} title={t("secret.delete.blocked")}>
            <p>{t("secret.delete.blockedWords")}</p>
            <ReferrerList names={named} onFollow={onClose} />
          </Notice>
        ) : (
          <p>{rich("secret.delete.words", { id, strong: (c) => <b className="mono wrap-anywhere">{c}</b> })}</p>
        )}
        {inUse && admin && (
          <Checkbox
            checked={force}
            onChange={(e) => setForce(e.currentTarget.checked)}
            label={t("secret.delete.force")}
            description={t("secret.delete.forceHelp")}
          />
        )}
        {(!inUse || (admin && force)) && (
          <>
            <TextInput
              label={
                <>{rich("ui.typeToConfirm", { id, dim: (c) => <span className="mono wrap-anywhere">{c}</span> })}</>
              }
              autoComplete="off"
              spellCheck={false}
              data-autofocus
              classNames={{ input: "mono" }}
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
            <TextInput
              label={t("ui.reason")}
              description={force ? t("ui.reasonRequired") : t("ui.reasonOptional")}
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
            {inUse && !admin ? t("ui.close") : t("ui.cancel")}
          </Button>
          {(!inUse || admin) && (
            <Button type="submit" color="red" loading={busy} disabled={typed !== id || !allowed}>
              {t("ui.delete")}
            </Button>
          )}
        </Group>
      </form>
    </Dialog>
  );
}
