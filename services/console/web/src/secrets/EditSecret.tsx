import { Button, Group, Modal, Skeleton, Switch, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { violationOf } from "../api/problem";
import { getSecret, updateSecret } from "../api/vault";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Conflict, differencesOf } from "../ui/Conflict";
import { AlertIcon } from "../ui/icons";
import { HostsField, LabelsField } from "../ui/LabelsField";
import { Notice, plural } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { ReferrerList, useReferrers } from "./Referrers";
import { usages, type KnownUsage } from "./usage";
import { ValueField, type ValueHandle } from "./ValueField";

interface Props {
  name: string;
  /** Whether to begin with a new value. */
  rotate?: boolean;
  onClose: () => void;
}

/** Changes a secret: what is known of it, or its value, which makes a new version. */
export function EditSecret({ name, rotate, onClose }: Props) {
  // Read anew, so that what is edited is what is there.
  const secret = useQuery({ queryKey: ["secret", name, "edit"], queryFn: ({ signal }) => getSecret(name, signal), staleTime: Number.POSITIVE_INFINITY, gcTime: 0, refetchOnWindowFocus: false });
  return (
    <Modal opened onClose={onClose} title={<>Edit <span className="mono">{idOf(name)}</span></>} size={620} closeOnClickOutside={false}>
      <ProblemPanel error={secret.error} onRetry={() => void secret.refetch()} />
      {secret.isPending && <Skeleton height={260} />}
      {secret.data && <EditForm key={secret.data.etag} secret={secret.data} rotate={rotate} onReload={() => void secret.refetch()} onClose={onClose} />}
    </Modal>
  );
}

interface Draft {
  description: string;
  labels: Record<string, string>;
  hosts: string[];
}

const draftOf = (s: SecretJson): Draft => ({ description: s.description ?? "", labels: s.labels ?? {}, hosts: s.allowedHosts ?? [] });

const shown = [
  { name: "Description", show: (d: Draft) => d.description },
  { name: "Labels", show: (d: Draft) => Object.entries(d.labels).sort().map(([k, v]) => `${k}=${v}`).join("\n") },
  { name: "Allowed hosts", show: (d: Draft) => [...d.hosts].sort().join("\n") },
];

function EditForm({ secret, rotate, onReload, onClose }: { secret: SecretJson; rotate?: boolean; onReload: () => void; onClose: () => void }) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  const name = secret.name ?? "";
  const value = useRef<ValueHandle>(null);
  const [draft, setDraft] = useState(draftOf(secret));
  const [rotating, setRotating] = useState(rotate ?? false);
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState<string>();
  const [theirs, setTheirs] = useState<SecretJson>();
  const { run, busy, error } = useAction();
  const credential = secret.usage === "USAGE_CREDENTIAL";
  const before = draftOf(secret);
  const changed = shown.filter((f) => f.show(draft) !== f.show(before)).map((f) => f.name);

  const save = (etag = secret.etag) =>
    run(async () => {
      const found = rotating ? await value.current?.take() : undefined;
      setMissing(rotating && !found ? "Give it a value." : undefined);
      if (rotating && !found) return;
      const mask = [changed.includes("Description") && "description", changed.includes("Labels") && "labels", changed.includes("Allowed hosts") && "allowed_hosts", found && "value"].filter(Boolean);
      try {
        const saved = await updateSecret(
          { name, etag, description: draft.description, labels: draft.labels, allowedHosts: draft.hosts, ...(found && { value: found }) },
          { updateMask: mask.join(","), requestId: crypto.randomUUID(), reason: reason.trim() },
        );
        value.current?.clear();
        toast(found ? `Version ${saved.currentVersion} of ${idOf(name)} is in use. It cannot be viewed again.` : `${idOf(name)} is saved.`);
      } catch (failure) {
        if ((failure as { reason?: string }).reason !== "ETAG_MISMATCH") throw failure;
        setTheirs(await getSecret(name));
        return;
      }
      onClose();
      for (const queryKey of [["secrets", workspace], ["secret", name], ["versions", name], ["history", name]]) void cache.invalidateQueries({ queryKey });
    });

  return (
    <form
      className="stack"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        void save();
      }}
    >
      <Textarea label="Description" description="People see it and the change log keeps it: never put a value here." autosize minRows={2} maxRows={6} maxLength={1024} data-autofocus={rotate ? undefined : true} value={draft.description} error={violationOf(error, "secret.description")} onChange={(e) => setDraft({ ...draft, description: e.currentTarget.value })} />
      <LabelsField value={draft.labels} onChange={(labels) => setDraft({ ...draft, labels })} error={violationOf(error, "secret.labels")} />
      {credential && <HostsField value={draft.hosts} onChange={(hosts) => setDraft({ ...draft, hosts })} error={error?.violations.find((v) => v.field.startsWith("secret.allowed_hosts"))?.description} />}
      <Switch checked={rotating} onChange={(e) => setRotating(e.currentTarget.checked)} label="Store a new value" description="It becomes the next version and is used from then on." />
      {rotating && (
        <>
          <Affected secret={secret} />
          <ValueField ref={value} favour={(secret.usage ?? "USAGE_KEY") as KnownUsage} error={missing ?? violationOf(error, "secret.value")} onFilled={() => setMissing(undefined)} />
        </>
      )}
      <TextInput label="Reason" description="Optional, for the change log." maxLength={512} value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
      <ProblemPanel error={error} />
      <Group justify="flex-end" className="modal-foot">
        <Button variant="subtle" color="gray" onClick={onClose}>
          Cancel
        </Button>
        <Button type="submit" loading={busy} disabled={changed.length === 0 && !rotating}>
          Save
        </Button>
      </Group>
      {theirs && (
        <Conflict
          what="secret"
          changed={theirs.updateTime}
          differences={[
            ...differencesOf(shown, before, draftOf(theirs), draft),
            ...(theirs.currentVersion !== secret.currentVersion || rotating
              ? [{ field: "Value", before: `version ${secret.currentVersion}`, theirs: `version ${theirs.currentVersion}`, yours: rotating ? "a new version" : `version ${secret.currentVersion}` }]
              : []),
          ]}
          onMine={() => {
            const { etag } = theirs;
            setTheirs(undefined);
            void save(etag);
          }}
          onTheirs={() => {
            value.current?.clear();
            onReload();
          }}
          onClose={() => setTheirs(undefined)}
        />
      )}
    </form>
  );
}

/** What a new value affects, before it is saved. */
function Affected({ secret }: { secret: SecretJson }) {
  const referrers = useReferrers(secret.name ?? "");
  const names = referrers.data ?? [];
  if (referrers.data && names.length === 0) {
    return (
      <Notice>
        <p>No endpoint uses this secret yet: a new value affects nothing.</p>
      </Notice>
    );
  }
  const { name } = usages[(secret.usage ?? "USAGE_KEY") as KnownUsage];
  return (
    <Notice tone="warn" icon={<AlertIcon />} title={`A new value affects ${plural(names.length, "endpoint")}`}>
      <p>
        Within a second they use the new {name.toLowerCase()}, unless they hold a version. An exchange under way ends with the one it began with. Make sure that the partner has the new one.
      </p>
      <ReferrerList names={names} />
    </Notice>
  );
}
