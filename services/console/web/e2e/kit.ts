import { mkdir } from "node:fs/promises";
import path from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { type Role, Server } from "./server";

const screenshots = path.join(import.meta.dirname, "screenshots");

/** What the page did that it should not have. */
export interface Watch {
  /** Errors and warnings of the console, violations of the content security policy among them. */
  complaints: string[];
  /** Requests that went anywhere but to the server. */
  strangers: string[];
}

/** A server and a browser for the stories of one file. */
export class Kit {
  server!: Server;
  browser!: Browser;

  async open(): Promise<void> {
    this.server = await Server.start();
    this.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
  }

  async close(): Promise<void> {
    await this.browser?.close();
    await this.server?.stop();
  }

  context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    return this.browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 860 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
  }

  /** A page that is signed in by a one-time link. */
  async signIn(role: Role, options: BrowserContextOptions & { at?: string } = {}): Promise<Page> {
    const { at, ...rest } = options;
    const page = await (await this.context(rest)).newPage();
    await page.goto(await this.server.link(role));
    await signedIn(page);
    if (at) {
      await page.goto(this.server.url + at);
      await signedIn(page);
    }
    return page;
  }

  watch(page: Page): Watch {
    const found: Watch = { complaints: [], strangers: [] };
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) found.complaints.push(message.text());
    });
    page.on("pageerror", (error) => found.complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${this.server.url}/`) && !request.url().startsWith("blob:")) found.strangers.push(request.url());
    });
    return found;
  }
}

/** The kit of a file: opened before its first story and closed after the last. */
export function useKit(): Kit {
  const kit = new Kit();
  beforeAll(() => kit.open());
  afterAll(() => kit.close());
  return kit;
}

/** Waits until the page knows who is there. */
const signedIn = (page: Page) => page.locator(".user").first().waitFor({ state: "attached" });

/** Leaves a picture of the page, for people to judge. */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(screenshots, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await settled(page);
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), animations: "disabled" });
}

/** Waits until nothing on the page is loading or moving. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => !document.querySelector(".mantine-Skeleton-root, [data-stale]") && document.getAnimations().every((a) => a.playState !== "running" || a.effect?.getTiming().iterations === Infinity));
}

/** Waits for a text that tells that something worked. */
export async function told(page: Page, text: string | RegExp): Promise<void> {
  await page.locator(".toasts").getByText(text).waitFor();
}

/** The names in the rows of the table that is shown. */
export async function rowNames(page: Page): Promise<string[]> {
  await page.locator("table[aria-busy=false]").waitFor();
  await settled(page);
  return page.locator("tbody th[scope=row]").allInnerTexts();
}

/** The dialog that is open. */
export const dialog = (page: Page) => page.getByRole("dialog");

/** Chooses from one of Mantine's selects. */
export async function choose(page: Page, label: string | RegExp, option: string | RegExp): Promise<void> {
  await page.getByRole("combobox", { name: label }).click();
  await page.getByRole("option", { name: option }).click();
}

export { expect };
