import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, test } from "vitest";
import { choose, dialog, expect, go, rowNames, settled, signedIn, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

describe("the page's policy", () => {
  test("allows nothing inline, nothing evaluated and nobody else", async () => {
    const page = await (await kit.context()).newPage();
    const headers = (await page.goto(kit.server.url))?.headers() ?? {};
    const policy = headers["content-security-policy"] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-|\*|https?:|blob:/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test("is kept by every page and dialog, without a style element and without a stranger", async () => {
    await kit.server.storeSecret("a-key");
    await kit.server.addEndpoint("an-endpoint", { encryption: encryptedWith("a-key") });
    const page = await kit.signIn("owner");
    const watch = kit.watch(page);
    await page.addInitScript(() =>
      document.addEventListener("securitypolicyviolation", (e) =>
        console.error(`violation: ${e.violatedDirective} ${e.blockedURI}`),
      ),
    );
    await page.goto(`${kit.server.url}/w/demo/secrets`);
    await signedIn(page);
    for (const at of [
      "secrets",
      "secrets/a-key",
      "secrets/a-key/versions",
      "secrets/a-key/used-by",
      "secrets/a-key/history",
      "endpoints",
      "endpoints/an-endpoint",
      "endpoints/an-endpoint/encryption",
      "endpoints/an-endpoint/verification",
      "endpoints/an-endpoint/edit",
      "activity",
      "new-endpoint",
    ]) {
      await go(page, `/w/demo/${at}`);
      await page.locator("main h1").waitFor();
      await settled(page);
      expect(await page.locator("style").count(), at).toBe(0);
    }
    await go(page, "/w/demo/secrets");
    await rowNames(page);
    await page.getByRole("button", { name: "Actions for a-key" }).click();
    await page.getByRole("menuitem", { name: "Edit" }).click();
    await page.getByRole("switch", { name: "Store a new value" }).check();
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "detached" });
    await choose(page, "Purpose", /^Keys$/);
    await page.getByRole("button", { name: /owner/i }).last().click();
    await page.getByRole("menuitemradio", { name: "Dark" }).click();
    await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === "dark");
    expect(await page.locator("style").count()).toBe(0);
    expect(watch).toEqual({ complaints: [], strangers: [] });
  });

  test("data is never stored, and what has a hash in its name is stored for good", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/secrets" });
    const seen: [string, string][] = [];
    page.on("response", (r) => seen.push([new URL(r.url()).pathname, r.headers()["cache-control"] ?? ""]));
    await page.reload();
    await rowNames(page);
    expect(seen.filter(([at, rule]) => at.startsWith("/v1/") && rule !== "no-store")).toEqual([]);
    expect(seen.find(([at]) => at === "/config.json")?.[1]).toBe("no-store");
    expect(seen.filter(([at, rule]) => at.startsWith("/assets/") && !rule.includes("immutable"))).toEqual([]);
  });

  test("cookies are none, or of this host alone and out of reach of scripts", async () => {
    const page = await kit.signIn("owner");
    for (const cookie of await page.context().cookies()) {
      expect(cookie.name).toMatch(/^__Host-/);
      expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "Strict", path: "/" });
    }
  });
});

describe("the page's size", () => {
  test("all its JavaScript is under 250 kB compressed", () => {
    const folder = path.resolve(import.meta.dirname, "../dist/assets");
    const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
    const total = scripts.reduce(
      (sum, name) => sum + gzipSync(readFileSync(path.join(folder, name)), { level: 6 }).length,
      0,
    );
    expect(scripts.length).toBeGreaterThan(1);
    expect(total).toBeLessThan(250_000);
  });
});
