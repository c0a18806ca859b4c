import { useEffect } from "react";

/** The titles of what is on the page, the topmost last. */
const titles: { words: string }[] = [];

function show(): void {
  const words = titles.at(-1)?.words;
  const workspace = /^\/w\/([^/]+)/.exec(window.location.pathname)?.[1];
  const parts = !words ? ["Keyward"] : words.includes("Keyward") ? [words] : [words, workspace, "Keyward"];
  document.title = parts.filter(Boolean).join(" · ");
}

const collections: Record<string, string> = {
  secrets: "Secrets",
  endpoints: "Allowlist",
  activity: "Activity",
  "new-endpoint": "Add endpoint",
};

/** The title of a page by its path in a workspace: `/secrets/a/used-by` is "a, Used by". */
export function pageTitle(path: string): string {
  const [, collection = "", id, tab] = path.split("/");
  if (!id) return collections[collection] ?? "";
  const words =
    tab === "history" ? "Change logs" : tab && tab.charAt(0).toUpperCase() + tab.slice(1).replaceAll("-", " ");
  return [id, words].filter(Boolean).join(", ");
}

/** Names a page or a dialog in the title of the tab, as long as it is there and nothing lies over it. */
export function useTitle(words: string): void {
  useEffect(() => {
    const title = { words };
    titles.push(title);
    show();
    return () => {
      titles.splice(titles.indexOf(title), 1);
      show();
    };
  }, [words]);
}
