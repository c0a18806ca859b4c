import { existsSync } from "node:fs";
import path from "node:path";
import { defineConfig } from "vitepress";

const root = path.resolve(import.meta.dirname, "../../..");
const docs = path.join(root, "docs");
const repository = "https://github.com/keyward/keyward/blob/main/";

/** Links that leave docs/ go to the repository. A missing target fails the build. */
function outside(href: string, page: string): string | undefined {
  if (/^([a-z]+:|#|\/)/.test(href)) return undefined;
  const [file = "", anchor] = href.split("#");
  const target = path.resolve(path.dirname(page), decodeURI(file));
  if (target.startsWith(docs + path.sep) && target.endsWith(".md")) return undefined;
  if (!existsSync(target)) throw new Error(`${path.relative(root, page)}: dead link ${href}`);
  return repository + path.relative(root, target) + (anchor ? `#${anchor}` : "");
}

export default defineConfig({
  title: "Keyward",
  description: "Keys that a platform shares with its partners, and the payload encryption that they need",
  lang: "en-US",
  srcDir: "../../docs",
  rewrites: { "README.md": "index.md" },
  outDir: "dist",
  cacheDir: "node_modules/.vitepress",
  cleanUrls: false,
  lastUpdated: false,
  // The pages need no network: the font of the theme is the system's.
  vite: {
    // The pages are outside of this folder, so their imports are resolved from here.
    resolve: { alias: [{ find: /^vue(\/server-renderer)?$/, replacement: `${import.meta.dirname}/../node_modules/vue$1` }] },
  },
  markdown: {
    config(md) {
      const open = md.renderer.rules.link_open ?? ((tokens, i, options, _env, self) => self.renderToken(tokens, i, options));
      md.core.ruler.push("links-outside", (state) => {
        const page = (state.env as { realPath?: string; path: string }).realPath ?? (state.env as { path: string }).path;
        for (const block of state.tokens) {
          for (const token of block.children ?? []) {
            const href = token.type === "link_open" ? token.attrGet("href") : null;
            const to = href === null ? undefined : outside(href, page);
            if (to !== undefined) token.attrSet("href", to);
          }
        }
      });
      md.renderer.rules.link_open = open;
    },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    socialLinks: [{ icon: "github", link: "https://github.com/keyward/keyward" }],
    sidebar: [
      { text: "Start", items: [
        { text: "Overview", link: "/" },
        { text: "Concepts", link: "/concepts" },
        { text: "A longer tour", link: "/tour" },
        { text: "Glossary", link: "/glossary" },
      ] },
    ],
  },
});
