import type { SealedValueJson, SealingJson, SealingKeyJson } from "../gen/keyward/vault/v1/resources_pb";
import { base64, fromBase64 } from "../api/base64";
import { sealTo } from "./hpke";

/** A value as it was typed or uploaded. */
export interface Plain {
  bytes: Uint8Array<ArrayBuffer>;
  /** Whether the vault stores it as text. */
  text: boolean;
}

/** What a sealed value is bound to. The vault opens it for nothing else. */
export interface Place {
  /** The resource name of the secret. */
  secret: string;
  requestId: string;
}

/** Whether this browser can seal: X25519 came to WebCrypto years after everything else did. */
export async function canSeal(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
    return true;
  } catch {
    return false;
  }
}

/**
 * The key to seal to: the newest that the vault returned, if its id is that of the key. People
 * compare the id with the one that `vault seal` prints, so it must not belong to another key.
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
 * Seals a value to a key of the vault at a time of the vault's clock, since a browser's may
 * be wrong. `ephemeral` is for known answers; a fresh key pair is generated without it.
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

/** The info of HPKE, as the comment of SealedValue in the contract describes it. */
export function infoOf(text: boolean, sealTime: string, { secret, requestId }: Place): Uint8Array<ArrayBuffer> {
  const seconds = String(Date.parse(sealTime) / 1000);
  return new TextEncoder().encode(
    ["keyward sealed value v1", secret, requestId, seconds, text ? "text" : "data"].join("\n"),
  );
}
