import { CloseButton, Kbd, Loader, TextInput } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { t } from "../text/t";
import { SearchIcon } from "./icons";

/** How long the user must pause typing before a request is sent, in milliseconds. */
const rest = 80;

interface Props {
  value: string;
  onChange: (value: string) => void;
  label: string;
  busy?: boolean;
}

/** A search that queries while the user types. The key `/` focuses it from anywhere on the page. */
export function Search({ value, onChange, label, busy }: Props) {
  const [typed, setTyped] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const asked = useRef(value);

  useEffect(() => {
    // The address changed by other means, such as going back.
    if (value !== asked.current) {
      asked.current = value;
      setTyped(value);
    }
  }, [value]);

  useEffect(() => {
    if (typed === asked.current) return;
    const timer = window.setTimeout(() => {
      asked.current = typed;
      onChange(typed);
    }, rest);
    return () => window.clearTimeout(timer);
  }, [typed, onChange]);

  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (
        event.key !== "/" ||
        event.ctrlKey ||
        event.metaKey ||
        target.isContentEditable ||
        /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
      )
        return;
      if (document.querySelector("[role=dialog]")) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", focus);
    return () => window.removeEventListener("keydown", focus);
  }, []);

  return (
    <TextInput
      ref={input}
      className="search"
      type="search"
      aria-label={label}
      placeholder={label}
      value={typed}
      maxLength={128}
      autoComplete="off"
      spellCheck={false}
      leftSection={busy ? <Loader size={14} /> : <SearchIcon size={16} />}
      rightSection={
        typed ? (
          <CloseButton size="sm" aria-label={t("search.clear")} onClick={() => setTyped("")} />
        ) : (
          <Kbd size="xs">/</Kbd>
        )
      }
      rightSectionPointerEvents={typed ? "all" : "none"}
      onChange={(e) => setTyped(e.currentTarget.value)}
      onKeyDown={(e) => e.key === "Escape" && setTyped("")}
    />
  );
}
