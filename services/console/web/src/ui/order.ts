import { locale } from "../text/t";

const names = new Intl.Collator(locale, { numeric: true, sensitivity: "base" });

/** Sorts names in the order that people expect: `key-2`, `Key-9`, `key-10`. */
export const byName = (a: string, b: string): number => names.compare(a, b) || (a < b ? -1 : 1);

/**
 * Sorts a page of a list by name in the order that people expect. The API sorts names by their bytes, which its page
 * tokens need, and that order puts `key-10` before `key-2`. Therefore only a list that fits on one page is sorted.
 */
export function inOrder<Named extends { name?: string }>(
  page: Named[] | undefined,
  order: string,
  whole: boolean,
): Named[] | undefined {
  if (!whole || !order.startsWith("name")) return page;
  const sorted = page?.toSorted((a, b) => byName(a.name ?? "", b.name ?? ""));
  return order === "name" ? sorted : sorted?.reverse();
}
