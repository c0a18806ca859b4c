import { beforeAll, describe, test } from "vitest";
import { axeFindings, expect, go, overflow, picture, useKit } from "./kit";

const kit = useKit();

const long = `a-key-with-a-name-that-is-as-long-as-${"names-may-be-".repeat(7)}x`.slice(0, 127).replace(/-$/, "x");
const refTo = (secret: string) => ({ name: `workspaces/demo/secrets/${secret}` });

beforeAll(async () => {
  const { server } = kit;
  await server.storeSecret("bank-key");
  await server.storeSecret(long);
  const aes = { algorithm: "ALGORITHM_AES_256_GCM" };
  await server.addActiveEndpoint("bank", {
    displayName: "The Bank",
    encryption: { request: { cipher: { ...aes, sharedKey: { keys: [refTo("bank-key"), refTo(long)] } } } },
  });
  for (let i = 0; i < 12; i++) await server.encrypt("bank", `message ${i}`);
  // None of the partner's messages decrypts: one is too short, one is not base64, and one uses another key.
  for (const body of [
    "x",
    "not base64 at all",
    Buffer.alloc(64, 7).toString("base64"),
    Buffer.alloc(30_000, 9).toString("base64"),
  ]) {
    expect(await server.decrypt("bank", Buffer.from(body).toString("base64"))).toBe(false);
  }
  await server.storeSecret("lonely-key");
  await server.addActiveEndpoint("quiet", {
    encryption: { request: { cipher: { ...aes, sharedKey: { keys: [refTo("lonely-key")] } } } },
  });
});

describe("an owner sees", () => {
  test("how often each key was used, and what did not open", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/encryption" });
    const uses = page.getByRole("region", { name: "Key uses" });
    const row = (secret: string) =>
      uses.getByRole("row").filter({ has: page.getByRole("link", { name: secret, exact: true }) });
    expect(await row("bank-key").getByRole("cell").nth(0).innerText()).toBe("1");
    expect(await row("bank-key").getByRole("cell").nth(1).innerText()).toBe("12");
    // The last key that was tried is the one that failed.
    expect(Number(await row(long).getByRole("cell").nth(2).innerText())).toBeGreaterThan(0);
    const failures = page.getByRole("region", { name: "Recent failures" });
    expect(await failures.locator("tbody tr").count()).toBe(4);
    await failures.scrollIntoViewIfNeeded();
    await picture(page, "uses");
    // The page updates itself.
    await kit.server.encrypt("bank", "one more");
    await page.getByRole("button", { name: "Refresh" }).click();
    await row("bank-key").getByRole("cell", { name: "13", exact: true }).waitFor();
    await row("bank-key").getByRole("link").click();
    await page.getByRole("heading", { name: "bank-key" }).waitFor();
  });

  test("that there is nothing yet", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/quiet/encryption" });
    await page.getByText("No key has been used yet.").waitFor();
    await page.getByText("No failures since the allowlist started.").waitFor();
  });
});

test("a member sees neither", async () => {
  const page = await kit.signIn("member", { at: "/w/demo/endpoints/bank/encryption" });
  await page.getByText("AES-256-GCM").first().waitFor();
  expect(await page.getByRole("heading", { name: /Key uses|Recent failures/ }).count()).toBe(0);
  await picture(page, "uses-member");
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
      at: "/w/demo/endpoints",
    });
    await go(page, "/w/demo/endpoints/bank/encryption");
    const failures = page.getByRole("heading", { name: "Recent failures" });
    await failures.waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    await page.locator("main").evaluate((e) => e.scrollTo(0, e.scrollHeight));
    await picture(page, `${colorScheme}-${size}-uses`);
  });
});
