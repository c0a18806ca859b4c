// All text of the page, by id. The texts are in en.json, written in the message format of ICU:
// plurals, numbers and tags are part of a text, so that a translation can order them its own way.
import type { MessageFormatElement } from "@formatjs/icu-messageformat-parser";
import { IntlMessageFormat } from "intl-messageformat";
import { Children, createElement, type ReactNode } from "react";
import en from "./en.json";

export type TextId = keyof typeof en;

/** The locale that texts, numbers and dates are formatted for. */
export const locale = "en";

/** The locale of dates: the day comes before the month, which is a word. */
export const dateLocale = "en-GB";

const numbers = new Intl.NumberFormat(locale);

/** Writes a number as people read it. */
export const number = (value: number): string => numbers.format(value);

type Values = Record<string, string | number | bigint | undefined>;
type RichValues = Record<string, ReactNode | ((children: ReactNode) => ReactNode)>;

// The build compiles each text that has parameters or tags; see `texts` in vite.config.ts.
const texts = en as Record<TextId, string | MessageFormatElement[]>;

const formats = new Map<TextId, IntlMessageFormat>();

function formatOf(id: TextId, text: MessageFormatElement[]): IntlMessageFormat {
  const found = formats.get(id) ?? new IntlMessageFormat(text, locale);
  formats.set(id, found);
  return found;
}

/** Returns the text of an id, with its parameters filled in. */
export function t(id: TextId, values?: Values): string {
  const text = texts[id];
  return typeof text === "string" ? text : String(formatOf(id, text).format(values));
}

const tags: RichValues = {
  b: (children) => createElement("b", null, children),
  code: (children) => createElement("code", null, children),
};

/** Returns a text with elements in it: parameters that are elements, and a function for each tag. */
export function rich(id: TextId, values?: RichValues): ReactNode {
  const text = texts[id];
  if (typeof text === "string") return text;
  return Children.toArray(formatOf(id, text).format<ReactNode>({ ...tags, ...values } as Record<string, string>));
}

/** Whether there is a text of this id, for ids that are made from values of the API. */
export const hasText = (id: string): id is TextId => id in texts;
