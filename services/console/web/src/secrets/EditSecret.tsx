import { Button, Group, Radio, Skeleton, Switch, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { violationOf } from "../api/problem";
import { getSecret, updateSecret } from "../api/vault";
import { useUnsaved } from "../app/unsaved";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Conflict, differencesOf } from "../ui/Conflict";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { HostsField, LabelsField } from "../ui/LabelsField";
import { Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { useStillWrong } from "../ui/useStillWrong";
import { changedPaths, draftOf, fields } from "./draft";
import { ReferrerList, useReferrers } from "./Referrers";
import { daysError, periodOf } from "./rotation";
import { RotationField } from "./RotationField";
import { Stored } from "./Stored";
import { usages, type KnownUsage } from "./usage";
import { t } from "../text/t";
import { ValueField, type ValueHandle } from "./ValueField";

interface Props {
  name: string;
  /** Whether the form changes only the value. */
  rotate?: boolean;
  onClose: () => void;
}

/** Changes the metadata of a secret, or its value, which creates a version. */
export function EditSecret({ name, rotate, onClose }: Props) {
  // Fetched again, so that the form edits the current state.
  const [stored, setStored] = useState<SecretJson>();
  const secret = useQuery({
    queryKey: ["secret", name, "edit"],
    queryFn: ({ signal }) => getSecret(name, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  return (
    <Dialog
      onClose={onClose}
      title={stored ? t("stored.title") : rotate ? t("edit.titleValue") : t("ui.edit")}
      of={stored ? undefined : idOf(name)}
      shows={stored ?? secret.data?.etag}
      size={620}
      closeOnClickOutside={false}
    >
      <ProblemPanel error={secret.error} onRetry={() => void secret.refetch()} />
      {secret.isPending && <Skeleton height={260} />}
      {stored && <Stored secret={stored} onClose={onClose} />}
      {secret.data && !stored && (
        <EditForm
          key={secret.data.etag}
          secret={secret.data}
          rotate={rotate}
          onReload={() => void secret.refetch()}
          onStored={setStored}
          onClose={onClose}
        />
      )}
    </Dialog>
  );
}

interface FormProps extends Omit<Props, "name"> {
  secret: SecretJson;
  onReload: () => void;
  /** Called with a secret if the vault reports facts about its new value. */
  onStored: (secret: SecretJson) => void;
}

function EditForm({ secret, rotate, onReload, onStored, onClose }: FormProps) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  const name = secret.name ?? "";
  const value = useRef<ValueHandle>(null);
  const [draft, setDraft] = useState(draftOf(secret));
  const [rotating, setRotating] = useState(rotate ?? false);
  const [keep, setKeep] = useState(false);
  const [reason, setReason] = useState("");
  const [theirs, setTheirs] = useState<SecretJson>();
  const [filled, setFilled] = useState(false);
  const { run, busy, error: refused, reset, form } = useAction();
  const error = useStillWrong(refused, {
    secret: {
      description: draft.description,
      labels: draft.labels,
      allowedHosts: draft.hosts,
      rotationPeriod: draft.days,
    },
  });
  const credential = secret.usage === "USAGE_CREDENTIAL";
  const before = draftOf(secret);
  const changed = changedPaths(before, draft);
  useUnsaved(changed.length > 0 || filled || reason !== "", busy);
  const wrongDays = changed.includes("rotation_period") && daysError(draft.days);
  const ready = (changed.length > 0 || rotating) && !wrongDays;

  const save = (etag = secret.etag) =>
    run(async () => {
      const found = rotating ? await value.current?.take(name) : undefined;
      if (rotating && !found) return;
      try {
        const saved = await updateSecret(
          {
            name,
            etag,
            description: draft.description,
            labels: draft.labels,
            allowedHosts: draft.hosts,
            ...(changed.includes("rotation_period") && { rotationPeriod: periodOf(draft.days) }),
            ...(found && { value: found.value }),
          },
          {
            updateMask: [...changed, ...(found ? ["value"] : [])].join(","),
            requestId: found?.requestId ?? crypto.randomUUID(),
            reason: reason.trim(),
            keepCurrent: Boolean(found) && keep,
          },
        );
        value.current?.clear();
        toast(savedWords(saved, Boolean(found), keep));
        if (saved.valueFacts) onStored(saved);
        else onClose();
      } catch (failure) {
        if ((failure as { reason?: string }).reason !== "ETAG_MISMATCH") throw failure;
        setTheirs(await getSecret(name));
        return;
      }
      for (const queryKey of [
        ["secrets", workspace],
        ["secret", name],
        ["versions", name],
        ["history", name],
      ])
        void cache.invalidateQueries({ queryKey });
    });

  return (
    <form
      ref={form}
      className="stack"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        if (ready) void save();
      }}
    >
      {!rotate && (
        <>
          <Textarea
            label={t("secret.description")}
            description={t("edit.descriptionHelp")}
            autosize
            minRows={2}
            maxRows={6}
            maxLength={1024}
            data-autofocus
            value={draft.description}
            error={violationOf(error, "secret.description")}
            onChange={(e) => setDraft({ ...draft, description: e.currentTarget.value })}
          />
          <LabelsField
            value={draft.labels}
            onChange={(labels) => setDraft({ ...draft, labels })}
            error={violationOf(error, "secret.labels")}
          />
          {credential && (
            <HostsField
              value={draft.hosts}
              onChange={(hosts) => setDraft({ ...draft, hosts })}
              error={error?.violations.find((v) => v.field.startsWith("secret.allowed_hosts"))?.description}
            />
          )}
          <RotationField
            value={draft.days}
            onChange={(days) => setDraft({ ...draft, days })}
            error={violationOf(error, "secret.rotation_period")}
          />
          <Switch
            checked={rotating}
            onChange={(e) => {
              setRotating(e.currentTarget.checked);
              setFilled(false);
            }}
            label={t("edit.newValue")}
            description={t("edit.newValueHelp")}
          />
        </>
      )}
      {rotating && (
        <>
          <ValueField
            ref={value}
            first={rotate}
            favour={(secret.usage ?? "USAGE_KEY") as KnownUsage}
            problem={error}
            onFill={(some) => {
              setFilled(some);
              reset();
            }}
          />
          <Start current={secret.currentVersion ?? 0} keep={keep} onKeep={setKeep} />
          <Affected secret={secret} keep={keep} />
        </>
      )}
      <TextInput
        label={t("ui.reason")}
        description={t("ui.reasonOptional")}
        maxLength={512}
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <ProblemPanel error={error} />
      <Group justify="flex-end" className="modal-foot">
        <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
          {t("ui.cancel")}
        </Button>
        <Button type="submit" loading={busy} disabled={!ready}>
          {t("ui.save")}
        </Button>
      </Group>
      {theirs && (
        <Conflict
          what={t("ui.what.secret")}
          changed={theirs.updateTime}
          differences={[
            ...differencesOf(fields, before, draftOf(theirs), draft),
            ...(theirs.currentVersion !== secret.currentVersion || rotating
              ? [
                  {
                    field: t("params.value"),
                    before: t("ui.versionInline", { currentVersion: secret.currentVersion }),
                    theirs: t("ui.versionInline", { currentVersion: theirs.currentVersion }),
                    yours:
                      rotating && !keep
                        ? t("edit.aNewVersion")
                        : t("ui.versionInline", { currentVersion: secret.currentVersion }),
                  },
                ]
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

function savedWords(saved: SecretJson, added: boolean, keep: boolean): string {
  const id = idOf(saved.name);
  if (!added) return t("editor.saved", { id });
  if (keep) return t("edit.waiting", { id, currentVersion: saved.currentVersion });
  return t("edit.current", { currentVersion: saved.currentVersion, id });
}

/** When the new value takes effect. */
function Start({ current, keep, onKeep }: { current: number; keep: boolean; onKeep: (keep: boolean) => void }) {
  const choices = [
    { value: "now", name: t("edit.useNow"), words: t("edit.useNowHelp", { current }) },
    {
      value: "later",
      name: t("edit.keep"),
      words: t("edit.keepHelp"),
    },
  ];
  return (
    <Radio.Group label={t("edit.when")} value={keep ? "later" : "now"} onChange={(v) => onKeep(v === "later")}>
      <div className="choices">
        {choices.map((c) => (
          <label key={c.value} className="choice" data-checked={(c.value === "later") === keep || undefined}>
            <Radio value={c.value} aria-label={c.name} aria-describedby={`start-${c.value}`} />
            <span>
              <b>{c.name}</b>
              <small id={`start-${c.value}`}>{c.words}</small>
            </span>
          </label>
        ))}
      </div>
    </Radio.Group>
  );
}

/** The effects of a new value, shown before it is saved. */
function Affected({ secret, keep }: { secret: SecretJson; keep: boolean }) {
  const referrers = useReferrers(secret.name ?? "");
  const names = referrers.data ?? [];
  if (keep || (referrers.data && names.length === 0)) {
    return (
      <Notice>
        <p>{keep ? t("edit.waitWords", { currentVersion: secret.currentVersion }) : t("edit.unused")}</p>
      </Notice>
    );
  }
  const { inline } = usages[(secret.usage ?? "USAGE_KEY") as KnownUsage];
  return (
    <Notice tone="warn" icon={<AlertIcon />} title={t("edit.affects", { count: names.length })}>
      <p>{t("edit.affectsWords", { name: inline })}</p>
      <ReferrerList names={names} />
    </Notice>
  );
}
