import { existsSync } from "node:fs";
import path from "node:path";
import { defineConfig } from "vitepress";

const root = path.resolve(import.meta.dirname, "../../..");
const docs = path.join(root, "docs");
const rewrites: Record<string, string> = { "README.md": "index.md", "adr/README.md": "adr/index.md", "presets/README.md": "presets/index.md" };
const repository = "https://github.com/keyward/keyward/blob/main/";

/**
 * Returns where a link leads on the site if that differs from the file: links that leave docs/ go to
 * the repository, and a README.md is the index of its folder. A missing target fails the build.
 */
function onSite(href: string, from: string): string | undefined {
  if (/^([a-z]+:|#|\/)/.test(href)) return undefined;
  const [file = "", anchor] = href.split("#");
  const target = path.resolve(path.dirname(from), decodeURI(file));
  if (!existsSync(target)) throw new Error(`${path.relative(root, from)}: dead link ${href}`);
  const hash = anchor ? `#${anchor}` : "";
  const page = path.relative(docs, target);
  if (page.startsWith("..") || !page.endsWith(".md")) return repository + path.relative(root, target) + hash;
  const address = rewrites[page];
  return address ? `/${address}${hash}` : undefined;
}

/** A group of the sidebar. The theme does not check these links, so a missing page fails here. */
function section(text: string, pages: Record<string, string>) {
  const items = Object.entries(pages).map(([title, link]) => {
    const file = link.endsWith("/") ? `${link}README.md` : `${link}.md`;
    if (!existsSync(path.join(docs, file))) throw new Error(`the sidebar links to ${link}, which does not exist`);
    return { text: title, link };
  });
  return { text, items };
}

export default defineConfig({
  title: "Keyward",
  description: "Keys that a platform shares with its partners, and the payload encryption that they need",
  lang: "en-US",
  srcDir: "../../docs",
  rewrites,
  outDir: "dist",
  cacheDir: "node_modules/.vitepress",
  cleanUrls: false,
  lastUpdated: false,
  vite: {
    // The pages are outside of this folder, so their imports are resolved from here.
    resolve: { alias: [{ find: /^vue(\/server-renderer)?$/, replacement: `${import.meta.dirname}/../node_modules/vue$1` }] },
  },
  markdown: {
    config(md) {
      md.core.ruler.push("links-of-the-site", (state) => {
        const page = (state.env as { realPath?: string; path: string }).realPath ?? (state.env as { path: string }).path;
        for (const block of state.tokens) {
          for (const token of block.children ?? []) {
            const href = token.type === "link_open" ? token.attrGet("href") : null;
            const to = href === null ? undefined : onSite(href, page);
            if (to !== undefined) token.attrSet("href", to);
          }
        }
      });
    },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    socialLinks: [{ icon: "github", link: "https://github.com/keyward/keyward" }],
    sidebar: [
      section("Learn", { Overview: "/", Concepts: "/concepts", "A longer tour": "/tour", Glossary: "/glossary" }),
      section("Use", {
        "API and Go client": "/api", Messages: "/messages", "Partner presets": "/presets/", "Sealed values": "/sealed-values", "The console": "/console",
      }),
      section("Run", {
        Installation: "/install", Configuration: "/configuration", "Roles and policy": "/access", "Sign-in: Microsoft Entra": "/identity/entra",
        "Sign-in: Okta": "/identity/okta", "Sign-in: Keycloak": "/identity/keycloak", "Sign-in: other providers": "/identity/openid",
        Operations: "/operations", Performance: "/performance",
      }),
      section("Judge and change", {
        "Security model": "/security", "Threat model": "/threat-model", Architecture: "/architecture", Testing: "/testing", Decisions: "/adr/", Releasing: "/releasing",
      }),
    ],
  },
});
