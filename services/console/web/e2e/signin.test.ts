import { describe, test } from "vitest";
import { dialog, expect, picture, rowNames, useKit } from "./kit";

const kit = useKit();

describe("sign-in", () => {
  test("somebody without a session is told how to get one", async () => {
    const page = await (await kit.context()).newPage();
    await page.goto(kit.server.url);
    await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    await picture(page, "sign-in");
  });

  test("a one-time link signs in with one click, and leaves no trace in the address", async () => {
    const page = await kit.signIn("owner");
    await page.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
    expect(page.url()).toBe(`${kit.server.url}/w/demo/secrets`);
    const traces = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state]),
    );
    expect(traces).not.toMatch(/ticket|eyJ|refresh|verifier/);
  });

  test("a link works once", async () => {
    const link = await kit.server.link("owner");
    const first = await (await kit.context()).newPage();
    await first.goto(link);
    await first.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
    const second = await (await kit.context()).newPage();
    await second.goto(link);
    await second.getByText("This link has already been used").waitFor();
    await picture(second, "sign-in-used-link");
  });

  test("a reload and a deep link need no new link", async () => {
    await kit.server.storeSecret("deep-link");
    const page = await kit.signIn("owner");
    await page.goto(`${kit.server.url}/w/demo/secrets?q=deep`);
    expect(await rowNames(page)).toEqual(["deep-link"]);
    await page.reload();
    expect(await rowNames(page)).toEqual(["deep-link"]);
    await page.goto(`${kit.server.url}/w/demo/secrets/deep-link/versions`);
    await page.getByRole("heading", { name: "deep-link" }).waitFor();
    expect(await page.getByRole("tab", { name: "Versions" }).getAttribute("aria-selected")).toBe("true");
  });

  test("signing out forgets the browser", async () => {
    const page = await kit.signIn("owner");
    await page.getByRole("button", { name: /owner/i }).last().click();
    await picture(page, "user-menu");
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    await page.goto(`${kit.server.url}/w/demo/secrets`);
    await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
  });

  test("the token is renewed before it ends, without anybody noticing", async () => {
    const context = await kit.context();
    const page = await context.newPage();
    await page.clock.install();
    await page.goto(await kit.server.link("owner"));
    await page.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
    const renewed = page.waitForRequest(
      (r) => r.url().endsWith("/token") && (r.postData() ?? "").includes("refresh_token"),
    );
    await page.clock.fastForward("09:30");
    await renewed;
    await page.getByRole("link", { name: "Allowlist" }).click();
    await page.getByRole("heading", { name: "No endpoints yet" }).waitFor();
  });
});

describe("a session that ends", () => {
  test("keeps what was typed, except the value, and goes on after signing in again", async () => {
    const page = await kit.signIn("owner");
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret Name").fill("typed-before");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Secret value").fill("a value that must go");
    await page.getByLabel("Description").fill("kept");

    await page.route("**/v1/**", (route) => route.fulfill({ status: 401, json: { code: 16, message: "no" } }));
    await page.route("**/issuer/token", (route) => route.fulfill({ status: 400, json: { error: "invalid_grant" } }));
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByText("Your session has ended").first().waitFor();
    await picture(page, "session-ended");
    await page.unrouteAll();

    expect(await page.getByLabel("Secret value").inputValue()).toBe("");
    await page.getByRole("button", { name: "Sign in again" }).click();
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor({ state: "detached" });
    expect(await page.getByLabel("Secret Name").inputValue()).toBe("typed-before");
    expect(await page.getByLabel("Description").inputValue()).toBe("kept");

    await page.getByLabel("Secret value").fill("another value, long enough");
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("No one can view it again").waitFor();
  });
});
