import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const src = path.resolve(import.meta.dirname, "..");

/** The classes that a style sheet styles everywhere: selectors that are a single class or start with a single class. */
function classesOf(sheet: string): string[] {
  const rules = readFileSync(sheet, "utf8").replace(/\/\*.*?\*\//gs, "");
  const selectors = [...rules.matchAll(/([^{};]+)\{/g)]
    .flatMap(([, list]) => (list ?? "").split(","))
    .map((s) => s.trim());
  return selectors.flatMap((s) => /^\.([\w-]+)(?=[\s>+~]|$)/.exec(s)?.[1] ?? []);
}

// If two style sheets style the same class, each page depends on which of them it loads.
test("a class belongs to one style sheet", () => {
  const owners = new Map<string, Set<string>>();
  const sheets = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".css"));
  expect(sheets.length).toBeGreaterThan(5);
  for (const sheet of sheets)
    for (const name of classesOf(path.join(src, sheet))) owners.set(name, (owners.get(name) ?? new Set()).add(sheet));
  const shared = [...owners]
    .filter(([, sheets]) => sheets.size > 1)
    .map(([name, sheets]) => `.${name} is in ${[...sheets].join(" and ")}`);
  expect(shared).toEqual([]);
});
