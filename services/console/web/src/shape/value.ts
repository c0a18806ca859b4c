import { shape } from "../gen/shape";
import type { FieldShape } from "./shape";

/** A message as JSON, as the editor stores it. */
export type Json = Record<string, unknown>;

/** Whether a field is set. The server's value for an unset list or enum does not count. */
export function isSet(field: FieldShape, value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return false;
  if (field.repeated) return (value as unknown[]).length > 0;
  if (field.map) return Object.keys(value).length > 0;
  if (field.enum) return shape.enums[field.enum]?.values[0]?.name !== value;
  return true;
}

/** The message with one field set, or removed if `value` is undefined. */
export function withField(message: Json, json: string, value: unknown): Json {
  const next = { ...message };
  if (value === undefined) delete next[json];
  else next[json] = value;
  return next;
}

/** The initial value of a new field: required parts exist and wait for input. */
export function begin(field: FieldShape): unknown {
  if (field.repeated)
    return field.minItems ? Array.from({ length: field.minItems }, () => beginOne(field)) : [beginOne(field)];
  if (field.map) return { [firstKey(field, {})]: beginOne(field) };
  return beginOne(field);
}

/** The initial value of a new element of a list or map. */
export function beginOne(field: FieldShape): unknown {
  if (field.message) return beginMessage(field.message);
  if (field.enum) return shape.enums[field.enum]?.values[0]?.name;
  if (field.scalar === "bool") return true;
  return field.scalar === "number" ? 0 : "";
}

function beginMessage(type: string): Json {
  const message = shape.messages[type];
  const json: Json = {};
  if (type === "google.protobuf.Timestamp" || !message) return json;
  for (const oneof of message.oneofs) {
    const [first] = message.fields.filter((f) => f.oneof === oneof.name);
    if (oneof.required && first) json[first.json] = begin(first);
  }
  for (const field of message.fields) {
    if (field.oneof) continue;
    const usual = field.map && type === "keyward.allowlist.v1.Signing" && field.json === "headers"; // most signatures are in a header
    if (usual || field.minItems || (field.required && field.message)) json[field.json] = begin(field);
  }
  return json;
}

/** A key for a new entry of a map: the first plausible one that is free. */
export function firstKey(field: FieldShape, map: Json): string {
  const names = field.message ? ["data", "iv", "tag"] : ["X-Signature", ""];
  return names.find((n) => !(n in map)) ?? `${names[0]}_${Object.keys(map).length + 1}`;
}

/** The message as it is sent: without unset fields. */
export function pruned(type: string, value: Json): Json {
  const out: Json = {};
  for (const field of shape.messages[type]?.fields ?? []) {
    const found = value[field.json];
    // A member of a oneof is set if it exists, even if it is empty.
    if (field.oneof ? found !== undefined && found !== null : isSet(field, found))
      out[field.json] = prunedField(field, found);
  }
  return out;
}

function prunedField(field: FieldShape, value: unknown): unknown {
  const inner = field.message;
  if (!inner || !shape.messages[inner]) return value;
  if (field.repeated) return (value as Json[]).map((v) => pruned(inner, v));
  if (field.map)
    return Object.fromEntries(Object.entries(value as Record<string, Json>).map(([k, v]) => [k, pruned(inner, v)]));
  return pruned(inner, value as Json);
}

/** All values of the fields with this name, at any depth. */
export function collect(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((v) => collect(v, name));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, v]: [string, unknown]) => [
    ...(key === name ? [v] : []),
    ...collect(v, name),
  ]);
}
