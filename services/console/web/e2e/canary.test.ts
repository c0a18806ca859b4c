import type { Page } from "playwright-core";
import { describe, test } from "vitest";
import { dialog, expect, told, useKit } from "./kit";
import { inHeap, reachable, reactNodes } from "./reach";
import { Wire } from "./wire";

const kit = useKit();

const fresh = () => `CaNaRy${crypto.randomUUID().replaceAll("-", "")}`;

/** Records everything that the page sends and logs during its lifetime. */
function record(page: Page) {
  const said: string[] = [];
  page.on("console", (m) => said.push(m.text()));
  return { said, wire: new Wire(page) };
}

/** Searches for a canary everywhere after it was saved. */
async function expectGone(page: Page, seen: ReturnType<typeof record>, canary: string): Promise<void> {
  expect(await reactNodes(page)).toBeGreaterThan(30);
  expect(await reachable(page, canary)).toEqual([]);
  expect(seen.said.filter((t) => t.includes(canary))).toEqual([]);
  expect(seen.wire.holding(canary)).toEqual([]);
}

describe("a value", () => {
  test("is found by the search while it is typed, or the search would prove nothing", async () => {
    const page = await kit.signIn("owner");
    const canary = fresh();
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret value").fill(canary);
    // The value is only in its text area. The description, which React keeps, is also found in React's state.
    expect(await reachable(page, canary)).toEqual([expect.stringMatching(/^value of/)]);
    await page.getByLabel("Description").fill(`D${canary}`);
    expect((await reachable(page, canary)).some((where) => where.endsWith("memoizedState"))).toBe(true);
    expect(await inHeap(page, canary)).toBe(true);
  });

  test("that was typed is gone once it is saved", async () => {
    const page = await kit.signIn("owner");
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret Name").fill("typed-canary");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Secret value").pressSequentially(canary.slice(0, 12));
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByLabel("Secret value").fill(canary);
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("No one can view it again").waitFor();
    await expectGone(page, seen, canary);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByText("typed-canary").waitFor();
    await expectGone(page, seen, canary);
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that came from a file is gone once it is saved", async () => {
    const page = await kit.signIn("owner");
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret Name").fill("file-canary");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByText("File", { exact: true }).click();
    await page
      .getByLabel("File with the value")
      .setInputFiles({ name: "key.txt", mimeType: "text/plain", buffer: Buffer.from(canary) });
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("No one can view it again").waitFor();
    const encoded = Buffer.from(canary).toString("base64").replace(/=+$/, "").slice(0, -2);
    await expectGone(page, seen, encoded);
    expect(seen.wire.holding(canary)).toEqual([]);
    expect(await reachable(page, canary)).toEqual([]);
    expect(await inHeap(page, encoded)).toBe(false);
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that replaces another is gone once it is saved", async () => {
    await kit.server.storeSecret("rotated-canary");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/rotated-canary" });
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "New value" }).click();
    await page.getByLabel("Secret value").fill(canary);
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Version 2 of rotated-canary");
    await page.getByText("Version 2", { exact: true }).waitFor();
    await expectGone(page, seen, canary);
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that was typed in an edit, beside all else that can be, is gone once it is saved, also from the dialogs after it", async () => {
    await kit.server.storeSecret("edited-canary");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/edited-canary" });
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByLabel("Description").fill("a description");
    await page.getByLabel("Rotation reminder").fill("90");
    await page.getByRole("switch", { name: "Store a new value" }).check();
    await page.getByLabel("Secret value").fill(canary);
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("radio", { name: "Keep the current version" }).check();
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "Endpoints keep using version 1");
    await expectGone(page, seen, canary);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("tab", { name: "Versions" }).click();
    for (const act of ["Restore", "Disable", "Destroy"]) {
      await page.getByRole("button", { name: "Actions for version 2" }).click();
      await page.getByRole("menuitem", { name: act }).click();
      await dialog(page).getByLabel("Reason").fill("a reason");
      await expectGone(page, seen, canary);
      await page.getByRole("button", { name: "Cancel" }).click();
      await dialog(page).waitFor({ state: "detached" });
    }
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that somebody else's change kept from being saved is sealed by then, and nowhere", async () => {
    await kit.server.storeSecret("contended-canary");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/contended-canary" });
    const canary = fresh();
    await page.getByRole("button", { name: "New value" }).click();
    await page.getByLabel("Secret value").fill(canary);
    await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/contended-canary", { description: "theirs" });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Use theirs" }).waitFor();
    expect(await reachable(page, canary)).toEqual([]);
    await page.getByRole("button", { name: "Use theirs" }).click();
    await page.getByRole("button", { name: "Use theirs" }).waitFor({ state: "detached" });
    expect(await reachable(page, canary)).toEqual([]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that an edit went without after all is gone, and went nowhere", async () => {
    await kit.server.storeSecret("dropped-canary");
    const page = await kit.signIn("owner", { at: "/w/demo/secrets/dropped-canary" });
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    const other = page.getByRole("switch", { name: "Store a new value" });
    await other.check();
    await page.getByLabel("Secret value").fill(canary);
    await other.uncheck();
    expect(await reachable(page, canary)).toEqual([]);
    await page.getByLabel("Description").fill("a description");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page, "dropped-canary saved");
    expect(seen.wire.holding(canary)).toEqual([]);
    expect(await inHeap(page, canary)).toBe(false);
  });

  test("that was given up is gone, and went nowhere", async () => {
    const page = await kit.signIn("owner");
    const seen = record(page);
    const canary = fresh();
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret value").fill(canary);
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });
    expect(seen.wire.holding(canary)).toEqual([]);
    expect(await reachable(page, canary)).toEqual([]);
    expect(await inHeap(page, canary)).toBe(false);
  });
});
