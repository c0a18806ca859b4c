import { Modal, type ModalProps } from "@mantine/core";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useTitle } from "../app/title";
import { ask, HeldContext, type Held } from "../app/unsaved";

interface Props extends Pick<ModalProps, "size" | "zIndex" | "closeOnClickOutside" | "withCloseButton"> {
  title: string;
  /** The ID of the subject, which ends the title. */
  of?: string;
  onClose: () => void;
  /** Changes when the dialog shows something else, so that the focus starts again. */
  shows?: unknown;
  children: ReactNode;
}

/** The open dialogs, the topmost last. */
const open: Held[] = [];

/** The initial focus: the element that the dialog marks, the first field, or the first button. */
const starts = [
  "[data-autofocus]",
  "input:not([type=hidden], [type=file], :disabled), textarea:not(:disabled)",
  "button:not(:disabled)",
];

/**
 * A dialog. The focus starts at its first field and returns to what opened the dialog. It is
 * not closed while its form is saving, and asks first if it has unsaved changes.
 */
export function Dialog({ title, of, onClose, shows, children, ...modal }: Props) {
  const [held] = useState<Held>(() => ({ unsaved: false, busy: false }));
  useTitle(of ? `${title} ${of}` : title);
  useEffect(() => {
    const opener = document.activeElement;
    open.push(held);
    return () => {
      open.splice(open.indexOf(held), 1);
      const content = document.getElementById("content");
      if (document.activeElement !== document.body && document.activeElement !== content) return;
      const back = opener instanceof HTMLElement && opener.isConnected && opener !== document.body ? opener : content;
      back?.focus({ preventScroll: true });
    };
  }, [held]);
  const close = () => {
    // The dialogs below receive Escape too.
    if (open.at(-1) !== held || held.busy) return;
    if (held.unsaved) ask(onClose);
    else onClose();
  };
  return (
    <Modal
      opened
      onClose={close}
      returnFocus={false}
      title={
        of ? (
          <>
            {title} <span className="mono">{of}</span>
          </>
        ) : (
          title
        )
      }
      {...modal}
    >
      <HeldContext value={held}>
        <Body shows={shows}>{children}</Body>
      </HeldContext>
    </Modal>
  );
}

function Body({ shows, children }: { shows: unknown; children: ReactNode }) {
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const start = starts.map((s) => body.current?.querySelector<HTMLElement>(s)).find(Boolean);
    if (!start) return;
    // Mantine looks for this attribute a moment later, and would otherwise focus its Close button.
    start.dataset.autofocus = "";
    start.focus({ preventScroll: true });
  }, [shows]);
  return (
    <div ref={body} className="dialog-body">
      {children}
    </div>
  );
}
