import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { axeFindings, dialog, expect, go, overflow, picture, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();
beforeAll(async () => {
  await kit.server.storeSecret("bank-key");
  await kit.server.addEndpoint("bank", { encryption: encryptedWith("bank-key") });
  await kit.server.addEndpoint("open");
});

const result = (page: Page) => page.getByRole("region", { name: "Result of the test" });

describe("an owner tests", () => {
  test("the saved configuration, and gets what the partner needs", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/test" });
    expect(await page.getByRole("textbox", { name: "Sample" }).inputValue()).toContain('"currency": "EUR"');
    await page.getByRole("button", { name: "Run test" }).click();
    await result(page).getByText("Round trip succeeded").waitFor();
    expect(await result(page).locator(".steps li").count()).toBeGreaterThan(2);
    await result(page).getByRole("heading", { name: "Throwaway keys" }).waitFor();
    await result(page).getByRole("button", { name: "Copy Node.js program" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("require('node:crypto')");
    await result(page).getByRole("tab", { name: "Java" }).click();
    await result(page).getByText("public class Open").waitFor();
    await picture(page, "test");
  });

  test("with the live keys only by a switch and a reason, and then sees no keys", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/test" });
    await page.getByRole("switch", { name: "Use the live keys" }).check();
    expect(await page.getByRole("button", { name: "Run test" }).isDisabled()).toBe(true);
    await page.getByRole("textbox", { name: "Reason", exact: true }).fill("compare with the bank");
    await picture(page, "test-live");
    await page.getByRole("button", { name: "Run test" }).click();
    await result(page).waitFor();
    expect(await result(page).getByRole("heading", { name: "Throwaway keys" }).count()).toBe(0);
    expect(await result(page).getByRole("heading", { name: "For the partner" }).count()).toBe(0);
    await page.getByRole("tab", { name: "Change logs" }).click();
    await page.locator(".entry").getByText("Tested with live keys").waitFor();
  });

  test("a draft before it is saved, and is told what is wrong with it", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("button", { name: "From a preset" }).click();
    await page.getByLabel("Search presets").fill("AES-256-GCM in JSON");
    await page.getByRole("button", { name: "AES-256-GCM in JSON" }).click();
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await dialog(page).getByRole("button", { name: "Run test" }).click();
    await dialog(page).locator(".violation-list").getByText("encryption › preset › secrets “key”").waitFor();
    expect(await dialog(page).getByRole("switch").count()).toBe(0);
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    await page.getByRole("button", { name: /^Key: / }).click();
    await page.getByRole("option", { name: "bank-key" }).click();
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await dialog(page).getByRole("button", { name: "Run test" }).click();
    await result(page).getByText("Round trip succeeded").waitFor();
    await picture(page, "test-draft");
    expect(new URL(page.url()).pathname).toBe("/w/demo/new-endpoint");
  });

  test("only where there is something to test, and members do not", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/open" });
    await page.getByRole("tab", { name: "Verification" }).waitFor();
    expect(await page.getByRole("tab", { name: "Test" }).count()).toBe(0);
    const member = await kit.signIn("member", { at: "/w/demo/endpoints/bank" });
    await member.getByRole("tab", { name: "Encryption" }).click();
    await member.getByText("A stored secret").first().waitFor();
    expect(await member.getByRole("tab", { name: "Test" }).count()).toBe(0);
    expect(await member.getByRole("heading", { name: "Key uses" }).count()).toBe(0);
  });
});

describe("an owner diagnoses", () => {
  /** A message encrypted with the current key, as the partner would send it. */
  const sealed = async () => {
    const made = (await kit.server.api("owner", "POST", "workspaces/demo/endpoints/bank:testEncryption", {
      body: Buffer.from("well known text").toString("base64"),
      liveKeys: true,
      reason: "story",
    })) as unknown as { body: string };
    return Buffer.from(made.body, "base64");
  };

  const fill = async (page: Page, body: string) => {
    await page.getByRole("textbox", { name: "What the partner sent" }).fill(body);
    await page.getByLabel("Plaintext").fill("well known text");
    await page.getByLabel("Reason for the diagnosis").fill("the bank cannot open it");
    await page.getByRole("button", { name: "Diagnose" }).click();
  };

  test("what opens as it is, what is written in another way, and what does not open", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/test" });
    const body = (await sealed()).toString();
    await page.getByLabel("Plaintext").waitFor();
    await fill(page, body);
    await page.getByText("The current configuration decrypts the message").waitFor();
    await fill(page, Buffer.from(body, "base64").toString("hex"));
    await page.getByText("Found a difference in the partner's configuration").waitFor();
    await page.getByText("works.").scrollIntoViewIfNeeded();
    await picture(page, "diagnosed");
    await fill(page, "bm90aGluZyBvZiB0aGUga2luZCBhdCBhbGwhISEhISEhISEh");
    await page.getByText("No variant decrypts it to this plaintext").waitFor();
  });

  test("a message in a file, with the headers that came with it", async () => {
    await kit.server.storeSecret("lines-key");
    const blobs = {
      iv: { parts: [{ slot: "SLOT_IV" }] },
      data: { parts: [{ slot: "SLOT_CIPHERTEXT" }, { slot: "SLOT_TAG" }], encoding: "ENCODING_BASE64_MIME" },
    };
    await kit.server.addEndpoint("lines", {
      encryption: {
        request: {
          cipher: {
            algorithm: "ALGORITHM_AES_256_GCM",
            sharedKey: { keys: [{ name: "workspaces/demo/secrets/lines-key" }] },
          },
          envelope: { text: "${data}", headers: { "X-IV": "${iv}" }, blobs },
        },
      },
    });
    const plaintext = "well known text, long enough for two lines ".repeat(3);
    const made = (await kit.server.api("owner", "POST", "workspaces/demo/endpoints/lines:testEncryption", {
      body: Buffer.from(plaintext).toString("base64"),
      liveKeys: true,
      reason: "story",
    })) as unknown as { body: string; headers: { name: string; value: string }[] };
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/lines/test" });
    await page.getByText("A request", { exact: true }).click();
    await page
      .getByLabel("File with what the partner sent")
      .setInputFiles({ name: "body.b64", mimeType: "text/plain", buffer: Buffer.from(made.body, "base64") });
    const typed = page.getByRole("textbox", { name: "What the partner sent" });
    expect(await typed.isDisabled()).toBe(true);
    await page.getByLabel("Plaintext").fill(plaintext);
    await page.getByLabel("Reason for the diagnosis").fill("the bank cannot open it");
    await picture(page, "diagnose-file");
    await page.getByRole("button", { name: "Diagnose" }).click();
    await page.getByText(/No variant decrypts it|Some fields are invalid/).waitFor();
    await page
      .getByLabel("Headers of the message")
      .fill(made.headers.map((h) => `${h.name.toLowerCase()}: ${h.value}`).join("\n"));
    const sent = page.waitForRequest((r) => r.url().endsWith(":diagnoseSample"));
    await page.getByRole("button", { name: "Diagnose" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      kind: "MESSAGE_KIND_REQUEST",
      body: made.body,
      headers: Object.fromEntries(made.headers.map((h) => [h.name.toLowerCase(), h.value])),
    });
    await page.getByText("The current configuration decrypts the message").waitFor();
    await page.getByRole("button", { name: "Remove body.b64" }).click();
    expect(await typed.isDisabled()).toBe(false);
    expect(await page.getByRole("button", { name: "Diagnose" }).isDisabled()).toBe(true);

    // Base64 in lines has a name in the editor, and the partner has programs that read it.
    await page.getByRole("button", { name: "Run test" }).click();
    await result(page).getByRole("tab", { name: "Java" }).click();
    await result(page).getByText("getMimeDecoder").waitFor();
    await go(page, "/w/demo/endpoints/lines/edit");
    await page.getByRole("combobox", { name: "Encoding" }).and(page.locator("[value='Base64 MIME']")).waitFor();
    await page
      .locator(".mantine-Select-description")
      .getByText("Base64 with padding in lines of at most 76 characters")
      .waitFor();
    await picture(page, "editor-mime");
  });
});

test("the versions of a secret show how often each was used", async () => {
  const page = await kit.signIn("owner", { at: "/w/demo/secrets/bank-key/versions" });
  await page.getByRole("columnheader", { name: "Uses" }).waitFor();
  await page.getByRole("cell", { name: "Never" }).waitFor();
  await picture(page, "versions-uses");
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
      at: "/w/demo/endpoints/bank/test",
    });
    await page.getByRole("button", { name: "Run test" }).click();
    await result(page).waitFor();
    expect(await axeFindings(page), "result").toEqual([]);
    expect(await overflow(page)).toBe(0);
    await result(page).scrollIntoViewIfNeeded();
    await picture(page, `${colorScheme}-${size}-test`);
    await page.getByRole("switch", { name: "Use the live keys" }).check();
    expect(await axeFindings(page), "live keys").toEqual([]);
  });
});
