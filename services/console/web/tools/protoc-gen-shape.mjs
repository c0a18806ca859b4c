#!/usr/bin/env node
// protoc-gen-shape generates the facts about the API that the page needs in addition to types:
//
//   shape.ts    the messages and enums below an endpoint's Encryption, with their
//               limits and the comments of the protos. The editor is built from it, so a
//               field that is added to the proto is in the editor after `npm run gen`.
//   methods.ts  the names of all methods, so that the page can offer everything that the API has.
import { createEcmaScriptPlugin, runNodeJs, getComments } from "@bufbuild/protoplugin";
import { createRegistry, getExtension, ScalarType } from "@bufbuild/protobuf";

const roots = ["keyward.allowlist.v1.Encryption"];

/** The proto's comment, one line per paragraph. */
function words(desc) {
  const comment = getComments(desc).leading ?? "";
  return comment
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, " ").trim())
    .filter(Boolean)
    .join("\n");
}

function optionsOf(registry, desc, name) {
  const extension = registry.getExtension(name);
  const options = desc.proto.options;
  return extension && options ? getExtension(options, extension) : undefined;
}

/** A pattern that describes the form of a string. The server alone checks patterns that exclude characters. */
const likeness = (pattern) => (pattern && !pattern.startsWith("^[^") ? pattern : undefined);

const bounded = (value) => (value === undefined || value === 0n ? undefined : Number(value));

/** The limits that a control can enforce. The server reports violations of the others. */
function limits(registry, field) {
  const rules = optionsOf(registry, field, "buf.validate.field");
  if (!rules) return {};
  const { case: kind, value } = rules.type ?? {};
  switch (kind) {
    case "string":
      return { maxLength: bounded(value.maxLen), pattern: likeness(value.pattern) };
    case "uint32":
      return { choices: value.in.length ? value.in.map(Number) : undefined };
    case "repeated":
      return { minItems: bounded(value.minItems), maxItems: bounded(value.maxItems), ...inner(value.items) };
    case "map":
      return {
        minItems: bounded(value.minPairs),
        maxItems: bounded(value.maxPairs),
        keyPattern: likeness(value.keys?.type?.value?.pattern),
      };
    default:
      return {};
  }
}

function inner(rules) {
  if (rules?.type?.case !== "string") return {};
  return { maxLength: bounded(rules.type.value.maxLen), pattern: likeness(rules.type.value.pattern) };
}

function scalar(type) {
  switch (type) {
    case ScalarType.STRING:
      return "string";
    case ScalarType.BOOL:
      return "bool";
    case ScalarType.BYTES:
      return "bytes";
    default:
      return "number";
  }
}

function typeOf(field) {
  const kind = field.listKind ?? field.mapKind ?? field.scalar ?? (field.enum ? "enum" : "message");
  if (field.message && kind !== "enum") return { message: field.message.typeName };
  if (field.enum) return { enum: field.enum.typeName };
  return { scalar: scalar(field.scalar) };
}

function fieldShape(registry, field) {
  const required = optionsOf(registry, field, "buf.validate.field")?.required || undefined;
  return {
    name: field.name,
    json: field.jsonName,
    ...typeOf(field),
    repeated: field.fieldKind === "list" || undefined,
    map: field.fieldKind === "map" || undefined,
    oneof: field.oneof?.name,
    required: required || behaviors(registry, field).includes(2) || undefined,
    ...limits(registry, field),
    words: words(field),
  };
}

const behaviors = (registry, field) => optionsOf(registry, field, "google.api.field_behavior") ?? [];

function messageShape(registry, message) {
  return {
    oneofs: message.oneofs.map((oneof) => ({
      name: oneof.name,
      required: optionsOf(registry, oneof, "buf.validate.oneof")?.required || undefined,
      words: words(oneof),
    })),
    fields: message.fields
      // Fields that only the server sets do not belong in an editor.
      .filter((field) => !behaviors(registry, field).includes(3))
      .map((field) => fieldShape(registry, field)),
  };
}

function enumShape(desc) {
  return {
    prefix: desc.sharedPrefix ?? "",
    values: desc.values.map((value) => ({ name: value.name, words: words(value) })),
  };
}

/** All types that are reachable from the roots. */
function reach(registry) {
  const messages = new Map();
  const enums = new Map();
  const visit = (message) => {
    if (messages.has(message.typeName) || message.typeName.startsWith("google.protobuf.")) return;
    messages.set(message.typeName, messageShape(registry, message));
    for (const field of message.fields) {
      if (field.message) visit(field.message);
      if (field.enum) enums.set(field.enum.typeName, enumShape(field.enum));
    }
  };
  for (const root of roots) visit(registry.getMessage(root));
  return { messages: Object.fromEntries(messages), enums: Object.fromEntries(enums) };
}

function generate(schema) {
  const registry = createRegistry(...schema.allFiles);
  const shape = reach(registry);
  const out = schema.generateFile("shape.ts");
  out.preamble(schema.files[0]);
  out.print('import type { Shape } from "../shape/shape";');
  out.print();
  out.print("export const shape: Shape = ", JSON.stringify(shape, null, 2), ";");
  const methods = schema.files.flatMap((file) =>
    file.services.flatMap((service) => service.methods.map((m) => m.name)),
  );
  const list = schema.generateFile("methods.ts");
  list.preamble(schema.files[0]);
  list.print("/** The methods of the API. */");
  list.print("export const methods: readonly string[] = ", JSON.stringify(methods.sort(), null, 2), ";");
}

runNodeJs(createEcmaScriptPlugin({ name: "protoc-gen-shape", version: "v1", generateTs: generate }));
