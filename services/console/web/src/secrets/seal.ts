import type { SealedValueJson, SealingJson, SealingKeyJson } from "../gen/keyward/vault/v1/resources_pb";
import { base64, fromBase64 } from "../api/base64";
import { sealTo } from "./hpke";

/** A value as the user typed or uploaded it. */
export interface Plain {
  bytes: Uint8Array<ArrayBuffer>;
  /** Whether the vault stores it as text. */
  text: boolean;
}

/** The binding of a sealed value. The vault opens it for no other secret. */
export interface Place {
  /** The resource name of the secret. */
  secret: string;
  requestId: string;
}

/** Whether this browser can seal: WebCrypto supports X25519 years later than the rest. */
export async function canSeal(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
    return true;
  } catch {
    return false;
  }
}

/**
 * The key to seal to: the newest that the vault returned, if its ID matches the key. People compare the ID with the one
 * that `vault seal` prints, so it must not belong to another key.
 */
export async function sealingKey(sealing: SealingJson): Promise<SealingKeyJson | undefined> {
  const [newest] = sealing.keys ?? [];
  const bytes = fromBase64(newest?.publicKey ?? "");
  if (bytes.length !== 32 || newest?.keyId !== (await keyIdOf(bytes))) return undefined;
  return newest;
}

async function keyIdOf(key: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", key));
  return [...digest.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * Seals a value to a key of the vault, with the time of the vault's clock, because a browser's clock may be wrong.
 * `ephemeral` is for known-answer tests; without it, a fresh key pair is generated.
 */
export async function seal(
  plain: Plain,
  key: SealingKeyJson,
  time: string,
  place: Place,
  ephemeral?: CryptoKeyPair,
): Promise<SealedValueJson> {
  const sealTime = time.replace(/\.\d+/, "");
  const ciphertext = await sealTo(
    fromBase64(key.publicKey ?? ""),
    infoOf(plain.text, sealTime, place),
    plain.bytes,
    ephemeral,
  );
  return { keyId: key.keyId, sealTime, ciphertext: base64(ciphertext), text: plain.text };
}

/** The HPKE info, as the comment of SealedValue in the proto describes it. */
export function infoOf(text: boolean, sealTime: string, { secret, requestId }: Place): Uint8Array<ArrayBuffer> {
  const seconds = String(Date.parse(sealTime) / 1000);
  return new TextEncoder().encode(
    ["keyward sealed value v1", secret, requestId, seconds, text ? "text" : "data"].join("\n"),
  );
}
