import { beforeAll, describe, test } from "vitest";
import { dialog, expect, go, picture, rowNames, told, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

beforeAll(async () => {
  await kit.server.storeSecret("the-key");
  await kit.server.storeSecret("the-token", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: ["bank.partner.test"],
    value: { text: "x" },
  });
  await kit.server.addEndpoint("bank", {
    displayName: "The Bank",
    encryption: encryptedWith("the-key"),
    headers: [{ name: "Authorization", secret: { name: "workspaces/demo/secrets/the-token" } }],
  });
});

describe("a member", () => {
  test("sees endpoints, and that there are references, but no secret", async () => {
    const page = await kit.signIn("member");
    const asked: string[] = [];
    page.on("request", (r) => asked.push(new URL(r.url()).pathname));
    await page.getByRole("heading", { name: "Allowlist" }).waitFor();
    expect(await page.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts()).toEqual([
      "Allowlist",
    ]);
    expect(await rowNames(page)).toEqual(["The Bank\nbank"]);
    await picture(page, "member-allowlist");
    expect(await page.getByRole("button", { name: /Add|Actions/ }).count()).toBe(0);
    await page.getByRole("link", { name: "The Bank" }).click();
    await page.getByText("A stored secret").first().waitFor();
    expect(await page.getByRole("tab").allInnerTexts()).toEqual(["Overview", "Encryption", "Integrate"]);
    expect(await page.getByRole("button", { name: /Edit|Activate|Verify|More/ }).count()).toBe(0);
    await page.getByRole("tab", { name: "Encryption" }).click();
    await page.getByText("AES-256-GCM").waitFor();
    await picture(page, "member-endpoint");
    const text = await page.evaluate(() => document.documentElement.outerHTML);
    expect(text).not.toMatch(/the-key|the-token/);
    expect(asked.filter((path) => path.includes("/secrets") || path.includes("/history"))).toEqual([]);
  });

  test("is told that a secret's page is not theirs, and nothing is asked of the server", async () => {
    const page = await kit.signIn("member", { at: "/w/demo/secrets" });
    const refused: string[] = [];
    page.on("response", (r) => {
      if (r.status() >= 400) refused.push(r.url());
    });
    await page.reload();
    for (const path of [
      "/w/demo/secrets",
      "/w/demo/secrets/the-key",
      "/w/demo/activity",
      "/w/demo/new-endpoint",
      "/w/demo/endpoints/bank/edit",
    ]) {
      await page.getByRole("heading", { name: "You do not have access" }).waitFor();
      await picture(page, "member-no-secrets");
      // Goes through a permitted page first, so that the next one is a different page.
      await go(page, "/w/demo/endpoints");
      expect(await rowNames(page)).toEqual(["The Bank\nbank"]);
      await go(page, path);
    }
    await page.getByRole("heading", { name: "You do not have access" }).waitFor();
    expect(refused).toEqual([]);
  });

  test("has no other workspace", async () => {
    const page = await kit.signIn("member", { at: "/w/other/endpoints" });
    await page.getByRole("heading", { name: "You do not have access" }).waitFor();
    await page.getByRole("button", { name: "Workspace other" }).click();
    await page
      .getByRole("option", { name: /^demo/ })
      .getByText(/endpoint/)
      .waitFor();
    expect(await page.getByRole("option").allInnerTexts()).toEqual([expect.stringMatching(/^demo/), "other"]);
  });
});

describe("an owner", () => {
  test("sees all of the workspace, and is not offered to approve", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/verification" });
    expect(await page.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts()).toEqual([
      "Secrets",
      "Allowlist",
      "Activity",
    ]);
    await page.getByText("Ask a super admin").waitFor();
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).waitFor();
    expect(await page.getByRole("menuitem", { name: "Approve" }).count()).toBe(0);
  });

  test("is not offered to delete what is in use", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=the-key" });
    await rowNames(page);
    await page.getByRole("button", { name: "Actions for the-key" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await dialog(page).getByRole("link", { name: "bank" }).waitFor();
    expect(await dialog(page).getByRole("button", { name: "Delete" }).count()).toBe(0);
  });
});

describe("a super admin", () => {
  test("opens any workspace by name", async () => {
    const page = await kit.signIn("admin", { at: "/w/demo/secrets" });
    await rowNames(page);
    await page.getByRole("button", { name: "Workspace demo" }).click();
    await page.getByLabel("Workspace name").fill("brand-new");
    await picture(page, "admin-workspaces");
    await page.getByRole("option", { name: /brand-new/ }).click();
    await page.waitForURL(/\/w\/brand-new\/secrets/);
    await page.getByRole("heading", { name: "This workspace is empty" }).waitFor();
    await page.getByText(/The policy does not mention brand-new/).waitFor();
  });

  test("approves an endpoint, which can then be activated", async () => {
    const page = await kit.signIn("admin", { at: "/w/demo/endpoints/bank" });
    await page.getByRole("button", { name: "Approve" }).click();
    await dialog(page).getByLabel("Reason").fill("contract 12");
    await picture(page, "admin-approve");
    await dialog(page).getByRole("button", { name: "Approve" }).click();
    await told(page, "bank approved");
    await page.getByRole("button", { name: "Activate" }).click();
    await told(page, "bank is active");
    await page.getByText("Verified by approval").first().waitFor();
    await picture(page, "admin-endpoint-active");
  });

  test("deletes by force what is in use, with a reason", async () => {
    const page = await kit.signIn("admin", { at: "/w/demo/secrets/the-key" });
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await dialog(page).getByRole("link", { name: "bank" }).waitFor();
    await dialog(page)
      .getByLabel(/Delete it anyway/)
      .check();
    await dialog(page)
      .getByLabel(/to confirm/)
      .fill("the-key");
    const button = dialog(page).getByRole("button", { name: "Delete" });
    expect(await button.isDisabled()).toBe(true);
    await dialog(page).getByLabel("Reason").fill("it leaked");
    await picture(page, "admin-force-delete");
    await button.click();
    await told(page, "the-key deleted");
  });
});
