import { Tabs } from "@mantine/core";
import { useEffect, useRef, type ReactNode } from "react";

/** The tabs of a page, in one row. On a narrow screen it is scrolled so that the chosen one is seen. */
export function TabList({ chosen, children }: { chosen: string; children: ReactNode }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector("[data-active]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [chosen]);
  return <Tabs.List ref={list}>{children}</Tabs.List>;
}
