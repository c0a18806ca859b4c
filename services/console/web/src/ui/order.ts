const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Names in the order that people expect: `key-2`, `Key-9`, `key-10`. */
export const byName = (a: string, b: string): number => names.compare(a, b) || (a < b ? -1 : 1);
