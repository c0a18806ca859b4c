import { forwardRef, type AnchorHTMLAttributes, type MouseEvent } from "react";
import { navigate } from "./router";

type Props = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string };

/** A link inside the page. It is a real anchor: it opens in a new tab like any other. */
export const Link = forwardRef<HTMLAnchorElement, Props>(function Link({ to, onClick, ...rest }, ref) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(to);
  };
  // eslint-disable-next-line jsx-a11y/anchor-has-content -- the content is among the props
  return <a ref={ref} href={to} onClick={follow} {...rest} />;
});
