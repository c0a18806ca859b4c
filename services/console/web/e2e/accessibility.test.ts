import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults, RunOptions } from "axe-core";
import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { dialog, expect, picture, rowNames, settled, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();
let axe = "";

beforeAll(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await kit.server.storeSecret("the-key", { description: "A key", labels: { team: "payments" } });
  await kit.server.storeSecret("key-pair", { value: { generate: { kind: "KIND_EC_P256" } } });
  await kit.server.storeSecret("the-token", { usage: "USAGE_CREDENTIAL", allowedHosts: ["bank.partner.test"], value: { text: "x" } });
  await kit.server.addEndpoint("bank", { displayName: "The Bank", encryption: encryptedWith("the-key"), headers: [{ name: "Authorization", secret: { name: "workspaces/demo/secrets/the-token" } }, { name: "X-Client", value: "a" }] });
  await kit.server.addEndpoint("legacy", {
    encryption: { request: { cipher: { algorithm: "ALGORITHM_AES_256_CBC", sharedKey: { keys: [{ name: "workspaces/demo/secrets/the-key" }] } }, allowLegacy: [{ flag: "FLAG_UNAUTHENTICATED_CBC", reason: "r", expireTime: new Date(Date.now() + 3e10).toISOString() }] } },
  });
  await kit.server.api("admin", "POST", "workspaces/demo/endpoints/bank:approve", {});
  await kit.server.api("owner", "POST", "workspaces/demo/endpoints/bank:activate", {});
});

/** What axe finds wrong with the page as it is now. */
async function findings(page: Page): Promise<string[]> {
  await settled(page);
  const options: RunOptions = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
  // The page's policy lets no script in; axe is put in past it, by the debugger.
  const results = await page.evaluate(async ([source, chosen]) => {
    const scope = window as unknown as { axe?: { run: (o: RunOptions) => Promise<AxeResults> } };
    if (!scope.axe) (0, eval)(source);
    return scope.axe?.run(chosen);
  }, [axe, options] as const);
  return (results?.violations ?? []).map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.failureSummary?.split("\n")[1]?.trim() ?? ""}`).join(" | ")}`);
}

const pages: [string, string][] = [
  ["secrets", "/w/demo/secrets"],
  ["nothing found", "/w/demo/secrets?q=nothing"],
  ["a secret", "/w/demo/secrets/the-key"],
  ["a key pair", "/w/demo/secrets/key-pair"],
  ["versions", "/w/demo/secrets/the-key/versions"],
  ["where used", "/w/demo/secrets/the-key/used-by"],
  ["change logs", "/w/demo/secrets/the-key/history"],
  ["no such secret", "/w/demo/secrets/none"],
  ["allowlist", "/w/demo/endpoints"],
  ["an endpoint", "/w/demo/endpoints/bank"],
  ["its encryption", "/w/demo/endpoints/legacy/encryption"],
  ["its verification", "/w/demo/endpoints/legacy/verification"],
  ["its change logs", "/w/demo/endpoints/bank/history"],
  ["the editor", "/w/demo/endpoints/legacy/edit"],
  ["a new endpoint", "/w/demo/new-endpoint"],
  ["activity", "/w/demo/activity"],
  ["no such page", "/w/demo/none"],
];

describe.each(["light", "dark"] as const)("axe finds nothing, %s", (colorScheme) => {
  const options = { colorScheme, bypassCSP: true };

  test("on any page", async () => {
    const page = await kit.signIn("owner", options);
    for (const [name, at] of pages) {
      await page.goto(kit.server.url + at);
      await page.locator("main h1, main h2").first().waitFor();
      await page.waitForLoadState("networkidle");
      expect(await findings(page), name).toEqual([]);
      await picture(page, `${colorScheme}-${name.replaceAll(" ", "-")}`);
    }
  });

  test("in any dialog", async () => {
    const page = await kit.signIn("owner", { ...options, at: "/w/demo/secrets" });
    await rowNames(page);
    await page.getByRole("button", { name: "Store New Secret" }).click();
    await page.getByLabel("Secret Name").fill("-wrong");
    expect(await findings(page), "store, typed").toEqual([]);
    await page.getByRole("radio", { name: "Credential" }).check();
    await page.getByText("File", { exact: true }).click();
    expect(await findings(page), "store, file").toEqual([]);
    await page.getByText("Generate for me").click();
    await page.getByRole("combobox", { name: "Kind of value" }).click();
    expect(await findings(page), "store, generate").toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Actions for the-key" }).click();
    expect(await findings(page), "row menu").toEqual([]);
    await page.getByRole("menuitem", { name: "Edit" }).click();
    await page.getByRole("switch", { name: "Store a new value" }).check();
    await dialog(page).getByText("A new value affects").waitFor();
    expect(await findings(page), "edit").toEqual([]);
    await picture(page, `${colorScheme}-edit`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Actions for the-key" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await dialog(page).getByRole("link", { name: "bank" }).waitFor();
    expect(await findings(page), "in use").toEqual([]);
    await page.getByRole("button", { name: "Close" }).last().click();
    await dialog(page).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Actions for key-pair" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    expect(await findings(page), "delete").toEqual([]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: /owner/i }).last().click();
    await page.getByRole("menuitemradio", { name: "System" }).waitFor();
    expect(await findings(page), "user menu").toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Workspace demo" }).click();
    expect(await findings(page), "workspaces").toEqual([]);
  });

  test("in the editor's states", async () => {
    const page = await kit.signIn("owner", { ...options, at: "/w/demo/endpoints/bank/edit" });
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    await page.getByRole("option", { name: "the-key" }).waitFor();
    expect(await findings(page), "picker").toEqual([]);
    await page.keyboard.press("Escape");
    for (const add of ["Envelope", "Signing", "Selection", "Initialization vector"]) await page.getByRole("button", { name: add, exact: true }).click();
    await page.getByText("In their own way").click();
    await page.getByLabel("URL").fill("http://not-allowed");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator(".finding-list").waitFor();
    expect(await findings(page), "findings").toEqual([]);
    await picture(page, `${colorScheme}-findings`);
    await page.getByRole("link", { name: "Secrets" }).click();
    await dialog(page).getByText("What you changed here is lost").waitFor();
    expect(await findings(page), "leaving").toEqual([]);
  });

  test("for members, super admins and strangers", async () => {
    const member = await kit.signIn("member", { ...options, at: "/w/demo/endpoints/bank" });
    await member.getByText("A stored secret").first().waitFor();
    expect(await findings(member), "member").toEqual([]);
    await member.goto(`${kit.server.url}/w/demo/secrets`);
    await member.getByRole("heading", { name: "You may not see this" }).waitFor();
    expect(await findings(member), "refused").toEqual([]);
    const admin = await kit.signIn("admin", { ...options, at: "/w/demo/endpoints/legacy" });
    await admin.getByRole("button", { name: "Approve" }).click();
    expect(await findings(admin), "approve").toEqual([]);
    const stranger = await (await kit.context(options)).newPage();
    await stranger.goto(kit.server.url);
    await stranger.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    expect(await findings(stranger), "sign-in").toEqual([]);
  });

  test("on a narrow screen, where nothing is wider than it", async () => {
    const page = await kit.signIn("owner", { ...options, viewport: { width: 390, height: 844 }, hasTouch: true });
    for (const [name, at] of pages) {
      await page.goto(kit.server.url + at);
      await page.locator("main h1, main h2").first().waitFor();
      await page.waitForLoadState("networkidle");
      expect(await findings(page), name).toEqual([]);
      expect(await page.evaluate(() => document.querySelector("main")!.scrollWidth - document.querySelector("main")!.clientWidth), name).toBe(0);
      await picture(page, `narrow-${colorScheme}-${name.replaceAll(" ", "-")}`);
    }
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "Secrets" }).waitFor();
    expect(await findings(page), "menu").toEqual([]);
  });
});
