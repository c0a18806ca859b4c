import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { axeFindings, dialog, expect, go, overflow, picture, told, useKit } from "./kit";

const kit = useKit();
beforeAll(async () => {
  await kit.server.storeSecret("shared-key", { description: "From the bank" });
  for (const id of ["our-pair", "their-pair"])
    await kit.server.storeSecret(id, { value: { generate: { kind: "KIND_RSA_2048" } } });
});

/** Starts a new endpoint with a preset. */
async function begin(page: Page, id: string, preset: string): Promise<void> {
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(id);
  await page.getByLabel("URL").fill(`https://${id}.partner.test/v1`);
  await page.getByRole("button", { name: "From a preset" }).click();
  await page.getByLabel("Search presets").fill(preset);
  await page.getByRole("button", { name: preset }).first().click();
  await page.getByRole("group", { name: `Preset ${preset}` }).waitFor();
}

describe("an owner starts from a preset", () => {
  test("that is found by what it does, and shows where it is written down", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("button", { name: "From a preset" }).click();
    const list = page.getByRole("list", { name: "Presets" });
    await list.waitFor();
    expect(await list.getByRole("listitem").count()).toBeGreaterThan(50);
    await picture(page, "presets");
    await page.getByLabel("Search presets").fill("mastercard field-level");
    await list
      .getByRole("button", { name: /^Mastercard field-level encryption/ })
      .first()
      .waitFor();
    expect(await list.getByRole("link").first().getAttribute("href")).toMatch(/^https:/);
    await page.getByLabel("Search presets").fill("no such thing at all");
    await page.getByText("No matching preset").waitFor();
  });

  test("that shows the message of another tool", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "sampled", "HDFC Bank API banking");
    await page.getByText("Sample messages").click();
    const response = page.getByRole("region", { name: "Sample response", exact: true });
    await response.getByLabel("Message", { exact: true }).waitFor();
    expect(await response.getByLabel("Message", { exact: true }).textContent()).toContain(
      "ResponseSignatureEncryptedValue",
    );
    await picture(page, "preset-samples");
    expect(await axeFindings(page)).toEqual([]);
  });

  test("with a secret that is stored in place, and what is saved is written out", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "in-json", "AES-256-GCM in JSON");
    await page.getByRole("button", { name: /^Key: / }).click();
    await page.getByRole("button", { name: "Store new secret" }).click();
    await dialog(page).getByLabel("Secret Name").fill("stored-here");
    await dialog(page)
      .getByLabel("Secret value")
      .fill(Buffer.from("a key of the partner, 32 bytes..").toString("base64"));
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("button", { name: "Key: stored-here" }).waitFor();
    // The dialog's form is inside the endpoint's form: saving the one does not save the other.
    expect(new URL(page.url()).pathname).toBe("/w/demo/new-endpoint");
    await picture(page, "preset-form");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "in-json added.");
    await page.getByRole("tab", { name: "Encryption" }).click();
    await page.getByRole("tabpanel").getByText("AES-256-GCM", { exact: true }).waitFor();
    await page.getByRole("tabpanel").getByText("No key has been used yet.").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByRole("button", { name: "Shared key: stored-here" }).waitFor();
    await page.getByRole("textbox", { name: "JSON template" }).first().waitFor();
    await picture(page, "preset-written-out");
  });

  test("with a setting that looks like a secret and is public, with a reason and an end", async () => {
    const thumbprint = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92";
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "detached", "Detached JWS");
    for (const [place, secret] of [
      ["Client signing key", "our-pair"],
      ["Partner signing key", "their-pair"],
    ] as const) {
      await page.getByRole("button", { name: new RegExp(`^${place}: `) }).click();
      await page.getByRole("option", { name: secret }).click();
    }
    await page.getByLabel("Key ID").fill(thumbprint);
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await page.getByRole("button", { name: "Acknowledge that it is public…" }).click();
    await page.getByText("A setting looks like a secret").waitFor();
    await picture(page, "preset-public");
    await page.locator(".unsafe-fields").getByLabel("Reason").fill("the thumbprint of our key");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "detached added.");
    await page
      .locator(".page-head")
      .getByText(/^Public literal in requests( and responses)?, expires/)
      .waitFor();
  });

  test("that makes unsafe choices, with a reason and an end", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "node", "Node.js AES-256-CBC, iv:ciphertext");
    await page.getByText("This preset makes unsafe choices").waitFor();
    await page.getByText("An attacker who can change the ciphertext can change the plaintext").waitFor();
    const inAYear = new Date();
    inAYear.setFullYear(inAYear.getFullYear() + 1);
    expect(Number((await page.getByLabel("Accepted until").inputValue()).slice(0, 4))).toBe(inAYear.getFullYear());
    await page.getByRole("button", { name: /^Key: / }).click();
    await page.getByRole("option", { name: "shared-key" }).click();
    // Without a reason the server refuses the request, and the error appears at the reason.
    await page.getByLabel("Accepted until").fill("");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await page.locator(".unsafe-fields").getByText("Must acknowledge UNAUTHENTICATED_CBC").waitFor();
    await picture(page, "preset-unsafe");
    await page.locator(".unsafe-fields").getByLabel("Reason").fill("The bank knows nothing better");
    const end = new Date(Date.now() + 23 * 86_400_000).toISOString().slice(0, 10);
    await page.getByLabel("Accepted until").fill(end);
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "node added.");
    await page.locator(".page-head").getByText("Unauthenticated CBC in requests, expires in 3 weeks").waitFor();
    await page.getByRole("tab", { name: "Encryption" }).click();
    await page.getByText("The bank knows nothing better").first().waitFor();
    await picture(page, "unsafe-endpoint");
  });

  test("whose secrets and settings are missing, and is told at the field", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "form", "Form values under AES-256-GCM");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    const form = page.getByRole("group", { name: "Preset Form values under AES-256-GCM" });
    // Each violation appears at its input, and the first input has the focus.
    const picker = form.getByRole("button", { name: /^Key: / });
    await picker.and(page.locator("[data-invalid]:focus")).waitFor();
    expect(
      await form
        .locator(".field", { has: page.getByRole("button", { name: /^Key: / }) })
        .getByRole("alert")
        .innerText(),
    ).toBe("Is required.");
    const setting = form.getByRole("textbox").and(page.locator("[aria-invalid=true]"));
    expect(await setting.count()).toBe(1);
    await page
      .locator(".violation-list")
      .getByRole("button", { name: /preset › settings/ })
      .click();
    await setting.and(page.locator(":focus")).waitFor();
    await picture(page, "preset-findings");
  });

  test("and takes it back", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await begin(page, "back", "AES-256-GCM in JSON");
    await page.getByRole("button", { name: "Choose another preset" }).click();
    await page.getByLabel("Search presets").waitFor();
    await page.getByRole("button", { name: /^None/ }).click();
    expect(await page.getByLabel("Search presets").count()).toBe(0);
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await told(page, "back added.");
  });

  test("by the keyboard alone", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("button", { name: "From a preset" }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Search presets").focus();
    await page.keyboard.type("standard webhooks with ed25519");
    await page.getByRole("listitem").nth(0).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Standard Webhooks with Ed25519");
    await page.keyboard.press("Enter");
    await page.getByRole("group", { name: "Preset Standard Webhooks with Ed25519" }).waitFor();
  });
});

describe.each(["light", "dark"] as const)("axe finds nothing, %s", (colorScheme) => {
  test.each([
    ["wide", 1280],
    ["narrow", 390],
  ])("%s", async (size, width) => {
    const page = await kit.signIn("owner", {
      colorScheme,
      bypassCSP: true,
      viewport: { width, height: 860 },
      at: "/w/demo/new-endpoint",
    });
    await page.getByRole("button", { name: "From a preset" }).click();
    await page.getByRole("list", { name: "Presets" }).waitFor();
    expect(await axeFindings(page), "presets").toEqual([]);
    expect(await overflow(page)).toBe(0);
    await page.getByLabel("Search presets").fill("Alipay gateway");
    await page.getByRole("button", { name: "Alipay gateway.do" }).click();
    await page.getByText("This preset makes unsafe choices").waitFor();
    expect(await axeFindings(page), "a preset").toEqual([]);
    expect(await overflow(page)).toBe(0);
    await page.getByText("This preset makes unsafe choices").scrollIntoViewIfNeeded();
    await picture(page, `${colorScheme}-${size}-preset`);
    await go(page, "/w/demo/endpoints/node/encryption");
    await page.getByRole("heading", { name: "Recent failures" }).waitFor();
    expect(await axeFindings(page), "encryption").toEqual([]);
    expect(await overflow(page)).toBe(0);
  });
});
