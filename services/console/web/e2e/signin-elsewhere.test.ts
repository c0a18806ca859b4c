import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from "vitest";
import { Apart } from "./apart";
import { dialog, expect, launch, open, picture, rowNames, signedIn } from "./kit";

// Users sign in at an issuer on another site, like that of a company.
let apart: Apart;
let browser: Browser;

beforeAll(async () => {
  [apart, browser] = await Promise.all([Apart.start(), launch()]);
}, 120_000);

beforeEach(() => {
  const { issuer } = apart;
  issuer.lifetime = 600;
  issuer.tamper = () => undefined;
  issuer.wrong = {};
  issuer.asked.length = 0;
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((c) => c.close()));
});

afterAll(async () => {
  await browser?.close();
  await apart?.stop();
});

const newPage = async (): Promise<Page> => (await open(browser)).newPage();

const login = async (page: Page, button = "Log in"): Promise<void> => {
  await page.getByRole("heading", { name: "Company login" }).waitFor();
  await page.getByLabel("User").fill("owner");
  await page.getByRole("button", { name: button }).click();
};

/** A page of a user who signed in at the issuer. */
async function signIn(at = "/w/demo/secrets"): Promise<Page> {
  const page = await newPage();
  await page.goto(apart.url + at);
  await page.getByRole("button", { name: "Sign in" }).click();
  await login(page);
  await signedIn(page);
  return page;
}

/** The requests that the issuer received at an endpoint. */
const asked = (endpoint: string) => apart.issuer.asked.filter((a) => a.path === `/tenant/${endpoint}`);

describe("at an issuer of another site", () => {
  test("the policy lets the page talk to the server and that issuer alone", async () => {
    const page = await newPage();
    const policy = (await page.goto(apart.url))?.headers()["content-security-policy"] ?? "";
    expect(/connect-src ([^;]*)/.exec(policy)?.[1]).toBe(`'self' ${new URL(apart.issuer.url).origin}`);
    const refused = await page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          document.addEventListener("securitypolicyviolation", (e) =>
            resolve(`${e.effectiveDirective} ${e.blockedURI}`),
          );
          fetch("https://localhost:1/").catch(() => undefined);
        }),
    );
    expect(refused).toBe("connect-src https://localhost:1/");
  });

  test("one signs in with a code and PKCE, and comes back to where one wanted to go", async () => {
    const page = await newPage();
    const complaints: string[] = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
    await page.goto(`${apart.url}/w/demo/endpoints?q=bank`);
    await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    await picture(page, "elsewhere-sign-in");
    await page.getByRole("button", { name: "Sign in" }).click();
    await login(page);
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    expect(page.url()).toBe(`${apart.url}/w/demo/endpoints?q=bank`);
    await page.getByText("owner of the company").first().waitFor();
    const request = asked("authorize")[0]?.params;
    expect(Object.fromEntries(request ?? [])).toMatchObject({
      response_type: "code",
      scope: "openid offline_access",
      audience: "keyward-api",
      code_challenge_method: "S256",
    });
    const exchange = asked("token");
    expect(exchange).toHaveLength(1);
    expect(exchange[0]?.params.get("code_verifier")).toMatch(/^[A-Za-z0-9_-]{43}$/);
    // A public client: the request contains nothing that identifies the browser or its previous page.
    expect(exchange[0]?.headers).not.toHaveProperty("authorization");
    expect(exchange[0]?.headers).not.toHaveProperty("cookie");
    expect(exchange[0]?.headers).not.toHaveProperty("referer");
    expect(exchange[0]?.headers.origin).toBe(apart.url);
    expect(complaints).toEqual([]);
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
    );
    expect(kept).not.toMatch(/eyJ|code=|verifier|refresh/);
  });

  test("a reload signs in without asking, and a renewal before the token ends", async () => {
    const page = await signIn();
    await page.reload();
    await signedIn(page);
    expect(asked("authorize").at(-1)?.params.get("prompt")).toBe("none");
    expect(asked("sign-in")).toHaveLength(1);
    // The test moves the page's clock, starting from a fresh page.
    await page.clock.install();
    await page.reload();
    await rowNamesOrEmpty(page);
    for (const turn of [1, 2]) {
      const renewed = page.waitForResponse(
        (r) => r.url() === `${apart.issuer.url}/token` && (r.request().postData() ?? "").includes("refresh_token"),
      );
      await page.clock.fastForward("09:05");
      expect((await renewed).status(), `turn ${turn}`).toBe(200);
    }
    const used = asked("token")
      .map((a) => a.params.get("refresh_token"))
      .filter(Boolean);
    expect(new Set(used).size).toBe(2);
    await page.getByRole("link", { name: "Allowlist" }).click();
    await page.getByRole("heading", { name: "No endpoints yet" }).waitFor();
  });

  test("signing out ends the session at the issuer too", async () => {
    const page = await signIn();
    await page.getByRole("button", { name: /owner/i }).last().click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Keyward" }).waitFor();
    expect(asked("sign-out")).toHaveLength(1);
    await page.goto(`${apart.url}/w/demo/secrets`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Company login" }).waitFor();
  });
});

describe("a session that the issuer ends", () => {
  test("keeps what was typed, while one signs in again in another window", async () => {
    const page = await signIn();
    await page.getByRole("button", { name: "Store New Secret" }).first().click();
    await page.getByLabel("Secret Name").fill("typed-before");
    await page.getByRole("radio", { name: "Encryption or signing key" }).check();
    await page.getByLabel("Description").fill("kept");
    apart.issuer.revoke();
    await page.route("**/v1/**", (route) => route.fulfill({ status: 401, json: { code: 16, message: "no" } }));
    await page.getByLabel("Secret value").fill("a value");
    await page.getByRole("button", { name: "SAVE" }).click();
    const ended = page.getByRole("dialog", { name: "Your session has ended" });
    await ended.waitFor();
    await page.unrouteAll();

    // If a window closes without an answer, the user can open another one.
    const [closed] = await Promise.all([
      page.context().waitForEvent("page"),
      ended.getByRole("button", { name: "Sign in again" }).click(),
    ]);
    await closed.getByRole("heading", { name: "Company login" }).waitFor();
    await closed.close();
    await ended.getByText("Continue in the window that opened.").waitFor();
    await picture(page, "elsewhere-session-ended");
    const [popup] = await Promise.all([
      page.context().waitForEvent("page"),
      ended.getByRole("button", { name: "Open the window again" }).click(),
    ]);
    await login(popup);
    await ended.waitFor({ state: "detached" });
    expect(await page.getByLabel("Secret Name").inputValue()).toBe("typed-before");
    expect(await page.getByLabel("Description").inputValue()).toBe("kept");
    await page.getByLabel("Secret value").fill("another value, long enough");
    await page.getByRole("button", { name: "SAVE" }).click();
    await dialog(page).getByText("No one can view it again").waitFor();
  });
});

describe("an answer of the issuer that is not right", () => {
  /** Signs in and returns the page's description of the user. */
  const refusal = async (button?: string): Promise<string> => {
    const page = await newPage();
    await page.goto(apart.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await login(page, button);
    const said = page.getByRole("alert");
    await said.waitFor();
    expect(await page.locator(".user").count()).toBe(0);
    await picture(page, "elsewhere-refused");
    return said.innerText();
  };

  test("with another state is refused, and its code is not exchanged", async () => {
    apart.issuer.tamper = (answer) => answer.set("state", "another");
    expect(await refusal()).toBe("The response does not belong to this sign-in.");
    expect(asked("token")).toEqual([]);
  });

  test("of another issuer is refused, and its code is not exchanged", async () => {
    apart.issuer.tamper = (answer) => answer.set("iss", "https://elsewhere.test");
    expect(await refusal()).toBe("The response comes from another issuer.");
    expect(asked("token")).toEqual([]);
  });

  test("with another nonce is refused", async () => {
    apart.issuer.wrong = { nonce: "another" };
    expect(await refusal()).toBe("The response does not belong to this sign-in.");
  });

  test("with a code that is none is refused", async () => {
    apart.issuer.tamper = (answer) => answer.set("code", "another");
    expect(await refusal()).toContain("Try again");
  });

  test("that says no is put in words", async () => {
    expect(await refusal("Refuse")).toBe("The issuer denied the sign-in. The issuer reports: Not in working hours");
  });

  test.each([
    ["temporarily_unavailable", "Sign-in is temporarily unavailable"],
    ["invalid_scope", "Ask your Keyward administrators"],
  ])("such as %s is put in words", async (error, words) => {
    apart.issuer.tamper = (answer) => {
      answer.delete("code");
      answer.set("error", error);
    };
    expect(await refusal()).toContain(words);
  });

  test("or none at all is told from a server that is away", async () => {
    const page = await newPage();
    await page.route(`${apart.issuer.url}/**`, (route) => route.abort());
    await page.goto(apart.url);
    await page.getByText("Could not reach the sign-in service (issuer).").waitFor();
  });
});

/** Waits for the list of secrets, which may have none. */
async function rowNamesOrEmpty(page: Page): Promise<void> {
  await page
    .getByRole("heading", { name: "No secrets yet" })
    .or(page.locator("table[aria-busy=false]"))
    .first()
    .waitFor();
  if (await page.locator("table").count()) await rowNames(page);
}
