import { ActionIcon, Menu } from "@mantine/core";
import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { t } from "../text/t";
import { DotsIcon } from "./icons";

/**
 * The menu of a row. The menu itself is created when it first opens, which halves the time to render a page of a
 * hundred rows.
 */
export function RowMenu({ label, children }: { label: string; children: ReactNode }) {
  const [opened, setOpened] = useState<boolean>();
  const button = useRef<HTMLButtonElement>(null);
  // If a row with the focus disappears, the focus moves to the page.
  useLayoutEffect(
    () => () => {
      if (button.current && document.activeElement === button.current)
        document.getElementById("content")?.focus({ preventScroll: true });
    },
    [],
  );
  const trigger = (
    <ActionIcon
      ref={button}
      variant="subtle"
      color="gray"
      aria-label={label}
      data-hint={t("ui.actions")}
      aria-haspopup="menu"
      aria-expanded={opened ?? false}
      onClick={() => setOpened(true)}
    >
      <DotsIcon />
    </ActionIcon>
  );
  if (opened === undefined) return trigger;
  const change = (next: boolean) => {
    setOpened(next);
    if (!next) button.current?.focus();
  };
  return (
    <Menu width={190} opened={opened} onChange={change} returnFocus={false}>
      <Menu.Target>{trigger}</Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}
