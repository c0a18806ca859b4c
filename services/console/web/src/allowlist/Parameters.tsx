import { ActionIcon, Button, SegmentedControl, TextInput } from "@mantine/core";
import { useId } from "react";
import type { BodyValueJson, ParameterJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { SecretPicker } from "../secrets/SecretPicker";
import { useField, useFinding } from "../shape/findings";
import { PlusIcon, TrashIcon } from "../ui/icons";
import { carriesCredential, hostOf, mayStandUnder } from "./draft";
import { PublicReason } from "./PublicReason";

interface ListProps<T> {
  value: T[];
  onChange: (value: T[]) => void;
  url: string;
}

/** Headers or query parameters: each a value that everyone sees, or a stored credential. */
export function Parameters({
  title,
  path,
  url,
  value,
  onChange,
}: ListProps<ParameterJson> & { title: string; path: string }) {
  const heading = useId();
  const finding = useFinding(path);
  const put = (i: number, next: ParameterJson) => onChange(value.map((p, j) => (i === j ? next : p)));
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path={path}>
      <div className="block-head">
        <div className="block-title" id={heading}>
          {title}
        </div>
      </div>
      {finding && (
        <p className="field-error" role="alert">
          {finding}
        </p>
      )}
      <div className="list">
        {value.map((p, i) => (
          <Parameter
            key={i}
            parameter={p}
            index={i}
            what={title}
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
            Add {title.toLowerCase().replace(/s$/, "")}
          </Button>
        )}
      </div>
    </div>
  );
}

interface ItemProps {
  parameter: ParameterJson;
  index: number;
  what: string;
  path: string;
  host: string | undefined;
  onChange: (parameter: ParameterJson) => void;
  onRemove: () => void;
}

function Parameter({ parameter, index, what, path, host, onChange, onRemove }: ItemProps) {
  const name = parameter.name ?? "";
  const one = `${what.replace(/s$/, "")} ${index + 1}`;
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
          aria-label={`Name of ${one.toLowerCase()}`}
          placeholder={what === "Headers" ? "X-Client" : "name"}
          classNames={{ input: "mono" }}
          maxLength={64}
          spellCheck={false}
          autoComplete="off"
          value={name}
          onChange={(e) => rename(e.currentTarget.value)}
        />
        <SegmentedControl
          size="xs"
          aria-label={`Where ${one.toLowerCase()} comes from`}
          value={secret ? "secret" : "value"}
          onChange={(v) =>
            onChange(v === "secret" ? { name, secret: {} } : { name, value: "", ...(must && { publicReason: "" }) })
          }
          data={[
            { value: "value", label: "Value", disabled: must && !mayStandUnder(name) },
            { value: "secret", label: "Secret" },
          ]}
        />
        {secret ? (
          <div {...valueField}>
            <SecretPicker
              label={one}
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
            aria-label={`Value of ${one.toLowerCase()}`}
            placeholder="Everyone who sees the endpoint sees this"
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
            This name usually carries a credential, so it takes a stored secret
            {mayStandUnder(name) ? ", or a value that is public" : " only"}.
          </p>
        )}
        {!secret && (
          <PublicReason
            path={`${path}.public_reason`}
            about={[path, `${path}.value`]}
            what={`the value of ${one.toLowerCase()}`}
            value={parameter.publicReason}
            onChange={(publicReason) => onChange({ ...parameter, publicReason })}
          />
        )}
      </div>
      <div className="list-tools">
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Remove ${one.toLowerCase()}`}
          data-hint="Remove"
          onClick={onRemove}
        >
          <TrashIcon size={15} />
        </ActionIcon>
      </div>
    </div>
  );
}

/** Credentials that go into the JSON of each body before it is encrypted. */
export function BodyValues({ url, value, onChange }: ListProps<BodyValueJson>) {
  const heading = useId();
  const finding = useFinding("endpoint.body_values");
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path="endpoint.body_values">
      <div className="block-head">
        <div className="block-title" id={heading}>
          Values put into the body
        </div>
        <p className="help">Credentials that are put into each JSON body before it is encrypted.</p>
      </div>
      {finding && (
        <p className="field-error" role="alert">
          {finding}
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
            Add body value
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
          aria-label={`Path of body value ${index + 1}`}
          placeholder="$.auth.apiKey"
          classNames={{ input: "mono" }}
          maxLength={256}
          spellCheck={false}
          value={body.path ?? ""}
          onChange={(e) => onChange({ ...body, path: e.currentTarget.value })}
        />
        <div {...secretField}>
          <SecretPicker
            label={`Body value ${index + 1}`}
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
          aria-label={`Remove body value ${index + 1}`}
          data-hint="Remove"
          onClick={onRemove}
        >
          <TrashIcon size={15} />
        </ActionIcon>
      </div>
    </div>
  );
}
