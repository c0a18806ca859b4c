import { createContext, useContext } from "react";
import type { DecodingJson } from "../gen/keyward/allowlist/v1/encryption_pb";
import type { ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import type { Json } from "./value";

/** What the page knows of a value that was just stored from here. */
export interface StoredValue {
  /** What the vault took it for; undefined if it did not say. */
  facts: ValueFactsJson | undefined;
  /** Whether the vault generated it. */
  generated: boolean;
}

/** The lengths in bytes that a symmetric key may have; undefined: any. */
export type KeyLengths = number[] | undefined;

const LengthsContext = createContext<KeyLengths>(undefined);

export const LengthsProvider = LengthsContext.Provider;

/** The lengths that a key may have in the message that is edited here. */
export const useKeyLengths = (): KeyLengths => useContext(LengthsContext);

/** The lengths that the keys in a message may have. What is derived from a key may have any. */
export function lengthsIn(type: string, value: Json, around: KeyLengths): KeyLengths {
  const derived = value.derivation !== undefined && value.derivation !== null;
  switch (type.split(".").at(-1)) {
    case "Cipher":
      return ofCipher(String(value.algorithm));
    case "SharedKey":
      return derived ? undefined : around;
    case "SessionKey":
      return value.aesKw && !derived ? [16, 24, 32] : undefined;
    case "Jose":
      return derived ? undefined : ofJose(String(value.keyManagement), String(value.contentEncryption));
    default:
      return undefined;
  }
}

function ofCipher(algorithm: string): KeyLengths {
  if (algorithm.includes("TRIPLE_DES")) return [16, 24];
  if (algorithm.includes("CHACHA20")) return [32];
  const bits = /_AES_(\d+)/.exec(algorithm)?.[1];
  return bits ? [Number(bits) / 8] : undefined;
}

function ofJose(management: string, content: string): KeyLengths {
  const wrapped = /^KEY_MANAGEMENT_A(\d+)(GCM)?KW$/.exec(management)?.[1];
  if (wrapped) return [Number(wrapped) / 8];
  if (management !== "KEY_MANAGEMENT_DIR") return undefined;
  // With CBC, half of the key authenticates.
  const [, bits, mode] = /_A(\d+)(GCM|CBC)/.exec(content) ?? [];
  return bits ? [(Number(bits) / 8) * (mode === "CBC" ? 2 : 1)] : undefined;
}

/** The lengths that a secret may have in a configuration, wherever it is referred to. */
export function lengthsOf(encryption: unknown, secret: string): KeyLengths {
  const find = (value: unknown, type: string, around: KeyLengths): KeyLengths => {
    if (typeof value !== "object" || value === null) return undefined;
    if ((value as Json).name === secret) return around;
    if (Array.isArray(value)) return value.map((v) => find(v, "", around)).find(Boolean);
    const here = type === "" ? around : lengthsIn(type, value as Json, around);
    // Lists of keys are of the message that they are in; a field is named as its message is.
    return Object.entries(value)
      .map(([key, v]) => find(v, Array.isArray(v) ? "" : (key[0] ?? "").toUpperCase() + key.slice(1), here))
      .find(Boolean);
  };
  return find(encryption, "Encryption", undefined);
}

/**
 * How a value that was just stored is to be read: the way that is preferred if it fits,
 * else the likeliest that does. Undefined: the page does not know.
 */
export function decodingOfStored(
  { facts, generated }: StoredValue,
  lengths: KeyLengths,
  preferred: string | undefined,
): DecodingJson | undefined {
  if (generated) return "DECODING_RAW";
  const fitting = (facts?.forms ?? [])
    .filter((f) => !lengths || lengths.includes(f.bytes ?? 0))
    .map((f) => `DECODING_${f.decoding ?? ""}` as DecodingJson);
  return fitting.find((d) => d === preferred) ?? fitting[0];
}
