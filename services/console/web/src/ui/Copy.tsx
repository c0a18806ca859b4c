import { ActionIcon } from "@mantine/core";
import { useEffect, useState } from "react";
import { t } from "../text/t";
import { CheckIcon, CopyIcon } from "./icons";

/** Copies a string that is not secret. */
export function Copy({ text, what, size = "sm" }: { text: string; what: string; size?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = window.setTimeout(() => setCopied(false), 1_500);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const copy = async (event: React.MouseEvent) => {
    event.stopPropagation();
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size={size}
      aria-label={copied ? t("copy.done") : t("copy.label", { what })}
      data-hint={t("copy.label", { what })}
      onClick={(e) => void copy(e)}
    >
      {copied ? <CheckIcon size={15} className="good" /> : <CopyIcon size={15} />}
    </ActionIcon>
  );
}

/** A string in its own box, with a copy button. */
export function CopyBlock({ text, what, lines }: { text: string; what: string; lines?: number }) {
  return (
    <div className="copy-block" data-lines={lines}>
      <pre tabIndex={0} aria-label={what}>
        {text}
      </pre>
      <Copy text={text} what={what} />
    </div>
  );
}
