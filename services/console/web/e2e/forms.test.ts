import type { Page } from "playwright-core";
import { describe, test } from "vitest";
import { dialog, expect, go, overflow, rowNames, useKit } from "./kit";

const kit = useKit();

const openStore = async (page: Page) => {
  await page.getByRole("button", { name: "Store New Secret" }).first().click();
  await page.getByLabel("Secret Name").waitFor();
};

/** The element that has the focus, by its label or text. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const of = document.activeElement as HTMLElement;
    const label = (of as HTMLInputElement).labels?.[0]?.textContent;
    return of.getAttribute("aria-label") ?? label ?? (of === document.body ? "nothing" : of.innerText);
  });

const focusIs = (page: Page, words: RegExp) => expect.poll(() => focused(page)).toMatch(words);

const leaving = (page: Page) => page.getByRole("dialog", { name: "Leave without saving?" });

describe("a form that was changed", () => {
  test("is not left by Back, a link or a reload before one is asked", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints" });
    await page.getByRole("heading", { name: "Allowlist" }).waitFor();
    await page.getByRole("link", { name: "Secrets" }).click();
    await openStore(page);
    await page.getByLabel("Secret Name").fill("typed");
    await page.goBack();
    await leaving(page).waitFor();
    expect(new URL(page.url()).pathname).toBe("/w/demo/secrets");
    await leaving(page).getByRole("button", { name: "Stay" }).click();
    expect(await page.getByLabel("Secret Name").inputValue()).toBe("typed");

    const asked = page.waitForEvent("dialog");
    const reload = page.reload();
    await (await asked).dismiss();
    await reload.catch(() => undefined); // the navigation was canceled
    expect(await page.getByLabel("Secret Name").inputValue()).toBe("typed");

    await page.goBack();
    await leaving(page).getByRole("button", { name: "Leave" }).click();
    await page.getByRole("heading", { name: "Allowlist" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/w/demo/endpoints");
    // Forward works as if the page had not asked.
    await page.goForward();
    await page.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
  });

  test("of an endpoint is not left by Back, either", async () => {
    await kit.server.addEndpoint("edited");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/edited" });
    await page.getByRole("heading", { name: "edited" }).first().waitFor();
    await page
      .getByRole("link", { name: "Edit" })
      .or(page.getByRole("button", { name: "Edit" }))
      .first()
      .click();
    await page.getByLabel("Display name").fill("Edited");
    await page.goBack();
    await leaving(page).getByRole("button", { name: "Stay" }).click();
    expect(await page.getByLabel("Display name").inputValue()).toBe("Edited");
    await page.goBack();
    await leaving(page).getByRole("button", { name: "Leave" }).click();
    await page.getByRole("tab", { name: "Overview" }).waitFor();
  });

  test("is not closed by Escape before one is asked", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await openStore(page);
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    await openStore(page);
    await page.getByLabel("Secret value").fill("a value that took a while to type");
    await page.keyboard.press("Escape");
    await leaving(page).getByRole("button", { name: "Stay" }).click();
    expect(await page.getByLabel("Secret value").inputValue()).toBe("a value that took a while to type");
    await page.keyboard.press("Escape");
    await leaving(page).getByRole("button", { name: "Leave" }).click();
    await dialog(page).waitFor({ state: "detached" });
  });

  test("stays until its slow save is answered, whatever is pressed", async () => {
    await kit.server.storeSecret("slow");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/slow" });
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("slowly");
    let answer = () => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route(/secrets\/slow\?/, async (route) => {
      await held;
      await route.fulfill({ status: 503, json: { code: 14, message: "later" } });
    });
    const sent = page.waitForRequest((r) => r.method() === "PATCH");
    await page.getByRole("button", { name: "Save" }).click();
    await sent;
    await page.keyboard.press("Escape");
    answer();
    await dialog(page).getByRole("alert").waitFor();
    expect(await page.getByLabel("Description").inputValue()).toBe("slowly");
  });
});

describe("the focus", () => {
  test("goes to what is wrong when a save failed, and to what opened a dialog when it closes", async () => {
    await kit.server.storeSecret("focus-key");
    const page = await kit.signIn("owner", {
      at: "/w/demo/secrets?q=focus-key",
      viewport: { width: 1280, height: 480 },
    });
    await rowNames(page);
    for (const action of ["Edit", "Delete"]) {
      await page.getByRole("button", { name: "Actions for focus-key" }).press("Enter");
      await page.getByRole("menuitem", { name: action }).press("Enter");
      await focusIs(page, action === "Edit" ? /Description/ : /to confirm/);
      await page.keyboard.press("Escape");
      await dialog(page).waitFor({ state: "detached" });
      await focusIs(page, /^Actions for focus-key$/);
    }
    await page.route(/secrets\/focus-key\?/, (route) =>
      route.fulfill({ status: 503, json: { code: 14, message: "later" } }),
    );
    await page.getByRole("button", { name: "Actions for focus-key" }).press("Enter");
    await page.getByRole("menuitem", { name: "Edit" }).press("Enter");
    await page.getByLabel("Description").fill("changed");
    await page.getByLabel("Description").press("Tab");
    await page.getByRole("button", { name: "Save" }).press("Enter");
    await focusIs(page, /could not complete the request/);
    const box = await dialog(page).getByRole("alert").boundingBox();
    expect((box?.y ?? 999) + (box?.height ?? 999)).toBeLessThanOrEqual(480);
  });

  test("goes to the field when the name of a new secret is taken", async () => {
    await kit.server.storeSecret("taken");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await openStore(page);
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Secret Name").fill("taken");
    await page.getByText("Generate for me").click();
    await page.getByRole("button", { name: "SAVE" }).press("Enter");
    await page.getByText("A secret with this name already exists").waitFor();
    await focusIs(page, /Secret Name/);
    await page.getByLabel("Secret Name").fill("taken-not");
    await expect.poll(() => page.getByText("A secret with this name already exists").count()).toBe(0);
  });

  test("goes to the summary when an endpoint is not saved, which is below the fold", async () => {
    await kit.server.addEndpoint("unsaved");
    const page = await kit.signIn("owner", {
      at: "/w/demo/endpoints/unsaved/edit",
      viewport: { width: 1280, height: 480 },
    });
    await page.route(/endpoints\/unsaved\?/, (route) =>
      route.fulfill({ status: 503, json: { code: 14, message: "later" } }),
    );
    await page.getByLabel("Display name").fill("changed");
    await page.getByLabel("Display name").press("Enter");
    await focusIs(page, /could not complete the request/);
    const box = await page.locator("main").getByRole("alert").boundingBox();
    expect((box?.y ?? 999) + (box?.height ?? 999)).toBeLessThanOrEqual(480);
  });

  test("goes to the page when what opened a dialog is gone", async () => {
    await kit.server.storeSecret("doomed");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=doomed" });
    await rowNames(page);
    await page.getByRole("button", { name: "Actions for doomed" }).press("Enter");
    await page.getByRole("menuitem", { name: "Delete" }).press("Enter");
    await page.getByLabel("to confirm").fill("doomed");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("content");
  });
});

describe("what is wrong", () => {
  test("with a field is no longer said once the field was changed", async () => {
    await kit.server.storeSecret("finding");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/finding" });
    await page.route(/secrets\/finding\?/, (route) =>
      route.fulfill({
        status: 400,
        json: {
          code: 3,
          message: "no",
          details: [
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "INVALID_FIELD" },
            {
              "@type": "type.googleapis.com/google.rpc.BadRequest",
              fieldViolations: [{ field: "secret.description", description: "holds the value" }],
            },
          ],
        },
      }),
    );
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("one");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Holds the value.").waitFor();
    await page.getByLabel("Description").fill("two");
    await expect.poll(() => page.getByText("Holds the value.").count()).toBe(0);
    expect(await dialog(page).getByRole("alert").count()).toBe(0);
  });

  test("with an endpoint's field neither", async () => {
    await kit.server.addEndpoint("required");
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/required/edit" });
    await page.getByLabel("URL").fill("http://not-allowed");
    await page.getByRole("button", { name: "Save" }).click();
    const own = page
      .locator("[data-path='endpoint.url']")
      .locator("xpath=ancestor::*[contains(@class,'InputWrapper-root')][1]")
      .locator(".mantine-InputWrapper-error");
    await own.waitFor();
    await page.getByLabel("URL").fill("https://required.partner.test/v2");
    await expect.poll(() => own.count()).toBe(0);
  });

  test("is not said of a good PEM with its line end", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await openStore(page);
    const warning = page.getByText("starts or ends with white space");
    await page.getByLabel("Secret value").fill("a token\n");
    await warning.waitFor();
    await page
      .getByLabel("Secret value")
      .fill("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n");
    await expect.poll(() => warning.count()).toBe(0);
  });
});

describe("storing a secret", () => {
  test("asks first what it is, in words, and says before saving that nobody sees it again", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await openStore(page);
    for (const name of ["Encryption or signing key", "Credential to send", "Public parameter"])
      expect(await page.getByRole("radio", { name }).isChecked()).toBe(false);
    await page.getByText("API key, password").waitFor();
    await page.getByText("no one can view this value again").waitFor();
    await page.getByLabel("Secret Name").fill("payment-api-key");
    await page.getByLabel("Secret value").fill("sk_live_0123456789abcdef");
    expect(await page.getByRole("button", { name: "SAVE" }).isDisabled()).toBe(true);
    await page.getByRole("radio", { name: "Credential to send" }).check();
    await page.getByRole("combobox", { name: "Allowed hosts" }).fill("api.partner.test");
    await page.getByRole("combobox", { name: "Allowed hosts" }).press("Enter");
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("No one can view it again").waitFor();
    const stored = await kit.server.api("owner", "GET", "workspaces/demo/secrets/payment-api-key");
    expect((stored as { usage?: string }).usage).toBe("USAGE_CREDENTIAL");
  });

  test.each([390, 1280])("works with the keyboard alone, %i pixels wide", async (width) => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets", viewport: { width, height: 844 } });
    await page.getByRole("button", { name: "Store New Secret" }).first().press("Enter");
    await focusIs(page, /^Encryption or signing key$/);
    const tabTo = async (words: RegExp) => {
      for (let i = 0; i < 30 && !words.test(await focused(page)); i++) await page.keyboard.press("Tab");
      expect(await focused(page)).toMatch(words);
    };
    await page.keyboard.press("ArrowDown");
    await focusIs(page, /^Credential to send$/);
    await tabTo(/Secret Name/);
    await page.keyboard.type(`by-keyboard-${width}`);
    await tabTo(/Allowed hosts/);
    await page.keyboard.type("api.partner.test");
    await page.keyboard.press("Enter");
    await tabTo(/Secret value/);
    await page.keyboard.type("sk_live_0123456789abcdef");
    expect(await overflow(page)).toBe(0);
    await tabTo(/^SAVE$/);
    await page.keyboard.press("Enter");
    await focusIs(page, /^Done$/);
    await page.keyboard.press("Enter");
    await dialog(page).waitFor({ state: "detached" });
    await focusIs(page, /Store New Secret|Secrets/);
  });

  test("text in any script has its own direction", async () => {
    await kit.server.storeSecret("hebrew", { description: "מפתח הצפנה" });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/hebrew" });
    expect(await page.getByText("מפתח הצפנה").evaluate((e) => getComputedStyle(e).direction)).toBe("rtl");
    await go(page, "/w/demo/secrets?q=hebrew");
    expect(await page.getByText("מפתח הצפנה").evaluate((e) => getComputedStyle(e).direction)).toBe("rtl");
  });
});

test("a super admin who replaces a purpose sets how much derivation costs", async () => {
  await kit.server.storeSecret("costly", { purpose: { chains: ["raw > AES-256-GCM(iv=random/12,tag=16)"] } });
  const page = await kit.signIn("admin", { at: "/w/demo/secrets/costly" });
  await page.getByRole("button", { name: "Replace purpose" }).click();
  await dialog(page).getByLabel("Minimum iterations").fill("600000");
  await dialog(page).getByLabel("Reason").fill("a mistake");
  await dialog(page).getByLabel("Used for").fill("raw > AES-256-GCM(iv=random/12,tag=12)");
  const sent = page.waitForRequest((r) => r.url().endsWith(":replacePurpose"));
  await dialog(page).getByRole("button", { name: "Replace" }).click();
  expect((await sent).postDataJSON()).toMatchObject({ minCost: "600000" });
});
