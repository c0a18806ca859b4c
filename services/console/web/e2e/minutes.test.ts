import { createDecipheriv, randomBytes } from "node:crypto";
import type { Locator, Page } from "playwright-core";
import { describe, test } from "vitest";
import { dialog, expect, picture, told, useKit } from "./kit";

const kit = useKit();

/** The time limit for the setup of a partner, from the sign-in to the first message. */
const limit = 180;

/**
 * Performs and counts the actions of a user. A driven browser is faster than a hand, so the time of a user is also
 * estimated by the keystroke-level model (Card, Moran, and Newell): 1.35 s to think about each step, 1.1 s to point,
 * 0.28 s per character, and 0.4 s for each move of the focus.
 */
abstract class Person {
  /** The sign-in link is the first step. */
  steps = 1;
  seconds = 1.35 + 1.1;

  constructor(
    protected readonly page: Page,
    readonly since: number,
  ) {}

  protected abstract reach(what: Locator): Promise<void>;
  protected abstract act(what: Locator): Promise<void>;

  async press(what: Locator): Promise<void> {
    this.#step();
    await this.reach(what);
    await this.act(what);
  }

  async type(what: Locator, text: string): Promise<void> {
    this.#step();
    this.seconds += 0.28 * text.length;
    await this.reach(what);
    await this.page.keyboard.type(text);
  }

  /** Copies a value from elsewhere, which takes a user a while. */
  async paste(what: Locator, text: string): Promise<void> {
    this.#step();
    this.seconds += 5;
    await this.reach(what);
    await this.page.keyboard.insertText(text);
  }

  #step(): void {
    this.steps++;
    this.seconds += 1.35;
  }

  /** Prints the result and returns how many seconds a user needs. */
  tell(how: string): number {
    const waited = (Date.now() - this.since) / 1000;
    console.log(
      `${how}: ${this.steps} steps, ${waited.toFixed(1)} s by machine, about ${Math.round(this.seconds + waited)} s by hand`,
    );
    return this.seconds + waited;
  }
}

/** Uses a mouse or a finger. */
class Pointer extends Person {
  protected async reach(what: Locator): Promise<void> {
    this.seconds += 1.1;
    await what.click();
  }

  protected async act(): Promise<void> {}
}

/** Uses only the keyboard. */
class Keyboard extends Person {
  protected async reach(what: Locator): Promise<void> {
    await what.waitFor();
    const focused = () => what.evaluate((e) => e === document.activeElement);
    for (let i = 0; !(await focused()); i++) {
      if (i === 150) throw new Error(`not reached by Tab: ${String(what)}`);
      this.seconds += 0.4;
      await this.page.keyboard.press("Tab");
    }
  }

  protected async act(): Promise<void> {
    await this.page.keyboard.press("Enter");
  }
}

/** Goes from the sign-in to the first message, for a partner with a preset and a key that the partner sent. */
async function firstMessage(page: Page, person: Person, id: string): Promise<void> {
  const key = randomBytes(32).toString("hex");
  await person.press(page.getByRole("button", { name: "Add endpoint" }).first());
  await person.type(page.getByRole("textbox", { name: "Name", exact: true }), id);
  await person.type(page.getByLabel("URL"), `https://${id}.partner.test/v1/payments`);
  await person.press(page.getByRole("button", { name: "From a preset" }));
  await person.type(page.getByLabel("Search presets"), "AES-256-GCM in JSON");
  await person.press(
    page.getByRole("list", { name: "Presets" }).getByRole("button", { name: "AES-256-GCM in JSON" }).first(),
  );
  await person.press(page.getByRole("button", { name: /^Key: / }));
  await person.press(page.getByRole("button", { name: "Store new secret" }));
  await person.type(dialog(page).getByLabel("Secret Name"), `${id}-key`);
  await person.paste(dialog(page).getByLabel("Secret value"), key);
  await person.press(dialog(page).getByRole("button", { name: "SAVE" }));
  await page.getByRole("button", { name: `Key: ${id}-key` }).waitFor();
  await person.press(page.getByRole("button", { name: "Test", exact: true }));
  await person.press(dialog(page).getByRole("button", { name: "Run test" }));
  await dialog(page).getByText("Your key fits").waitFor();
  await picture(page, `${id}-tested`);
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  await person.press(page.getByRole("button", { name: "Add endpoint" }));
  await told(page, `${id} added.`);
  await person.press(page.locator(".notice").getByRole("button", { name: "Approve" }));
  await person.type(dialog(page).getByLabel("Reason"), "contract 7");
  await person.press(dialog(page).getByRole("button", { name: "Approve" }));
  await told(page, `${id} approved.`);
  await person.press(page.getByRole("button", { name: "Activate" }));
  await told(page, `${id} is active.`);
  const message = JSON.parse(
    Buffer.from(await kit.server.encrypt(id, '{"amount":100}'), "base64").toString(),
  ) as Record<"iv" | "data" | "tag", string>;
  const partner = createDecipheriv("aes-256-gcm", Buffer.from(key, "hex"), Buffer.from(message.iv, "base64"));
  partner.setAuthTag(Buffer.from(message.tag, "base64"));
  expect(partner.update(message.data, "base64", "utf8") + partner.final("utf8")).toBe('{"amount":100}');
}

describe("from the sign-in to a first message that the partner opens, in under three minutes", () => {
  test.each([
    ["wide", 1280],
    ["narrow", 390],
  ])("%s", async (size, width) => {
    const since = Date.now();
    const page = await kit.signIn("admin", { viewport: { width, height: 860 }, at: "/w/demo/endpoints" });
    const person = new Pointer(page, since);
    await firstMessage(page, person, size);
    expect(person.tell(`at ${width} px`)).toBeLessThan(limit);
  });

  test("by the keyboard alone", async () => {
    const since = Date.now();
    const page = await kit.signIn("admin", { at: "/w/demo/endpoints" });
    const person = new Keyboard(page, since);
    await firstMessage(page, person, "keys-only");
    expect(person.tell("by the keyboard")).toBeLessThan(limit);
  });
});
