// Replacements for modules that Mantine imports and this page never uses: custom scroll areas in lists, the lock of the
// page's scroll bar, which would inject a style element, and the reordering of tags. See vite.config.ts.
import type { ReactNode } from "react";

interface Props {
  children?: ReactNode;
}

export const RemoveScroll = ({ children }: Props) => <div>{children}</div>;

export const ScrollAreaAutosize = ({ children }: Props) => <div>{children}</div>;

export const ScrollArea = Object.assign(({ children }: Props) => <div>{children}</div>, {
  Autosize: ScrollAreaAutosize,
});

const nothing = () => undefined;

/** What Mantine's hook returns while reordering is off. */
export const usePillsReorder = () => ({ getPillProps: nothing, getListProps: () => ({}), handleInputKeyDown: nothing });
