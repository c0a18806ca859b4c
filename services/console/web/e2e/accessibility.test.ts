import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { axeFindings as findings, dialog, expect, go, overflow, picture, rowNames, settled, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

beforeAll(async () => {
  await kit.server.storeSecret("the-key", { description: "A key", labels: { team: "payments" } });
  await kit.server.storeSecret("key-pair", { value: { generate: { kind: "KIND_EC_P256" } } });
  await kit.server.storeSecret("the-token", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: ["bank.partner.test"],
    value: { text: "x" },
  });
  await kit.server.addEndpoint("bank", {
    displayName: "The Bank",
    encryption: encryptedWith("the-key"),
    headers: [
      { name: "Authorization", secret: { name: "workspaces/demo/secrets/the-token" } },
      { name: "X-Client", value: "a" },
    ],
  });
  await kit.server.storeSecret("legacy-key");
  await kit.server.addEndpoint("legacy", {
    encryption: {
      request: {
        cipher: {
          algorithm: "ALGORITHM_AES_256_CBC",
          sharedKey: { keys: [{ name: "workspaces/demo/secrets/legacy-key" }] },
        },
        allowLegacy: [
          { flag: "FLAG_UNAUTHENTICATED_CBC", reason: "r", expireTime: new Date(Date.now() + 3e10).toISOString() },
        ],
      },
    },
  });
  for (const id of ["worn", "halted", "burnt"]) await kit.server.storeSecret(id, { rotationPeriod: "86400s" });
  for (let i = 0; i < 2; i++)
    await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/worn", {
      value: { generate: { kind: "KIND_AES_256" } },
    });
  await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/worn?reason=monthly", { rotationPeriod: "172800s" });
  for (const act of [
    "worn/versions/1:destroy",
    "worn/versions/2:disable",
    "halted/versions/1:disable",
    "burnt/versions/1:destroy",
  ])
    await kit.server.api("owner", "POST", `workspaces/demo/secrets/${act}`, {});
  await kit.server.api("admin", "POST", "workspaces/demo/endpoints/bank:approve", {});
  await kit.server.api("owner", "POST", "workspaces/demo/endpoints/bank:activate", {});
  await kit.server.encrypt("bank", "{}"); // so that its key has a nonce budget
});

const pages: [string, string][] = [
  ["secrets", "/w/demo/secrets"],
  ["nothing found", "/w/demo/secrets?q=nothing"],
  ["a secret", "/w/demo/secrets/the-key"],
  ["a key pair", "/w/demo/secrets/key-pair"],
  ["versions", "/w/demo/secrets/the-key/versions"],
  ["versions of all states", "/w/demo/secrets/worn/versions"],
  ["change logs of versions", "/w/demo/secrets/worn/history"],
  ["a disabled secret", "/w/demo/secrets/halted"],
  ["a destroyed secret", "/w/demo/secrets/burnt"],
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

/** Goes to a place and waits until it has loaded completely. */
async function visit(page: Page, at: string): Promise<void> {
  await go(page, at);
  await page.locator("main h1, main h2").first().waitFor();
  await settled(page);
}

describe.each(["light", "dark"] as const)("axe finds nothing, %s", (colorScheme) => {
  const options = { colorScheme, bypassCSP: true };

  test("on any page", async () => {
    const page = await kit.signIn("owner", options);
    for (const [name, at] of pages) {
      await visit(page, at);
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
    await page.getByText("More: labels, rotation").click();
    await page.getByLabel("Rotation reminder").fill("never");
    expect(await findings(page), "store, more").toEqual([]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Sealed values" }).click();
    await dialog(page).getByText("Not required", { exact: true }).waitFor();
    expect(await findings(page), "sealed values").toEqual([]);
    await picture(page, `${colorScheme}-sealed-values`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });

    await page.route("**/v1/workspaces/demo/sealing", async (route) => {
      const answer = (await (await route.fetch()).json()) as object;
      await route.fulfill({ json: { ...answer, keys: [] } });
    });
    await page.getByRole("button", { name: "Store New Secret" }).click();
    await dialog(page).getByLabel("Send it without sealing, over TLS").waitFor();
    expect(await findings(page), "store, not sealed").toEqual([]);
    await page.unroute("**/v1/workspaces/demo/sealing");
    await page.route(/\/secrets\?secretId=/, (route) => route.abort());
    await dialog(page).getByRole("button", { name: "Try again" }).click();
    await dialog(page).getByText("Sealed in this browser").waitFor();
    await page.getByLabel("Secret Name").fill("never-stored");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Secret value").fill("more than 16 bytes");
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("The value is sealed").waitFor();
    expect(await findings(page), "store, sealed").toEqual([]);
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

  test("in the dialogs of versions", async () => {
    const page = await kit.signIn("owner", { ...options, at: "/w/demo/secrets/the-key/versions" });
    const ask = async (version: number, act: string) => {
      await page.getByRole("button", { name: `Actions for version ${version}` }).click();
      await page.getByRole("menuitem", { name: act }).click();
      await dialog(page).waitFor();
    };
    const leave = async () => {
      await page.getByRole("button", { name: "Cancel" }).click();
      await dialog(page).waitFor({ state: "detached" });
    };
    await ask(1, "Disable");
    await dialog(page).getByRole("link", { name: "bank" }).waitFor();
    expect(await findings(page), "disable").toEqual([]);
    await leave();
    await ask(1, "Destroy");
    await dialog(page).getByRole("link", { name: "bank" }).waitFor();
    await dialog(page)
      .getByLabel(/even though it is in use/)
      .check();
    expect(await findings(page), "destroy").toEqual([]);
    await leave();
    await page.getByRole("button", { name: "New value" }).click();
    await dialog(page).getByText("A new value affects").waitFor();
    expect(await findings(page), "new value").toEqual([]);
    await page.getByRole("radio", { name: "Keep the current version" }).check();
    expect(await findings(page), "new value, kept").toEqual([]);
    await leave();

    await visit(page, "/w/demo/secrets/worn/versions");
    await ask(2, "Enable");
    expect(await findings(page), "enable").toEqual([]);
    await leave();
    await page.getByRole("button", { name: "Actions for version 3" }).click();
    expect(await findings(page), "menu of a version").toEqual([]);
    await page.getByRole("menuitem", { name: "Disable" }).click();
    await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/worn", {
      description: `Changed in the meantime, ${crypto.randomUUID()}`,
    });
    await dialog(page).getByRole("button", { name: "Disable" }).click();
    await page
      .getByRole("dialog", { name: /Someone else changed this secret/ })
      .getByRole("cell", { name: /Changed in the meantime/ })
      .first()
      .waitFor();
    expect(await findings(page), "conflict").toEqual([]);
  });

  test("in the editor's states", async () => {
    const page = await kit.signIn("owner", { ...options, at: "/w/demo/endpoints/bank/edit" });
    await page.getByRole("button", { name: /^Shared key:/ }).click();
    await page.getByRole("option", { name: "the-key" }).waitFor();
    expect(await findings(page), "picker").toEqual([]);
    await page.keyboard.press("Escape");
    for (const add of ["Envelope", "Signing", "Selection", "Initialization vector"])
      await page.getByRole("button", { name: add, exact: true }).click();
    await page.getByText("Different from requests").click();
    await page.getByLabel("URL").fill("http://not-allowed");
    await page.getByRole("button", { name: "Save" }).click();
    // The endpoint is in use, and its URL changed.
    await dialog(page).getByText("The endpoint is active").waitFor();
    expect(await findings(page), "out of service").toEqual([]);
    await dialog(page).getByRole("button", { name: "Save the new URL" }).click();
    await page.locator(".violation-list").waitFor();
    expect(await findings(page), "findings").toEqual([]);
    await picture(page, `${colorScheme}-findings`);
    await page.getByRole("link", { name: "Secrets" }).click();
    await dialog(page).getByText("Your changes will be lost").waitFor();
    expect(await findings(page), "leaving").toEqual([]);
  });

  test("for members, super admins and strangers", async () => {
    const member = await kit.signIn("member", { ...options, at: "/w/demo/endpoints/bank" });
    await member.getByText("A stored secret").first().waitFor();
    expect(await findings(member), "member").toEqual([]);
    await member.goto(`${kit.server.url}/w/demo/secrets`);
    await member.getByRole("heading", { name: "You do not have access" }).waitFor();
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
      await visit(page, at);
      expect(await findings(page), name).toEqual([]);
      expect(await overflow(page), name).toBe(0);
      await picture(page, `narrow-${colorScheme}-${name.replaceAll(" ", "-")}`);
    }
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "Secrets" }).waitFor();
    expect(await findings(page), "menu").toEqual([]);
  });
});
