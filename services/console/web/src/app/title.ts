import { t } from "../text/t";
import { useEffect } from "react";

/** The titles of the page and its dialogs, the topmost last. */
const titles: { words: string }[] = [];

function show(): void {
  const words = titles.at(-1)?.words;
  const workspace = /^\/w\/([^/]+)/.exec(window.location.pathname)?.[1];
  const parts = !words ? ["Keyward"] : words.includes("Keyward") ? [words] : [words, workspace, "Keyward"];
  document.title = parts.filter(Boolean).join(" · ");
}

const collections: Record<string, string> = {
  secrets: t("secrets.title"),
  endpoints: t("endpoints.title"),
  activity: t("activity.title"),
  "new-endpoint": t("endpoints.add"),
};

const tabs: Record<string, string> = {
  edit: t("ui.edit"),
  encryption: t("endpoint.tab.encryption"),
  history: t("ui.changeLogs"),
  integrate: t("endpoint.tab.integrate"),
  overview: t("endpoint.tab.overview"),
  test: t("endpoint.tab.test"),
  "used-by": t("secret.usedBy"),
  verification: t("endpoint.tab.verification"),
  versions: t("versions.title"),
};

/** The title for a path in a workspace: `/secrets/a/used-by` is "a, Used by". */
export function pageTitle(path: string): string {
  const [, collection = "", id, tab] = path.split("/");
  if (!id) return collections[collection] ?? "";
  return [id, tabs[tab ?? ""]].filter(Boolean).join(", ");
}

/** Sets the title of the tab while a page or dialog is open and topmost. */
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
