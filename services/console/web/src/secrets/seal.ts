import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { SealedValueJson, SealingJson, SealingKeyJson } from "../gen/keyward/vault/v1/resources_pb";
import { base64, fromBase64 } from "../session/pkce";

/** The algorithms of a SealedValue: HPKE (RFC 9180) on top of the browser's WebCrypto. */
export const suite = () => new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** A value as it was typed or uploaded. */
export interface Plain {
  bytes: Uint8Array<ArrayBuffer>;
  /** Whether the vault stores it as text. */
  text: boolean;
}

/** What a sealed value is bound to: the vault opens it for nothing else. */
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
export async function seal(plain: Plain, key: SealingKeyJson, time: string, place: Place, ephemeral?: CryptoKeyPair): Promise<SealedValueJson> {
  const sealTime = time.replace(/\.\d+/, "");
  const hpke = suite();
  const recipientPublicKey = await hpke.kem.deserializePublicKey(fromBase64(key.publicKey ?? ""));
  const sender = await hpke.createSenderContext({ recipientPublicKey, info: infoOf(plain.text, sealTime, place), ekm: ephemeral });
  const sealed = new Uint8Array(await sender.seal(plain.bytes));
  const ciphertext = new Uint8Array(sender.enc.byteLength + sealed.length);
  ciphertext.set(new Uint8Array(sender.enc));
  ciphertext.set(sealed, sender.enc.byteLength);
  return { keyId: key.keyId, sealTime, ciphertext: base64(ciphertext), text: plain.text };
}

/** The info of HPKE, as the comment of SealedValue in the contract describes it. */
export function infoOf(text: boolean, sealTime: string, { secret, requestId }: Place): Uint8Array<ArrayBuffer> {
  const seconds = String(Date.parse(sealTime) / 1000);
  return new TextEncoder().encode(["keyward sealed value v1", secret, requestId, seconds, text ? "text" : "data"].join("\n"));
}
