import {
  convertCssVariables,
  deepMerge,
  defaultCssVariablesResolver,
  DEFAULT_THEME,
  mergeMantineTheme,
} from "@mantine/core";
import { resolver, theme } from "./theme.ts";

/** The theme's variables as a style sheet. Runs when the page is built, not in it. */
export function variables(): string {
  const merged = mergeMantineTheme(DEFAULT_THEME, theme);
  return convertCssVariables(deepMerge(defaultCssVariablesResolver(merged), resolver(merged)));
}
