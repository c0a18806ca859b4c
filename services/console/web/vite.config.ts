import path from "node:path";
import { parse } from "@formatjs/icu-messageformat-parser";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { variables } from "./src/theme/variables.ts";

/**
 * Writes the variables of the theme as a style sheet at build time. Mantine would put them into a style element when
 * the page runs, which the page's content security policy does not allow.
 */
function themeVariables(): Plugin {
  const id = "virtual:theme-variables.css";
  return {
    name: "theme-variables",
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load: (resolved) => (resolved === `\0${id}` ? variables() : undefined),
  };
}

/** Leaves out modules that Mantine imports whether or not they are used, which are 10 kB compressed. */
function withoutUnused(): Plugin {
  const plain = path.resolve(import.meta.dirname, "src/theme/plain.tsx");
  return {
    name: "without-unused",
    enforce: "pre",
    resolveId: (source, importer) =>
      importer?.includes("/@mantine/core/") &&
      /(ScrollArea\/ScrollArea\.mjs|use-pills-reorder\.mjs|^react-remove-scroll)$/.test(source)
        ? plain
        : undefined,
  };
}

/**
 * Writes the shape of the API, which is only data, as a JSON file, and replaces it with its URL; see src/shape/load.ts.
 * As a script, it would be parsed as code.
 */
function shapeAsData(): Plugin {
  return {
    name: "shape-as-data",
    apply: "build",
    enforce: "pre", // before types are removed
    transform(code, id) {
      if (!id.endsWith("/src/gen/shape.ts")) return undefined;
      const data = code.slice(code.indexOf("{", code.indexOf("export const shape")), code.lastIndexOf("}") + 1);
      const file = this.emitFile({ type: "asset", name: "shape.json", source: JSON.stringify(JSON.parse(data)) });
      return { code: `export const shape = { source: import.meta.ROLLUP_FILE_URL_${file} };`, map: null };
    },
  };
}

/**
 * Compiles the messages that have parameters or tags, so that the page needs no parser for them. The others stay
 * unchanged.
 */
function texts(): Plugin {
  const parser = "@formatjs/icu-messageformat-parser";
  const compile = (text: string) => (/[{<]/.test(text) ? parse(text) : text);
  return {
    name: "texts",
    enforce: "pre", // before the JSON becomes a module
    resolveId(source, importer) {
      if (source !== parser || !importer?.includes("/intl-messageformat/")) return undefined;
      return this.resolve(`${parser}/no-parser.js`, importer);
    },
    transform(code, id) {
      if (!/\/src\/text\/\w+\.json$/.test(id)) return undefined;
      const found = Object.entries(JSON.parse(code) as Record<string, string>);
      return { code: JSON.stringify(Object.fromEntries(found.map(([key, text]) => [key, compile(text)]))), map: null };
    },
  };
}

export default defineConfig({
  plugins: [withoutUnused(), texts(), react(), themeVariables(), shapeAsData()],
  build: {
    // The folder also contains the page that is served if nothing was built.
    emptyOutDir: false,
    // The policy does not allow a source that is embedded in the page as a data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    cssTarget: ["chrome123", "firefox128", "safari17.5"],
    reportCompressedSize: false,
  },
  test: { include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
