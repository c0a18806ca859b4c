import { createContext, useContext } from "react";
import type { DecodingJson } from "../gen/keyward/allowlist/v1/encryption_pb";
import type { ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import type { Json } from "./value";

/** The facts that the page knows about a value that was just stored from here. */
export interface StoredValue {
  /** The facts that the vault detected; undefined if it reported no facts. */
  facts: ValueFactsJson | undefined;
  /** Whether the vault generated it. */
  generated: boolean;
}

/** The lengths in bytes that a symmetric key may have; undefined for any length. */
export type KeyLengths = number[] | undefined;

const LengthsContext = createContext<KeyLengths>(undefined);

export const LengthsProvider = LengthsContext.Provider;

/** The lengths that a key may have in the edited message. */
export const useKeyLengths = (): KeyLengths => useContext(LengthsContext);

/**
 * The lengths that the keys in a message may have. A key that is only the input of a derivation may have any length.
 */
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

/** The lengths that a secret may have in a configuration, at any depth. */
export function lengthsOf(encryption: unknown, secret: string): KeyLengths {
  const find = (value: unknown, type: string, around: KeyLengths): KeyLengths => {
    if (typeof value !== "object" || value === null) return undefined;
    if ((value as Json).name === secret) return around;
    if (Array.isArray(value)) return value.map((v) => find(v, "", around)).find(Boolean);
    const here = type === "" ? around : lengthsIn(type, value as Json, around);
    // The keys in a list belong to the surrounding message; the name of any other field is the name of its message.
    return Object.entries(value)
      .map(([key, v]) => find(v, Array.isArray(v) ? "" : (key[0] ?? "").toUpperCase() + key.slice(1), here))
      .find(Boolean);
  };
  return find(encryption, "Encryption", undefined);
}

/**
 * The decoding for a value that was just stored: the preferred one if it fits, and otherwise the likeliest that does.
 * Undefined if the page does not know.
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
