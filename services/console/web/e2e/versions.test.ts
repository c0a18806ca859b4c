import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { choose, dialog, expect, go, picture, rowNames, settled, told, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

const generated = { value: { generate: { kind: "KIND_AES_256" } } };

/** Stores a secret with the given number of versions, and lets the given number of endpoints refer to it. */
async function store(id: string, versions = 1, endpoints = 0): Promise<void> {
  // Each endpoint is on its own host.
  await kit.server.storeSecret(id, { shared: endpoints > 1 });
  for (let i = 1; i < versions; i++) await kit.server.api("owner", "PATCH", `workspaces/demo/secrets/${id}`, generated);
  for (let i = 0; i < endpoints; i++)
    await kit.server.addEndpoint(`${id}-user-${i}`, { encryption: encryptedWith(id) });
}

const act = (id: string, version: number, what: string, body: object = {}) =>
  kit.server.api("owner", "POST", `workspaces/demo/secrets/${id}/versions/${version}:${what}`, body);
const open = (id: string) => kit.signIn("owner", { at: `/w/demo/secrets/${id}/versions` });
const row = (page: Page, version: number) =>
  page
    .locator("table.versions tbody tr")
    .filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${version}\\b`) }) });

/** The actions in the menu of a version; the menu stays open. */
async function offered(page: Page, version: number): Promise<string[]> {
  await page.getByRole("button", { name: `Actions for version ${version}`, exact: true }).click();
  await page.getByRole("menuitem").first().waitFor();
  return page.getByRole("menuitem").allInnerTexts();
}

async function ask(page: Page, version: number, what: string): Promise<void> {
  await offered(page, version);
  await page.getByRole("menuitem", { name: what }).click();
  await dialog(page).waitFor();
}

const confirm = (page: Page, what: string) => dialog(page).getByRole("button", { name: what, exact: true });

describe("an owner looks after versions", () => {
  test("one is restored, and the page says whom that affects and which is current then", async () => {
    await store("restored", 2, 1);
    const page = await open("restored");
    expect(await offered(page, 2)).toEqual(["Disable", "Destroy"]);
    await page.keyboard.press("Escape");
    expect(await offered(page, 1)).toEqual(["Restore", "Disable", "Destroy"]);
    await page.getByRole("menuitem", { name: "Restore" }).click();
    await dialog(page).getByText("This affects 1 endpoint").waitFor();
    await dialog(page).getByRole("link", { name: "restored-user-0" }).waitFor();
    await dialog(page).getByLabel("Reason").fill("the partner was not ready");
    await picture(page, "version-restore");
    await confirm(page, "Restore").click();
    await told(page, "Version 1 of restored is current");
    await row(page, 1).getByText("Current").waitFor();
    expect(await row(page, 2).getByText("Current").count()).toBe(0);
    await page.locator(".page-title").getByText("Version 1").waitFor();
    await page.getByRole("tab", { name: "Change logs" }).click();
    const entry = page.locator(".entry").filter({ hasText: "the partner was not ready" });
    await entry.getByText("Made version 1 current again").waitFor();
    await choose(page, "Action", "Version made current again");
    expect(await page.locator(".entry").count()).toBe(1);
  });

  test("one is disabled, cannot be restored while it is, and is enabled again", async () => {
    await store("disabled", 2);
    const page = await open("disabled");
    await ask(page, 1, "Disable");
    await confirm(page, "Disable").click();
    await told(page, "Version 1 of disabled is disabled");
    await row(page, 1).getByText("Disabled").waitFor();
    expect(await offered(page, 1)).toEqual(["Enable", "Destroy"]);
    await page.getByRole("menuitem", { name: "Enable" }).click();
    await confirm(page, "Enable").click();
    await told(page, "Version 1 of disabled is enabled");
    await row(page, 1).getByText("Enabled").waitFor();
    expect(await kit.server.api("owner", "GET", "workspaces/demo/secrets/disabled")).toMatchObject({
      currentVersion: 2,
      state: "VERSION_STATE_ENABLED",
    });
  });

  test("the current one is disabled after a warning, and that shows wherever the secret does", async () => {
    await store("halted", 1, 2);
    const page = await open("halted");
    await ask(page, 1, "Disable");
    await dialog(page).getByText("This affects 2 endpoints").waitFor();
    await dialog(page).getByRole("link", { name: "halted-user-1" }).waitFor();
    await picture(page, "version-disable-current");
    await confirm(page, "Disable").click();
    await told(page, "Version 1 of halted is disabled");
    await page.locator(".page-title").getByText("Disabled").waitFor();
    await page.getByRole("tab", { name: "Overview" }).click();
    await page.getByText("Version 1, the current version, is disabled").waitFor();
    await picture(page, "secret-disabled");
    await go(page, "/w/demo/secrets?q=halted");
    await rowNames(page);
    await page
      .getByRole("row", { name: /halted/ })
      .getByText("Disabled")
      .waitFor();
  });

  test("one is destroyed once the name was typed, and nothing is offered for it any more", async () => {
    await store("worn", 2);
    const page = await open("worn");
    await ask(page, 1, "Destroy");
    await dialog(page).getByText("permanently destroyed").waitFor();
    await dialog(page).getByText("Last used").waitFor();
    expect(await dialog(page).getByRole("checkbox").count()).toBe(0);
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("wor");
    expect(await confirm(page, "Destroy").isDisabled()).toBe(true);
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("worn");
    await picture(page, "version-destroy");
    await confirm(page, "Destroy").click();
    await told(page, "Version 1 of worn is destroyed");
    await row(page, 1).getByText("Destroyed").waitFor();
    expect(await row(page, 1).getByRole("button").count()).toBe(0);
    await picture(page, "versions-destroyed");
  });

  test("the current one in use is destroyed by intent alone; then there is no encrypted representation, until there is a new value", async () => {
    await store("burnt", 1, 1);
    const page = await open("burnt");
    await ask(page, 1, "Destroy");
    await dialog(page).getByText("The version is in use").waitFor();
    await dialog(page).getByRole("link", { name: "burnt-user-0" }).waitFor();
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("burnt");
    await dialog(page).getByLabel("Reason").fill("it leaked");
    expect(await confirm(page, "Destroy").isDisabled()).toBe(true);
    await dialog(page)
      .getByLabel(/even though it is in use/)
      .check();
    await dialog(page).getByLabel("Reason").fill(" ");
    expect(await confirm(page, "Destroy").isDisabled()).toBe(true);
    await dialog(page).getByLabel("Reason").fill("it leaked");
    await picture(page, "version-destroy-in-use");
    await confirm(page, "Destroy").click();
    await told(page, "Version 1 of burnt is destroyed");
    await page.getByRole("tab", { name: "Overview" }).click();
    await page.getByText("Version 1, the current version, is destroyed").waitFor();
    await page.getByText("None. The stored value was destroyed").waitFor();
    expect(await page.getByLabel("Masked value").count()).toBe(0);
    await picture(page, "secret-destroyed");
    await page.getByRole("button", { name: "New value" }).click();
    await page.getByText("Generate for me").click();
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Version 2 of burnt is now current");
    await page.getByLabel("encrypted representation", { exact: true }).waitFor();
  });

  test("what came into use while the dialog was open is refused, with the reason why", async () => {
    await store("late");
    const page = await open("late");
    await ask(page, 1, "Destroy");
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("late");
    await kit.server.addEndpoint("late-user", { encryption: encryptedWith("late") });
    await confirm(page, "Destroy").click();
    await dialog(page).getByText("1 endpoint references the secret").waitFor();
    await picture(page, "version-destroy-refused");
    expect(await confirm(page, "Destroy").isDisabled()).toBe(true);
    await dialog(page)
      .getByLabel(/even though it is in use/)
      .check();
    await dialog(page).getByLabel("Reason").fill("it leaked");
    await confirm(page, "Destroy").click();
    await told(page, "Version 1 of late is destroyed");
  });

  test("two who act at once see what the other did", async () => {
    await store("raced", 3);
    const page = await open("raced");
    await ask(page, 1, "Restore");
    await act("raced", 2, "restore");
    await confirm(page, "Restore").click();
    const conflict = page.getByRole("dialog", { name: /Someone else changed this secret/ });
    await conflict.getByRole("cell", { name: "version 2" }).waitFor();
    await conflict.getByRole("cell", { name: "version 1" }).waitFor();
    await picture(page, "version-conflict");
    await conflict.getByRole("button", { name: "Overwrite with mine" }).click();
    await told(page, "Version 1 of raced is current");
    expect(await kit.server.api("owner", "GET", "workspaces/demo/secrets/raced")).toMatchObject({ currentVersion: 1 });
  });

  test("older versions are there to be acted on as well", async () => {
    await store("many", 52);
    const page = await open("many");
    await row(page, 52).waitFor();
    expect(await row(page, 1).count()).toBe(0);
    await page.getByRole("button", { name: "Show older versions" }).click();
    await ask(page, 1, "Restore");
    await confirm(page, "Restore").click();
    await row(page, 1).getByText("Current").waitFor();
  });
});

describe("a new value", () => {
  test("waits until it is restored, if its owner says so", async () => {
    await store("waiting", 1, 1);
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/waiting" });
    await page.getByRole("button", { name: "New value" }).click();
    await dialog(page).getByText("A new value affects 1 endpoint").waitFor();
    await page.getByText("Generate for me").click();
    await page.getByRole("radio", { name: "Keep the current version" }).check();
    await dialog(page).getByText("Nothing changes yet").waitFor();
    expect(await dialog(page).getByText("A new value affects").count()).toBe(0);
    await picture(page, "secret-keep-current");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Endpoints keep using version 1");
    await page.getByRole("tab", { name: "Versions" }).click();
    await row(page, 2).getByText("Enabled").waitFor();
    await row(page, 1).getByText("Current").waitFor();
    await ask(page, 2, "Restore");
    await confirm(page, "Restore").click();
    await row(page, 2).getByText("Current").waitFor();
  });
});

describe("reminders to rotate", () => {
  beforeAll(() => kit.server.storeSecret("due-never"));

  test("are asked for when a secret is stored", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret Name").fill("due-stored");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByText("Generate for me").click();
    await page.getByText("More: labels, rotation").click();
    await page.getByLabel("Rotation reminder").fill("4000");
    await dialog(page).getByText("Enter a whole number of days from 1 to 3,650").waitFor();
    expect(await page.getByRole("button", { name: "SAVE" }).isDisabled()).toBe(true);
    await picture(page, "store-more");
    await page.getByLabel("Rotation reminder").fill("30");
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByRole("link", { name: "View details" }).click();
    await page.getByText("Reminder every 30 days").waitFor();
    expect(await kit.server.api("owner", "GET", "workspaces/demo/secrets/due-stored")).toMatchObject({
      rotationPeriod: "2592000s",
    });
  });

  test("are changed and given up by an edit, and the change log says from what to what", async () => {
    await kit.server.storeSecret("due-edited", { rotationPeriod: "7776000s" });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/due-edited" });
    const edit = async (days: string) => {
      await page.getByRole("button", { name: "Edit", exact: true }).click();
      await page.getByLabel("Rotation reminder").fill(days);
      await page.getByRole("button", { name: "Save" }).click();
      await dialog(page).waitFor({ state: "detached" });
    };
    await edit("1");
    await page.getByText("Reminder every day").waitFor();
    await page
      .locator(".page-title")
      .getByText(/Rotation due in \d+ hours/)
      .waitFor();
    await edit("");
    await page.getByText("No reminder").waitFor();
    await page.getByRole("tab", { name: "Change logs" }).click();
    const first = page.locator(".entry").filter({ hasText: "every 90 days" }).first();
    await first.getByText("every day").waitFor();
    await picture(page, "history-rotation");
  });

  test("are in the list, which can be narrowed down to what is due", async () => {
    await kit.server.storeSecret("due-soon", { rotationPeriod: "864000s" });
    await kit.server.storeSecret("due-later", { rotationPeriod: "8640000s" });
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=due-" });
    await rowNames(page);
    await page
      .getByRole("row", { name: /due-soon/ })
      .getByText("Rotation due next week")
      .waitFor();
    expect(
      await page
        .getByRole("row", { name: /due-later/ })
        .getByText("Rotation")
        .count(),
    ).toBe(0);
    await choose(page, "Rotation", /Rotation due in/);
    await page.waitForURL(/rotation=soon/);
    expect((await rowNames(page)).map((name) => name.split("\n")[0])).toEqual(["due-soon"]);
    await picture(page, "secrets-due");
    const asked = page.waitForRequest(/rotationDueBefore=/);
    await choose(page, "Rotation", "Rotation overdue");
    const before = new URL((await asked).url()).searchParams.get("rotationDueBefore") ?? "";
    expect(Math.abs(Date.parse(before) - Date.now())).toBeLessThan(120_000);
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    await page.getByRole("button", { name: "Show all secrets" }).click();
    await page.getByText("due-never").waitFor();
  });

  test("say when it is too late", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/activity" });
    await page.route("**/v1/workspaces/demo/secrets?*", async (route) => {
      const answer = await route.fetch();
      const { secrets } = (await answer.json()) as { secrets: object[] };
      await route.fulfill({
        json: { secrets: secrets.map((s) => ({ ...s, rotationDueTime: "2026-01-01T00:00:00Z" })) },
      });
    });
    await go(page, "/w/demo/secrets?q=due-never");
    await rowNames(page);
    await page
      .getByRole("row", { name: /due-never/ })
      .getByText("Rotation overdue")
      .waitFor();
    await settled(page);
  });
});

describe("nonce budgets", () => {
  const budget = (page: Page) => page.getByRole("region", { name: "Nonce budget" });

  test("are on the page of a key that encrypts, and of no other", async () => {
    await kit.server.storeSecret("counted");
    await kit.server.storeSecret("uncounted");
    await kit.server.addActiveEndpoint("counting", { encryption: encryptedWith("counted") });
    await kit.server.encrypt("counting", "{}");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/counted" });
    await budget(page)
      .getByText(/^[\d,]+ of 4,294,967,296 values/)
      .waitFor();
    expect(await budget(page).getByText("Plan a new value").count()).toBe(0);
    await picture(page, "nonce-budget");
    await go(page, "/w/demo/secrets/uncounted");
    await page.getByLabel("Masked value").waitFor();
    await settled(page);
    expect(await budget(page).count()).toBe(0);
  });

  test("warn from 1/16 on, with the date of the end at this rate, and say when they are used up", async () => {
    await kit.server.storeSecret("running-out");
    const page = await kit.signIn("owner", { at: "/w/demo/activity" });
    const end = new Date(Date.now() + 30 * 86_400_000).toISOString();
    await page.route("**/v1/workspaces/demo/secrets/running-out/versions?*", (route) =>
      route.fulfill({
        json: {
          versions: [
            {
              version: 2,
              current: true,
              state: "VERSION_STATE_ENABLED",
              nonceBudget: {
                used: "268435456",
                budget: "4294967296",
                randomBits: 96,
                state: "STATE_WARNING",
                projectedEndTime: end,
              },
            },
            {
              version: 1,
              state: "VERSION_STATE_ENABLED",
              nonceBudget: { used: "4294967296", budget: "4294967296", randomBits: 96, state: "STATE_EXHAUSTED" },
            },
          ],
        },
      }),
    );
    await go(page, "/w/demo/secrets/running-out");
    await budget(page).getByText("268,435,456 of 4,294,967,296 values (6.2%)").waitFor();
    await budget(page).getByText("At least 1/16 of the budget is used").waitFor();
    await budget(page)
      .getByText(/At the current rate, it is used up .*\(in 4 weeks\)/)
      .waitFor();
    await budget(page).getByText("The version no longer encrypts").waitFor();
    await picture(page, "nonce-budget-warning");
  });
});
