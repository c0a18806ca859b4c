// Replacements for modules that Mantine imports and this page never uses: custom scroll areas in lists, and the lock of
// the page's scroll bar, which would inject a style element. See vite.config.ts.
import type { ReactNode } from "react";

interface Props {
  children?: ReactNode;
}

export const RemoveScroll = ({ children }: Props) => <div>{children}</div>;

export const ScrollAreaAutosize = ({ children }: Props) => <div>{children}</div>;

export const ScrollArea = Object.assign(({ children }: Props) => <div>{children}</div>, {
  Autosize: ScrollAreaAutosize,
});
