import { Button, SegmentedControl, Select } from "@mantine/core";
import { useId, type ReactNode } from "react";
import { shape } from "../gen/shape";
import { PlusIcon, TrashIcon } from "../ui/icons";
import { LengthsProvider, lengthsIn, useKeyLengths } from "./decoding";
import { FieldInput } from "./FieldInput";
import { useViolation, useViolationBelow, useMapViolation } from "./violations";
import { Help } from "./Help";
import { MessageProvider, type MessageProps } from "./input";
import type { FieldShape } from "./shape";
import { UsageProvider, usageIn, useUsage } from "./usage";
import { begin, isSet, withField, type Json } from "./value";
import { t } from "../text/t";
import { entriesOf, noneOf, titleOf } from "./words";

/**
 * An editor for any message, built from the shape of the proto. An optional field that is not
 * set appears as a button that adds it, so that users see what is set and what could be.
 */
export function MessageEditor({ type, value, onChange, path }: MessageProps) {
  const entries = entriesOf(type);
  const usage = usageIn(type, value, useUsage());
  const lengths = lengthsIn(type, value, useKeyLengths());
  const absent: FieldShape[] = [];
  const rows: ReactNode[] = [];
  for (const entry of entries) {
    if ("fields" in entry) {
      rows.push(
        <OneofEditor
          key={entry.oneof}
          type={type}
          name={entry.oneof}
          fields={entry.fields}
          value={value}
          onChange={onChange}
          path={path}
        />,
      );
    } else if (isBlock(entry) && !entry.required && !entry.minItems && !isSet(entry, value[entry.json])) {
      absent.push(entry);
    } else {
      rows.push(
        <FieldRow
          key={entry.name}
          type={type}
          field={entry}
          value={value[entry.json]}
          onChange={(v) => onChange(withField(value, entry.json, v))}
          path={`${path}.${entry.name}`}
        />,
      );
    }
  }
  return (
    <MessageProvider value={MessageEditor}>
      <UsageProvider value={usage}>
        <LengthsProvider value={lengths}>
          <div className="message" data-path={path}>
            {rows}
            {absent.length > 0 && (
              <div className="absent">
                {absent.map((field) => (
                  <AddField
                    key={field.name}
                    type={type}
                    field={field}
                    path={`${path}.${field.name}`}
                    onAdd={() => onChange(withField(value, field.json, begin(field)))}
                  />
                ))}
              </div>
            )}
          </div>
        </LengthsProvider>
      </UsageProvider>
    </MessageProvider>
  );
}

/** An editor for one optional field of a message. */
export function FieldEditor({ type, name, value, onChange, path }: MessageProps & { name: string }) {
  const field = shape.messages[type]?.fields.find((f) => f.name === name);
  if (!field) return null;
  const own = `${path}.${name}`;
  if (!isSet(field, value[field.json]))
    return (
      <AddField
        type={type}
        field={field}
        path={own}
        onAdd={() => onChange(withField(value, field.json, begin(field)))}
      />
    );
  return (
    <MessageProvider value={MessageEditor}>
      <FieldRow
        type={type}
        field={field}
        value={value[field.json]}
        onChange={(v) => onChange(withField(value, field.json, v))}
        path={own}
      />
    </MessageProvider>
  );
}

/** Whether the control of a field shows its own violations. */
const showsViolations = (field: FieldShape): boolean =>
  !isBlock(field) || (field.message === "keyward.allowlist.v1.SecretRef" && !field.repeated && !field.map);

/** Fields that are more than one control, which are added and removed as a whole. */
const isBlock = (field: FieldShape): boolean =>
  Boolean(field.message || field.repeated || field.map) &&
  field.message !== "google.protobuf.Timestamp" &&
  field.message !== "google.protobuf.Duration";

function AddField({ type, field, path, onAdd }: { type: string; field: FieldShape; path: string; onAdd: () => void }) {
  const violation = useViolationBelow(path);
  return (
    <div data-path={path}>
      <Button
        size="xs"
        variant="default"
        leftSection={<PlusIcon size={14} />}
        onClick={onAdd}
        data-hint={field.words.split("\n")[0]}
      >
        {titleOf(type, field.name)}
      </Button>
      {violation && (
        <p className="field-error" role="alert">
          {violation}
        </p>
      )}
    </div>
  );
}

interface RowProps {
  type: string;
  field: FieldShape;
  value: unknown;
  onChange: (value: unknown) => void;
  path: string;
}

/** One field: a control with a label, or a block with a heading. */
function FieldRow({ type, field, value, onChange, path }: RowProps) {
  const title = titleOf(type, field.name);
  const heading = useId();
  const own = useViolation(...(showsViolations(field) ? [] : [path]));
  const inMap = useMapViolation(path);
  const violation = field.map ? inMap : own;
  if (!isBlock(field)) return <FieldInput field={field} title={title} value={value} onChange={onChange} path={path} />;
  const removable = !field.required && !field.minItems;
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path={path}>
      <div className="block-head">
        <div className="block-title" id={heading}>
          {title}
        </div>
        <Help words={field.words} />
        {removable && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            leftSection={<TrashIcon size={13} />}
            onClick={() => onChange(undefined)}
            aria-label={t("shape.remove", { title })}
          >
            {t("ui.remove")}
          </Button>
        )}
      </div>
      <FieldInput field={field} title={title} value={value} onChange={onChange} path={path} />
      {violation && (
        <p className="field-error" role="alert">
          {violation}
        </p>
      )}
    </div>
  );
}

interface OneofProps {
  type: string;
  name: string;
  fields: FieldShape[];
  value: Json;
  onChange: (value: Json) => void;
  path: string;
}

/** A choice of one among several fields, and the fields of the chosen one. */
function OneofEditor({ type, name, fields, value, onChange, path }: OneofProps) {
  const oneof = shape.messages[type]?.oneofs.find((o) => o.name === name);
  const chosen = fields.find((f) => value[f.json] !== undefined && value[f.json] !== null);
  const title = titleOf(type, name);
  const heading = useId();
  const violation = useViolation(
    `${path}.${name}`,
    ...(chosen && !showsViolations(chosen) ? [`${path}.${chosen.name}`] : []),
  );
  const choose = (next: string) => {
    const without = fields.reduce((v, f) => withField(v, f.json, undefined), value);
    const field = fields.find((f) => f.name === next);
    onChange(field ? withField(without, field.json, begin(field)) : without);
  };
  const options = [
    ...(oneof?.required ? [] : [{ value: "", label: noneOf(type, name) }]),
    ...fields.map((f) => ({ value: f.name, label: titleOf(type, f.name) })),
  ];
  // A single option needs no control.
  const only = options.length === 1 && chosen;
  return (
    <div className="block" role="group" aria-labelledby={heading} data-path={`${path}.${name}`}>
      <div className="block-head">
        <div className="block-title" id={heading}>
          {title}
        </div>
        <Help words={[oneof?.words, chosen?.words].filter(Boolean).join("\n")} />
      </div>
      {!only &&
        (options.length <= 4 ? (
          <SegmentedControl size="xs" aria-label={title} value={chosen?.name ?? ""} onChange={choose} data={options} />
        ) : (
          <Select aria-label={title} value={chosen?.name ?? ""} onChange={(v) => choose(v ?? "")} data={options} />
        ))}
      {violation && (
        <p className="field-error" role="alert">
          {violation}
        </p>
      )}
      {chosen && (
        <FieldInput
          field={chosen}
          title={titleOf(type, chosen.name)}
          value={value[chosen.json]}
          onChange={(v) => onChange(withField(value, chosen.json, v ?? begin(chosen)))}
          path={`${path}.${chosen.name}`}
          inBlock
        />
      )}
    </div>
  );
}
