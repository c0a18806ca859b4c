import { expect, test } from "vitest";
import { Problem } from "../api/problem";
import { commandIn, isPkcs12 } from "./values";

const refused = (description: string) =>
  new Problem(400, "", { details: [{ fieldViolations: [{ field: "secret.value", description }] }] });

test("the command of a remedy is found without the period after it", () => {
  expect(
    commandIn(refused("The private key is encrypted. Decrypt it first: openssl pkcs8 -in key.pem -out key-plain.pem.")),
  ).toBe("openssl pkcs8 -in key.pem -out key-plain.pem");
  expect(commandIn(refused("Convert it to PEM: puttygen key.ppk -O private-openssh -o key.pem"))).toBe(
    "puttygen key.ppk -O private-openssh -o key.pem",
  );
  expect(commandIn(refused("The key is weak: 8 bytes."))).toBeUndefined();
});

test.each<[string, number[], boolean]>([
  ["DER", [0x30, 0x82, 0x0a, 0x11, 2, 1, 3, 0x30], true],
  ["DER of a short file", [0x30, 0x40, 2, 1, 3], true],
  ["BER without a length", [0x30, 0x80, 2, 1, 3], true],
  ["PKCS #8", [0x30, 0x82, 0x04, 0xbd, 2, 1, 0, 0x30], false],
  ["a few bytes", [0x30], false],
])("PKCS #12 is told from what is not: %s", (_, bytes, found) => {
  expect(isPkcs12(Uint8Array.from(bytes))).toBe(found);
});
