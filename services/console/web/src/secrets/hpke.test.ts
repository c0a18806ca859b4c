import { describe, expect, test } from "vitest";
import { begin, sealTo } from "./hpke";
import { pairOf } from "./testing";

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const toHex = (bytes: ArrayBuffer | Uint8Array) =>
  Buffer.from(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)).toString("hex");

// The vector of RFC 9180 (test-vectors.json of CFRG) with mode 0, KEM 0x0020, KDF 0x0001, and AEAD 0x0002: its key
// pairs, key schedule, and first encryption.
const vector = {
  info: "4f6465206f6e2061204772656369616e2055726e",
  skEm: "179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11",
  pkEm: "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
  pkRm: "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
  baseNonce: "151d9929e2449747889bc923",
  aad: "436f756e742d30",
  pt: "4265617574792069732074727574682c20747275746820626561757479",
  ct: "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
};

describe("HPKE", () => {
  test("gives the answers of RFC 9180", async () => {
    const { enc, key, nonce } = await begin(
      hex(vector.pkRm),
      hex(vector.info),
      await pairOf(hex(vector.skEm), hex(vector.pkEm)),
    );
    expect(toHex(enc)).toBe(vector.pkEm);
    expect(toHex(nonce)).toBe(vector.baseNonce);
    expect(
      toHex(
        await crypto.subtle.encrypt(
          { name: "AES-GCM", iv: nonce, additionalData: hex(vector.aad) },
          key,
          hex(vector.pt),
        ),
      ),
    ).toBe(vector.ct);
  });

  test("uses another key and nonce for each message, and keys that cannot be read", async () => {
    const [one, two] = [
      await begin(hex(vector.pkRm), hex(vector.info)),
      await begin(hex(vector.pkRm), hex(vector.info)),
    ];
    expect(toHex(one.enc)).not.toBe(toHex(two.enc));
    expect(toHex(one.nonce)).not.toBe(toHex(two.nonce));
    expect(one.key.extractable).toBe(false);
  });

  test.each([
    ["zero", "00".repeat(32)],
    ["one", `01${"00".repeat(31)}`],
    ["a point of order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
    ["the prime", `edffffff${"ff".repeat(27)}7f`],
    ["nothing", ""],
    ["31 bytes", "09".repeat(31)],
  ])("seals nothing to %s, which is no key", async (_, recipient) => {
    await expect(sealTo(hex(recipient), hex(vector.info), hex(vector.pt))).rejects.toThrow();
  });
});
