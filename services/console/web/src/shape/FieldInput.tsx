import { Select, Switch, Textarea, TextInput } from "@mantine/core";
import { shape } from "../gen/shape";
import { SecretRefInput } from "./SecretRefInput";
import { DateInput } from "./DateInput";
import { useBeside, useField } from "./violations";
import { useMessageInput, type InputProps } from "./input";
import { ListInput } from "./ListInput";
import { MapInput } from "./MapInput";
import { NumberField } from "./NumberField";
import type { Json } from "./value";
import { enumWords, lead, mayBeUnset, unsetWords } from "./words";
import { t } from "../text/t";
import { Words } from "./Help";

/** The control for one field of any type. */
export function FieldInput(props: InputProps) {
  const { field, value, onChange, path } = props;
  if (field.repeated) return <ListInput {...props} Item={OneInput} />;
  if (field.map) return <MapInput {...props} Item={OneInput} />;
  return <OneInput {...props} value={value} onChange={onChange} path={path} />;
}

/** The control for one value: an element of a list, an entry of a map, or the field itself. */
function OneInput(props: InputProps) {
  const MessageInput = useMessageInput();
  const { field, value, onChange, path } = props;
  switch (field.message) {
    case undefined:
      return field.enum ? <EnumInput {...props} /> : <ScalarInput {...props} />;
    case "keyward.allowlist.v1.SecretRef":
      return <SecretRefInput value={(value ?? {}) as Json} onChange={onChange} path={path} title={props.title} />;
    case "google.protobuf.Duration":
      return <DurationInput {...props} />;
    case "google.protobuf.Timestamp":
      return <DateInput {...props} />;
    default:
      return shape.messages[field.message]?.fields.length ? (
        <MessageInput type={field.message} value={(value ?? {}) as Json} onChange={onChange} path={path} />
      ) : null;
  }
}

function described({ field, title, inBlock }: InputProps) {
  return {
    label: inBlock ? undefined : title,
    "aria-label": inBlock ? title : undefined,
    description: inBlock ? undefined : <Words text={lead(field.words).first} />,
    withAsterisk: field.required,
  };
}

function EnumInput(props: InputProps) {
  const { field, value, onChange, path } = props;
  const own = useField(path);
  const type = field.enum ?? "";
  const values = shape.enums[type]?.values ?? [];
  const unset = values[0]?.name ?? "";
  const data = values
    .filter((_, i) => i > 0 || (mayBeUnset(type) && !field.required))
    .map((v) => ({
      value: v.name,
      label: v.name === unset ? unsetWords(type, field.words) : enumWords(type, v.name),
      words: v.name === unset ? "" : v.words,
    }));
  const current = (value as string) || unset;
  const words = values.find((v) => v.name === current && v.name !== unset)?.words;
  return (
    <Select
      {...described(props)}
      {...own}
      placeholder={t("ui.choose")}
      value={data.some((d) => d.value === current) ? current : null}
      onChange={(v) => onChange(v === unset ? undefined : v)}
      data={data}
      renderOption={({ option }) => (
        <div className="option">
          <span>{option.label}</span>
          <small>
            <Words text={(option as (typeof data)[number]).words} />
          </small>
        </div>
      )}
      inputWrapperOrder={["label", "input", "description", "error"]}
      description={words ? <Words text={lead(words).first} /> : described(props).description}
    />
  );
}

/** A duration, in seconds. Empty differs from zero. */
function DurationInput(props: InputProps) {
  const { value, onChange, path } = props;
  const own = useField(path);
  const seconds = Number.parseFloat(String(value ?? ""));
  return (
    <NumberField
      {...described(props)}
      {...own}
      w={240}
      rightSection={
        <span className="dimmed" aria-hidden="true">
          s
        </span>
      }
      value={Number.isNaN(seconds) ? undefined : seconds}
      onChange={(v) => onChange(v === undefined ? undefined : `${v}s`)}
    />
  );
}

function ScalarInput(props: InputProps) {
  const { field, value, onChange, path } = props;
  const common = { ...described(props), ...useField(path) };
  const beside = useBeside(path);
  if (field.scalar === "bool")
    return (
      <Switch
        {...common}
        label={props.title}
        checked={Boolean(value)}
        onChange={(e) => onChange(e.currentTarget.checked || undefined)}
      />
    );
  if (field.choices) {
    return (
      <Select
        {...common}
        value={String(value ?? 0)}
        onChange={(v) => onChange(Number(v) || undefined)}
        data={field.choices.map((c) => ({ value: String(c), label: c === 0 ? t("shape.default") : String(c) }))}
      />
    );
  }
  if (field.scalar === "number")
    return (
      <NumberField {...common} value={(value as number) || undefined} onChange={(v) => onChange(v || undefined)} />
    );
  const change = (text: string) => onChange(field.oneof ? text : text || undefined);
  const text = {
    ...common,
    value: (value as string) ?? "",
    maxLength: field.maxLength,
    spellCheck: false,
    autoComplete: "off",
  };
  return (
    <>
      {(field.maxLength ?? 0) > 512 ? (
        <Textarea
          {...text}
          classNames={{ input: "mono" }}
          autosize
          minRows={3}
          maxRows={14}
          onChange={(e) => change(e.currentTarget.value)}
        />
      ) : (
        <TextInput
          {...text}
          classNames={{ input: field.pattern || field.repeated || field.map ? "mono" : "" }}
          onChange={(e) => change(e.currentTarget.value)}
        />
      )}
      {beside}
    </>
  );
}
