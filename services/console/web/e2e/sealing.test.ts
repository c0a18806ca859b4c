import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { Page } from "playwright-core";
import { beforeAll, beforeEach, describe, test } from "vitest";
import { dialog, expect, picture, settled, signedIn, told, useKit } from "./kit";
import { encryptedWith } from "./server";
import { Wire } from "./wire";

const kit = useKit();

const random = () => crypto.randomUUID().replaceAll("-", "");
const sealingPath = "**/v1/workspaces/demo/sealing";
const secretsPath = /\/v1\/workspaces\/demo\/secrets(\/|$)/;

interface Sealed {
  keyId: string;
  sealTime: string;
  ciphertext: string;
  text?: boolean;
}

const sealedIn = (post: unknown): Sealed => {
  const { value } = post as { value: { sealed: Sealed } };
  expect(Object.keys(value)).toEqual(["sealed"]);
  return value.sealed;
};

const secret = (id: string): Promise<{ currentVersion: number; publicKey?: { fingerprint: string } }> =>
  kit.server.api("owner", "GET", `workspaces/demo/secrets/${id}`) as never;
const sealing = (): Promise<{ keys: { keyId: string }[]; required?: boolean }> =>
  kit.server.api("owner", "GET", "workspaces/demo/sealing") as never;

/** Opens the dialog to store a secret. */
async function begin(page: Page, id: string, value?: string): Promise<void> {
  await page.getByRole("button", { name: "Store New Secret" }).first().click();
  await page.getByLabel("Secret Name").fill(id);
  await page.getByRole("radio", { name: "Encryption or signing key" }).check();
  if (value) await page.getByLabel("Secret value").fill(value);
}

const save = (page: Page) => page.getByRole("button", { name: "SAVE" }).click();
const stored = (page: Page) => dialog(page).getByText("No one can view it again").waitFor();

/** A page of a browser that cannot seal, like older browsers. */
async function oldBrowser(): Promise<Page> {
  const page = await (await kit.context()).newPage();
  await page.addInitScript(() => {
    const generate = SubtleCrypto.prototype.generateKey;
    SubtleCrypto.prototype.generateKey = function (this: SubtleCrypto, ...args: unknown[]) {
      if (args[0] === "X25519") return Promise.reject(new DOMException("not known", "NotSupportedError"));
      return (generate as (...all: unknown[]) => Promise<never>).apply(this, args);
    } as typeof generate;
  });
  await page.goto(await kit.server.link("owner"));
  await signedIn(page);
  return page;
}

beforeAll(() => kit.server.storeSecret("keeps-it-non-empty"));

describe("a value leaves the browser sealed", () => {
  test("when it is typed: no request holds it in any form, and what is stored is that value", async () => {
    const value = random();
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const watch = kit.watch(page);
    await begin(page, "typed", value);
    await dialog(page).getByText("Sealed in this browser before it is sent").waitFor();
    await picture(page, "seal-hint");
    await save(page);
    await stored(page);
    expect(wire.holding(value)).toEqual([]);
    const [sent] = wire.sent("POST", secretsPath);
    const sealed = sealedIn(sent?.postDataJSON());
    expect(sealed).toMatchObject({ keyId: (await sealing()).keys[0]?.keyId, text: true });
    expect(Buffer.from(sealed.ciphertext, "base64").length).toBe(32 + value.length + 16);
    expect(watch).toEqual({ complaints: [], strangers: [] });

    // The same value, stored unsealed for another endpoint, decrypts messages that were encrypted with the sealed
    // value.
    await kit.server.storeSecret("reference", { value: { text: value }, shared: true });
    await kit.server.addActiveEndpoint("by-page", { encryption: encryptedWith("typed") });
    await kit.server.addActiveEndpoint("by-reference", { encryption: encryptedWith("reference") });
    expect(await kit.server.decrypt("by-reference", await kit.server.encrypt("by-page", '{"order":1}'))).toBe(true);
  });

  test("when it is a file, and when it replaces another: the facts of the stored key are those of the file", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const [first, second] = [
      generateKeyPairSync("ec", { namedCurve: "P-256" }),
      generateKeyPairSync("ec", { namedCurve: "P-256" }),
    ];
    const [pem, next] = [first, second].map((pair) =>
      pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    );
    const fingerprint = (pair: typeof first) =>
      createHash("sha256")
        .update(createPublicKey(pair.privateKey).export({ type: "spki", format: "der" }))
        .digest("hex");
    await begin(page, "from-file");
    await page.getByText("File", { exact: true }).click();
    await page
      .getByLabel("File with the value")
      .setInputFiles({ name: "key.pem", mimeType: "application/x-pem-file", buffer: Buffer.from(pem ?? "") });
    await save(page);
    await stored(page);
    expect((await secret("from-file")).publicKey?.fingerprint).toBe(fingerprint(first));
    await page.getByRole("link", { name: "View details" }).click();

    await page.getByRole("button", { name: "New value" }).click();
    await page.getByLabel("Secret value").fill(next ?? "");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Version 2 of from-file");
    expect((await secret("from-file")).publicKey?.fingerprint).toBe(fingerprint(second));
    expect(sealedIn(wire.sent("POST", secretsPath)[0]?.postDataJSON()).text ?? false).toBe(false);
    expect(sealedIn(wire.sent("PATCH", secretsPath)[0]?.postDataJSON()).text).toBe(true);
    for (const line of `${pem}${next}`.split("\n").filter((l) => l.length > 20 && !l.startsWith("-")))
      expect(wire.holding(line)).toEqual([]);
  });

  test("at the time of the vault, whatever the clock of the browser", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const early = new Date(Date.now() - 20 * 60_000).toISOString();
    await page.route(sealingPath, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ json: { ...((await answer.json()) as object), time: early } });
    });
    await begin(page, "early", random());
    await save(page);
    await stored(page);
    expect(sealedIn(wire.sent("POST", secretsPath)[0]?.postDataJSON()).sealTime).toBe(early.replace(/\.\d+/, ""));
  });
});

describe("a value that is too large", () => {
  test("stays on the page to be corrected, and goes nowhere", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const value = random();
    await begin(page, "too-large", value.repeat(2100));
    await save(page);
    await dialog(page).getByText("A value can have at most 64 KiB. This value has 66").waitFor();
    expect((await page.getByLabel("Secret value").inputValue()).length).toBe(67_200);
    await page.getByLabel("Secret value").fill(value);
    await save(page);
    await stored(page);
    expect(wire.sent("POST", secretsPath).length).toBe(1);
    expect(wire.holding(value)).toEqual([]);
  });
});

describe("a sealed value that was not stored", () => {
  test("is sent again as it is, also where the first answer was lost after all", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const value = random();
    await begin(page, "retried", value);
    let tries = 0;
    await page.route(/\/secrets\?secretId=retried/, async (route) => {
      tries++;
      if (tries === 1) return route.abort("connectionfailed"); // the request was not sent
      if (tries === 2) await route.fetch(); // the value was stored, and the response was lost
      return tries === 2 ? route.abort("connectionreset") : route.continue();
    });
    await save(page);
    await dialog(page).getByText("Cannot reach the server").waitFor();
    await dialog(page).getByText("The value is sealed").waitFor();
    expect(await page.getByLabel("Secret value").count()).toBe(0);
    await picture(page, "sealed-not-stored");
    await save(page);
    await expect.poll(() => tries).toBe(2);
    await dialog(page).getByText("Cannot reach the server").waitFor();
    // The secret already exists; the repeated request gets the first response.
    await save(page);
    await stored(page);
    const sent = wire.sent("POST", secretsPath);
    expect(sent.length).toBe(3);
    expect(new Set(sent.map((r) => `${r.url()} ${r.postData()}`)).size).toBe(1);
    expect((await secret("retried")).currentVersion).toBe(1);
    expect(wire.holding(value)).toEqual([]);
  });

  test("is for one name, and has to be entered again for another", async () => {
    await kit.server.storeSecret("taken-late");
    const page = await kit.signIn("owner");
    await page.route(/\/secrets\?query=taken-late/, (route) => route.fulfill({ json: {} }));
    await begin(page, "taken-late", random());
    await save(page);
    await page.getByText("A secret with this name already exists").waitFor();
    await page.getByLabel("Secret Name").fill("free-name");
    await save(page);
    await dialog(page).getByText("sealed for another name").waitFor();
    await page.getByLabel("Secret value").fill(random());
    await save(page);
    await stored(page);
  });

  test("is entered again when the vault refuses it, as one that is too old", async () => {
    const page = await kit.signIn("owner");
    await page.route(sealingPath, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({
        json: { ...((await answer.json()) as object), time: new Date(Date.now() - 2 * 3_600_000).toISOString() },
      });
    });
    await begin(page, "too-old", random());
    await save(page);
    await dialog(page).getByText("The vault could not open the sealed value").waitFor();
    await page.unroute(sealingPath);
    expect(await page.getByLabel("Secret value").inputValue()).toBe("");
    await picture(page, "sealed-refused");
    await page.getByLabel("Secret value").fill(random());
    await save(page);
    await stored(page);
  });

  test("keeps its place when the vault asks why a weak key is used", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    await begin(page, "weak", "short");
    await save(page);
    await page.getByLabel("Reason for using a weak key").fill("the partner's passphrase");
    await save(page);
    await stored(page);
    const [one, two] = wire.sent("POST", secretsPath).map((r) => sealedOf(r.postDataJSON()));
    expect(one).toEqual(two);
  });
});

const sealedOf = (post: unknown): unknown => (post as { value: { sealed: unknown } }).value.sealed;

describe("where sealing is not possible", () => {
  test("the page says so and sends nothing, unless the person decides to", async () => {
    const page = await oldBrowser();
    const wire = new Wire(page);
    const value = random();
    await begin(page, "unsealed", value);
    await dialog(page).getByText("The value cannot be sealed").waitFor();
    await dialog(page).getByText("This browser does not support X25519").waitFor();
    await save(page);
    await dialog(page).getByText("so it was not sent").waitFor();
    await picture(page, "seal-impossible");
    expect(wire.holding(value)).toEqual([]);
    expect(wire.sent("POST", secretsPath)).toEqual([]);
    await page.getByLabel("Send it without sealing, over TLS").check();
    await save(page);
    await stored(page);
    // The same search finds the value here, so it would have found it above.
    expect(wire.holding(value)).toContain("POST /v1/workspaces/demo/secrets: raw");
  });

  test("because the keys cannot be read, it is not known whether the workspace requires it: there is no way but to try again", async () => {
    const page = await kit.signIn("owner");
    const wire = new Wire(page);
    const value = random();
    await page.route(sealingPath, (route) => route.fulfill({ status: 500, json: {} }));
    await begin(page, "no-keys", value);
    await dialog(page).getByText("Could not load the sealing keys").waitFor();
    expect(await page.getByLabel("Send it without sealing, over TLS").count()).toBe(0);
    await save(page);
    await dialog(page).getByText("so it was not sent").waitFor();
    expect(wire.sent("POST", secretsPath)).toEqual([]);
    await page.unroute(sealingPath);
    await dialog(page).getByRole("button", { name: "Try again" }).click();
    await dialog(page).getByText("Sealed in this browser").waitFor();
    await save(page);
    await stored(page);
    expect(wire.holding(value)).toEqual([]);
  });

  test("because a key does not belong to its ID, nothing is sealed to it", async () => {
    const page = await kit.signIn("owner");
    await page.route(sealingPath, async (route) => {
      const answer = (await (await route.fetch()).json()) as { keys: object[] };
      await route.fulfill({ json: { ...answer, keys: answer.keys.map((k) => ({ ...k, keyId: "0123456789abcdef" })) } });
    });
    await begin(page, "other-key", random());
    await dialog(page).getByText("no valid sealing key").waitFor();
  });
});

describe("a workspace requires sealed values", () => {
  const open = (page: Page) => page.getByRole("button", { name: "Sealed values" }).click();

  beforeEach(() => kit.server.api("admin", "PATCH", "workspaces/demo/sealing?reason=story", { required: false }));

  test("an owner requires it, a super admin takes it back, and the log says both in words", async () => {
    const old = await oldBrowser();
    const wire = new Wire(old);
    await begin(old, "from-old", random());
    await old.getByLabel("Send it without sealing, over TLS").check();

    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await open(page);
    await dialog(page).getByText("Not required", { exact: true }).waitFor();
    await dialog(page)
      .getByText((await sealing()).keys[0]?.keyId ?? "")
      .waitFor();
    await settled(page);
    await picture(page, "sealing-settings");
    await dialog(page).getByLabel("Reason").fill("audit 2026");
    await dialog(page).getByRole("button", { name: "Require sealed values" }).click();
    await told(page, "Sealed values are required");
    expect((await sealing()).required).toBe(true);
    await open(page);
    await dialog(page).getByText("Only a super admin").waitFor();
    expect(await dialog(page).getByRole("button", { name: "Stop requiring" }).count()).toBe(0);
    await expect(kit.server.storeSecret("plain", { value: { text: random() } })).rejects.toThrow("SEALING_REQUIRED");

    // The earlier decision is checked again: the browser can no longer seal.
    await save(old);
    await dialog(old).getByText("so it was not sent").waitFor();
    await dialog(old).getByText("This workspace requires sealed values").waitFor();
    expect(await old.getByLabel("Send it without sealing, over TLS").count()).toBe(0);
    expect(wire.sent("POST", secretsPath)).toEqual([]);
    await picture(old, "seal-required");

    const admin = await kit.signIn("admin", { at: "/w/demo/secrets" });
    await begin(admin, "still-stored", random());
    await save(admin);
    await stored(admin);
    await admin.getByRole("button", { name: "Done" }).click();
    await open(admin);
    const stop = dialog(admin).getByRole("button", { name: "Stop requiring" });
    expect(await stop.isDisabled()).toBe(true);
    await dialog(admin).getByLabel("Reason").fill("a client cannot seal yet");
    await picture(admin, "sealing-settings-required");
    await stop.click();
    await told(admin, "no longer required");
    expect((await sealing()).required ?? false).toBe(false);

    const log = await kit.signIn("owner", { at: "/w/demo/activity" });
    const entry = (words: string) => log.locator(".entry").filter({ has: log.getByText(words, { exact: true }) });
    await entry("Sealed values required").getByText("audit 2026").waitFor();
    await entry("Sealed values no longer required").getByText("a client cannot seal yet").waitFor();
    await picture(log, "history-sealing");
  });
});
