import { Button, Group, Radio, Switch, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useAccess } from "../api/access";
import { refusal } from "../api/client";
import { endpointName, idOf, idRule, idRules, secretName } from "../api/names";
import { Problem, violationOf } from "../api/problem";
import { createSecret, isTaken } from "../api/vault";
import { useUnsaved } from "../app/unsaved";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Dialog } from "../ui/Dialog";
import { AlertIcon, CheckIcon, CrossIcon } from "../ui/icons";
import { HostsField, LabelsField, type LabelMap } from "../ui/LabelsField";
import { Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { useStillWrong } from "../ui/useStillWrong";
import { takenFor } from "./facts";
import { chainsOf, PurposeField, type Stated } from "./PurposeField";
import { daysError, periodOf } from "./rotation";
import { RotationField } from "./RotationField";
import { Stored } from "./Stored";
import { exposedWarning, sharedWarning, storable, usages, type KnownUsage } from "./usage";
import { t } from "../text/t";
import { ValueField, type ValueHandle } from "./ValueField";

interface Props {
  onClose: () => void;
  /** The usage, if only one is allowed here. */
  usage?: KnownUsage;
  /** The host that needs the credential. */
  host?: string;
  /**
   * Called with the stored secret and whether its value was generated. Then the dialog closes by itself, unless the
   * vault reports something about the value.
   */
  onStored?: (secret: SecretJson, generated: boolean) => void;
}

/** Stores a new secret. The value is sealed for the vault, and the page forgets it. */
export function StoreSecret({ onClose, ...rest }: Props) {
  const [stored, setStored] = useState<SecretJson>();
  const close = () => {
    onClose();
    setStored(undefined);
  };
  const done = (secret: SecretJson, generated: boolean) => {
    rest.onStored?.(secret, generated);
    // The user returns to the picker, unless the vault reports something about the value.
    if (!rest.onStored || secret.valueFacts?.notes?.length || secret.valueFacts?.convertedFrom) {
      setStored(secret);
      return;
    }
    if (secret.valueFacts) toast(t("store.done", { id: idOf(secret.name), takenFor: takenFor(secret.valueFacts) }));
    close();
  };
  return (
    <Dialog
      onClose={close}
      title={stored ? t("stored.title") : t("secrets.store.title")}
      shows={stored}
      size={620}
      closeOnClickOutside={false}
    >
      {stored ? (
        <Stored secret={stored} onMore={rest.onStored ? undefined : () => setStored(undefined)} onClose={close} />
      ) : (
        <StoreForm {...rest} onDone={done} onCancel={close} />
      )}
    </Dialog>
  );
}

interface FormProps extends Omit<Props, "onClose" | "onStored"> {
  onDone: (secret: SecretJson, generated: boolean) => void;
  onCancel: () => void;
}

function StoreForm({ usage: only, host, onDone, onCancel }: FormProps) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  const value = useRef<ValueHandle>(null);
  const [id, setId] = useState("");
  // The usage is permanent, so none is preselected.
  const [usage, setUsage] = useState(only);
  const [hosts, setHosts] = useState<string[]>(host ? [host] : []);
  const [description, setDescription] = useState("");
  const [labels, setLabels] = useState<LabelMap>({});
  const [days, setDays] = useState("");
  const [shared, setShared] = useState(false);
  const [issuer, setIssuer] = useState("");
  const [stated, setStated] = useState<Stated>();
  const [reason, setReason] = useState("");
  const [filled, setFilled] = useState(false);
  const { run, busy, error: refused, reset, form } = useAction();
  const error = useStillWrong(refused, {
    secretId: id,
    secret: {
      description,
      labels,
      allowedHosts: hosts,
      rotationPeriod: days,
      purpose: stated,
      shared,
      issuedBy: issuer,
    },
    reason,
  });
  useUnsaved(
    filled || [id, description, days, reason, issuer].some((text) => text !== "") || Object.keys(labels).length > 0,
    busy,
  );
  const exposed = usage === "USAGE_EXPOSED_KEY";
  const issuable = usage === "USAGE_KEY" || usage === "USAGE_CREDENTIAL";

  const save = () =>
    run(async () => {
      // A sealed value is valid for one name only, so the name is checked before sealing. A retry may find that the
      // name exists because the first attempt stored the secret.
      const name = secretName(workspace, id);
      if (!value.current?.holds(name) && (await isTaken(workspace, id)))
        throw new Problem(409, "", refusal("SECRET_EXISTS"));
      const found = await value.current?.take(name);
      if (!found) return;
      const secret = await createSecret(
        workspace,
        id,
        {
          description,
          labels,
          usage,
          allowedHosts: usage === "USAGE_CREDENTIAL" ? hosts : [],
          rotationPeriod: periodOf(days),
          shared: (usage === "USAGE_KEY" && shared) || undefined,
          issuedBy: issuable && issuer !== "" ? endpointName(workspace, issuer) : undefined,
          ...(usage === "USAGE_KEY" && stated && { purpose: { chains: chainsOf(stated, found.value) } }),
          value: found.value,
        },
        { requestId: found.requestId, ...(exposed && { reason: reason.trim() }) },
      );
      value.current?.clear();
      onDone(secret, Boolean(found.value.generate));
      void cache.invalidateQueries({ queryKey: ["secrets", workspace] });
    });
  const ready =
    usage &&
    idRule.test(id) &&
    (usage !== "USAGE_CREDENTIAL" || hosts.length > 0) &&
    (!exposed || reason.trim() !== "") &&
    (!issuable || issuer === "" || idRule.test(issuer)) &&
    !daysError(days);

  return (
    <form
      ref={form}
      className="stack"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        // The submit event must not reach the endpoint's form around this dialog.
        e.stopPropagation();
        if (ready) void save();
      }}
    >
      {!only && <UsageField value={usage} onChange={setUsage} />}
      <NameField
        value={id}
        onChange={(next) => {
          setId(next);
          if (error?.reason === "SECRET_EXISTS") reset();
        }}
        taken={error?.reason === "SECRET_EXISTS"}
        error={violationOf(error, "secret_id")}
      />
      {usage === "USAGE_CREDENTIAL" && <HostsField value={hosts} onChange={setHosts} error={hostsError(error)} />}
      {exposed && (
        <Notice tone="bad" icon={<AlertIcon size={18} />} title={t("secret.computable")}>
          <p>{exposedWarning}</p>
          <TextInput
            label={t("ui.reason")}
            description={t("ui.reasonRequired")}
            withAsterisk
            maxLength={512}
            value={reason}
            error={violationOf(error, "reason")}
            onChange={(e) => setReason(e.currentTarget.value)}
          />
        </Notice>
      )}
      <ValueField
        ref={value}
        favour={usage}
        problem={error}
        onFill={(some) => {
          setFilled(some);
          reset();
        }}
      />
      {usage === "USAGE_KEY" && (
        <PurposeField value={stated} onChange={setStated} error={violationOf(error, "secret.purpose.chains")} />
      )}
      <Textarea
        label={t("secret.description")}
        description={t("store.descriptionHelp")}
        autosize
        minRows={2}
        maxRows={6}
        maxLength={1024}
        value={description}
        error={violationOf(error, "secret.description")}
        onChange={(e) => setDescription(e.currentTarget.value)}
      />
      <details className="more-fields">
        <summary>{usage === "USAGE_KEY" ? t("store.moreKey") : t("store.more")}</summary>
        <div className="stack">
          <LabelsField value={labels} onChange={setLabels} error={violationOf(error, "secret.labels")} />
          <RotationField value={days} onChange={setDays} error={violationOf(error, "secret.rotation_period")} />
          {issuable && (
            <TextInput
              label={t("store.issuedBy")}
              description={t("store.issuedByHelp")}
              autoComplete="off"
              spellCheck={false}
              maxLength={128}
              classNames={{ input: "mono" }}
              value={issuer}
              error={violationOf(error, "secret.issued_by")}
              onChange={(e) => setIssuer(e.currentTarget.value)}
            />
          )}
          {usage === "USAGE_KEY" && (
            <Switch
              label={t("store.shared")}
              description={sharedWarning}
              checked={shared}
              error={violationOf(error, "secret.shared")}
              onChange={(e) => setShared(e.currentTarget.checked)}
            />
          )}
        </div>
      </details>
      {error?.reason !== "SECRET_EXISTS" && <ProblemPanel error={error} />}
      <Group justify="flex-end" className="modal-foot">
        <Button variant="subtle" color="gray" disabled={busy} onClick={onCancel}>
          {t("ui.cancel")}
        </Button>
        <Button type="submit" loading={busy} disabled={!ready}>
          {t("store.save")}
        </Button>
      </Group>
    </form>
  );
}

function hostsError(error: Problem | undefined): string | undefined {
  return error?.violations.find((v) => v.field.startsWith("secret.allowed_hosts"))?.description;
}

/** The name, with its rule shown while the user types. */
function NameField({
  value,
  onChange,
  taken,
  error,
}: {
  value: string;
  onChange: (id: string) => void;
  taken: boolean;
  error?: string;
}) {
  return (
    <div>
      <TextInput
        label={t("store.name")}
        description={t("store.nameHelp")}
        withAsterisk
        autoComplete="off"
        spellCheck={false}
        maxLength={128}
        classNames={{ input: "mono" }}
        value={value}
        error={taken ? t("store.nameTaken") : error}
        aria-describedby="name-rules"
        onChange={(e) => onChange(e.currentTarget.value)}
      />
      <ul className="rules" id="name-rules">
        {idRules(value).map((rule) => (
          <li key={rule.words} data-state={value === "" ? "open" : rule.kept ? "kept" : "broken"}>
            {value !== "" && !rule.kept ? <CrossIcon size={13} /> : <CheckIcon size={13} />}
            {rule.words}
            {value !== "" && <span className="sr-only">– {rule.kept ? t("store.kept") : t("store.notKept")}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function UsageField({ value, onChange }: { value: KnownUsage | undefined; onChange: (usage: KnownUsage) => void }) {
  const { admin } = useAccess();
  return (
    <Radio.Group
      label={t("store.kind")}
      description={t("store.kindHelp")}
      withAsterisk
      value={value ?? null}
      onChange={(u) => onChange(u)}
    >
      <div className="choices">
        {storable(admin).map((key) => (
          <label key={key} className="choice" data-checked={value === key || undefined}>
            <Radio value={key} aria-label={usages[key].question} aria-describedby={`usage-${key}`} />
            <span>
              <b>{usages[key].question}</b>
              <small id={`usage-${key}`}>
                {usages[key].examples} {usages[key].words}
              </small>
            </span>
          </label>
        ))}
      </div>
    </Radio.Group>
  );
}
