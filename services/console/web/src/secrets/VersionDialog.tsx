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
import { Fact, Notice, plural } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { FullTime, Time } from "../ui/Time";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { ReferrerList, useReferrers } from "./Referrers";
import { actWords, conflictOf, inUse, type Seen } from "./versions";

interface Props {
  /** The secret and the version as they are known now. */
  now: Seen;
  act: VersionAct;
  onClose: () => void;
}

/** Asks before something is done to a version, and says what it does to whom. */
export function VersionDialog({ now, act, onClose }: Props) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  // What is decided is decided on what was seen.
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
      toast(`Version ${number} of ${id} is ${actWords[act].done}.`);
      onClose();
      void renew("secret", "versions", "history");
    });

  return (
    <Dialog onClose={onClose} title={`${actWords[act].name} version ${number}`} size={520}>
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
          <Notice tone="warn" icon={<AlertIcon />} title="The version is in use">
            {refused ? (
              <Refused {...error?.metadata} />
            ) : (
              <p>
                {why === "current"
                  ? "It is current: until a new value is stored, or another version is restored, whatever needs it is refused."
                  : "It was used within the last 24 hours."}
              </p>
            )}
            {bound && <ReferrerList names={referrers.data ?? []} onFollow={onClose} />}
            <Checkbox
              mt={6}
              checked={force}
              onChange={(e) => setForce(e.currentTarget.checked)}
              label="Destroy it although it is in use"
              description="It is on the log, with your reason."
            />
          </Notice>
        )}
        {act === "destroy" && (
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
        )}
        <TextInput
          label="Reason"
          description={used ? "For the change log." : "Optional, for the change log."}
          withAsterisk={used}
          maxLength={512}
          data-autofocus={act === "destroy" ? undefined : true}
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        {!refused && <ProblemPanel error={error} />}
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color={act === "destroy" ? "red" : undefined} loading={busy} disabled={!ready}>
            {actWords[act].name}
          </Button>
        </Group>
      </form>
      {conflict && (
        <Conflict
          what="secret"
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

/** Why the vault did not destroy a version, by the metadata of its answer. */
function Refused({ reference_count: references, last_use_time: lastUse }: Record<string, string>) {
  return (
    <p>
      {Number(references) > 0 &&
        `${plural(Number(references), "endpoint")} refer${references === "1" ? "s" : ""} to the secret: the version is current, was so within the last 24 hours, or is named by one. `}
      {lastUse && (
        <>
          The version was last used <FullTime value={lastUse} />.
        </>
      )}
    </p>
  );
}

/** What it does, before it is done. */
function Effect({ seen: { secret, version }, act }: { seen: Seen; act: VersionAct }) {
  const bound = (secret.referenceCount ?? 0) > 0;
  const id = <b className="mono wrap-anywhere">{idOf(secret.name)}</b>;
  const current = version.current ?? false;
  switch (act) {
    case "restore":
      return (
        <>
          <p>
            Version {version.version} of {id} becomes the current one in place of version {secret.currentVersion}
            {secret.state === "VERSION_STATE_ENABLED" ? ", which stays and can be restored in turn." : "."}
          </p>
          {bound && (
            <Affected
              name={secret.name ?? ""}
              words="Within a second they use the restored version, unless they hold another."
            />
          )}
        </>
      );
    case "enable":
      return (
        <p>
          Version {version.version} of {id} can be used again
          {current && bound ? ", by all endpoints that refer to the secret" : ""}.
        </p>
      );
    case "disable":
      return (
        <>
          <p>
            Version {version.version} of {id} is not used until it is enabled again. The value is kept.
          </p>
          {current && bound ? (
            <Affected
              name={secret.name ?? ""}
              words="It is the current version. Until it is enabled, or another is restored, whatever needs it is refused."
            />
          ) : (
            <p className="dimmed">
              Endpoints that hold this version, and messages that were made with it, are refused.
            </p>
          )}
        </>
      );
    case "destroy":
      return (
        <>
          <p>
            The value of version {version.version} of {id} is destroyed for good: what is on disk opens no more, and
            nothing brings it back. Number and change log stay.
          </p>
          <dl className="facts three">
            <Fact term="Uses">{Number(version.useCount ?? 0).toLocaleString("en")}</Fact>
            <Fact term="Failures">{Number(version.failureCount ?? 0).toLocaleString("en")}</Fact>
            <Fact term="Last used">{version.lastUseTime ? <Time value={version.lastUseTime} /> : "Never"}</Fact>
          </dl>
        </>
      );
  }
}

/** The endpoints that feel it. */
function Affected({ name, words }: { name: string; words: string }) {
  const referrers = useReferrers(name);
  if (!referrers.data) return referrers.error ? <ProblemPanel error={referrers.error} /> : <Skeleton height={80} />;
  return (
    <Notice tone="warn" icon={<AlertIcon />} title={`This affects ${plural(referrers.data.length, "endpoint")}`}>
      <p>{words}</p>
      <ReferrerList names={referrers.data} />
    </Notice>
  );
}
