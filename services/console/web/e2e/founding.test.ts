import { randomBytes } from "node:crypto";
import type { Page } from "playwright-core";
import { describe, test } from "vitest";
import { choose, dialog, expect, rowNames, useKit } from "./kit";

// The original requirements of the product, in their original words, as users meet them in the browser. The API's half
// is services/e2e/founding_test.go. The steps build on each other, so a failed step is not repeated alone.
const kit = useKit();
// 32 raw bytes: a key for AES-256 that is not valid as another key in any encoding.
const value = `${randomBytes(12).toString("hex")}!partner`;

/** Everything that reached the browser, to search for the value. */
const heard: string[] = [];

async function signIn(role: "owner" | "member" | "admin", at = "/"): Promise<Page> {
  const page = await kit.signIn(role, { at });
  page.on(
    "response",
    (response) =>
      void response.text().then(
        (text) => heard.push(text),
        () => undefined,
      ),
  );
  return page;
}

/** Opens a tab of the current page, whatever follows its name. */
const tab = (page: Page, name: RegExp) => page.getByRole("tab", { name }).click();

async function pick(page: Page, label: RegExp, id: string): Promise<void> {
  await page.getByRole("button", { name: label }).click();
  await page.getByRole("textbox", { name: "Search secrets" }).fill(id);
  await page.getByRole("option", { name: id }).click();
}

describe("the product keeps its promise in the console", { retry: 0 }, () => {
  test("Store New Secret · SAVE: an Owner or Super Admin stores a secret", async () => {
    for (const [role, id, text] of [
      ["owner", "partner-key", value],
      ["admin", "admins-key", "an admin's value of this test"],
    ] as const) {
      const page = await signIn(role, "/w/demo/secrets");
      await page.getByRole("button", { name: "Store New Secret" }).first().click();
      await page.getByRole("radio", { name: "Encryption or signing key" }).check();
      await page.getByLabel("Secret Name").fill(id);
      await page.getByLabel("Secret value").fill(text);
      const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/secrets?"));
      await page.getByRole("button", { name: "SAVE" }).click();
      // The browser has already encrypted it.
      expect((await sent).postData()).not.toContain(text);
      await page.getByRole("button", { name: "Done" }).click();
      expect(await rowNames(page)).toContain(id);
    }
    const member = await signIn("member", "/w/demo/secrets");
    await member.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Allowlist" }).waitFor();
    expect(await member.getByRole("button", { name: "Store New Secret" }).count()).toBe(0);
  });

  test("the masked value · the encrypted representation: its value is encrypted before it is stored, and is never shown again", async () => {
    const page = await signIn("owner", "/w/demo/secrets/partner-key");
    await page.getByText("••••••••").first().waitFor();
    const shown = await page.getByLabel("encrypted representation", { exact: true }).innerText();
    const stored = (await kit.server.api("owner", "GET", "workspaces/demo/secrets/partner-key")) as {
      encryptedValue?: { ciphertext?: string };
    };
    expect(shown.replaceAll(/\s/g, "")).toContain(stored.encryptedValue?.ciphertext?.slice(0, 40));
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    expect(
      await page
        .locator("input, textarea")
        .evaluateAll((fields) => fields.map((f) => (f as HTMLInputElement).value).join("\n")),
    ).not.toContain(value.slice(0, 16));
  });

  test("Create, update, delete, list, search, history, versions", async () => {
    const page = await signIn("owner", "/w/demo/secrets/partner-key");
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("of the partner");
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByText("of the partner").first().waitFor();
    await tab(page, /^Versions/);
    await page.getByText("Current", { exact: true }).waitFor();

    await page.goto(`${kit.server.url}/w/demo/secrets`);
    expect(await rowNames(page)).toEqual(["admins-key", "partner-key"]);
    await page.getByLabel("Search by name").fill("ADMINS");
    await page.waitForURL(/q=ADMINS/);
    expect(await rowNames(page)).toEqual(["admins-key"]);
    await page.getByRole("button", { name: "Actions for admins-key" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("admins-key");
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    await dialog(page).waitFor({ state: "detached" });
    await page.getByText("admins-key deleted").waitFor();
  });

  test("Change Logs: every change is logged", async () => {
    const page = await signIn("owner", "/w/demo/secrets/partner-key");
    await tab(page, /^Change logs/i);
    const log = page.getByRole("region", { name: /change logs/i });
    await log
      .getByText(/created/i)
      .filter({ visible: true })
      .first()
      .waitFor();
    expect(await log.innerText()).toMatch(/updated[^]*created/i);
    expect(await log.innerText()).toContain("owner");
  });

  test("allowlist: each endpoint has an encryption configuration that holds only secret references", async () => {
    const page = await signIn("owner", "/w/demo/new-endpoint");
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("partner");
    await page.getByLabel("URL").fill("https://api.partner.test/v1");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await pick(page, /^Shared key:/, "partner-key");
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/endpoints?"));
    await page.getByRole("button", { name: "Add endpoint" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      encryption: { request: { cipher: { sharedKey: { keys: [{ name: "workspaces/demo/secrets/partner-key" }] } } } },
    });
    await page.getByText("Not verified yet").waitFor();
  });

  test("it encrypts for the partner once a Super Admin has approved it", async () => {
    const page = await signIn("admin", "/w/demo/endpoints/partner");
    await page.getByRole("button", { name: "Approve" }).click();
    await dialog(page).getByLabel("Reason").fill("the contract");
    await dialog(page).getByRole("button", { name: "Approve" }).click();
    await page.getByRole("button", { name: "Activate" }).click();
    await page.getByText("partner is active").waitFor();
    const body = await kit.server.encrypt("partner", "hello");
    expect(Buffer.from(body, "base64").toString("latin1")).not.toContain("hello");
  });

  test("Key material in a configuration is refused: there is no place to type it, and the API takes none", async () => {
    const page = await signIn("owner", "/w/demo/new-endpoint");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    // Typing only searches the secrets.
    await page.getByRole("textbox", { name: "Search secrets" }).fill(value);
    await page.getByRole("option", { name: "partner-key" }).waitFor({ state: "detached" });
    expect(await page.getByRole("option").filter({ hasText: value }).count()).toBe(0);
    const pasted = {
      encryption: {
        request: { cipher: { algorithm: "ALGORITHM_AES_256_GCM", sharedKey: { keys: [{ name: value }] } } },
      },
    };
    await expect(kit.server.addEndpoint("pasted", pasted)).rejects.toThrow("DIRECT_KEY_NOT_SUPPORTED");
  });

  test("its value is never shown again: nothing that the browser has heard holds it", () => {
    expect(heard.length).toBeGreaterThan(20);
    for (const encoding of ["utf8", "base64", "base64url", "hex"] as const) {
      const form = Buffer.from(value).toString(encoding).slice(0, 40);
      expect(
        heard.filter((text) => text.includes(form)),
        encoding,
      ).toEqual([]);
    }
  });
});
