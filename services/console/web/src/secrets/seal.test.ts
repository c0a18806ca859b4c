import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { SealedValueJson } from "../gen/keyward/vault/v1/resources_pb";
import { canSeal, infoOf, seal, sealingKey, suite } from "./seal";

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (h) => Number.parseInt(h, 16));

// The keys of the vector of RFC 9180 with mode 0, KEM 0x0020, KDF 0x0001, and AEAD 0x0002.
const ikmE = hex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9");
const skR = hex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d");
const key = { keyId: "69df8d73e7407153", publicKey: "Qw9LmFlmUUWmsbonQCRIe9ZvA6LdV313U8aNfX0AwAw=" };
const enc = "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256";

/** What the vault's tests hold to as well. */
interface KnownAnswers {
  keyId: string;
  publicKey: string;
  values: { secret: string; requestId: string; sealTime: string; text: boolean; value: string; ephemeralPrivateKey: string; info: string; sealed: SealedValueJson }[];
}
const known = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../../../../docs/sealed-values.json"), "utf8")) as KnownAnswers;
const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));

async function pairOf(privateKey: string, publicKey: Uint8Array<ArrayBuffer>): Promise<CryptoKeyPair> {
  const { kem } = suite();
  return { privateKey: await kem.deserializePrivateKey(bytesOf(privateKey)), publicKey: await kem.deserializePublicKey(publicKey) };
}

const place = { secret: "workspaces/demo/secrets/payment-key", requestId: "8c6f0e9a-3f1e-4b7a-9a51-0d2c7b1e6f40" };
const time = "2026-11-30T00:53:20.987654321Z";
const plain = () => ({ bytes: new TextEncoder().encode("correct horse battery staple"), text: true });

/** Opens as the vault does. */
async function open(ciphertext: string, info: Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = Uint8Array.from(Buffer.from(ciphertext, "base64"));
  const recipientKey = await suite().kem.deserializePrivateKey(skR);
  const recipient = await suite().createRecipientContext({ recipientKey, enc: bytes.subarray(0, 32), info });
  return new TextDecoder().decode(await recipient.open(bytes.subarray(32)));
}

describe("sealing", () => {
  test("is possible where WebCrypto has X25519", async () => {
    expect(await canSeal()).toBe(true);
  });

  test.each(known.values)("gives the known answer for $requestId", async (v) => {
    const ephemeral = await pairOf(v.ephemeralPrivateKey, bytesOf(v.sealed.ciphertext ?? "").slice(0, 32));
    expect(new TextDecoder().decode(infoOf(v.text, v.sealTime, v))).toBe(v.info);
    expect(await sealingKey({ keys: [known] })).toBe(known);
    expect(await seal({ bytes: bytesOf(v.value), text: v.text }, known, v.sealTime, v, ephemeral)).toEqual(v.sealed);
  });

  test("encapsulates as the vector of RFC 9180 does", async () => {
    const sealed = await seal(plain(), key, time, place, await suite().kem.deriveKeyPair(ikmE));
    expect(sealed).toMatchObject({ keyId: key.keyId, sealTime: "2026-11-30T00:53:20Z", text: true });
    expect(Buffer.from(sealed.ciphertext ?? "", "base64").subarray(0, 32).toString("hex")).toBe(enc);
  });

  test("binds the value to its place, and is never the same twice", async () => {
    const [one, two] = [await seal(plain(), key, time, place), await seal(plain(), key, time, place)];
    expect(one.ciphertext).not.toBe(two.ciphertext);
    const info = infoOf(true, "2026-11-30T00:53:20Z", place);
    expect(new TextDecoder().decode(info)).toBe(`keyward sealed value v1\n${place.secret}\n${place.requestId}\n1796000000\ntext`);
    expect(await open(one.ciphertext ?? "", info)).toBe("correct horse battery staple");
    const others = [
      infoOf(false, "2026-11-30T00:53:20Z", place),
      infoOf(true, "2026-11-30T00:53:21Z", place),
      infoOf(true, "2026-11-30T00:53:20Z", { ...place, secret: "workspaces/demo/secrets/other" }),
      infoOf(true, "2026-11-30T00:53:20Z", { ...place, requestId: "other" }),
    ];
    for (const other of others) await expect(open(one.ciphertext ?? "", other)).rejects.toThrow();
  });

  test("is to the newest key, and only if its id is right", async () => {
    expect(await sealingKey({ keys: [key, { keyId: "older" }] })).toBe(key);
    expect(await sealingKey({ keys: [{ ...key, keyId: "69df8d73e7407154" }] })).toBeUndefined();
    expect(await sealingKey({ keys: [{ ...key, publicKey: "AAAA" }] })).toBeUndefined();
    expect(await sealingKey({})).toBeUndefined();
  });
});
