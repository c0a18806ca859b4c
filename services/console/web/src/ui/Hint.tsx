import { useEffect, useState } from "react";
import { createPortal } from "react-dom";

interface Shown {
  text: string;
  x: number;
  y: number;
  above: boolean;
}

const delay = 350;

/**
 * One tooltip for the whole page. It shows the `data-hint` of the element under the pointer or with the focus; with
 * `data-hint-clipped`, only if the text does not fit. Therefore a table of a hundred rows needs no tooltip in each
 * cell. Screen readers read the text itself.
 */
export function Hints() {
  const [shown, setShown] = useState<Shown>();
  useEffect(() => {
    let timer = 0;
    const hide = () => {
      window.clearTimeout(timer);
      setShown(undefined);
    };
    const show = (event: Event) => {
      hide();
      const found = hintOf(event.target);
      if (found) timer = window.setTimeout(() => setShown(place(found)), event.type === "focusin" ? 0 : delay);
    };
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && hide();
    const shows = ["pointerover", "focusin"] as const;
    const hides = ["pointerdown", "scroll", "focusout"] as const;
    for (const name of shows) document.addEventListener(name, show);
    for (const name of hides) document.addEventListener(name, hide, true);
    document.addEventListener("keydown", onKey);
    return () => {
      hide();
      for (const name of shows) document.removeEventListener(name, show);
      for (const name of hides) document.removeEventListener(name, hide, true);
      document.removeEventListener("keydown", onKey);
    };
  }, []);
  if (!shown) return null;
  return createPortal(
    <div
      className="hint"
      dir="auto"
      role="presentation"
      data-above={shown.above || undefined}
      style={{ left: shown.x, top: shown.y }}
    >
      {shown.text}
    </div>,
    document.body,
  );
}

function hintOf(target: EventTarget | null): HTMLElement | undefined {
  if (!(target instanceof Element)) return undefined;
  const found =
    target.closest<HTMLElement>("[data-hint]") ??
    target.querySelector<HTMLElement>(":scope > [data-hint]") ??
    undefined;
  if (!found || (found.hasAttribute("data-hint-clipped") && found.scrollWidth <= found.clientWidth)) return undefined;
  return found;
}

function place(of: HTMLElement): Shown {
  const box = of.getBoundingClientRect();
  const above = box.bottom + 140 > window.innerHeight;
  return {
    text: of.dataset.hint ?? "",
    x: Math.min(Math.max(box.left, 8), window.innerWidth - 320),
    y: above ? box.top - 6 : box.bottom + 6,
    above,
  };
}
