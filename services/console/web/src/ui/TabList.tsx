import { Tabs } from "@mantine/core";
import { useEffect, useRef, type ReactNode } from "react";

/** The tabs of a page, in one row. On a narrow screen it is scrolled so that the chosen one is seen. */
export function TabList({ children }: { children: ReactNode }) {
  const list = useRef<HTMLDivElement>(null);
  // After each rendering: tabs get wider when their counts are known.
  useEffect(() => {
    const element = list.current;
    if (element && element.scrollWidth > element.clientWidth) element.querySelector("[data-active]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  });
  return <Tabs.List ref={list}>{children}</Tabs.List>;
}
