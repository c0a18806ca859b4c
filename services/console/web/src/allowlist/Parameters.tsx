import { ActionIcon, Button, SegmentedControl, TextInput } from "@mantine/core";
import { useId } from "react";
import type { BodyValueJson, ParameterJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { SecretPicker } from "../secrets/SecretPicker";
import { useField, useViolation } from "../shape/violations";
import { PlusIcon, TrashIcon } from "../ui/icons";
import { carriesCredential, hostOf, mayStandUnder } from "./draft";
import { t } from "../text/t";
import { PublicReason } from "./PublicReason";

interface ListProps<T> {
  value: T[];
  onChange: (value: T[]) => void;
  url: string;
}

type ParameterKind = "header" | "query";

/** Headers or query parameters: each is a value that everyone sees or a stored credential. */
export function Parameters({
  kind,
  title,
  path,
  url,
  value,
  onChange,
}: ListProps<ParameterJson> & { kind: ParameterKind; title: string; path: string }) {
  const heading = useId();
  const violation = useViolation(path);
  const put = (i: number, next: ParameterJson) => onChange(value.map((p, j) => (i === j ? next : p)));
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path={path}>
      <div className="block-head">
        <div className="block-title" id={heading}>
          {title}
        </div>
      </div>
      {violation && (
        <p className="field-error" role="alert">
          {violation}
        </p>
      )}
      <div className="list">
        {value.map((p, i) => (
          <Parameter
            key={i}
            parameter={p}
            index={i}
            kind={kind}
            path={`${path}[${i}]`}
            host={hostOf(url)}
            onChange={(next) => put(i, next)}
            onRemove={() => onChange(value.filter((_, j) => j !== i))}
          />
        ))}
        {value.length < 32 && (
          <Button
            size="xs"
            variant="default"
            className="list-add"
            leftSection={<PlusIcon size={14} />}
            onClick={() => onChange([...value, { name: "", value: "" }])}
          >
            {t(`params.${kind}.add`)}
          </Button>
        )}
      </div>
    </div>
  );
}

interface ItemProps {
  parameter: ParameterJson;
  index: number;
  kind: ParameterKind;
  path: string;
  host: string | undefined;
  onChange: (parameter: ParameterJson) => void;
  onRemove: () => void;
}

function Parameter({ parameter, index, kind, path, host, onChange, onRemove }: ItemProps) {
  const name = parameter.name ?? "";
  const n = index + 1;
  const must = carriesCredential(name);
  const secret = Boolean(parameter.secret) || (must && parameter.publicReason === undefined);
  const nameField = useField(`${path}.name`);
  const { error: valueError, ...valueField } = useField(
    path,
    `${path}.value`,
    `${path}.secret`,
    `${path}.secret.name`,
    `${path}.secret.version`,
  );
  const rename = (next: string) =>
    onChange(
      carriesCredential(next) && !parameter.secret && parameter.publicReason === undefined
        ? { name: next, secret: {} }
        : { ...parameter, name: next },
    );
  return (
    <div className="list-item">
      <div className="list-body parameter">
        <TextInput
          {...nameField}
          aria-label={t(`params.${kind}.name`, { n })}
          placeholder={kind === "header" ? "X-Client" : "name"}
          classNames={{ input: "mono" }}
          maxLength={64}
          spellCheck={false}
          autoComplete="off"
          value={name}
          onChange={(e) => rename(e.currentTarget.value)}
        />
        <SegmentedControl
          size="xs"
          aria-label={t(`params.${kind}.source`, { n })}
          value={secret ? "secret" : "value"}
          onChange={(v) =>
            onChange(v === "secret" ? { name, secret: {} } : { name, value: "", ...(must && { publicReason: "" }) })
          }
          data={[
            { value: "value", label: t("params.value"), disabled: must && !mayStandUnder(name) },
            { value: "secret", label: t("params.secret") },
          ]}
        />
        {secret ? (
          <div {...valueField}>
            <SecretPicker
              label={t(`params.${kind}.secret`, { n })}
              usage="USAGE_CREDENTIAL"
              host={host}
              value={parameter.secret?.name}
              error={valueError}
              onChange={(next) => onChange({ name, secret: { ...parameter.secret, name: next } })}
            />
          </div>
        ) : (
          <TextInput
            {...valueField}
            aria-label={t(`params.${kind}.value`, { n })}
            placeholder={t("params.valuePlaceholder")}
            classNames={{ input: "mono" }}
            maxLength={1024}
            spellCheck={false}
            autoComplete="off"
            value={parameter.value ?? ""}
            error={valueError}
            onChange={(e) => onChange({ ...parameter, value: e.currentTarget.value })}
          />
        )}
        {must && secret && (
          <p className="field-hint">
            {mayStandUnder(name) ? t("params.mustBeSecretOrPublic") : t("params.mustBeSecret")}
          </p>
        )}
        {!secret && (
          <PublicReason
            path={`${path}.public_reason`}
            about={[path, `${path}.value`]}
            what={t(`params.${kind}.what`, { n })}
            value={parameter.publicReason}
            onChange={(publicReason) => onChange({ ...parameter, publicReason })}
          />
        )}
      </div>
      <div className="list-tools">
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t(`params.${kind}.remove`, { n })}
          data-hint={t("ui.remove")}
          onClick={onRemove}
        >
          <TrashIcon size={15} />
        </ActionIcon>
      </div>
    </div>
  );
}

/** Credentials that are added to the JSON of each body before encryption. */
export function BodyValues({ url, value, onChange }: ListProps<BodyValueJson>) {
  const heading = useId();
  const violation = useViolation("endpoint.body_values");
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path="endpoint.body_values">
      <div className="block-head">
        <div className="block-title" id={heading}>
          {t("params.bodyTitle")}
        </div>
        <p className="help">{t("params.bodyWords")}</p>
      </div>
      {violation && (
        <p className="field-error" role="alert">
          {violation}
        </p>
      )}
      <div className="list">
        {value.map((b, i) => (
          <BodyValue
            key={i}
            body={b}
            index={i}
            host={hostOf(url)}
            onChange={(next) => onChange(value.map((old, j) => (i === j ? next : old)))}
            onRemove={() => onChange(value.filter((_, j) => j !== i))}
          />
        ))}
        {value.length < 16 && (
          <Button
            size="xs"
            variant="default"
            className="list-add"
            leftSection={<PlusIcon size={14} />}
            onClick={() => onChange([...value, { path: "$.", secret: {} }])}
          >
            {t("params.addBody")}
          </Button>
        )}
      </div>
    </div>
  );
}

function BodyValue({
  body,
  index,
  host,
  onChange,
  onRemove,
}: {
  body: BodyValueJson;
  index: number;
  host: string | undefined;
  onChange: (body: BodyValueJson) => void;
  onRemove: () => void;
}) {
  const path = `endpoint.body_values[${index}]`;
  const pathField = useField(`${path}.path`);
  const { error: secretError, ...secretField } = useField(
    path,
    `${path}.secret`,
    `${path}.secret.name`,
    `${path}.secret.version`,
  );
  return (
    <div className="list-item">
      <div className="list-body pair">
        <TextInput
          {...pathField}
          aria-label={t("params.bodyPath", { index: index + 1 })}
          placeholder={t("params.bodyPlaceholder")}
          classNames={{ input: "mono" }}
          maxLength={256}
          spellCheck={false}
          value={body.path ?? ""}
          onChange={(e) => onChange({ ...body, path: e.currentTarget.value })}
        />
        <div {...secretField}>
          <SecretPicker
            label={t("params.bodyValue", { index: index + 1 })}
            usage="USAGE_CREDENTIAL"
            host={host}
            value={body.secret?.name}
            error={secretError}
            onChange={(name) => onChange({ ...body, secret: { ...body.secret, name } })}
          />
        </div>
      </div>
      <div className="list-tools">
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t("params.removeBody", { index: index + 1 })}
          data-hint={t("ui.remove")}
          onClick={onRemove}
        >
          <TrashIcon size={15} />
        </ActionIcon>
      </div>
    </div>
  );
}
