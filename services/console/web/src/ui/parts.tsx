import type { ReactNode } from "react";
import { InfoIcon } from "./icons";
import { t } from "../text/t";
import { byName } from "./order";

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

/** A short word with a color. The color never carries information that the word does not. */
export function Tag({ tone = "quiet", icon, children }: { tone?: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={`tag ${tone}`}>
      {icon}
      {children}
    </span>
  );
}

/** The placeholder of an empty list, with a suggested action. `whole`: it is the entire page. */
export function Empty({
  icon,
  title,
  children,
  action,
  whole,
}: {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  whole?: boolean;
}) {
  const Heading = whole ? "h1" : "h2";
  return (
    <div className="empty">
      <div className="empty-icon">{icon}</div>
      <Heading>{title}</Heading>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** A notice that is not an error. */
export function Notice({
  tone = "info",
  icon,
  title,
  children,
  action,
}: {
  tone?: Tone;
  icon?: ReactNode;
  title?: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={`notice ${tone}`}>
      {icon ?? <InfoIcon size={18} />}
      <div className="notice-body">
        {title && <strong>{title}</strong>}
        {children}
      </div>
      {action}
    </div>
  );
}

/** A long text on one line, in full on hover and focus. */
export function Ellipsis({
  text,
  mono,
  hint,
  empty = "–",
}: {
  text: string | undefined;
  mono?: boolean;
  hint?: string;
  empty?: string;
}) {
  if (!text) return <span className="dimmed">{empty}</span>;
  return (
    <span
      className={mono ? "ellipsis mono" : "ellipsis"}
      dir="auto"
      data-hint={hint ?? text}
      data-hint-clipped={hint ? undefined : ""}
    >
      {text}
    </span>
  );
}

/** One line in a list of facts. */
export function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A section of a page with a heading. */
export function Card({
  title,
  words,
  action,
  children,
  id,
}: {
  title?: string;
  words?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="card" id={id} aria-label={title}>
      {title && (
        <header className="card-head">
          <div>
            <h2>{title}</h2>
            {words && <p className="dimmed">{words}</p>}
          </div>
          {action}
        </header>
      )}
      <div className="card-body">{children}</div>
    </section>
  );
}

export function Labels({ labels }: { labels: Record<string, string> | undefined }) {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => byName(a, b));
  if (entries.length === 0) return <span className="dimmed">{t("ui.none")}</span>;
  return (
    <span className="label-list">
      {entries.map(([key, value]) => (
        <span key={key} className="label">
          <span>{key}</span>
          {value && <b>{value}</b>}
        </span>
      ))}
    </span>
  );
}
