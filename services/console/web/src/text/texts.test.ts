import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse, TYPE, type MessageFormatElement } from "@formatjs/icu-messageformat-parser";
import { expect, test } from "vitest";
import en from "./en.json?raw";
import { hasText, number, rich, t } from "./t";

const texts = JSON.parse(en) as Record<string, string>;

/** The source files of the page, without tests and generated code. */
function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "gen" ? [] : sources(file);
    return /(?<!\.test)\.tsx?$/.test(entry.name) ? [readFileSync(file, "utf8")] : [];
  });
}

test("each text is used", () => {
  const code = sources(path.join(import.meta.dirname, "..")).join("\n");
  // An ID is either a literal, or derived from a part as in t(`params.${kind}.add`).
  const made = [...code.matchAll(/`([\w.]+\.)\$\{[^}]+\}([\w.]*)`/g)].map(
    ([, head = "", tail = ""]) => new RegExp(`^${head}\\w+${tail}$`),
  );
  const unused = Object.keys(texts).filter((id) => !code.includes(`"${id}"`) && !made.some((m) => m.test(id)));
  expect(unused).toEqual([]);
});

test("the texts are in the order of their ids", () => {
  expect(Object.keys(texts)).toEqual(Object.keys(texts).sort());
});

const parameters = (elements: MessageFormatElement[]): string[] =>
  elements.flatMap((e) => {
    if (e.type === TYPE.literal || e.type === TYPE.pound) return [];
    if (e.type === TYPE.tag) return [e.value, ...parameters(e.children)];
    const options = "options" in e ? Object.values(e.options).flatMap((o) => parameters(o.value)) : [];
    return [e.value, ...options];
  });

test("each text is a message of ICU, without spaces around it", () => {
  const wrong = Object.entries(texts).filter(([, text]) => text !== text.trim() || text === "" || !parse(text));
  expect(wrong).toEqual([]);
});

/** The code between a parenthesis and its closing parenthesis. */
function inParentheses(code: string, start: number): string {
  let depth = 1;
  let end = start;
  for (; depth > 0 && end < code.length; end++) depth += code[end] === "(" ? 1 : code[end] === ")" ? -1 : 0;
  return code.slice(start, end);
}

test("each call gives the parameters of its text", () => {
  const missing: string[] = [];
  for (const code of sources(path.join(import.meta.dirname, ".."))) {
    for (const call of code.matchAll(/\b(?:t|rich)\(\s*"([\w.]+)"/g)) {
      const values = inParentheses(code, (call.index ?? 0) + call[0].length);
      for (const name of parameters(parse(texts[call[1] ?? ""] ?? ""))) {
        const given = ["b", "code"].includes(name) || new RegExp(`\\b${name}\\b`).test(values);
        if (!given) missing.push(`${call[1]}: ${name}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

test("parameters, numbers and plurals are filled in", () => {
  expect(t("ui.edit")).toBe("Edit");
  expect(t("ui.endpoints", { count: 1 })).toBe("1 endpoint");
  expect(t("ui.endpoints", { count: 1200 })).toBe("1,200 endpoints");
  expect(number(1200)).toBe("1,200");
  expect(rich("noAccess.title")).toBe("You do not have access");
  expect(hasText("no.such.text")).toBe(false);
});
