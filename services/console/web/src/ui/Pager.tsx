import { ActionIcon, Select } from "@mantine/core";
import { useEffect, useState } from "react";
import { ChevronLeftIcon, ChevronRightIcon } from "./icons";

export const pageSizes = ["25", "50", "100"];

/**
 * Goes through a list whose pages are known one after another only. It keeps the tokens
 * of the pages it came through, and starts over when the list is another one.
 */
export function usePages(list: string) {
  const [state, setState] = useState<{ list: string; tokens: string[] }>({ list, tokens: [] });
  const tokens = state.list === list ? state.tokens : [];
  useEffect(() => setState((s) => (s.list === list ? s : { list, tokens: [] })), [list]);
  return {
    token: tokens.at(-1),
    number: tokens.length,
    next: (token: string) => setState({ list, tokens: [...tokens, token] }),
    back: () => setState({ list, tokens: tokens.slice(0, -1) }),
    first: () => setState({ list, tokens: [] }),
  };
}

interface Props {
  pages: ReturnType<typeof usePages>;
  size: number;
  count: number;
  nextToken: string | undefined;
  onSize: (size: string) => void;
}

export function Pager({ pages, size, count, nextToken, onSize }: Props) {
  const from = pages.number * size + 1;
  if (pages.number === 0 && !nextToken && count <= 25) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <Select size="xs" w={116} aria-label="Rows on a page" data={pageSizes.map((s) => ({ value: s, label: `${s} a page` }))} value={String(size)} onChange={(s) => s && onSize(s)} />
      <span className="dimmed" aria-live="polite">
        {count > 0 ? `${from.toLocaleString("en")}–${(from + count - 1).toLocaleString("en")}` : "No more"}
      </span>
      <ActionIcon variant="default" aria-label="Previous page" disabled={pages.number === 0} onClick={pages.back}>
        <ChevronLeftIcon size={16} />
      </ActionIcon>
      <ActionIcon variant="default" aria-label="Next page" disabled={!nextToken} onClick={() => nextToken && pages.next(nextToken)}>
        <ChevronRightIcon size={16} />
      </ActionIcon>
    </nav>
  );
}
