import { useState, type ReactNode } from "react";
import { t } from "../text/t";
import { lead } from "./words";

/** A description from the proto, with backquoted parts as code. */
export function Words({ text }: { text: string }): ReactNode {
  return text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part));
}

/** The description of a field from the proto: a sentence, and the rest on demand. */
export function Help({ words }: { words: string }) {
  const [open, setOpen] = useState(false);
  const { first, rest } = lead(words);
  if (!words) return null;
  return (
    <p className="help">
      <Words text={open ? words : first} />{" "}
      {rest && (
        <button type="button" className="text-button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t("shape.less") : t("shape.more")}
        </button>
      )}
    </p>
  );
}
