import type { CDPSession, Page } from "playwright-core";

/**
 * Returns the places where the page keeps a string: its document including typed input, storage of every kind, its
 * history, and everything reachable from the window and from React's tree: state, properties, references, effects, and
 * the query cache.
 */
export function reachable(page: Page, needle: string): Promise<string[]> {
  return page.evaluate(async (text) => {
    const found: string[] = [];
    const look = (where: string, value: unknown) => {
      if (typeof value === "string" && value.includes(text)) found.push(where);
    };
    look("document", document.documentElement.outerHTML);
    for (const field of document.querySelectorAll<HTMLInputElement>("input, textarea"))
      look(`value of ${field.name || field.id}`, field.value);
    look("local storage", JSON.stringify({ ...localStorage }));
    look("session storage", JSON.stringify({ ...sessionStorage }));
    look("cookies", document.cookie);
    look("address", location.href);
    look("history", JSON.stringify(history.state));
    look("window name", window.name);
    for (const name of await caches.keys()) found.push(`cache ${name}`);
    for (const { name } of await indexedDB.databases()) found.push(`database ${String(name)}`);

    const seen = new Set<unknown>();
    const queue: [string, unknown][] = [["window", window]];
    for (const element of [document, ...document.querySelectorAll("*")]) queue.push([element.nodeName, element]);
    for (let next = queue.pop(); next; next = queue.pop()) {
      const [path, value] = next;
      look(path, value);
      if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
      seen.add(value);
      if (value instanceof Map || value instanceof Set) for (const entry of value) queue.push([`${path}{}`, entry]);
      for (const key of Reflect.ownKeys(value)) {
        const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
        if (descriptor && "value" in descriptor) queue.push([`${path}.${String(key)}`.slice(-200), descriptor.value]);
      }
    }
    return found;
  }, needle);
}

/** The minimum number of objects that the last walk must visit to have covered React's tree. */
export function reactNodes(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      [...document.querySelectorAll("*")].filter((e) => Object.keys(e).some((k) => k.startsWith("__reactFiber")))
        .length,
  );
}

/** Whether the page's JavaScript heap contains a string after a garbage collection. */
export async function inHeap(page: Page, needle: string): Promise<boolean> {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  await cdp.send("HeapProfiler.enable");
  for (let i = 0; i < 3; i++) await cdp.send("HeapProfiler.collectGarbage");
  let found = false;
  let tail = "";
  cdp.on("HeapProfiler.addHeapSnapshotChunk", ({ chunk }) => {
    found ||= (tail + chunk).includes(needle);
    tail = chunk.slice(-needle.length);
  });
  await cdp.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  await cdp.detach();
  return found;
}
