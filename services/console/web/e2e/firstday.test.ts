import { createDecipheriv, randomBytes } from "node:crypto";
import type { BrowserContextOptions, Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { axeFindings, choose, dialog, expect, overflow, picture, rowNames, told, useKit } from "./kit";

const kit = useKit();
const preset = "AES-256-GCM in JSON";
const ref = (secret: string, more: object = {}) => ({ name: `workspaces/demo/secrets/${secret}`, ...more });
const aes = (secret: string, more: object = {}) => ({
  cipher: { algorithm: "ALGORITHM_AES_256_GCM", sharedKey: { keys: [ref(secret, more)] } },
});

const allowLegacy = [
  {
    flag: "FLAG_UNAUTHENTICATED_CBC",
    reason: "The partner cannot do GCM",
    expireTime: new Date(Date.now() + 60 * 86_400_000).toISOString(),
  },
];

/** A key as partners send it: 64 hexadecimal digits. */
const hexKey = () => randomBytes(32).toString("hex");

/** Starts a new endpoint with the preset. */
async function begin(id: string, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await kit.signIn("owner", { ...options, at: "/w/demo/new-endpoint" });
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(id);
  await page.getByLabel("URL").fill(`https://${id}.partner.test/v1`);
  await page.getByRole("button", { name: "From a preset" }).click();
  await page.getByLabel("Search presets").fill(preset);
  await page.getByRole("button", { name: preset }).first().click();
  return page;
}

const pickKey = async (page: Page, id: string) => {
  await page.getByRole("button", { name: /^Key: / }).click();
  await page.getByRole("option", { name: new RegExp(`^${id}`) }).click();
};

const storeKey = async (page: Page, id: string) => {
  await page.getByRole("button", { name: /^Key: / }).click();
  await page.getByRole("button", { name: "Store new secret" }).click();
  await dialog(page).getByLabel("Secret Name").fill(id);
};

/** Saves the endpoint, gets it approved, and activates it on the page. */
async function takeIntoUse(page: Page, id: string): Promise<void> {
  await page.getByRole("button", { name: "Add endpoint" }).click();
  await told(page, `${id} added.`);
  await kit.server.api("admin", "POST", `workspaces/demo/endpoints/${id}:approve`, { reason: "contract 7" });
  await page.reload();
  await page.getByRole("button", { name: "Activate" }).click();
  await told(page, `${id} is active.`);
}

/** Decrypts a message of the preset as the partner does. */
function opened(body: string, key: Buffer): string {
  const message = JSON.parse(Buffer.from(body, "base64").toString()) as Record<"iv" | "data" | "tag", string>;
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(message.iv, "base64"));
  decipher.setAuthTag(Buffer.from(message.tag, "base64"));
  return decipher.update(message.data, "base64", "utf8") + decipher.final("utf8");
}

describe("a preset works with the first real message", () => {
  test("when the page had the key generated", async () => {
    const page = await begin("generated");
    await storeKey(page, "generated-key");
    await dialog(page).getByText("Generate for me").click();
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("button", { name: "Key: generated-key" }).waitFor();
    await page
      .getByRole("combobox", { name: "How Key is stored" })
      .and(page.locator("[value='Stored as raw']"))
      .waitFor();
    await takeIntoUse(page, "generated");
    await kit.server.encrypt("generated", '{"amount":100}');
  });

  test("when 64 hexadecimal digits were pasted, and not when they are base64 of another length", async () => {
    const key = hexKey();
    const page = await begin("pasted");
    await storeKey(page, "pasted-key");
    await dialog(page).getByLabel("Secret value").fill(key);
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("button", { name: "Key: pasted-key" }).waitFor();
    await page
      .getByRole("combobox", { name: "How Key is stored" })
      .and(page.locator("[value='Stored as hexadecimal']"))
      .waitFor();
    await takeIntoUse(page, "pasted");
    expect(opened(await kit.server.encrypt("pasted", '{"amount":100}'), Buffer.from(key, "hex"))).toBe(
      '{"amount":100}',
    );
  });

  test("when base64 was pasted, as the preset has it", async () => {
    const key = randomBytes(32);
    const page = await begin("as-preset");
    await storeKey(page, "as-preset-key");
    await dialog(page).getByLabel("Secret value").fill(key.toString("base64"));
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page
      .getByRole("combobox", { name: "How Key is stored" })
      .and(page.locator("[value='Stored as base64']"))
      .waitFor();
    await takeIntoUse(page, "as-preset");
    expect(opened(await kit.server.encrypt("as-preset", "{}"), key)).toBe("{}");
  });

  test.each([
    ["HEX", /64|32 bytes/],
    ["RAW", /32 bytes/],
  ])("when the key exists and is stored as %s: one click, with the cause", async (decoding, cause) => {
    const key = hexKey();
    const [secret, id] = [`stored-${decoding}`, `one-click-${decoding.toLowerCase()}`];
    await kit.server.storeSecret(secret, decoding === "HEX" ? { value: { text: key } } : {});
    const page = await begin(id);
    await pickKey(page, secret);
    const field = page
      .getByRole("group", { name: `Preset ${preset}` })
      .locator(".field")
      .first();
    await field.getByRole("alert").getByText(cause).waitFor();
    await picture(page, `use-${decoding}`);
    await field.getByRole("button", { name: `Use ${decoding}` }).click();
    await field.getByRole("alert").waitFor({ state: "detached" });
    await takeIntoUse(page, id);
    const sent = await kit.server.encrypt(id, "{}");
    if (decoding === "HEX") expect(opened(sent, Buffer.from(key, "hex"))).toBe("{}");
  });

  test("when it is built by hand", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("by-hand");
    await page.getByLabel("URL").fill("https://by-hand.partner.test/v1");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    await page.getByRole("button", { name: "Store new secret" }).click();
    await dialog(page).getByLabel("Secret Name").fill("by-hand-key");
    await dialog(page).getByLabel("Secret value").fill(hexKey());
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page
      .getByRole("combobox", { name: "How shared key is stored" })
      .and(page.locator("[value='Stored as hexadecimal']"))
      .waitFor();
    await takeIntoUse(page, "by-hand");
    await kit.server.encrypt("by-hand", "{}");
  });
});

describe("a key that does not fit", () => {
  beforeAll(async () => {
    // A key serves only the endpoints of one host.
    for (const id of ["misfit", "panel-misfit"]) await kit.server.storeSecret(id, { value: { text: hexKey() } });
    // It was correct when it was saved, and was replaced since.
    await kit.server.storeSecret("replaced");
    await kit.server.addEndpoint("replaced", { encryption: { request: aes("replaced") } });
    await kit.server.api("admin", "POST", "workspaces/demo/endpoints/replaced:approve", { reason: "contract 7" });
    await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/replaced", { value: { text: hexKey() } });
  });

  test("keeps the endpoint from being saved, with the cause at the field", async () => {
    const page = await begin("unsaved");
    await pickKey(page, "misfit");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    const picker = page.getByRole("button", { name: "Key: misfit" });
    await picker.and(page.locator("[data-invalid]:focus")).waitFor();
    await page
      .locator(".violation-list")
      .getByRole("button", { name: "encryption › preset › secrets “key”" })
      .waitFor();
    await page.getByText("The secret is not a key for this algorithm").waitFor();
    await picture(page, "save-misfit");
    expect(new URL(page.url()).pathname).toBe("/w/demo/new-endpoint");
    await page.getByRole("button", { name: "Use HEX" }).click();
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "unsaved added.");
  });

  test("is told by the test panel, whose throw-away keys went through", async () => {
    const page = await begin("tested");
    await pickKey(page, "panel-misfit");
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await dialog(page).getByRole("button", { name: "Run test" }).click();
    const result = page.getByRole("region", { name: "Result of the test" });
    await result.getByText("Round trip succeeded").waitFor();
    await result.getByText("Your key does not fit").waitFor();
    await result.getByText("panel-misfit").first().waitFor();
    await picture(page, "test-misfit");
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Use HEX" }).click();
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await dialog(page).getByRole("button", { name: "Run test" }).click();
    await result.getByText("Your key fits").waitFor();
    await picture(page, "test-fits");
  });

  test("keeps the endpoint from being activated, with the cause in words", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/replaced" });
    await page.getByRole("button", { name: "Activate" }).click();
    await page.getByText("The secret is not a key for this algorithm").waitFor();
    await page.getByText(/Secret replaced does not fit\. .*not a key of 32 bytes/).waitFor();
    await picture(page, "activate-misfit");
    expect(await page.getByText("Active", { exact: true }).count()).toBe(0);
  });
});

describe("an owner is asked", () => {
  test("for a sample, where a made-up body does not fit, and told what to know of the endpoint", async () => {
    await kit.server.storeSecret("second-card");
    const { cipher } = aes("second-card");
    await kit.server.addEndpoint("second-card", {
      encryption: {
        request: {
          cipher: { ...cipher, algorithm: "ALGORITHM_AES_256_CBC" },
          selection: { fields: { paths: ["$.cards[1000].number"], valueForm: "VALUE_FORM_STRING" } },
          allowLegacy,
        },
      },
    });
    await kit.server.api("admin", "POST", "workspaces/demo/endpoints/second-card:approve", { reason: "contract 7" });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints?q=second-card" });
    await page.getByRole("button", { name: "Actions for second-card" }).click();
    await page.getByRole("menuitem", { name: "Activate" }).click();
    const sample = dialog(page).getByLabel("Sample body");
    await sample.fill("{}");
    await dialog(page).getByRole("button", { name: "Activate" }).click();
    await dialog(page).getByText("A sample body is required").waitFor();
    await picture(page, "activate-sample");
    await sample.fill(JSON.stringify({ cards: [...Array(1000).fill({}), { number: "4711" }] }));
    await dialog(page).getByRole("button", { name: "Activate" }).click();
    await told(page, "second-card is active.");
    await page.getByText(/Nothing authenticates these messages/).waitFor();
    await picture(page, "activated-warning");
    await page.getByRole("link", { name: "second-card" }).click();
    await page.getByText("Review these warnings").waitFor();
    expect(await page.getByText(/Nothing authenticates these messages/).count()).toBe(1);
  });

  test("before another URL takes an active endpoint out of service", async () => {
    await kit.server.addActiveEndpoint("moved");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/moved/edit" });
    await page.getByLabel("URL").fill("https://elsewhere.partner.test/v1");
    await page.getByRole("button", { name: "Save" }).click();
    await dialog(page)
      .getByText(/PENDING/)
      .waitFor();
    await picture(page, "move-endpoint");
    await dialog(page).getByRole("button", { name: "Keep editing" }).click();
    await dialog(page).waitFor({ state: "detached" });
    expect(await kit.server.api("owner", "GET", "workspaces/demo/endpoints/moved")).toMatchObject({
      state: "STATE_ACTIVE",
    });
    await page.getByRole("button", { name: "Save" }).click();
    await dialog(page).getByRole("button", { name: "Save the new URL" }).click();
    await told(page, "moved saved.");
    expect(await kit.server.api("owner", "GET", "workspaces/demo/endpoints/moved")).toMatchObject({
      state: "STATE_PENDING",
    });
  });

  test("only then: another description is saved at once", async () => {
    await kit.server.addActiveEndpoint("renamed");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/renamed/edit" });
    await page.getByRole("textbox", { name: "Description" }).fill("other");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "renamed saved.");
  });

  test("why an endpoint is the partner's, before it is approved", async () => {
    await kit.server.addEndpoint("vouched");
    const page = await kit.signIn("admin", { at: "/w/demo/endpoints/vouched" });
    await page.getByRole("button", { name: "Approve" }).click();
    const approve = dialog(page).getByRole("button", { name: "Approve" });
    expect(await approve.isDisabled()).toBe(true);
    await dialog(page).getByLabel("Reason").fill("contract 7, called their desk");
    await picture(page, "approve");
    await approve.click();
    await told(page, "vouched approved.");
    await page.getByRole("tab", { name: "Change logs" }).click();
    await page.getByText("contract 7, called their desk").waitFor();
  });
});

describe("protection", () => {
  beforeAll(async () => {
    for (const id of ["cbc-both", "jwe-pair", "clear-key"])
      await kit.server.storeSecret(id, id === "jwe-pair" ? { value: { generate: { kind: "KIND_RSA_2048" } } } : {});
    await kit.server.storeSecret("hook-hmac", { value: { generate: { kind: "KIND_HMAC_SHA256" } } });
    const cbc = { cipher: { algorithm: "ALGORITHM_AES_256_CBC", sharedKey: { keys: [ref("cbc-both")] } }, allowLegacy };
    await kit.server.addEndpoint("p-cbc", { encryption: { request: cbc, response: cbc } });
    await kit.server.addEndpoint("p-jwe", {
      encryption: {
        request: {
          jose: {
            keyManagement: "KEY_MANAGEMENT_RSA_OAEP_256",
            contentEncryption: "CONTENT_ENCRYPTION_A256GCM",
            keys: [ref("jwe-pair")],
          },
        },
      },
    });
    await kit.server.addEndpoint("p-signed", {
      encryption: {
        request: {
          signing: {
            mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
            keys: [ref("hook-hmac")],
            headers: { "X-Signature": "${signature}" },
          },
        },
      },
    });
  });

  test("is told in the list for JWE and signatures, and each unsafe choice once with its direction", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints?q=p-" });
    await rowNames(page);
    const row = (id: string) => page.getByRole("row").filter({ hasText: id }).locator("[data-label=Protection]");
    await row("p-jwe").getByText("JWE RSA-OAEP-256 A256GCM").waitFor();
    await row("p-signed").getByText("Signed HMAC-SHA256").waitFor();
    expect(await row("p-cbc").locator(".legacy").allInnerTexts()).toEqual([
      expect.stringMatching(/^Unauthenticated CBC in requests and responses\nexpires/),
    ]);
    await picture(page, "protection");
    await page.getByRole("link", { name: "p-cbc" }).click();
    await page
      .locator(".page-head")
      .getByText(/^Unauthenticated CBC in requests and responses, expires/)
      .waitFor();
    expect(await page.locator(".page-head .legacy").count()).toBe(1);
  });

  test("of requests alone has a name: the answer is not encrypted", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("p-clear");
    await page.getByLabel("URL").fill("https://clear.partner.test/v1");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    await page.getByRole("option", { name: "clear-key" }).click();
    await page.getByRole("radiogroup", { name: "How responses are protected" }).getByText("Not encrypted").click();
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "p-clear added.");
    await page.getByRole("tab", { name: "Encryption" }).click();
    await page.getByRole("region", { name: "Responses" }).getByText("Not encrypted").waitFor();
    await picture(page, "clear-answer");
  });
});

describe("a signature", () => {
  const hooks = {
    signing: {
      mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
      keys: [ref("sign-hmac")],
      input: "${method}\n${path}\n${body}",
      headers: { "X-Signature": "${signature}" },
    },
  };

  beforeAll(async () => {
    await kit.server.storeSecret("sign-hmac", { value: { text: "a signing secret of the partner" } });
    await kit.server.addActiveEndpoint("signed", { encryption: { request: hooks } });
  });

  test("shows the string that is signed, its line ends to be seen", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/signed/test" });
    await page.getByRole("button", { name: "Run test" }).click();
    const signed = page.getByLabel("The signed string", { exact: true });
    await signed.waitFor();
    expect((await signed.innerText()).split("\n").slice(0, 2)).toEqual(["POST↵", "/v1↵"]);
    await picture(page, "signed-text");
  });

  test("that is not accepted is diagnosed with what came, and the setting that fits is named", async () => {
    const { createHmac } = await import("node:crypto");
    const body = '{"amount":100}';
    // The partner writes it in base64; the configuration here says hexadecimal.
    const signature = createHmac("sha256", "a signing secret of the partner")
      .update(`POST\n/v1\n${body}`)
      .digest("base64");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/signed/test" });
    await page.getByText("Its signature is rejected", { exact: true }).click();
    await page.getByText("A request", { exact: true }).click();
    expect(await page.getByLabel("Plaintext").count()).toBe(0);
    await page.getByRole("textbox", { name: "What the partner sent" }).fill(body);
    await page.getByLabel("Headers of the message").fill(`X-Signature: ${signature}`);
    await page.getByLabel("Path").fill("/v1");
    await page.getByLabel("Reason for the diagnosis").fill("their hooks are refused");
    const sent = page.waitForRequest((r) => r.url().endsWith(":diagnoseSample"));
    await page.getByRole("button", { name: "Diagnose" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      signature: true,
      context: { path: "/v1" },
      headers: { "X-Signature": signature },
    });
    await page.getByText("Found a difference in the partner's configuration").waitFor();
    await page.getByText("encoding").first().waitFor();
    await picture(page, "diagnosed-signature");
  });

  test("that was refused tells its cause to the owners", async () => {
    await kit.server
      .api("sender", "POST", "workspaces/demo/endpoints/signed:verifySignature", { body: "e30=", headers: {} })
      .catch(() => undefined);
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/signed/encryption" });
    await page
      .getByRole("region", { name: "Recent failures" })
      .locator(".failure-cause")
      .getByText(/header/i)
      .waitFor();
  });
});

describe.each(["light", "dark"] as const)("axe finds nothing, %s", (colorScheme) => {
  test.each([
    ["wide", 1280],
    ["narrow", 390],
  ])("%s", async (size, width) => {
    const id = `axe-${colorScheme}-${size}`;
    await kit.server.storeSecret(`${id}-key`, { value: { text: hexKey() } });
    await kit.server.storeSecret(`${id}-hmac`, { value: { generate: { kind: "KIND_HMAC_SHA256" } } });
    await kit.server.addActiveEndpoint(id, {
      encryption: {
        request: {
          signing: {
            mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
            keys: [ref(`${id}-hmac`)],
            headers: { "X-Signature": "${signature}" },
          },
        },
      },
    });
    const page = await begin(`${id}-new`, { colorScheme, bypassCSP: true, viewport: { width, height: 860 } });
    await pickKey(page, `${id}-key`);
    await page.getByRole("button", { name: "Use HEX" }).waitFor();
    expect(await axeFindings(page), "a key that does not fit").toEqual([]);
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await dialog(page).getByRole("button", { name: "Run test" }).click();
    await dialog(page).getByText("Your key does not fit").waitFor();
    expect(await axeFindings(page), "the test panel").toEqual([]);
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    await page.goto(`${kit.server.url}/w/demo/endpoints/${id}/edit`);
    await page.getByLabel("URL").fill("https://elsewhere.partner.test/v1");
    await page.getByRole("button", { name: "Save" }).click();
    await dialog(page)
      .getByText(/PENDING/)
      .waitFor();
    expect(await axeFindings(page), "another URL").toEqual([]);
    const other = await kit.signIn("owner", {
      colorScheme,
      bypassCSP: true,
      viewport: { width, height: 860 },
      at: `/w/demo/endpoints/${id}/test`,
    });
    await other.getByText("Its signature is rejected", { exact: true }).click();
    await other.getByRole("button", { name: "Run test" }).click();
    await other.getByLabel("The signed string", { exact: true }).waitFor();
    expect(await axeFindings(other), "signatures").toEqual([]);
    expect(await overflow(other)).toBe(0);
  });
});
