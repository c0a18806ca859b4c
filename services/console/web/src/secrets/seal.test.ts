import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { SealedValueJson } from "../gen/keyward/vault/v1/resources_pb";
import { canSeal, infoOf, type Place, type Plain, seal, sealingKey } from "./seal";
import { pairOf } from "./testing";

/** The vectors that the tests of the vault and of the Go client also use. */
interface KnownAnswers {
  keyId: string;
  publicKey: string;
  values: {
    secret: string;
    requestId: string;
    sealTime: string;
    text: boolean;
    value: string;
    ephemeralPrivateKey: string;
    info: string;
    sealed: SealedValueJson;
  }[];
}
const known = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../../../../docs/sealed-values.json"), "utf8"),
) as KnownAnswers;
const bytesOf = (text: string | undefined) => Uint8Array.from(Buffer.from(text ?? "", "base64"));
const [answer] = known.values;
if (!answer) throw new Error("there are no known answers");

/** The ephemeral key pair of a known answer: its ciphertext starts with the public key. */
const ephemeralOf = (v: typeof answer) =>
  pairOf(bytesOf(v.ephemeralPrivateKey), bytesOf(v.sealed.ciphertext).slice(0, 32));

describe("sealing", () => {
  test("is possible where WebCrypto has X25519", async () => {
    expect(await canSeal()).toBe(true);
  });

  test.each(known.values)("gives the known answer for $requestId, which the vault opens", async (v) => {
    expect(new TextDecoder().decode(infoOf(v.text, v.sealTime, v))).toBe(v.info);
    expect(await seal({ bytes: bytesOf(v.value), text: v.text }, known, v.sealTime, v, await ephemeralOf(v))).toEqual(
      v.sealed,
    );
  });

  test("takes the vault's time in whole seconds", async () => {
    const sealed = await seal(
      { bytes: bytesOf(answer.value), text: true },
      known,
      answer.sealTime.replace("Z", ".987654321Z"),
      answer,
      await ephemeralOf(answer),
    );
    expect(sealed).toEqual(answer.sealed);
  });

  test("binds the value to its place: anywhere else it is another", async () => {
    const ephemeral = await ephemeralOf(answer);
    const bytes = bytesOf(answer.value);
    const sealed = (plain: Plain, time: string, place: Place) => seal(plain, known, time, place, ephemeral);
    const others = await Promise.all([
      sealed({ bytes, text: false }, answer.sealTime, answer),
      sealed({ bytes, text: true }, "2026-01-01T00:00:02Z", answer),
      sealed({ bytes, text: true }, answer.sealTime, { ...answer, secret: "workspaces/demo/secrets/other" }),
      sealed({ bytes, text: true }, answer.sealTime, { ...answer, requestId: "other" }),
    ]);
    expect(new Set([answer.sealed, ...others].map((s) => s.ciphertext)).size).toBe(5);
  });

  test("is never the same twice", async () => {
    const plain = { bytes: bytesOf(answer.value), text: true };
    const [one, two] = [
      await seal(plain, known, answer.sealTime, answer),
      await seal(plain, known, answer.sealTime, answer),
    ];
    expect(one.ciphertext).not.toBe(two.ciphertext);
  });

  test("is to the newest key, and only if its ID is right", async () => {
    expect(await sealingKey({ keys: [known, { keyId: "older" }] })).toBe(known);
    expect(await sealingKey({ keys: [{ ...known, keyId: "b15733a35d5ba6b1" }] })).toBeUndefined();
    expect(await sealingKey({ keys: [{ ...known, publicKey: "AAAA" }] })).toBeUndefined();
    expect(await sealingKey({})).toBeUndefined();
  });
});
