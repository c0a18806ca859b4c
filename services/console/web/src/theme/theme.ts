import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const keyward: MantineColorsTuple = [
  "#e9f7f5", "#d2ebe8", "#a5d8d2", "#73c3bb", "#4bb1a8", "#2fa39a", "#1a8f87", "#0b6e69", "#085a56", "#064743",
];

// Neutrals with a little blue in them, from text to page.
const dark: MantineColorsTuple = [
  "#e6eaee", "#c3cad2", "#97a3af", "#5f6b78", "#36404a", "#2a323a", "#1c2229", "#14191e", "#0f1317", "#0a0d10",
];

const red: MantineColorsTuple = [
  "#fdeceb", "#fad7d4", "#f5aea8", "#ef8279", "#e75f54", "#dd463a", "#cc3529", "#b3261e", "#921d17", "#731611",
];

const gray: MantineColorsTuple = [
  "#f7f9fa", "#eff2f4", "#e3e8ec", "#d3dae0", "#b6c0c9", "#8b97a3", "#66727e", "#4a5560", "#2f3841", "#171c21",
];

/** The look of the page, in Mantine's terms. */
export const theme = createTheme({
  colors: { keyward, dark, gray, red },
  primaryColor: "keyward",
  primaryShade: 7,
  black: "#171c21",
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: '"Inter Variable", ui-sans-serif, system-ui, sans-serif',
  fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  headings: { fontWeight: "620", sizes: { h1: { fontSize: "1.5rem", lineHeight: "1.3" }, h2: { fontSize: "1.125rem", lineHeight: "1.4" }, h3: { fontSize: "0.95rem", lineHeight: "1.4" } } },
  fontSizes: { xs: "0.75rem", sm: "0.8438rem", md: "0.9375rem", lg: "1.0625rem", xl: "1.25rem" },
  radius: { xs: "3px", sm: "5px", md: "8px", lg: "12px", xl: "20px" },
  shadows: {
    xs: "0 1px 2px rgb(15 25 35 / 6%)",
    sm: "0 1px 3px rgb(15 25 35 / 8%), 0 1px 2px rgb(15 25 35 / 4%)",
    md: "0 6px 20px rgb(15 25 35 / 10%), 0 2px 6px rgb(15 25 35 / 6%)",
    lg: "0 12px 32px rgb(15 25 35 / 14%), 0 4px 10px rgb(15 25 35 / 8%)",
    xl: "0 20px 60px rgb(15 25 35 / 22%)",
  },
});

/** What Mantine's own colours lack in contrast for WCAG AA, and the page's own names. */
export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-text": "#171c21",
    "--mantine-color-dimmed": "#56626e",
    "--mantine-color-placeholder": "#67737f",
    "--mantine-color-error": "#b3261e",
    "--mantine-color-default-border": "#d3dae0",
    "--mantine-color-anchor": "#0a6660",
    "--kw-page": "#f6f8f9",
    "--kw-surface": "#ffffff",
    "--kw-sunken": "#f3f6f7",
    "--kw-hover": "#f1f5f5",
    "--kw-line": "#e3e8ec",
    "--kw-good": "#0f6b3d",
    "--kw-good-soft": "#e3f4ea",
    "--kw-warn": "#8a4b00",
    "--kw-warn-soft": "#fdf1df",
    "--kw-bad": "#b3261e",
    "--kw-bad-soft": "#fdebe9",
    "--kw-info": "#0a6660",
    "--kw-info-soft": "#e3f3f1",
    "--kw-quiet": "#4a5560",
    "--kw-quiet-soft": "#edf1f3",
  },
  dark: {
    "--mantine-color-body": "#14191e",
    "--mantine-color-text": "#e6eaee",
    "--mantine-color-dimmed": "#9aa6b2",
    "--mantine-color-placeholder": "#8d99a5",
    "--mantine-primary-color-filled": "#137f78",
    "--mantine-primary-color-filled-hover": "#0f716b",
    "--mantine-color-keyward-filled": "#137f78",
    "--mantine-color-keyward-filled-hover": "#0f716b",
    "--mantine-color-red-filled": "#c9372c",
    "--mantine-color-red-filled-hover": "#b93026",
    "--mantine-color-red-light-color": "#ff9d94",
    "--mantine-primary-color-light-color": "#7ed0c8",
    "--mantine-color-keyward-light-color": "#7ed0c8",
    "--mantine-color-error": "#ff9d94",
    "--mantine-color-default": "#1a2026",
    "--mantine-color-default-hover": "#222930",
    "--mantine-color-default-border": "#343d47",
    "--mantine-color-anchor": "#73c9c1",
    "--kw-page": "#0e1215",
    "--kw-surface": "#14191e",
    "--kw-sunken": "#10151a",
    "--kw-hover": "#1a2127",
    "--kw-line": "#262e36",
    "--kw-good": "#7ed9a4",
    "--kw-good-soft": "#12301f",
    "--kw-warn": "#f3bd6b",
    "--kw-warn-soft": "#34260d",
    "--kw-bad": "#ff9d94",
    "--kw-bad-soft": "#3b1917",
    "--kw-info": "#7ed0c8",
    "--kw-info-soft": "#10302e",
    "--kw-quiet": "#b4bec8",
    "--kw-quiet-soft": "#222930",
  },
});
