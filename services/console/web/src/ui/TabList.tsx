import { Tabs } from "@mantine/core";
import { useEffect, useRef, type ReactNode } from "react";

/** The visible part of the next tab next to the chosen one. */
const peek = 28;

/** The tabs of a page, in one row. On a narrow screen it scrolls to show the chosen tab. */
export function TabList({ children }: { children: ReactNode }) {
  const list = useRef<HTMLDivElement>(null);
  // Runs after each rendering, because tabs get wider when their counts load. The page itself does not scroll.
  useEffect(() => {
    const row = list.current;
    const tab = row?.querySelector<HTMLElement>("[data-active]");
    if (!row || !tab) return;
    const [from, to] = [tab.offsetLeft - peek, tab.offsetLeft + tab.offsetWidth + peek];
    if (from < row.scrollLeft) row.scrollLeft = from;
    else if (to > row.scrollLeft + row.clientWidth) row.scrollLeft = to - row.clientWidth;
  });
  return <Tabs.List ref={list}>{children}</Tabs.List>;
}
