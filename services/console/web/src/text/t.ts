// All strings of the page, by ID. They are in en.json, in the ICU message format: plurals, numbers, and tags are part
// of a message, so that a translation can order them differently.
import type { MessageFormatElement } from "@formatjs/icu-messageformat-parser";
import { IntlMessageFormat } from "intl-messageformat";
import { Children, createElement, type ReactNode } from "react";
import en from "./en.json";

export type TextId = keyof typeof en;

/** The locale for messages, numbers, and dates. */
export const locale = "en";

/** The locale of dates: the day precedes the month, which is a word. */
export const dateLocale = "en-GB";

const numbers = new Intl.NumberFormat(locale);

/** Formats a number for display. */
export const number = (value: number): string => numbers.format(value);

type Values = Record<string, string | number | bigint | undefined>;
type RichValues = Record<string, ReactNode | ((children: ReactNode) => ReactNode)>;

// The build compiles each message that has parameters or tags; see `texts` in vite.config.ts.
const texts = en as Record<TextId, string | MessageFormatElement[]>;

const formats = new Map<TextId, IntlMessageFormat>();

function formatOf(id: TextId, text: MessageFormatElement[]): IntlMessageFormat {
  const found = formats.get(id) ?? new IntlMessageFormat(text, locale);
  formats.set(id, found);
  return found;
}

/** Returns the message with an ID, with its parameters filled in. */
export function t(id: TextId, values?: Values): string {
  const text = texts[id];
  return typeof text === "string" ? text : String(formatOf(id, text).format(values));
}

const tags: RichValues = {
  b: (children) => createElement("b", null, children),
  code: (children) => createElement("code", null, children),
};

/** Returns a message that contains elements: parameters that are elements, and a function for each tag. */
export function rich(id: TextId, values?: RichValues): ReactNode {
  const text = texts[id];
  if (typeof text === "string") return text;
  return Children.toArray(formatOf(id, text).format<ReactNode>({ ...tags, ...values } as Record<string, string>));
}

/** Whether a message with this ID exists, for IDs that are derived from values of the API. */
export const hasText = (id: string): id is TextId => id in texts;
