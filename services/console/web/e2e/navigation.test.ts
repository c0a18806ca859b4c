import { beforeAll, describe, test } from "vitest";
import { expect, rowNames, useKit } from "./kit";

const kit = useKit();

beforeAll(async () => {
  for (let i = 1; i <= 60; i++) await kit.server.storeSecret(`paged-${String(i).padStart(2, "0")}`);
});

test("the instructions of the sign-in page are lines, not words", async () => {
  for (const width of [390, 1280]) {
    const page = await (await kit.context({ viewport: { width, height: 844 } })).newPage();
    await page.goto(kit.server.url);
    const step = page.getByRole("listitem").filter({ hasText: "press Enter" });
    await step.waitFor();
    expect(
      await step.evaluate((e) => e.getBoundingClientRect().height / Number.parseFloat(getComputedStyle(e).lineHeight)),
    ).toBeLessThan(3.5);
  }
});

describe("pages of a list", () => {
  test("are in the address, begin at their top, and are there after Back and a reload", async () => {
    const page = await kit.signIn("owner", {
      at: "/w/demo/secrets?q=paged&size=25",
      viewport: { width: 1280, height: 500 },
    });
    await rowNames(page);
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText("26–50").waitFor();
    await page.waitForURL(/[?&]page=2/);
    expect(await page.locator("#content").evaluate((e) => e.scrollTop)).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("TABLE");
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText("51–60").waitFor();
    await page.getByRole("link", { name: "paged-55" }).click();
    await page.getByRole("heading", { name: "paged-55" }).waitFor();
    await page.goBack();
    await page.getByText("51–60").waitFor();
    expect(await rowNames(page)).toContain("paged-55");
    await page.reload();
    await page.getByText("51–60").waitFor();
    await page.getByRole("button", { name: "Previous page" }).click();
    await page.getByText("26–50").waitFor();
    await page.goBack();
    await page.getByText("51–60").waitFor();
    await page.getByLabel("Search by name").fill("paged-0");
    await page.waitForURL(/q=paged-0/);
    expect((await rowNames(page)).length).toBe(9);
    expect(page.url()).not.toContain("page=");
  });

  test("whose token is too old begin again", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=paged&size=25&page=2&after=bm8" });
    await page.getByText("1–25").waitFor();
    expect(page.url()).not.toContain("page=");
  });
});

test("names are in the order that people expect, where a page holds all of them", async () => {
  for (const id of ["sorted-10", "Sorted-9", "sorted-2"]) await kit.server.storeSecret(id);
  const page = await kit.signIn("owner", { at: "/w/demo/secrets?q=sorted" });
  expect(await rowNames(page)).toEqual(["sorted-2", "Sorted-9", "sorted-10"]);
  await page.getByRole("button", { name: "Secret name" }).click();
  await page.waitForURL(/sort=name/);
  expect(await rowNames(page)).toEqual(["sorted-10", "Sorted-9", "sorted-2"]);
});

test("each page and dialog has a title", async () => {
  await kit.server.addEndpoint("titled");
  const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
  const title = (words: string) => expect.poll(() => page.title()).toBe(words);
  await title("Secrets · demo · Keyward");
  await page.getByRole("button", { name: "Store New Secret" }).first().click();
  await title("Store New Secret · demo · Keyward");
  await page.getByRole("button", { name: "Cancel" }).click();
  await title("Secrets · demo · Keyward");
  await page.getByRole("link", { name: "paged-01" }).click();
  await title("paged-01 · demo · Keyward");
  await page.getByRole("tab", { name: "Change logs" }).click();
  await title("paged-01, Change logs · demo · Keyward");
  await page.getByRole("link", { name: "Activity" }).click();
  await title("Activity · demo · Keyward");
  await page.getByRole("link", { name: "Allowlist" }).click();
  await title("Allowlist · demo · Keyward");
  await page.getByRole("link", { name: "titled" }).click();
  await title("titled · demo · Keyward");
  const stranger = await (await kit.context()).newPage();
  await stranger.goto(kit.server.url);
  await expect.poll(() => stranger.title()).toBe("Sign in to Keyward");
});

test("what was just done was just done, though the browser's clock is late", async () => {
  await kit.server.storeSecret("just-stored");
  const page = await (await kit.context()).newPage();
  await page.clock.install({ time: Date.now() - 120_000 });
  await page.goto(await kit.server.link("owner"));
  await page.getByLabel("Search by name").fill("just-stored");
  await page.waitForURL(/q=just-stored/);
  expect(await rowNames(page)).toEqual(["just-stored"]);
  expect(await page.locator("tbody time").first().innerText()).toMatch(/^just now/);
});

describe("sign-in", () => {
  test("returns to the page that was asked for, though the link leads to the first", async () => {
    const context = await kit.context();
    const wanted = await context.newPage();
    await wanted.goto(`${kit.server.url}/w/demo/secrets/paged-07/history`);
    await wanted.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    const link = await context.newPage();
    await link.goto(await kit.server.link("owner"));
    await link.getByRole("heading", { name: "paged-07" }).waitFor();
    expect(link.url()).toBe(`${kit.server.url}/w/demo/secrets/paged-07/history`);
    // The requested page is used only once: the next visit starts at the first page.
    const next = await context.newPage();
    await next.goto(kit.server.url);
    await next.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
  });

  test("returns to no other site", async () => {
    const context = await kit.context();
    const page = await context.newPage();
    for (const path of ["//evil.example/", "/\\evil.example/"]) {
      await page.goto(kit.server.url);
      await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
      await page.evaluate(
        (to) => localStorage.setItem("keyward.wanted", JSON.stringify({ path: to, time: Date.now() })),
        path,
      );
      await page.goto("about:blank");
      await page.goto(await kit.server.link("owner"));
      await page.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
      expect(new URL(page.url()).origin).toBe(kit.server.url);
      await context.clearCookies();
      await page.evaluate(() => localStorage.clear());
    }
  });
});

describe("workspaces", () => {
  test("a super admin sees all that hold something, with counts", async () => {
    const page = await kit.signIn("admin");
    await page.getByRole("button", { name: /^Workspace/ }).click();
    const choice = page.getByRole("option", { name: /^demo/ });
    await choice.getByText(/secrets/).waitFor();
    await choice.getByText(/endpoint/).waitFor();
    await choice.click();
    await rowNames(page);
  });

  test("one that holds nothing says so, and a mistyped one to Check the spelling", async () => {
    const page = await kit.signIn("admin", { at: "/w/demmo/secrets" });
    await page.getByRole("heading", { name: "This workspace is empty" }).waitFor();
    await page.getByText("Check the spelling").waitFor();
    await page.getByRole("link", { name: "Allowlist" }).click();
    await page.getByRole("heading", { name: "This workspace is empty" }).waitFor();
    await page.getByRole("button", { name: "Workspace demmo" }).click();
    expect(await page.getByRole("option", { name: /^demmo/ }).innerText()).toContain("Empty");
  });
});
