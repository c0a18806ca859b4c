// The lint rules of the console. Prettier decides about layout, so no rule here does.
import { createNodeResolver, importX } from "eslint-plugin-import-x";
import jsxA11y from "eslint-plugin-jsx-a11y";
import lingui from "eslint-plugin-lingui";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** Strings that are not UI text. UI text starts with a capital letter or contains a space. */
const noText = [
  "^(?![A-Z])\\S*$",
  "^[A-Z0-9_.:/-]+$",
  "^(SHA|AES|RSA|HMAC|HPKE|X)[-A-Za-z0-9]+$", // algorithms and header names
  "^(Bearer|input:|keyward sealed)", // protocols and selectors
  "^(Keyward|Go|Java|Node\\.js|Python|Bash|OpenPGP|JWE|MIME|RSA PKCS #1 v1\\.5|PKCS #\\S+( v1\\.5)?| DES)", // proper names
  "^(Cipher|SharedKey|SessionKey|Jose|Iv|Salt|Algorithm|Encryption|Profile\\.kind)$", // messages of the proto
];

/** Names whose strings are not UI text. */
const codeNames = [{ regex: { pattern: "^(className|classNames|style|styles|variant|color|position|justify)$" } }];

/** Tests read API responses, whose JSON has no types, and pass methods of the browser around. */
const inTests = {
  "@typescript-eslint/unbound-method": "off",
  "@typescript-eslint/no-unsafe-assignment": "off",
  "@typescript-eslint/no-unsafe-member-access": "off",
};

export default defineConfig(
  { ignores: ["dist/", "src/gen/", "e2e/screenshots/", "public/", "tools/", "*.js", "**/*.mjs"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  tseslint.configs.recommendedTypeChecked,
  {
    rules: {
      // Values in the API's JSON have no types and are strings or numbers.
      "@typescript-eslint/no-base-to-string": "off",
    },
  },
  { files: ["e2e/**"], rules: inTests },
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    files: ["src/**/*.{ts,tsx}"],
    extends: [jsxA11y.flatConfigs.recommended, importX.flatConfigs.typescript],
    plugins: { "import-x": importX, "react-hooks": reactHooks },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".tsx", ".d.ts", ".js"] })] },
    rules: {
      "import-x/no-cycle": ["error", { ignoreExternal: true }],
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      // A press that opens a field moves the focus to it.
      "jsx-a11y/no-autofocus": "off",
      // Scrollable areas must be reachable by keyboard.
      "jsx-a11y/no-noninteractive-tabindex": "off",
      "jsx-a11y/label-has-associated-control": ["error", { controlComponents: ["Radio"] }],
    },
  },
  {
    // UI strings belong in src/text/en.json.
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["**/*.test.ts", "src/theme/**"],
    plugins: { lingui },
    rules: {
      "lingui/no-unlocalized-strings": [
        "error",
        {
          ignore: noText,
          ignoreNames: codeNames,
          ignoreFunctions: [
            "t",
            "rich",
            "Error",
            "RegExp",
            "fetch",
            "*.querySelector",
            "*.querySelectorAll",
            "*.closest",
            "*.matches",
          ],
        },
      ],
    },
  },
);
