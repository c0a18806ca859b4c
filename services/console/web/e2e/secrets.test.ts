import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { describe, test } from "vitest";
import { axeFindings, choose, dialog, expect, picture, rowNames, settled, told, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

const store = (page: Page) => page.getByRole("button", { name: "Store New Secret" }).first().click();
const act = async (page: Page, id: string, action: string) => {
  await page.getByRole("button", { name: `Actions for ${id}` }).click();
  await page.getByRole("menuitem", { name: action }).click();
};

describe("an owner stores secrets", () => {
  test("an empty workspace says what to do", async () => {
    const page = await kit.signIn("owner");
    await page.getByRole("heading", { name: "No secrets yet" }).waitFor();
    await picture(page, "secrets-empty");
  });

  test("a typed value, with the rule shown while the name is typed", async () => {
    const page = await kit.signIn("owner");
    await store(page);
    const save = page.getByRole("button", { name: "SAVE" });
    await page.getByLabel("Secret Name").fill("-wrong name");
    expect(await page.locator("#name-rules li[data-state=broken]").count()).toBe(2);
    expect(await save.isDisabled()).toBe(true);
    await picture(page, "store-name-rule");

    await page.getByLabel("Secret Name").fill("payment-api-key");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    expect(await page.locator("#name-rules li[data-state=kept]").count()).toBe(3);
    const value = page.getByLabel("Secret value");
    await value.fill("first line\nsecond line\n");
    expect(await value.evaluate((e) => getComputedStyle(e).getPropertyValue("-webkit-text-security"))).toBe("disc");
    await page.getByRole("button", { name: "Show" }).click();
    expect(await value.evaluate((e) => getComputedStyle(e).getPropertyValue("-webkit-text-security"))).toBe("none");
    await page.getByRole("button", { name: "Hide" }).click();
    await page.getByText("starts or ends with white space").waitFor();
    await page.getByLabel("Description").fill("The key of the payment API");
    await picture(page, "store-typed");
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/secrets?"));
    await save.click();
    expect((await sent).postDataJSON()).toMatchObject({
      usage: "USAGE_KEY",
      description: "The key of the payment API",
      value: { sealed: { text: true } },
    });
    await dialog(page).getByText("No one can view it again").waitFor();
    await picture(page, "store-done");
    await page.getByRole("button", { name: "Done" }).click();
    expect(await rowNames(page)).toEqual(["payment-api-key"]);
  });

  test("a file, whose bytes are stored unchanged", async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128, ...Array(11).keys()]);
    const page = await kit.signIn("owner");
    await store(page);
    await page.getByLabel("Secret Name").fill("from-a-file");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByText("File", { exact: true }).click();
    await page
      .getByLabel("File with the value")
      .setInputFiles({ name: "key.bin", mimeType: "application/octet-stream", buffer: bytes });
    await page.getByText("16 bytes").waitFor();
    await picture(page, "store-file");
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/secrets?"));
    await page.getByRole("button", { name: "SAVE" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      value: { sealed: { ciphertext: expect.any(String) as string } },
    });
    await dialog(page).getByText("No one can view it again").waitFor();
  });

  test("a credential, drawn by the vault, with the hosts it may go to", async () => {
    const page = await kit.signIn("owner");
    await store(page);
    await page.getByLabel("Secret Name").fill("partner-password");
    await page.getByRole("radio", { name: "Credential" }).check();
    const save = page.getByRole("button", { name: "SAVE" });
    expect(await save.isDisabled()).toBe(true);
    await page.getByRole("combobox", { name: "Allowed hosts" }).fill("api.partner.test");
    await page.getByRole("combobox", { name: "Allowed hosts" }).press("Enter");
    await page.getByText("Generate for me").click();
    expect(await page.getByRole("combobox", { name: "Kind of value" }).inputValue()).toBe("Password");
    await picture(page, "store-credential");
    await save.click();
    await page.getByRole("link", { name: "View details" }).click();
    await page.getByText("api.partner.test").waitFor();
  });

  test("a placeholder of the key that a partner issues", async () => {
    const page = await kit.signIn("owner");
    await store(page);
    await page.getByLabel("Secret Name").fill("session-key");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByText("Generate for me").click();
    await page.getByText("More: labels, rotation, sharing, issuer").click();
    await page.getByLabel("Issued by the partner of endpoint").fill("no name!");
    expect(await page.getByRole("button", { name: "SAVE" }).isDisabled()).toBe(true);
    await page.getByLabel("Issued by the partner of endpoint").fill("login");
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("link", { name: "View details" }).click();
    await page.getByText("Issued by the partner of").waitFor();
    expect(await page.getByRole("link", { name: "login" }).getAttribute("href")).toMatch(/\/endpoints\/login$/);
  });

  test("a name that is taken is said at the name", async () => {
    const page = await kit.signIn("owner");
    await store(page);
    await page.getByLabel("Secret Name").fill("payment-api-key");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Secret value").fill("more than 16 bytes");
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByText("A secret with this name already exists").waitFor();
    expect(await page.getByLabel("Secret value").inputValue()).toBe("more than 16 bytes");
  });
});

describe("an owner finds secrets", () => {
  test("by typing a part of the name, in any case, and by what they are for", async () => {
    for (const n of ["alpha", "beta", "gamma"]) await kit.server.storeSecret(`find-${n}`, { labels: { of: n } });
    const page = await kit.signIn("owner");
    await page.getByLabel("Search by name").fill("FIND-");
    await page.waitForURL(/q=FIND-/);
    expect(await rowNames(page)).toEqual(["find-alpha", "find-beta", "find-gamma"]);
    await page.getByRole("button", { name: "Secret name" }).click();
    await page.waitForURL(/sort=name/);
    expect(await rowNames(page)).toEqual(["find-gamma", "find-beta", "find-alpha"]);
    expect(await page.getByRole("columnheader", { name: "Secret name" }).getAttribute("aria-sort")).toBe("descending");
    await page.getByLabel("Label", { exact: true }).fill("of=beta");
    await page.waitForURL(/label=/);
    expect(await rowNames(page)).toEqual(["find-beta"]);
    await page.getByRole("button", { name: "Clear search" }).click();
    await page.getByLabel("Label", { exact: true }).fill("");
    await choose(page, "Purpose", "Credentials");
    await page.waitForURL(/usage=/);
    expect(await rowNames(page)).toEqual(["partner-password"]);
    await page.getByLabel("Search by name").fill("no such");
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    await picture(page, "secrets-nothing-found");
    await page.getByRole("button", { name: "Show all secrets" }).click();
    await page.getByText("find-alpha").waitFor();
  });

  test("by what was typed last, however late an earlier answer comes", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await rowNames(page);
    let answer = () => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route(/[?&]query=find-(&|$)/, async (route) => {
      await held;
      // A canceled request gets no response.
      await route.continue().catch(() => {});
    });
    const first = page.waitForRequest(/[?&]query=find-(&|$)/);
    await page.getByLabel("Search by name").fill("find-");
    const early = await first;
    await page.getByLabel("Search by name").fill("find-beta");
    await page.waitForURL(/q=find-beta/);
    expect(await rowNames(page)).toEqual(["find-beta"]);
    answer();
    await page.unrouteAll({ behavior: "wait" });
    expect(early.failure()?.errorText).toContain("ABORTED");
    expect(await rowNames(page)).toEqual(["find-beta"]);
  });

  test("page by page", async () => {
    for (let i = 0; i < 30; i++) await kit.server.storeSecret(`paged-${String(i).padStart(2, "0")}`);
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=paged&size=25" });
    expect((await rowNames(page)).length).toBe(25);
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText("26–30").waitFor();
    expect(await rowNames(page)).toEqual(["paged-25", "paged-26", "paged-27", "paged-28", "paged-29"]);
    await page.getByRole("button", { name: "Previous page" }).click();
    await page.getByText("1–25").waitFor();
  });

  test("the keyboard reaches the search and the menu of a row", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await rowNames(page);
    await page.keyboard.press("/");
    await page.keyboard.type("find-alpha");
    await page.waitForURL(/q=find-alpha/);
    expect(await rowNames(page)).toEqual(["find-alpha"]);
    await page.getByRole("button", { name: "Actions for find-alpha" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Details" }).waitFor();
    await picture(page, "row-menu");
    await page.keyboard.press("Escape");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe(
      "Actions for find-alpha",
    );
  });
});

describe("an owner looks after a secret", () => {
  test("its details show a masked value, what is on disk, and its versions", async () => {
    const long =
      "acme-insurance.claims.production.encryption-key.with-a-name-that-somebody-was-very-thorough-about.and-that-does-not-fit.v2";
    await kit.server.storeSecret(long, {
      description: "A description that is long. ".repeat(12),
      labels: { team: "claims", env: "production" },
    });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=acme" });
    await rowNames(page);
    await picture(page, "secrets-long-name");
    await page.getByText(long).click();
    await page.getByText("••••••••").waitFor();
    await picture(page, "secret-details");
    const shown = await page.getByLabel("encrypted representation", { exact: true }).innerText();
    await page.getByRole("button", { name: "Copy encrypted representation" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
    await page.getByRole("tab", { name: "Versions" }).click();
    await page.getByText("Current", { exact: true }).waitFor();
    await picture(page, "secret-versions");
  });

  test("a generated key pair shows its public half", async () => {
    await kit.server.storeSecret("key-pair", { value: { generate: { kind: "KIND_EC_P256" } } });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/key-pair" });
    await page.getByText("-----BEGIN PUBLIC KEY-----").waitFor();
    await picture(page, "secret-public-key");
  });

  test("an edit says what it changed, and a new value what it affects before it is saved", async () => {
    await kit.server.storeSecret("rotate-me", { description: "before" });
    await kit.server.addEndpoint("rotating", { encryption: encryptedWith("rotate-me") });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/rotate-me" });
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("after");
    await page.getByRole("combobox", { name: "Labels" }).fill("team=payments");
    await page.getByRole("combobox", { name: "Labels" }).press("Enter");
    await page.getByRole("switch", { name: "Store a new value" }).check();
    await dialog(page).getByText("A new value affects 1 endpoint").waitFor();
    await dialog(page).getByRole("link", { name: "rotating" }).waitFor();
    await picture(page, "secret-rotate");
    await page.getByText("Generate for me").click();
    await page.getByLabel("Reason").fill("yearly rotation");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Version 2 of rotate-me is now current");
    await page.getByText("Version 2", { exact: true }).waitFor();

    await page.getByRole("tab", { name: "Change logs" }).click();
    const entry = page.locator(".entry").filter({ hasText: "yearly rotation" });
    await entry.getByText("before").waitFor();
    await entry.getByText("after").waitFor();
    await entry.getByText("team=payments").waitFor();
    await picture(page, "secret-change-logs");
  });

  test("change logs can be filtered and exported", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/rotate-me/history" });
    await page.locator(".entry").getByText("Bound to an endpoint").waitFor();
    expect(await page.locator(".entry").count()).toBe(3);
    await choose(page, "Action", "Updated");
    expect(await page.locator(".entry").count()).toBe(1);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page
        .getByRole("button", { name: "Export" })
        .click()
        .then(() => page.getByRole("menuitem", { name: "As CSV" }).click()),
    ]);
    const csv = await readFile((await download.path()) ?? "", "utf8");
    expect(csv.split("\r\n")).toHaveLength(3);
    expect(csv).toContain("Description: before → after");
    await page.getByLabel("Filter changes").fill("nobody did this");
    await page.getByRole("heading", { name: "No matching changes" }).waitFor();
  });

  test("two who edit at once see both versions", async () => {
    await kit.server.storeSecret("contended", { description: "first" });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/contended" });
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("mine");
    await kit.server.api("admin", "PATCH", "workspaces/demo/secrets/contended", { description: "theirs" });
    await page.getByRole("button", { name: "Save" }).click();
    const conflict = page.getByRole("dialog", { name: /Someone else changed this secret/ });
    await conflict.getByRole("cell", { name: "theirs" }).waitFor();
    await conflict.getByRole("cell", { name: "mine" }).waitFor();
    await picture(page, "secret-conflict");
    await conflict.getByRole("button", { name: "Overwrite with mine" }).click();
    await told(page, "contended saved");
    expect(await kit.server.api("owner", "GET", "workspaces/demo/secrets/contended")).toMatchObject({
      description: "mine",
    });
  });

  test("a secret is deleted once its name was typed", async () => {
    await kit.server.storeSecret("delete-me");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=delete-me" });
    await rowNames(page);
    await act(page, "delete-me", "Delete");
    const button = dialog(page).getByRole("button", { name: "Delete" });
    await page.getByLabel(/Type delete-me to confirm/).fill("delete-m");
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel(/Type delete-me to confirm/).fill("delete-me");
    await picture(page, "secret-delete");
    await button.click();
    await told(page, "delete-me deleted");
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    await page.goto(`${kit.server.url}/w/demo/secrets/delete-me`);
    await page.getByRole("heading", { name: "Secret not found" }).waitFor();
    await picture(page, "secret-gone");
    await page.getByRole("link", { name: "View its change log" }).click();
    await page.locator(".entry").getByText("Deleted").waitFor();
  });

  test("what is in use is not deleted, and the refusal links to who uses it", async () => {
    await kit.server.storeSecret("used-later");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=used-later" });
    await rowNames(page);
    await act(page, "used-later", "Delete");
    await page.getByLabel(/to confirm/).fill("used-later");
    // The version came into use while the dialog was open.
    await kit.server.addEndpoint("late-user", { encryption: encryptedWith("used-later") });
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    await dialog(page).getByText("cannot delete this secret while endpoints reference it").waitFor();
    await picture(page, "secret-in-use");
    await dialog(page).getByRole("link", { name: "late-user" }).click();
    await page.waitForURL(/endpoints\/late-user/);
  });

  test("an error shows in words, with the request id", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await rowNames(page);
    await page.route("**/v1/workspaces/demo/secrets?*", (route) =>
      route.fulfill({
        status: 500,
        headers: { "x-request-id": "01a205b2-24d0-7c94-9d0e-6efdba0fef82" },
        json: {
          code: 13,
          message: "internal error",
          details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "INTERNAL", domain: "keyward.dev" }],
        },
      }),
    );
    await page.reload();
    await page.getByText("The server could not complete the request").waitFor();
    await page.getByText("01a205b2-24d0-7c94-9d0e-6efdba0fef82").waitFor();
    await picture(page, "secrets-error");
    await page.unrouteAll();
    await page.getByRole("button", { name: "Try again" }).click();
    await rowNames(page);
  });

  test("what takes a while shows that it loads", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    let go = () => {};
    const held = new Promise<void>((resolve) => (go = resolve));
    await page.route("**/v1/workspaces/demo/secrets?*", async (route) => {
      await held;
      await route.continue();
    });
    await page.reload();
    await page.locator("table[aria-busy=true]").waitFor();
    go();
    await rowNames(page);
    await settled(page);
    await picture(page, "secrets");
  });
});

describe("the purpose of a key", () => {
  const chain = "raw > AES-256-GCM(iv=random/12,tag=16)";
  const purpose = (page: Page) => page.getByRole("region", { name: "Purpose" });

  test("is stated when the key is stored, with the keys of presets to choose from", async () => {
    const page = await kit.signIn("owner", { bypassCSP: true, at: "/w/demo/secrets" });
    await store(page);
    await page.getByLabel("Secret Name").fill("stated");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByText("Generate for me").click();
    await choose(page, "Kind of value", /HMAC.*256/);
    await page.getByRole("combobox", { name: "What is this key for?" }).fill("node");
    await page.getByRole("option", { name: /GCM/ }).first().click();
    await dialog(page)
      .getByText(/^hex > AES-256-GCM/)
      .waitFor();
    const save = page.getByRole("button", { name: "SAVE" });
    await save.click();
    await dialog(page)
      .getByText(/must fit the kind of key/i)
      .first()
      .waitFor();
    await choose(page, "Kind of value", /AES.*256/);
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "store-stated");
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().includes("/secrets?"));
    await save.click();
    const chains = (await sent).postDataJSON().purpose.chains as string[];
    expect(chains).toEqual([chain]);
    await page.getByRole("link", { name: "View details" }).click();
    await purpose(page).getByText("Stated", { exact: true }).waitFor();
    expect(await purpose(page).locator("li").allInnerTexts()).toEqual(chains);
  });

  test("shows how far it is decided, to an owner who cannot change it", async () => {
    await kit.server.storeSecret("purposed");
    const page = await kit.signIn("owner", { bypassCSP: true, at: "/w/demo/secrets/purposed" });
    await purpose(page).getByText("Not in use yet").waitFor();
    await kit.server.addActiveEndpoint("purposeful", { encryption: encryptedWith("purposed") });
    await page.reload();
    await purpose(page).getByText("Claimed", { exact: true }).waitFor();
    await kit.server.encrypt("purposeful", "{}");
    await page.reload();
    await purpose(page).getByText("Sealed", { exact: true }).waitFor();
    expect(await purpose(page).locator("li").allInnerTexts()).toEqual([chain]);
    await purpose(page).getByText("purposeful.partner.test").waitFor();
    expect(await purpose(page).getByRole("button").count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "secret-purpose");

    await page.getByRole("tab", { name: "Change logs" }).click();
    const entry = page.locator(".entry").filter({ hasText: "Purpose sealed by first use" });
    await entry.getByText(chain).waitFor();

    await page.goto(`${kit.server.url}/w/demo/endpoints/purposeful/encryption`);
    const uses = page.getByRole("region", { name: "What keys are used for" });
    await uses.getByText(chain).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "endpoint-key-purposes");
    await uses.getByRole("link", { name: "purposed" }).click();
    await page.waitForURL(/secrets\/purposed/);
  });

  test("is one: another is refused in words, and a second one beside it is not for owners", async () => {
    const page = await kit.signIn("owner", { bypassCSP: true, at: "/w/demo/endpoints/purposeful/edit" });
    await choose(page, "Algorithm", "CHACHA20-POLY1305");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText(`It is used only for ${chain}.`).waitFor();
    // On a page that fits its window, the bar with Save covers no part of a button.
    await page.setViewportSize({ width: 1280, height: 4000 });
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "endpoint-purpose-fixed");

    // Nor next to it, where the one may overlap the other.
    await page.getByRole("button", { name: "Other key uses" }).click();
    const declared = page.getByRole("group", { name: "Other key uses" });
    await declared.getByRole("button", { name: /^Key: / }).click();
    await page.getByLabel("Search secrets").fill("purposed");
    await page.getByRole("option", { name: "purposed" }).click();
    await declared.getByRole("textbox", { name: "Chain" }).fill(chain);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Ask a super admin to save the endpoint, or ask the partner to issue another key.").waitFor();
    expect(await page.getByRole("button", { name: "Acknowledge Conflicting key uses…" }).count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "endpoint-conflicting-uses");
  });

  test("is replaced or shared by a super admin only", async () => {
    const page = await kit.signIn("admin", { bypassCSP: true, at: "/w/demo/secrets/purposed" });
    await purpose(page).getByRole("button", { name: "Replace purpose…" }).click();
    const replace = dialog(page).getByRole("button", { name: "Replace" });
    expect(await replace.isDisabled()).toBe(true);
    await dialog(page).getByLabel("Used for").fill("raw > HMAC-SHA256(of=message)\n\u00e9");
    await dialog(page).getByLabel("Reason").fill("wrong mode");
    await replace.click();
    await dialog(page).getByText("Line 2 can contain only ASCII letters, digits, and signs.").waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "secret-purpose-replace");
    await dialog(page).getByLabel("Used for").fill("raw > HMAC-SHA256(of=message)");
    await replace.click();
    await told(page, "Purpose of purposed replaced");
    await purpose(page).getByText("raw > HMAC-SHA256(of=message)").waitFor();

    await purpose(page).getByRole("button", { name: "Share…" }).click();
    await dialog(page).getByText("senders for one can decrypt messages of the other").waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "secret-share");
    await dialog(page).getByRole("button", { name: "Share" }).click();
    await told(page, "purposed shared");
    await purpose(page).getByText("Shared: endpoints of any host").waitFor();
    expect(await purpose(page).getByRole("button", { name: "Share…" }).count()).toBe(0);
    await page.getByRole("tab", { name: "Change logs" }).click();
    await page.locator(".entry").getByText("Shared with endpoints of other hosts").waitFor();
    const entry = page.locator(".entry").filter({ hasText: "wrong mode" });
    await entry.locator("del").getByText(chain).waitFor();
    await picture(page, "secret-purpose-history");
  });

  test("does not hold for an exposed key, which a super admin stores with a reason", async () => {
    const owner = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await store(owner);
    expect(await dialog(owner).getByRole("radio", { name: /key$/i }).count()).toBe(1);
    await dialog(owner).getByRole("radio", { name: /key$/i }).check();
    await dialog(owner).getByText("More: labels, rotation, sharing").click();
    await dialog(owner).getByLabel("Shared by the endpoints of several hosts").waitFor();

    const page = await kit.signIn("admin", { bypassCSP: true, at: "/w/demo/secrets" });
    await store(page);
    await page.getByLabel("Secret Name").fill("exposed");
    await page.getByRole("radio", { name: "Exposed key" }).check();
    await dialog(page)
      .getByText("Senders can compute this key from the messages they send, so Keyward cannot keep its value secret.")
      .waitFor();
    await page.getByText("Generate for me").click();
    const save = page.getByRole("button", { name: "SAVE" });
    expect(await save.isDisabled()).toBe(true);
    await dialog(page).getByLabel("Reason").fill("the partner's IV is the key");
    expect(await axeFindings(page)).toEqual([]);
    await picture(page, "store-exposed");
    await save.click();
    await dialog(page).getByText("No one can view it again").waitFor();
    expect(await kit.server.api("owner", "GET", "workspaces/demo/secrets/exposed")).toMatchObject({
      usage: "USAGE_EXPOSED_KEY",
    });
  });
});
