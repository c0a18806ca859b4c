import { Button, Checkbox, Group, Skeleton, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { actOnVersion, type VersionAct } from "../api/vault";
import { useUnsaved } from "../app/unsaved";
import { Conflict } from "../ui/Conflict";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Fact, Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { FullTime, Time } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { ReferrerList, useReferrers } from "./Referrers";
import { number, rich, t } from "../text/t";
import { actWords, conflictOf, inUse, type Seen } from "./versions";

interface Props {
  /** The current state of the secret and the version. */
  now: Seen;
  act: VersionAct;
  onClose: () => void;
}

/** Confirms an action on a version and shows its effects. */
export function VersionDialog({ now, act, onClose }: Props) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  // The decision refers to the state that the user saw.
  const [seen, setSeen] = useState(now);
  const { secret, version } = seen;
  const id = idOf(secret.name);
  const name = secret.name ?? "";
  const number = version.version ?? 0;
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [force, setForce] = useState(false);
  const [conflict, setConflict] = useState(false);
  const { run, busy, error, form } = useAction();
  useUnsaved(reason !== "", busy);
  const refused = error?.reason === "VERSION_IN_USE";
  const why = act === "destroy" ? inUse(secret, version, Date.now()) : undefined;
  const used = refused || why !== undefined;
  const bound = why === "current" || Number(error?.metadata.reference_count) > 0;
  const referrers = useReferrers(name, used && bound);
  const ready = act !== "destroy" || (typed === id && (!used || (force && reason.trim() !== "")));

  const renew = (...keys: string[]) =>
    Promise.all(
      [...keys.map((key) => [key, name]), ["secrets", workspace]].map((queryKey) =>
        cache.invalidateQueries({ queryKey }),
      ),
    );
  const go = (etag = secret.etag) =>
    run(async () => {
      try {
        await actOnVersion(version.name ?? "", act, {
          etag,
          reason: reason.trim(),
          requestId: crypto.randomUUID(),
          ...(used && { force }),
        });
      } catch (failure) {
        if ((failure as { reason?: string }).reason !== "ETAG_MISMATCH") throw failure;
        await renew("secret", "versions");
        setConflict(true);
        return;
      }
      toast(t("version.done", { number, id, state: actWords[act].done }));
      onClose();
      void renew("secret", "versions", "history");
    });

  return (
    <Dialog onClose={onClose} title={t(actWords[act].title, { number })} size={520}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) void go();
        }}
      >
        <Effect seen={seen} act={act} />
        {used && (
          <Notice tone="warn" icon={<AlertIcon />} title={t("problem.versionInUse.title")}>
            {refused ? (
              <Refused {...error?.metadata} />
            ) : (
              <p>{why === "current" ? t("version.isCurrent") : t("version.recent")}</p>
            )}
            {bound && <ReferrerList names={referrers.data ?? []} onFollow={onClose} />}
            <Checkbox
              mt={6}
              checked={force}
              onChange={(e) => setForce(e.currentTarget.checked)}
              label={t("version.force")}
              description={t("version.forceHelp")}
            />
          </Notice>
        )}
        {act === "destroy" && (
          <TextInput
            label={<>{rich("ui.typeToConfirm", { id, dim: (c) => <span className="mono wrap-anywhere">{c}</span> })}</>}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            classNames={{ input: "mono" }}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
          />
        )}
        <TextInput
          label={t("ui.reason")}
          description={used ? t("ui.reasonRequired") : t("ui.reasonOptional")}
          withAsterisk={used}
          maxLength={512}
          data-autofocus={act === "destroy" ? undefined : true}
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        {!refused && <ProblemPanel error={error} />}
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" color={act === "destroy" ? "red" : undefined} loading={busy} disabled={!ready}>
            {actWords[act].name}
          </Button>
        </Group>
      </form>
      {conflict && (
        <Conflict
          what={t("ui.what.secret")}
          changed={now.secret.updateTime}
          differences={conflictOf(seen, now, act)}
          onMine={() => {
            setConflict(false);
            setSeen(now);
            void go(now.secret.etag);
          }}
          onTheirs={onClose}
          onClose={() => setConflict(false)}
        />
      )}
    </Dialog>
  );
}

/** The reason why the vault did not destroy a version, from the metadata of the error. */
function Refused({ reference_count: references, last_use_time: lastUse }: Record<string, string>) {
  return (
    <p>
      {Number(references) > 0 && t("version.referrers", { count: Number(references) })}{" "}
      {lastUse && rich("version.lastUsed", { time: <FullTime value={lastUse} /> })}
    </p>
  );
}

/** The effect of the action. */
function Effect({ seen: { secret, version }, act }: { seen: Seen; act: VersionAct }) {
  const bound = (secret.referenceCount ?? 0) > 0;
  const id = <b className="mono wrap-anywhere">{idOf(secret.name)}</b>;
  const current = version.current ?? false;
  switch (act) {
    case "restore":
      return (
        <>
          <p>
            {rich(secret.state === "VERSION_STATE_ENABLED" ? "version.restoreWords" : "version.restoreWordsOnly", {
              version: version.version,
              id,
              currentVersion: secret.currentVersion,
            })}
          </p>
          {bound && <Affected name={secret.name ?? ""} words={t("version.restoreAffects")} />}
        </>
      );
    case "enable":
      return (
        <p>
          {rich(current && bound ? "version.enableCurrent" : "version.enableWords", { version: version.version, id })}
        </p>
      );
    case "disable":
      return (
        <>
          <p>{rich("version.disableWords", { version: version.version, id })}</p>
          {current && bound ? (
            <Affected name={secret.name ?? ""} words={t("version.disableCurrent")} />
          ) : (
            <p className="dimmed">{t("version.disablePinned")}</p>
          )}
        </>
      );
    case "destroy":
      return (
        <>
          <p>{rich("version.destroyWords", { version: version.version, id })}</p>
          <dl className="facts three">
            <Fact term={t("version.uses")}>{number(Number(version.useCount ?? 0))}</Fact>
            <Fact term={t("version.failures")}>{number(Number(version.failureCount ?? 0))}</Fact>
            <Fact term={t("version.last")}>
              {version.lastUseTime ? <Time value={version.lastUseTime} /> : t("ui.never")}
            </Fact>
          </dl>
        </>
      );
  }
}

/** The affected endpoints. */
function Affected({ name, words }: { name: string; words: string }) {
  const referrers = useReferrers(name);
  if (!referrers.data) return referrers.error ? <ProblemPanel error={referrers.error} /> : <Skeleton height={80} />;
  return (
    <Notice tone="warn" icon={<AlertIcon />} title={t("version.affects", { count: referrers.data.length })}>
      <p>{words}</p>
      <ReferrerList names={referrers.data} />
    </Notice>
  );
}
