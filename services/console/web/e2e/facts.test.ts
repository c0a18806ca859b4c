import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";
import { axeFindings, dialog, expect, useKit } from "./kit";

const kit = useKit();

let folder = "";
const file = (name: string) => path.join(folder, name);
const openssl = (...args: string[]) =>
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });

// Files as users have them, created with the tools that users have.
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "keyward-keys-"));
  openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=partner.test",
    "-days",
    "30",
    "-keyout",
    "key.pem",
    "-out",
    "certificate.pem",
  );
  openssl(
    "pkcs12",
    "-export",
    "-inkey",
    "key.pem",
    "-in",
    "certificate.pem",
    "-passout",
    "pass:open sesame",
    "-out",
    "key.p12",
  );
  openssl("pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:x", "-out", "encrypted.pem");
  openssl("pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der");
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Opens the dialog to store a key. */
async function begin(page: Page, id: string): Promise<void> {
  await page.getByRole("button", { name: "Store New Secret" }).first().click();
  await page.getByRole("radio", { name: "Encryption or signing key" }).check();
  await page.getByLabel("Secret Name").fill(id);
}

const upload = async (page: Page, name: string) => {
  await page.getByText("File", { exact: true }).click();
  await page.getByLabel("File with the value").setInputFiles(file(name));
};
const save = (page: Page) => page.getByRole("button", { name: "SAVE" }).click();
const takenFor = (page: Page, words: RegExp) => dialog(page).getByText(words).waitFor();

describe("after a value is stored, the page says what it was taken for", () => {
  test("a private key in PEM", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets", bypassCSP: true });
    await begin(page, "pem-key");
    await page.getByLabel("Secret value").fill(readFileSync(file("key.pem"), "utf8"));
    await save(page);
    await takenFor(page, /Detected: RSA-2048 private key, PKCS #8 in PEM/);
    expect(await axeFindings(page)).toEqual([]);
    await page.getByRole("button", { name: "Done" }).click();
    // The page reports it once.
    await page.getByRole("link", { name: "pem-key" }).click();
    await page.getByRole("heading", { name: "pem-key" }).waitFor();
    expect(await page.getByText("Detected").count()).toBe(0);
  });

  test("a key in hexadecimal digits", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await begin(page, "hex-key");
    await page.getByLabel("Secret value").fill("00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef");
    await save(page);
    await takenFor(page, /Detected: 64 hexadecimal digits: a 32-byte key/);
  });

  test("a file of bytes", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await begin(page, "der-key");
    await upload(page, "key.der");
    await save(page);
    await takenFor(page, /Detected: RSA-2048 private key/);
    expect((await kit.server.api("owner", "GET", "workspaces/demo/secrets/der-key")) as object).toMatchObject({
      publicKey: { algorithm: "RSA-2048" },
    });
  });

  test("a new value of a secret", async () => {
    await kit.server.storeSecret("renewed");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/renewed" });
    await page.getByRole("button", { name: "New value" }).click();
    await page.getByLabel("Secret value").fill("a passphrase that is long\n");
    await page.getByRole("button", { name: "Save" }).click();
    await takenFor(page, /Detected: text of 26 bytes/);
    await takenFor(page, /line end/);
    await page.getByRole("button", { name: "Done" }).click();
    await dialog(page).waitFor({ state: "detached" });
    await page.getByText("Version 2", { exact: true }).waitFor();
  });
});

describe("keys in other forms", () => {
  test("a PKCS #12 file is asked for its password, which is used once", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets", bypassCSP: true });
    await begin(page, "p12-key");
    await upload(page, "certificate.pem");
    await dialog(page).getByText("certificate.pem").waitFor();
    expect(await page.getByLabel("File password").count()).toBe(0);
    await upload(page, "key.p12");
    await page.getByLabel("File password").fill("not it");
    expect(await axeFindings(page)).toEqual([]);
    await save(page);
    await dialog(page)
      .getByText(/password/i)
      .nth(2)
      .waitFor();
    await dialog(page).getByRole("alert").first().waitFor();
    await page.getByLabel("File password").fill("open sesame");
    await save(page);
    await takenFor(page, /Detected: RSA-2048 private key/);
    await takenFor(page, /Converted from PKCS #12/);
    expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain("open sesame");
  });

  test("a key that nothing can use is refused with the command that helps, to copy", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await begin(page, "encrypted-key");
    await page.getByLabel("Secret value").fill(readFileSync(file("encrypted.pem"), "utf8"));
    await save(page);
    await dialog(page).getByText("The private key is encrypted").first().waitFor();
    await page.getByRole("button", { name: "Copy command" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^openssl pk\S+ -in \S+ -out \S+$/);
    // The replacement value is stored.
    await page.getByRole("button", { name: "Enter another value" }).click();
    await page.getByLabel("Secret value").fill(readFileSync(file("key.pem"), "utf8"));
    await save(page);
    await takenFor(page, /Detected: RSA-2048 private key/);
  });
});
