import {
  convertCssVariables,
  deepMerge,
  defaultCssVariablesResolver,
  DEFAULT_THEME,
  mergeMantineTheme,
} from "@mantine/core";
import { resolver, theme } from "./theme.ts";

/** The theme's variables as a style sheet. Runs in the build of the page, not in the page. */
export function variables(): string {
  const merged = mergeMantineTheme(DEFAULT_THEME, theme);
  return convertCssVariables(deepMerge(defaultCssVariablesResolver(merged), resolver(merged)));
}
