import { Tabs } from "@mantine/core";
import { useEffect, useRef, type ReactNode } from "react";

/** How much of the next tab is seen beside the chosen one. */
const peek = 28;

/** The tabs of a page, in one row. On a narrow screen it is scrolled so that the chosen one is seen. */
export function TabList({ children }: { children: ReactNode }) {
  const list = useRef<HTMLDivElement>(null);
  // After each rendering: tabs get wider when their counts are known. The page itself stays where it is.
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
