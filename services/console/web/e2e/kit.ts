import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { AxeResults, RunOptions } from "axe-core";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Role, Server } from "./server";

/** The folder for screenshots, if set. */
const screenshots =
  process.env.KEYWARD_PICTURES &&
  path.resolve(
    import.meta.dirname,
    "screenshots",
    process.env.KEYWARD_PICTURES === "1" ? "" : process.env.KEYWARD_PICTURES,
  );

/** Problems that the page must not cause. */
export interface Watch {
  /** Errors and warnings of the console, including violations of the content security policy. */
  complaints: string[];
  /** Requests to any other server. */
  strangers: string[];
}

/** A browser for the tests of one file, set up as a user on this machine has it. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

/** A window of its own. Animations are off, so that tests need not wait for them. */
export const open = (browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> =>
  browser.newContext({
    ignoreHTTPSErrors: true,
    reducedMotion: "reduce",
    viewport: { width: 1280, height: 860 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });

/** A server and a browser for the tests of one file. */
export class Kit {
  server!: Server;
  browser!: Browser;

  async open(): Promise<void> {
    [this.server, this.browser] = await Promise.all([Server.start(), launch()]);
  }

  /** Closes the pages that a test left open, so that they do not run during the next test. */
  async rest(): Promise<void> {
    await Promise.all(this.browser.contexts().map((c) => c.close()));
  }

  async close(): Promise<void> {
    await Promise.all([this.browser?.close(), this.server?.stop()]);
  }

  context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    return open(this.browser, options);
  }

  /** A page that is signed in by a one-time link, which may lead to any place. */
  async signIn(role: Role, options: BrowserContextOptions & { at?: string } = {}): Promise<Page> {
    const { at = "/", ...rest } = options;
    const [page, link] = await Promise.all([this.context(rest).then((c) => c.newPage()), this.server.link(role)]);
    await page.goto(this.server.url + at + new URL(link).hash);
    await signedIn(page);
    return page;
  }

  watch(page: Page): Watch {
    const found: Watch = { complaints: [], strangers: [] };
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) found.complaints.push(message.text());
    });
    page.on("pageerror", (error) => found.complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${this.server.url}/`) && !request.url().startsWith("blob:"))
        found.strangers.push(request.url());
    });
    return found;
  }
}

/** The kit of a file: opened before its first test and closed after the last. */
export function useKit(): Kit {
  const kit = new Kit();
  beforeAll(() => kit.open());
  afterEach(() => kit.rest());
  afterAll(() => kit.close());
  return kit;
}

/** Waits until the page knows the signed-in user. */
export const signedIn = (page: Page) => page.locator(".user").first().waitFor({ state: "attached" });

/** Goes to a place of the page without reloading it, as a link does. */
export async function go(page: Page, place: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, place);
}

/** Saves a screenshot of the page for people to judge, if KEYWARD_PICTURES is set. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!screenshots) return;
  await mkdir(screenshots, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await settled(page);
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), animations: "disabled" });
}

/** Waits until nothing on the page loads or moves. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(
    () =>
      !document.querySelector(".mantine-Skeleton-root, [data-stale]") &&
      document.getAnimations().every((a) => a.playState !== "running" || a.effect?.getTiming().iterations === Infinity),
  );
}

let axe: Promise<string> | undefined;

/** The violations that axe reports for the current page. The page must be opened with `bypassCSP`. */
export async function axeFindings(page: Page): Promise<string[]> {
  // A hint under the mouse pointer would be outside the landmarks of the page.
  await page.mouse.move(0, 0);
  axe ??= readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await settled(page);
  const options: RunOptions = {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  };
  const results = await page.evaluate(
    async ([source, chosen]) => {
      const scope = window as unknown as { axe?: { run: (o: RunOptions) => Promise<AxeResults> } };
      if (!scope.axe) (0, eval)(source);
      return scope.axe?.run(chosen);
    },
    [await axe, options] as const,
  );
  return (results?.violations ?? []).map(
    (v) =>
      `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.failureSummary?.split("\n")[1]?.trim() ?? ""}`).join(" | ")}`,
  );
}

/** How far the page scrolls sideways; it never should. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.querySelector("main")!.scrollWidth - document.querySelector("main")!.clientWidth);

/** Waits for the message that confirms a success. */
export async function told(page: Page, text: string | RegExp): Promise<void> {
  await page.locator(".toasts").getByText(text).waitFor();
}

/** The names in the rows of the visible table. */
export async function rowNames(page: Page): Promise<string[]> {
  await page.locator("table[aria-busy=false]").waitFor();
  await settled(page);
  return page.locator("tbody th[scope=row]").allInnerTexts();
}

/** The open dialog. */
export const dialog = (page: Page) => page.getByRole("dialog");

/** Selects an option in one of Mantine's selects. */
export async function choose(page: Page, label: string | RegExp, option: string | RegExp): Promise<void> {
  await page.getByRole("combobox", { name: label }).click();
  await page.getByRole("option", { name: option }).click();
}

export { expect };
