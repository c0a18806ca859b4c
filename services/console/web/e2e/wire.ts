import type { Page, Request } from "playwright-core";

/** A value in each form that a request could contain: raw, and in the usual encodings. */
export function formsOf(value: string): Record<string, string> {
  const bytes = Buffer.from(value);
  const forms: Record<string, string> = {
    raw: value,
    "as JSON": JSON.stringify(value).slice(1, -1),
    "URL-encoded": encodeURIComponent(value),
    hexadecimal: bytes.toString("hex"),
    reversed: [...value].reverse().join(""),
  };
  // If the value does not start at a group of three bytes, its base64 differs.
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const own = encoded.slice(before === 0 ? 0 : before + 1, -2);
    forms[`base64, ${before} bytes in`] = own;
    forms[`base64url, ${before} bytes in`] = own.replaceAll("+", "-").replaceAll("/", "_");
  }
  return forms;
}

/** Records everything that a page sends during its lifetime. */
export class Wire {
  readonly requests: Request[] = [];

  constructor(page: Page) {
    page.on("request", (r) => this.requests.push(r));
  }

  /** The requests with a method to paths that match. */
  sent(method: string, path: RegExp): Request[] {
    return this.requests.filter((r) => r.method() === method && path.test(new URL(r.url()).pathname));
  }

  /** Where a value was sent, and in which form, ignoring case. */
  holding(value: string): string[] {
    return this.requests.flatMap((r) => {
      const text = [
        r.url(),
        decodeURIComponent(r.url()),
        JSON.stringify(r.headers()),
        r.postDataBuffer()?.toString("latin1") ?? "",
        r.postData() ?? "",
      ]
        .join("\n")
        .toLowerCase();
      return Object.entries(formsOf(value))
        .filter(([, form]) => text.includes(form.toLowerCase()))
        .map(([name]) => `${r.method()} ${new URL(r.url()).pathname}: ${name}`);
    });
  }
}
