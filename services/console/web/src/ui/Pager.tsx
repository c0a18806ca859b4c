import { ActionIcon, Select } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Problem } from "../api/problem";
import { entryState, navigate, usePlace } from "../app/router";
import { t } from "../text/t";
import { ChevronLeftIcon, ChevronRightIcon } from "./icons";

export const pageSizes = ["25", "50", "100"];

/**
 * Moves through a list whose page tokens are only known one after another. The address has the number of the page and
 * its token; the tab's history has the tokens of the earlier pages. Therefore a link to a page opens that page, and
 * going back from there leads to the first.
 */
export function usePages() {
  const { path, params } = usePlace();
  const token = params.get("after") ?? undefined;
  const number = token ? Math.max(Number(params.get("page")) - 1 || 0, 1) : 0;
  const before = (entryState() as { before?: string[] }).before ?? [];
  const go = (page: number, after: string | undefined, earlier: string[], replace = false) => {
    const next = new URLSearchParams(params);
    for (const key of ["page", "after"]) next.delete(key);
    if (after)
      for (const [key, value] of [
        ["page", String(page + 1)],
        ["after", after],
      ] as const)
        next.set(key, value);
    const search = next.toString();
    navigate(path + (search && `?${search}`), { replace, state: { before: earlier } });
  };
  return {
    token,
    number,
    next: (after: string) => go(number + 1, after, [...before, token ?? ""]),
    back: () => go(before.length > 0 ? number - 1 : 0, before.at(-1), before.slice(0, -1)),
    first: () => go(0, undefined, [], true),
  };
}

/** Returns to the first page if the server rejects the page token. */
export function useFirstAgain({ token, first }: ReturnType<typeof usePages>, error: unknown): void {
  const unknown = Boolean(token) && error instanceof Problem && error.reason === "INVALID_PAGE_TOKEN";
  useEffect(() => {
    if (unknown) first();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- first is a new function at each rendering
  }, [unknown]);
}

interface Props {
  pages: ReturnType<typeof usePages>;
  size: number;
  count: number;
  nextToken: string | undefined;
  onSize: (size: string) => void;
}

export function Pager({ pages, size, count, nextToken, onSize }: Props) {
  const nav = useRef<HTMLElement>(null);
  // The pressed button may not exist on the other page, so the focus moves to the table.
  const turn = (go: () => void) => {
    const table = nav.current?.parentElement?.querySelector("table");
    go();
    if (table) table.tabIndex = -1;
    table?.focus({ preventScroll: true });
  };
  const from = pages.number * size + 1;
  if (pages.number === 0 && !nextToken && count <= 25) return null;
  return (
    <nav ref={nav} className="pager" aria-label={t("pager.label")}>
      <Select
        size="xs"
        w={116}
        aria-label={t("pager.rows")}
        data={pageSizes.map((s) => ({ value: s, label: t("pager.size", { s }) }))}
        value={String(size)}
        onChange={(s) => s && onSize(s)}
      />
      <span className="dimmed" aria-live="polite">
        {count > 0 ? t("pager.range", { from, to: from + count - 1 }) : t("pager.end")}
      </span>
      <ActionIcon
        variant="default"
        aria-label={t("pager.previous")}
        disabled={pages.number === 0}
        onClick={() => turn(pages.back)}
      >
        <ChevronLeftIcon size={16} />
      </ActionIcon>
      <ActionIcon
        variant="default"
        aria-label={t("pager.next")}
        disabled={!nextToken}
        onClick={() => nextToken && turn(() => pages.next(nextToken))}
      >
        <ChevronRightIcon size={16} />
      </ActionIcon>
    </nav>
  );
}
