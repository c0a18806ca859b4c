import { useEffect } from "react";

/** The titles of what is on the page, the topmost last. */
const titles: { words: string }[] = [];

function show(): void {
  const words = titles.at(-1)?.words;
  const workspace = /^\/w\/([^/]+)/.exec(window.location.pathname)?.[1];
  const parts = !words ? ["Keyward"] : words.includes("Keyward") ? [words] : [words, workspace, "Keyward"];
  document.title = parts.filter(Boolean).join(" · ");
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
