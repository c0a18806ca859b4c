import type { Locator, Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { choose, dialog, expect, picture, rowNames, told, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

beforeAll(async () => {
  await kit.server.storeSecret("bank-key", { description: "Sent by the bank in May" });
  // A key serves one purpose on one host.
  for (const id of ["cbc-key", "named-key", "plain-key"]) await kit.server.storeSecret(id);
  await kit.server.storeSecret("bank-hmac", { value: { generate: { kind: "KIND_HMAC_SHA256" } } });
  await kit.server.storeSecret("bank-token", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: ["api.bank.test"],
    value: { text: "Bearer x" },
  });
  await kit.server.storeSecret("other-token", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: ["elsewhere.test"],
    value: { text: "Bearer y" },
  });
});

/** Selects a stored secret in a picker. */
async function pick(page: Page, label: string | RegExp, id: string): Promise<void> {
  await page.getByRole("button", { name: label }).click();
  await page.getByRole("textbox", { name: "Search secrets" }).fill(id);
  await page.getByRole("option", { name: id }).click();
}

/** Waits until an element has the focus. */
const focusedOn = (what: Locator) => what.and(what.page().locator(":focus")).waitFor();

const heading = (page: Page, name: string) => page.getByRole("heading", { name, exact: true }).waitFor();

describe("an owner adds an endpoint", () => {
  test("an empty allowlist says what to do", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints" });
    await heading(page, "No endpoints yet");
    await picture(page, "allowlist-empty");
  });

  test("with a credential, encryption and a signature, all by reference", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints" });
    await page.getByRole("button", { name: "Add endpoint" }).first().click();
    await page.getByLabel("Display name").fill("The Bank");
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("bank");
    await page.getByLabel("URL").fill("https://api.bank.test/v2/payments");
    await page.getByLabel("Content type").first().fill("application/json");
    await page.getByRole("button", { name: "Add header" }).click();
    await page.getByLabel("Name of header 1").fill("Authorization");
    // The name carries a credential, so the page offers no input for a literal.
    await page.getByText("Use a stored secret").waitFor();
    expect(await page.getByLabel("Value of header 1").count()).toBe(0);
    await page.getByRole("button", { name: /^Header 1:/ }).click();
    await page.getByRole("option", { name: "other-token" }).getByText("Cannot be sent to api.bank.test").waitFor();
    await picture(page, "endpoint-pick-credential");
    await page.getByRole("option", { name: "bank-token" }).click();

    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await pick(page, /^Shared key:/, "bank-key");
    await page.getByRole("button", { name: "Envelope" }).click();
    await page.getByText("JSON template", { exact: true }).click();
    await page.getByRole("textbox", { name: "JSON template" }).fill('{"encryptedData":"${data}"}');
    await page.getByRole("button", { name: "Signing" }).click();
    await page.getByRole("combobox", { name: "Algorithm" }).last().click();
    await page.getByRole("option", { name: "HMAC-SHA256" }).click();
    await pick(page, /^Key:/, "bank-hmac");
    await page.getByRole("textbox", { name: "Header X-Signature" }).fill("sha256=${signature}");
    await picture(page, "endpoint-add");
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/endpoints?"));
    await page.getByRole("button", { name: "Add endpoint" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      headers: [{ name: "Authorization", secret: { name: "workspaces/demo/secrets/bank-token" } }],
      encryption: {
        request: {
          cipher: {
            algorithm: "ALGORITHM_AES_256_GCM",
            sharedKey: { keys: [{ name: "workspaces/demo/secrets/bank-key" }] },
          },
          envelope: { json: '{"encryptedData":"${data}"}' },
          signing: {
            mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
            keys: [{ name: "workspaces/demo/secrets/bank-hmac" }],
            headers: { "X-Signature": "sha256=${signature}" },
          },
        },
      },
    });
    await heading(page, "The Bank");
    await page.getByText("Not verified yet").waitFor();
    await picture(page, "endpoint-pending");
    await page.getByRole("tab", { name: "Encryption" }).click();
    await page.getByRole("region", { name: "Requests" }).getByRole("link", { name: "bank-key" }).waitFor();
    await picture(page, "endpoint-encryption");
  });

  test("storing a new secret in place", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("in-place");
    await page.getByLabel("URL").fill("https://in-place.test/");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-GCM");
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    await picture(page, "endpoint-pick-key");
    await page.getByRole("button", { name: "Store new secret" }).click();
    await dialog(page).getByLabel("Secret Name").fill("stored-in-place");
    await dialog(page).getByText("Generate for me").click();
    await dialog(page).getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("button", { name: "Shared key: stored-in-place" }).waitFor();
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await heading(page, "in-place");
  });

  test("what the server finds is shown at the field, and in one place", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("findings");
    await page.getByLabel("URL").fill("http://insecure.test/");
    await page.getByRole("button", { name: "Encrypt or sign" }).click();
    await choose(page, "Encryption method", "Cipher");
    await choose(page, "Algorithm", "AES-256-CBC");
    await pick(page, /^Shared key:/, "cbc-key");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    const summary = page.locator(".violation-list");
    await summary.waitFor();
    const url = page.getByLabel("URL");
    expect(await url.getAttribute("aria-invalid")).toBe("true");
    // The first violation on the page has the focus; the summary links to each.
    await focusedOn(url);
    const acknowledge = page.getByRole("button", { name: "Acknowledge Unauthenticated CBC…" });
    await summary.getByRole("button", { name: "encryption › request › allow legacy" }).first().click();
    await focusedOn(acknowledge);
    await picture(page, "endpoint-findings");
    await summary.getByRole("button", { name: "url" }).click();
    await focusedOn(url);
    await acknowledge.click();
    const answer = page.getByRole("group", { name: "Acknowledge Unauthenticated CBC" });
    await focusedOn(answer.getByLabel("Reason"));
    expect(await answer.getByRole("button", { name: "Acknowledge" }).isDisabled()).toBe(true);
    await answer.getByLabel("Reason").fill("The partner cannot do GCM");
    await picture(page, "endpoint-acknowledge");
    await answer.getByLabel("Reason").press("Enter");
    await answer.waitFor({ state: "detached" });
    await focusedOn(page.getByRole("button", { name: "Add endpoint" }));
    expect(await page.getByRole("textbox", { name: "Reason", exact: true }).first().inputValue()).toBe(
      "The partner cannot do GCM",
    );
    await page.getByLabel("URL").fill("https://insecure.test/");
    await page.getByRole("button", { name: "Add endpoint" }).click();
    await heading(page, "findings");
    await page.getByText("Unauthenticated CBC").first().waitFor();
    await picture(page, "endpoint-legacy");
  });

  test("and inside of what has names of its own, such as a blob", async () => {
    const blobs = { data: { parts: [{ slot: "SLOT_IV" }, { slot: "SLOT_CIPHERTEXT" }, { slot: "SLOT_TAG" }] } };
    await kit.server.addEndpoint("named", {
      encryption: {
        request: {
          ...(encryptedWith("named-key") as { request: object }).request,
          envelope: { json: '{"d":"${data}"}', blobs },
        },
      },
    });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/named/edit" });
    const encoding = page.locator(`input[data-path='endpoint.encryption.request.envelope.blobs["data"].encoding']`);
    await encoding.click();
    await page.getByRole("option", { name: /^Raw/ }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await focusedOn(encoding);
    expect(await encoding.getAttribute("aria-invalid")).toBe("true");
    await page.getByRole("button", { name: "Cancel" }).focus();
    await page
      .locator(".violation-list")
      .getByRole("button", { name: "encryption › request › envelope › blobs “data” › encoding" })
      .click();
    await focusedOn(encoding);
    await picture(page, "endpoint-findings-inside");
  });

  test("unsaved work is not left without asking", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("unsaved");
    await page.getByRole("link", { name: "Secrets" }).click();
    await dialog(page).getByText("Your changes will be lost").waitFor();
    await dialog(page).getByRole("button", { name: "Stay" }).click();
    expect(await page.getByRole("textbox", { name: "Name", exact: true }).inputValue()).toBe("unsaved");
    await page.getByRole("link", { name: "Secrets" }).click();
    await dialog(page).getByRole("button", { name: "Leave" }).click();
    await heading(page, "Secrets");
  });
});

describe("an owner looks after an endpoint", () => {
  test("the verification shows what the partner publishes, and looks for it", async () => {
    await kit.server.addEndpoint("to-verify");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/to-verify" });
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("_keyward-challenge.to-verify.partner.test").waitFor();
    await picture(page, "endpoint-verification");
    await page.getByRole("button", { name: "Copy value" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^keyward-challenge=/);
    await page.getByRole("button", { name: "Check: DNS record" }).click();
    await page.getByText("The proof was not found").waitFor();
    await picture(page, "endpoint-proof-missing");
    // Users who are not super admins do not see super admin actions.
    expect(await page.getByRole("button", { name: /Approve/ }).count()).toBe(0);
    expect(await page.getByRole("button", { name: "Activate" }).count()).toBe(0);
    // The page detects the approval of another user by itself.
    await kit.server.api("admin", "POST", "workspaces/demo/endpoints/to-verify:approve", {});
    await page.getByRole("button", { name: "Activate" }).waitFor();
  });

  test("a verified endpoint is activated and deactivated, and the log says so", async () => {
    await kit.server.addEndpoint("switched");
    await kit.server.api("admin", "POST", "workspaces/demo/endpoints/switched:approve", { reason: "contract 7" });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/switched" });
    await page.getByRole("button", { name: "Activate" }).click();
    await told(page, "switched is active");
    await page.getByText("Active", { exact: true }).waitFor();
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Deactivate" }).click();
    await dialog(page).getByLabel("Reason").fill("partner is down");
    await picture(page, "endpoint-deactivate");
    await dialog(page).getByRole("button", { name: "Deactivate" }).click();
    await told(page, "switched deactivated");
    await page.getByRole("tab", { name: "Change logs" }).click();
    await page.getByText("partner is down").waitFor();
    await page.getByText("contract 7").waitFor();
    await picture(page, "endpoint-change-logs");
  });

  test("two who edit at once see both versions", async () => {
    await kit.server.addEndpoint("contended", { description: "first" });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/contended/edit" });
    await page.getByRole("textbox", { name: "Description" }).fill("mine");
    await kit.server.api("admin", "PATCH", "workspaces/demo/endpoints/contended", {
      description: "theirs",
      methods: ["GET"],
    });
    await page.getByRole("button", { name: "Save" }).click();
    const conflict = page.getByRole("dialog", { name: /Someone else changed this endpoint/ });
    await conflict.getByRole("cell", { name: "theirs" }).waitFor();
    await picture(page, "endpoint-conflict");
    await conflict.getByRole("button", { name: "Use theirs" }).click();
    await conflict.waitFor({ state: "detached" });
    await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>("textarea")?.value === "theirs");
    expect(await page.getByRole("checkbox", { name: "GET" }).isChecked()).toBe(true);
  });

  test("only what was changed is saved, and the encryption can be taken away", async () => {
    await kit.server.addEndpoint("plain-again", { encryption: encryptedWith("plain-key"), labels: { team: "a" } });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/plain-again/edit" });
    const encryption = page.getByRole("region", { name: "Encryption", exact: true });
    await encryption.getByRole("button", { name: "Remove", exact: true }).first().click();
    const sent = page.waitForRequest((r) => r.method() === "PATCH");
    await page.getByRole("button", { name: "Save" }).click();
    expect(new URL((await sent).url()).searchParams.get("updateMask")).toBe("encryption");
    await heading(page, "plain-again");
    await page.getByRole("tab", { name: "Encryption" }).click();
    await heading(page, "Bodies are sent unchanged");
  });

  test("an endpoint is deleted once its name was typed", async () => {
    await kit.server.addEndpoint("delete-me");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints?q=delete-me" });
    await rowNames(page);
    await page.getByRole("button", { name: "Actions for delete-me" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByLabel(/to confirm/).fill("delete-me");
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    await told(page, "delete-me deleted");
    await page.goto(`${kit.server.url}/w/demo/endpoints/delete-me/history`);
    await page.locator(".entry").getByText("Deleted").waitFor();
  });

  test("the list shows state, verification, protection and unsafe choices, and can be filtered", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints" });
    await rowNames(page);
    await page.getByText("Unauthenticated CBC").waitFor();
    await picture(page, "allowlist");
    await choose(page, "State", "Inactive");
    await page.waitForURL(/state=STATE_INACTIVE/);
    expect(await rowNames(page)).toEqual(["switched"]);
  });

  test("and the unsafe ones are found by when their acknowledgement ends", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints" });
    expect((await rowNames(page)).length).toBeGreaterThan(1);
    await choose(page, "Unsafe choices", "Unsafe choices");
    await page.waitForURL(/unsafe=any/);
    expect(await rowNames(page)).toEqual(["findings"]);
    await page
      .locator(".legacy")
      .getByText(/^expires (in 12 months|next year)$/)
      .waitFor();
    await picture(page, "allowlist-unsafe");
    await choose(page, "Unsafe choices", "Unsafe, expires in 30 days");
    await heading(page, "Nothing found");
    // The test moves the page's clock, which the filter uses.
    await page.clock.setFixedTime(Date.now() + 350 * 86_400_000);
    await choose(page, "Unsafe choices", "Unsafe, expired");
    await heading(page, "Nothing found");
    await choose(page, "Unsafe choices", "Unsafe, expires in 30 days");
    expect(await rowNames(page)).toEqual(["findings"]);
    await page.clock.setFixedTime(Date.now() + 400 * 86_400_000);
    await choose(page, "Unsafe choices", "Unsafe, expired");
    expect(await rowNames(page)).toEqual(["findings"]);
    await page.locator(".legacy").getByText("expired last month").waitFor();
    // A link to the filtered list works, also on a narrow screen.
    const again = await kit.signIn("member", {
      viewport: { width: 390, height: 860 },
      at: "/w/demo/endpoints?unsafe=any",
    });
    expect(await rowNames(again)).toEqual(["findings"]);
    await again.locator(".legacy").getByText("Unauthenticated CBC").waitFor();
    await picture(again, "allowlist-unsafe-narrow");
    await again
      .getByRole("combobox", { name: "Unsafe choices" })
      .and(again.locator("[value='Unsafe choices']"))
      .waitFor();
  });

  test("the activity of a workspace has everything, what was deleted included", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/activity" });
    await page.locator(".entry").first().waitFor();
    await picture(page, "activity");
    await page.getByRole("tab", { name: "Allowlist" }).click();
    await page.locator(".entry").filter({ hasText: "Deleted" }).getByRole("link", { name: "delete-me" }).waitFor();
  });
});
